"""The mouth: lips, teeth, and the shadows that the lips cast."""

from __future__ import annotations

import numpy as np

from data.drawn.canvas import Box, Canvas, Plane, hill, noise, soft
from data.drawn.expression import Expression, lip_lines
from data.drawn.head import SHADOW
from data.drawn.identity import Identity
from data.drawn.palette import Colour


def mouth(canvas: Canvas, face: Identity, e: Expression) -> None:
    """Paint the mouth over the skin."""
    box = canvas.box(0.0, e.mouth_y + 0.03, 0.52, 0.26)
    u, v = canvas.u[box], canvas.v[box]
    m = u / e.half_width
    top, edge, lower, bottom = lip_lines(e, m)
    within = soft((np.abs(m) - 1.0) * e.half_width, 1.5 * canvas.px)
    _around(canvas, e, box, u, v, top, bottom)
    lift = 0.10 + 0.10 * noise(u * 30.0, v * 3.0)
    blur = 2.0 * canvas.px
    ul = np.clip((v - top) / np.maximum(edge - top, 1e-3), 0.0, 1.0)
    upper_cover = within * soft(np.maximum(top - v, v - edge), blur)
    _lip(canvas, face, box, 0.80 - 0.30 * ul + 0.3 * lift * (1 - ul), upper_cover)
    ll = np.clip((v - lower) / np.maximum(bottom - lower, 1e-3), 0.0, 1.0)
    gloss = hill((ll - 0.36) / 0.26) * hill(m / 0.55) * (1.0 + lift)
    _lip(
        canvas,
        face,
        box,
        0.90 + 0.26 * gloss - 0.26 * ll * ll,
        within * soft(np.maximum(lower - v, v - bottom), blur),
    )
    if e.gape > 0.002:
        _inside(canvas, face, e, box, u, v, edge, lower, within)
    seam = hill((v - 0.5 * (edge + lower)) / 0.008) * (1.0 - min(1.0, e.gape / 0.03))
    rims = (hill((v - edge) / 0.007) + 0.35 * hill((v - lower) / 0.006)) * min(1.0, e.gape / 0.03)
    canvas.tint(box, (0.26, 0.13, 0.13), 0.80 * within * np.minimum(seam + 0.6 * rims, 1.0))
    corner_x, corner_y = e.corner
    dent = np.hypot((np.abs(u) - corner_x) / 0.022, (v - corner_y) / 0.018)
    canvas.tint(box, SHADOW, 0.62 * hill(dent))


def _around(canvas: Canvas, e: Expression, box: Box, u: Plane, v: Plane, top: Plane, bottom: Plane) -> None:
    """Shadow below the lower lip, the groove above the upper one, and folds that drop from stern corners."""
    below = v - bottom
    canvas.tint(box, SHADOW, 0.42 * hill((below - 0.022) / 0.026) * hill(u / (0.62 * e.half_width)))
    canvas.tint(box, (1.06, 1.05, 1.05), hill((v - top + 0.008) / 0.007) * hill(u / (0.5 * e.half_width)))
    canvas.tint(box, SHADOW, 0.26 * hill(u / 0.020) * soft(np.abs(v - top + 0.045) - 0.028, 0.02))
    corner_x, corner_y = e.corner
    fall = v - corner_y
    fold = hill((np.abs(u) - corner_x - 0.012 - 0.22 * fall) / 0.014) * soft(np.abs(fall - 0.05) - 0.03, 0.03)
    canvas.tint(box, SHADOW, 0.50 * min(e.grim, 1.0) * fold)


def _lip(canvas: Canvas, face: Identity, box: Box, light: Plane, cover: Plane) -> None:
    key = 0.86 + 0.18 * face.light[2]
    lit = [face.lips[c] ** 2 * face.light_colour[c] * np.maximum(light * key, 0.05) ** 1.25 for c in range(3)]
    canvas.paint(box, np.stack(lit), 0.92 * cover)


def _inside(
    canvas: Canvas,
    face: Identity,
    e: Expression,
    box: Box,
    u: Plane,
    v: Plane,
    edge: Plane,
    lower: Plane,
    within: Plane,
) -> None:
    """The dark of the mouth, the tongue's glow and the upper teeth."""
    opening = within * soft(np.maximum(edge - v, v - lower), 1.5 * canvas.px)
    dark: Colour = (0.22, 0.08, 0.08)
    canvas.paint(box, dark, opening)
    canvas.paint(box, (0.56, 0.25, 0.25), 0.55 * opening * hill((v - lower) / 0.024) * hill(u / (0.5 * e.half_width)))
    arch = np.clip(1.0 - (u / (1.02 * e.half_width)) ** 2, 0.0, 1.0)
    row = edge + 0.086 * arch**0.6  # lower rim of the upper teeth
    across = np.arcsin(np.clip(u / 0.36, -1.0, 1.0)) / 0.165  # one tooth per unit, narrowing around the arch
    gap = np.abs(across - np.round(across))
    row = row - 0.010 * hill(gap / 0.16)
    shade = (0.66 + 0.4 * face.ambient - 0.45 * (u / e.half_width) ** 4) * (1.0 - 0.34 * soft(v - edge - 0.008, 0.014))
    shade = shade * (1.0 - 0.13 * hill(gap / 0.09))
    yellow = 0.05 * face.lines
    ivory: Colour = (0.955, 0.935 - 0.5 * yellow, 0.895 - yellow)
    teeth = opening * soft(v - row, 1.5 * canvas.px) * soft(np.abs(u) - 0.90 * e.half_width, 0.03)
    canvas.paint(box, np.stack([shade * c * c for c in ivory]), teeth)
