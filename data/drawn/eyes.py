"""Eyes and brows."""

from __future__ import annotations

import numpy as np

from data.drawn.canvas import Box, Canvas, Plane, hill, noise, soft
from data.drawn.expression import Expression
from data.drawn.head import SHADOW
from data.drawn.identity import Identity
from data.drawn.palette import Colour, mix

EYE_Y = -0.18
_HALF_WIDTH = 0.124
_IRIS = 0.056


def eyes(canvas: Canvas, face: Identity, e: Expression) -> None:
    """Both eyes: socket shadow, eyeball, iris, lids and lashes."""
    for side in (-1.0, 1.0):
        _eye(canvas, face, e, side)


def _eye(canvas: Canvas, face: Identity, e: Expression, side: float) -> None:
    wide = _HALF_WIDTH * face.eye_size
    x0 = side * 0.285 * face.eye_spacing
    box = canvas.box(x0, EYE_Y, 0.26, 0.20)
    u, v = canvas.u[box] - x0, canvas.v[box] - EYE_Y
    t = u * side / wide  # -1 at the inner corner, 1 at the outer
    inside = np.clip(1.0 - t * t, 0.0, 1.0)
    line = -face.eye_tilt * wide * t  # through the two corners
    root = np.sqrt(inside)
    upper = line - 0.066 * face.eye_size * face.eye_open * e.upper_lid * (0.62 * root + 0.38 * inside * (1.0 - 0.2 * t))
    lower = line + 0.040 * face.eye_size * (1.0 - e.lower_lid) * (0.5 * root + 0.5 * inside * (1.0 + 0.2 * t))
    _lids(canvas, face, e, box, t, v, upper, lower)
    open_ = soft(np.maximum(upper - v, v - lower), 1.2 * canvas.px) * (np.abs(t) < 1.0)
    _eyeball(canvas, face, box, u, v, t, upper, open_)
    _lashes(canvas, face, box, t, v, upper, lower)


def _lids(
    canvas: Canvas, face: Identity, e: Expression, box: Box, t: Plane, v: Plane, upper: Plane, lower: Plane
) -> None:
    """The shading around the opening: socket, crease, the pouch that a smile pushes up, crow's feet."""
    near = hill(t / 1.35)
    canvas.tint(box, SHADOW, 0.30 * hill((t + 0.95) / 0.55) * hill((v + 0.035) / 0.07))  # beside the nose
    canvas.tint(box, SHADOW, (0.13 + 0.10 * face.femininity) * near * hill((v - upper + 0.03) / 0.045))
    crease = upper - (0.030 + 0.012 * face.eyelid_crease)
    canvas.tint(box, SHADOW, 0.55 * face.eyelid_crease * hill(t / 1.0) * hill((v - crease) / 0.010))
    pouch = lower + 0.034 - 0.004 * e.joy
    bag = 0.16 + 0.32 * face.lines + 0.38 * e.joy
    canvas.tint(box, SHADOW, bag * hill((t + 0.05) / 0.95) * hill((v - pouch) / 0.013))
    canvas.tint(box, (1.10, 1.08, 1.06), (0.5 + 0.8 * e.joy) * near * hill((v - lower - 0.017) / 0.011))
    feet = (0.15 + face.lines) * (0.25 + 1.1 * e.joy)
    for slope in (-0.45, 0.0, 0.45):
        ray = v + 0.01 - slope * (t - 1.1) * 0.10
        canvas.tint(box, SHADOW, min(0.55, 0.42 * feet) * hill(ray / 0.006) * hill((t - 1.42) / 0.22))


