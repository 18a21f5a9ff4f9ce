"""Glasses and earrings."""

from __future__ import annotations

import numpy as np

from data.drawn.canvas import Canvas, Plane, hill, soft
from data.drawn.eyes import EYE_Y
from data.drawn.identity import Identity

_SHAPES = {
    "round": (0.165, 0.150, 2.0, 0.012),
    "square": (0.185, 0.125, 4.5, 0.016),
    "thin": (0.178, 0.120, 2.8, 0.0065),
}


def glasses(canvas: Canvas, face: Identity) -> None:
    """Frames, a bridge, the arms towards the ears, a glint on the lenses and the shadow on the cheeks."""
    if face.glasses == "none":
        return
    wide, high, corner, thick = _SHAPES[face.glasses]
    box = canvas.box(0.0, EYE_Y + 0.02, 0.74, 0.28)
    u, v = canvas.u[box] - 0.10 * face.yaw, canvas.v[box] - EYE_Y - 0.015
    across = np.abs(u)
    centre = 0.282 * face.eye_spacing

    def frame(du: float, dv: float) -> Plane:
        """Signed distance to the line of frame, bridge and arms, moved by du, dv."""
        x, y = np.abs(across - centre - du) / wide, np.abs(v - dv) / high
        rim = np.abs((x**corner + y**corner) ** (1.0 / corner) - 1.0) * (0.5 * (wide + high)) - thick
        bridge = np.maximum(np.abs(v - dv + 0.035 - 0.25 * across * across) - thick, across - (centre - wide))
        arm = np.maximum(np.abs(v - dv + 0.03) - thick, centre + wide - across)
        return np.minimum(rim, np.minimum(bridge, arm))

    on_face = soft(np.abs(canvas.x[box]) - 0.615 * face.face_width, 0.02)
    canvas.tint(box, (0.55, 0.42, 0.40), 0.45 * soft(frame(0.0, 0.022), 0.025) * on_face)
    lens = soft(((np.abs(across - centre) / wide) ** corner + (np.abs(v) / high) ** corner - 1.0) * 0.1, 0.02)
    glint = hill((u * 0.8 + v + 0.06 - 0.23 * np.sign(u)) / 0.03) * lens
    canvas.paint(box, (1.0, 1.0, 1.0), 0.03 * lens + 0.09 * glint)
    canvas.paint(box, face.glasses_colour, 0.95 * soft(frame(0.0, 0.0), 1.6 * canvas.px) * on_face)
    top = hill((v + high) / 0.03) * soft(frame(0.0, 0.0) + 0.5 * thick, 1.5 * canvas.px)
    canvas.paint(box, (0.9, 0.9, 0.9), 0.28 * top * on_face)


def earrings(canvas: Canvas, face: Identity) -> None:
    """A gold drop under each ear."""
    if not face.earrings:
        return
    for side in (-1.0, 1.0):
        x0 = side * 0.615 * face.face_width * 0.985 + 0.25 * face.yaw
        y0 = 0.165 + 0.3 * face.pitch
        box = canvas.box(x0, y0, 0.08, 0.08)
        x, y = canvas.x[box] - x0, canvas.y[box] - y0
        r = np.hypot(x, y)
        canvas.paint(box, (0.80, 0.62, 0.30), soft(r - 0.027, 1.5 * canvas.px))
        canvas.paint(box, (1.0, 0.95, 0.78), hill(np.hypot(x + 0.008, y + 0.009) / 0.010))
