"""The head: its outline, its relief, the light on its skin; neck, ears, shoulders and the backdrop."""

from __future__ import annotations

import numpy as np

from data.drawn.canvas import ALL, CENTRE_Y, Box, Canvas, Plane, around, hill, noise, soft
from data.drawn.expression import Expression
from data.drawn.identity import Identity
from data.drawn.palette import Colour

SHADOW: Colour = (0.50, 0.34, 0.30)  # shaded skin is redder, as light that has passed through it


def outline(face: Identity) -> Plane:
    """The head's silhouette r(angle) about (0, CENTRE_Y), a table of `around`."""
    w, jaw, chin, drop = 0.985 * face.face_width, face.jaw_width, face.chin_width, face.chin_drop
    x = np.array(
        [
            0.0,
            0.30 * w,
            0.50 * w,
            0.585 * w,
            0.602 * w,
            0.585 * w,
            0.495 * jaw * w,
            0.395 * jaw * w,
            0.255 * (0.5 + 0.5 * chin),
            0.12 * chin,
            0.0,
        ]
    )
    y = np.array([-0.98, -0.93, -0.74, -0.46, -0.18, 0.08, 0.42, 0.60, 0.765 + drop, 0.835 + drop, 0.845 + drop])
    degrees = np.degrees(np.arctan2(x, CENTRE_Y - y))
    return around(list(degrees), list(np.hypot(x, y - CENTRE_Y)), blur_degrees=5.0)


def backdrop(canvas: Canvas, face: Identity) -> None:
    """A soft gradient, a little darker towards the corners."""
    near, far = face.backdrop
    t = canvas.x * np.float32(np.cos(face.backdrop_turn)) + canvas.y * np.float32(np.sin(face.backdrop_turn))
    t = np.clip(0.5 + 0.4 * t, 0.0, 1.0) + 0.03 * noise(canvas.x * 2.0 + 9.0, canvas.y * 2.0)
    fall = 1.0 - 0.10 * (canvas.x * canvas.x + canvas.y * canvas.y)
    for c in range(3):
        canvas.rgb[c] = (near[c] + t * (far[c] - near[c])) ** 2 * fall


def bust(canvas: Canvas, face: Identity, edge: Plane) -> None:
    """Neck and clothed shoulders, in the shadow of the chin."""
    box = canvas.box(0.0, 0.85, 1.6, 0.55)
    x, y = canvas.x[box], canvas.y[box]
    neck_half = 0.375 - 0.075 * face.femininity
    flare = np.maximum(y - 0.72, 0.0)
    neck = np.abs(x + 0.3 * face.yaw) - neck_half - 0.9 * flare * flare
    round_light = 0.86 - 0.25 * (x / neck_half) ** 2 + 0.16 * face.light[0] * x / neck_half
    light = np.clip(round_light, 0.25, 1.0) * (1.0 - 0.72 * soft(edge[box] - 1.17, 0.17))
    _lay_skin(canvas, face, box, light, soft(neck, 1.5 * canvas.px))
    slope = y - (0.985 - 0.03 * face.femininity) - 0.24 * np.maximum(0.42 - np.abs(x), 0.0)
    slope += 0.16 * np.maximum(np.abs(x) - 0.45, 0.0)
    folds = 0.80 + 0.25 * face.light[0] * x + 0.05 * noise(x * 5.0, y * 2.0)
    linear = np.stack([folds * (c * c) for c in face.cloth])
    canvas.paint(box, linear, soft(-slope, 1.5 * canvas.px))
    canvas.tint(box, (0.55, 0.55, 0.6), 0.8 * hill((slope + 0.015) / 0.02) * soft(np.abs(x) - 0.5, 0.1))


def ears(canvas: Canvas, face: Identity) -> None:
    """Two ears, the one turned to the viewer standing out further."""
    for side in (-1.0, 1.0):
        x0 = side * 0.605 * face.face_width * 0.985 + 0.25 * face.yaw
        y0 = -0.075 + 0.3 * face.pitch
        box = canvas.box(x0, y0, 0.16, 0.26)
        x, y = (canvas.x[box] - x0) * side, canvas.y[box] - y0
        lean = x - 0.10 * (-y)
        ear = np.hypot((lean - 0.015) / 0.085, y / 0.20) + 0.16 * np.maximum(y, 0.0) / 0.20 - 1.0
        facing = 0.74 + 0.34 * face.light[0] * side
        bowl = hill((lean - 0.01) / 0.034) * hill((y + 0.02) / 0.09)
        rim = hill((ear + 0.22) / 0.13)
        light = np.clip(facing + 0.10 * rim - 0.38 * bowl - 0.5 * soft(x + 0.01, 0.05), 0.15, 1.1)
        _lay_skin(canvas, face, box, light, soft(ear * 0.085, 1.2 * canvas.px))