def _eyeball(
    canvas: Canvas, face: Identity, box: Box, u: Plane, v: Plane, t: Plane, upper: Plane, cover: Plane
) -> None:
    """White, iris, pupil and catch-light, in the shadow of the upper lid."""
    lid_shade = 1.0 - 0.50 * soft(v - upper - 0.014, 0.018)
    round_ = (1.0 - 0.28 * t * t) * lid_shade * (0.70 + 0.2 * face.ambient - 0.10 * face.skin_depth)
    white: Colour = (0.93, 0.90, 0.88)
    canvas.paint(box, np.stack([round_ * c * c for c in white]), cover)
    canvas.paint(box, mix(face.skin, (0.75, 0.38, 0.36), 0.6), cover * 0.6 * hill((t + 1.0) / 0.16))  # tear duct
    gaze_x, gaze_y = -0.10 * face.yaw, -0.012
    radius = _IRIS * face.eye_size
    r = np.hypot(u - gaze_x, v - gaze_y) / radius
    lower_glow = np.clip(0.85 + 0.5 * (v - gaze_y) / radius - 0.25 * u / radius * face.light[0], 0.35, 1.6)
    spokes = 1.0 + 0.10 * noise(np.arctan2(v - gaze_y, u - gaze_x) * 5.0, r * 0.5)
    ring = (1.0 - 0.72 * soft(0.88 - r, 0.16)) * lower_glow * spokes * lid_shade * 1.25
    canvas.paint(
        box,
        np.stack([ring * c * c for c in face.iris_colour]),
        cover * soft((r - 1.0) * radius, 1.2 * canvas.px),
    )
    canvas.paint(box, (0.04, 0.03, 0.03), cover * soft((r - 0.42) * radius, 1.2 * canvas.px))
    spark_x, spark_y = gaze_x + 0.40 * radius * (1.0 if face.light[0] > 0 else -1.0), gaze_y - 0.38 * radius
    spark = soft(np.hypot(u - spark_x, v - spark_y) - 0.24 * radius, 1.5 * canvas.px)
    canvas.paint(box, (1.0, 1.0, 0.98), 0.92 * cover * spark)


def _lashes(canvas: Canvas, face: Identity, box: Box, t: Plane, v: Plane, upper: Plane, lower: Plane) -> None:
    """The dark upper lid line, thickening outwards, and a faint lower one."""
    ink: Colour = (0.11, 0.07, 0.07)
    ends = soft(np.abs(t) - 1.03, 0.07)
    thick = 0.007 + 0.006 * face.lashes * (1.0 + 0.6 * np.clip(t, -1.0, 1.0))
    canvas.paint(box, ink, 0.92 * ends * soft(np.abs(v - upper + 0.4 * thick) - thick, 1.5 * canvas.px))
    flick = v - upper + 0.012 + 0.05 * (t - 1.0)
    canvas.paint(box, ink, 0.75 * face.lashes * soft(np.abs(t - 1.06) - 0.12, 0.06) * hill(flick / 0.009))
    rim = mix(mix(face.skin, (0.6, 0.3, 0.28), 0.35), ink, 0.45 + 0.2 * face.lashes)
    canvas.paint(box, rim, 0.62 * ends * hill((v - lower - 0.003) / 0.007))


def brows(canvas: Canvas, face: Identity, e: Expression) -> None:
    """Two brows, tapering outwards, of single hairs; a stern face lowers them and draws them together."""
    ink = mix(mix(face.hair, (0.13, 0.09, 0.08), 0.6), face.skin, 0.05)
    for side in (-1.0, 1.0):
        x0 = side * 0.295 * face.eye_spacing
        y0 = EYE_Y - 0.150 - face.brow_height + e.brow_drop - 0.02 * (face.eye_open - 1.0)
        box = canvas.box(x0, y0, 0.24, 0.12)
        u, v = (canvas.u[box] - x0) * side + 0.018 * e.grim, canvas.v[box] - y0
        t = u / 0.158  # -1 inner end, 1 outer end
        arch = -0.026 * face.brow_arch * (1.0 - (t - 0.25) ** 2) + (0.014 - 0.020 * (1.0 - face.femininity)) * t
        arch = arch + e.grim * 0.030 * np.clip(0.1 - t, 0.0, 1.0)
        thick = 0.021 * face.brow_thickness * np.clip(1.0 - 0.62 * np.clip(0.5 + 0.5 * t, 0.0, 1.0) ** 1.6, 0.0, 1.0)
        hairs = noise(u * 34.0 + 11.0 * (v - arch) / 0.02, (v - arch) * 9.0 + side * 31.0)
        shape = soft(np.abs(v - arch) - thick + 0.004 * hairs, 0.010) * soft(t - 0.96, 0.10) * soft(-0.90 - t, 0.22)
        canvas.paint(box, ink, (0.74 + 0.10 * np.clip(hairs, -1.0, 1.0)) * shape)