def _lay_skin(canvas: Canvas, face: Identity, box: Box, light: Plane, cover: Plane) -> None:
    """Skin lit by `light` in [0, 1]; the less light, the redder."""
    red_in_shade = (0.90, 1.05, 1.10)
    lit = [face.skin[c] ** 2 * face.light_colour[c] * light ** red_in_shade[c] for c in range(3)]
    canvas.paint(box, np.stack(lit), cover)


def skin(canvas: Canvas, face: Identity, expression: Expression, edge: Plane) -> None:
    """The lit head, within the silhouette whose relative radius (1 = outline) is `edge`, float32 (n, n)."""
    inside = np.minimum(edge, 1.0)
    relief = 0.62 * np.sqrt(np.maximum(1.0 - inside**2.7, 0.0)) + _relief(canvas, face, expression)
    step = np.float32(1.0 / (2.0 * canvas.px))
    right, down = np.zeros_like(relief), np.zeros_like(relief)
    right[:, 1:-1] = (relief[:, 2:] - relief[:, :-2]) * step
    down[1:-1] = (relief[2:] - relief[:-2]) * step
    up = 1.0 / np.sqrt(1.0 + right * right + down * down)
    lx, ly, lz = face.light
    facing = (lz - lx * right - ly * down) * up
    lit = np.clip((facing + 0.35) / 1.35, 0.0, 1.0)  # wrapped: light also reaches a little round the edge
    sky = 0.5 + 0.5 * up - 0.22 * down * up
    light = face.ambient * sky + 1.02 * (1.0 - 0.62 * face.ambient) * lit * lit**0.35
    half_x, half_y, half_z = lx, ly, lz + 1.0
    norm = float(np.sqrt(half_x**2 + half_y**2 + half_z**2))
    gleam = np.maximum((half_z - half_x * right - half_y * down) * up / norm, 0.0) ** 30
    cover = soft((edge - 1.0) * 0.6, 1.3 * canvas.px)
    light = light * (1.0 - 0.30 * soft(0.985 - edge, 0.07) * np.clip(canvas.y * 2.0, 0.0, 1.0))  # jaw
    tone = 1.0 + 0.022 * noise(canvas.u * 5.0 + face.number % 97, canvas.v * 5.0)
    tone += 0.012 * noise(canvas.u * 26.0, canvas.v * 26.0 + face.number % 89)
    _lay_skin(canvas, face, ALL, light * tone, cover)
    shine = gleam * cover * np.float32(0.035 + 0.03 * face.skin_depth)
    for c in range(3):
        canvas.rgb[c] += shine * face.light_colour[c]


def _relief(canvas: Canvas, face: Identity, expression: Expression) -> Plane:
    """What stands out of the egg (n, n): brow, sockets, nose, cheeks, muzzle, chin."""
    relief = np.zeros_like(canvas.u)

    def bump(x: float, y: float, wide: float, high: float, amount: float, lean: float = 0.0) -> None:
        for side in (-1.0, 1.0) if x else (1.0,):
            box = canvas.box(side * x, y, 2.4 * wide + abs(lean) * high, 2.4 * high)
            v = canvas.v[box] - y
            relief[box] += amount * hill((canvas.u[box] * side - x - lean * v) / wide) * hill(v / high)

    manly = 1.0 - face.femininity
    eye_x, nose = 0.285 * face.eye_spacing, face.nose_height
    bump(0.25, -0.335, 0.17, 0.07, 0.012 + 0.022 * manly)  # brow ridge
    bump(0.0, -0.62, 0.34, 0.20, 0.03)  # forehead
    bump(eye_x, -0.185, 0.135, 0.085, -0.060)  # socket
    bump(eye_x, -0.180, 0.100, 0.060, 0.034)  # eyeball under the lids
    bump(0.0, -0.08, 0.075 * face.nose_width, 0.19, 0.052 * nose)  # bridge
    bump(0.0, 0.4 * face.nose_tip_y, 0.105 * face.nose_width, 0.14, 0.062 * nose)
    bump(0.0, face.nose_tip_y, 0.072 * face.nose_width, 0.062, 0.078 * nose)  # tip
    bump(0.098 * face.nose_width * expression.nostril, face.nose_tip_y + 0.020, 0.052, 0.046, 0.055)  # wings
    bump(0.37, 0.06 - 0.05 * expression.joy, 0.15, 0.13, 0.028 * face.cheekbones + 0.050 * expression.joy, 0.3)
    bump(0.33, 0.36, 0.10, 0.16, -0.016 * face.cheekbones - 0.01 * face.lines)  # hollow of the cheek
    bump(0.0, 0.42, 0.26, 0.16, 0.045)  # muzzle
    bump(0.0, expression.mouth_y + 0.145, 0.15, 0.035, -0.016 - 0.012 * expression.grim)  # groove under the lip
    bump(0.0, 0.715 + face.chin_drop, 0.13 * face.chin_width, 0.085, 0.045 + 0.018 * expression.grim)  # chin
    return relief
