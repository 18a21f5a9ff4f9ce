"""Hair: a mass between an outer contour and a window for the face, combed into strands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.drawn.canvas import ALL, CENTRE_Y, Canvas, Plane, around, hill, noise, soft
from data.drawn.identity import Identity

_DEGREES = [0.0, 25.0, 50.0, 70.0, 90.0]  # from the top of the head


@dataclass(frozen=True)
class Style:
    """A haircut. Radii are relative to the head's outline, at 0, 25, 50, 70 and 90 degrees from its top."""

    outer: tuple[float, ...]
    window: tuple[float, ...]
    length: float  # how far down it hangs behind the head, y in head units
    front: float  # how far down it hangs before the cheeks
    strands: str = "radial"  # or "along" (from a parting round the head) or "curls"
    flare: float = 0.0  # widening of hanging hair per length
    sweep: float = 0.0  # how much lower the hairline is away from the parting
    ragged: float = 0.012  # depth of the strands at the hairline
    rounding: float = 0.06  # radius of the lower corners
    softness: float = 0.028  # of the hairline
    curl: float = 0.0  # curls per unit of length, for "curls"


_FADE = (1.03, 1.03, 1.03, 1.015, 1.0)
_CUT = (1.12, 1.11, 1.08, 1.05, 1.02)
_FULL = (1.15, 1.15, 1.15, 1.13, 1.10)
_LINE = (0.645, 0.66, 0.76, 0.87, 0.955)  # a common hairline
STYLES = {
    "cropped": Style(_FADE, _LINE, 0.02, 0.02, "curls", ragged=0.006, softness=0.05, curl=30.0),
    "receding": Style((1.05, 1.06, 1.06, 1.05, 1.03), (0.86, 0.93, 0.93, 0.93, 0.97), 0.12, 0.04, softness=0.05),
    "short": Style(_CUT, (0.60, 0.62, 0.74, 0.87, 0.96), 0.14, 0.06, ragged=0.014),
    "swept": Style((1.17, 1.16, 1.10, 1.04, 1.01), (0.64, 0.66, 0.78, 0.88, 0.96), 0.12, 0.04, "along", sweep=0.08),
    "fringe": Style(_FULL, (0.40, 0.41, 0.54, 0.80, 0.93), 0.34, 0.26, ragged=0.03, rounding=0.15),
    "bob": Style(_FULL, (0.66, 0.66, 0.74, 0.82, 0.88), 0.72, 0.64, "along", 0.10, sweep=0.10, rounding=0.14),
    "long": Style(_FULL, (0.68, 0.68, 0.75, 0.82, 0.88), 2.0, 2.0, "along", 0.06, sweep=0.06),
    "wavy": Style((1.17, 1.18, 1.19, 1.20, 1.18), (0.66, 0.66, 0.74, 0.82, 0.89), 2.0, 2.0, "along", 0.16, sweep=0.10),
    "curly": Style(
        (1.20, 1.22, 1.24, 1.25, 1.24),
        (0.62, 0.63, 0.72, 0.83, 0.90),
        0.80,
        0.62,
        "curls",
        0.10,
        ragged=0.035,
        rounding=0.30,
        curl=9.0,
    ),
    "afro": Style(
        (1.30, 1.33, 1.38, 1.40, 1.38),
        (0.62, 0.64, 0.74, 0.86, 0.95),
        0.42,
        0.06,
        "curls",
        ragged=0.012,
        rounding=0.45,
        curl=15.0,
    ),
    "bun": Style((1.08, 1.07, 1.06, 1.04, 1.015), (0.66, 0.67, 0.76, 0.87, 0.96), 0.10, 0.06),
}


def covers_ears(face: Identity) -> bool:
    """Whether the hair hangs over the ears."""
    return face.hair_style != "bald" and STYLES[face.hair_style].front > 0.2


class Hair:
    """One head of hair (not for the bald): its contour and its strands."""

    def __init__(self, canvas: Canvas, face: Identity, head: Plane) -> None:
        """Comb the hair of a face; head: the radius of the head's outline at every pixel, (n, n)."""
        self.head = head
        self.canvas, self.face, self.style = canvas, face, STYLES[face.hair_style]
        row = int(np.argmin(np.abs(canvas.y[:, canvas.n // 2] - CENTRE_Y)))
        self.cheek = float(head[row, -1])  # half the head's width at the height of its centre
        self.volume = [1.0 + (r - 1.0) * face.hair_volume for r in self.style.outer]
        outer = canvas.look_up(around([*_DEGREES, 180.0], [*self.volume, self.volume[-1]], 8.0))
        self.rim = canvas.reach - outer * head
        self.window = self._window()
        self.drop = np.maximum(canvas.y - CENTRE_Y, 0.0)
        self.wave = 0.035 * np.sin(self.drop * 9.0 + face.part) if face.hair_style == "wavy" else np.zeros_like(head)
        self.wave *= np.minimum(self.drop * 4.0, 1.0)
        self.ring = np.where(self.drop > 0, np.abs(canvas.x) / self.cheek - self.wave, canvas.reach / head)
        self.share = (self.ring - self.window) / (outer - self.window)  # 0 at the face, 1 at the contour
        self.comb = self._comb()

    def _window(self) -> Plane:
        """Relative radius (n, n) at which hair begins: highest at the parting, lower where it is swept to."""
        style, part = self.style, self.face.part
        turn = self.canvas.turn
        window = self.canvas.look_up(around([*_DEGREES, 180.0], [*style.window, style.window[-1]], 8.0))
        away = np.clip(0.25 - np.sin(turn) * (1.0 if part > 0 else -1.0), 0.0, 1.0)
        away = away * np.clip(np.cos(turn) * 2.0, 0.0, 1.0)
        return window + style.sweep * (0.9 * hill((turn - 0.42 * part) / 0.30) - away)

    def _comb(self) -> Plane:
        """The strands: noise (n, n), sd about 1, drawn out along the hair."""
        canvas, style, shift = self.canvas, self.style, self.face.number % 83
        if style.strands == "curls":
            fine, large = style.curl, 0.35 * style.curl
            ridges = 0.9 - 1.4 * np.abs(noise(canvas.x * fine, canvas.y * fine + shift))  # locks
            curl = np.maximum(ridges, -1.0)
            return curl + 0.5 * noise(canvas.x * large, canvas.y * large)
        if style.strands == "along":
            lane = self.share * 6.0 + shift
            return 0.8 * noise(lane, canvas.turn * 1.5) + 0.8 * noise(lane * 2.6, canvas.turn * 2.0 + 5.0)
        lane = np.arctan2(canvas.x - 0.25 * self.face.part, 0.25 - canvas.y) * 20.0 + shift
        return 0.7 * noise(lane, self.ring * 2.0) + 0.6 * noise(lane * 2.4, self.ring * 2.5 + 3.0)

    def _outside(self, length: float) -> Plane:
        """Signed distance to the contour: round the skull, then hanging straight down to `length`."""
        style, r = self.style, self.style.rounding
        half = self.cheek * (self.volume[-1] + style.flare * self.drop) + self.wave
        side, low = np.abs(self.canvas.x) - half + r, self.canvas.y - length + r
        corner = np.hypot(np.maximum(side, 0.0), np.maximum(low, 0.0))
        hanging = corner + np.minimum(np.maximum(side, low), 0.0) - r
        fluffy = 0.016 * min(1.0, 22.0 / style.curl) if style.strands == "curls" else 0.004
        contour: Plane = np.where(self.drop > 0, hanging, self.rim)
        return contour + fluffy * np.maximum(self.comb, -1.0)

    def behind(self) -> None:
        """Paint what hangs or stands behind the head."""
        canvas = self.canvas
        if self.face.hair_style == "bun":
            side = 1.0 if self.face.part > 0 else -1.0
            knot = np.hypot(canvas.x - 0.50 * side, canvas.y + 0.76) / 0.23 - 1.0
            self._lay(knot * 0.2, 0.95 - 0.5 * hill((knot + 0.02) / 0.2))
        self._lay(self._outside(self.style.length), np.full_like(self.head, 0.45))

    def before(self, edge: Plane) -> None:
        """Paint the cap, the hair before the cheeks and its shadow; edge: 1 on the head's outline."""
        canvas, style = self.canvas, self.style
        below = canvas.v - CENTRE_Y
        hanging = np.clip(below / 0.08, 0.0, 1.0)  # blends the cap into what hangs
        on_face = np.hypot(canvas.u, below) / self.head
        radius = on_face + hanging * (np.abs(canvas.u) / self.cheek - on_face)
        face_in = radius - self.window - 0.06 * np.maximum(below, 0.0)
        face_in = face_in + style.ragged * self.comb * (1.0 - 0.7 * hanging)
        outer = self._outside(style.front)
        shadow = soft(np.maximum(outer, -(face_in + 0.085) * 0.65), 0.075)
        canvas.tint(ALL, (0.52, 0.42, 0.40), 0.55 * shadow * (edge < 1.0))
        body = 0.66 + 0.46 * hill((radius - 0.92) / 0.22)
        body = body * (0.80 + 0.26 * soft(0.04 - face_in, 0.07))
        if style.strands == "along":
            parting = canvas.turn - 0.42 * self.face.part
            body = body * (1.0 - 0.45 * hill(parting / 0.035) * soft(edge - 1.02, 0.1))
        self._lay(np.maximum(outer, -face_in * 0.65), body, style.softness)

    def _lay(self, distance: Plane, body: Plane, width: float = 0.014) -> None:
        """Paint hair of lightness `body` where the signed distance is negative, shining in the light."""
        canvas, face, comb = self.canvas, self.face, self.comb
        if self.style.strands == "along":
            gleam = hill((np.abs(canvas.turn) - 0.75) / 0.30) + 0.4 * hill((self.drop - 0.45) / 0.16)
        else:
            gleam = hill((self.ring - 0.92 - 0.02 * comb) / 0.09) * (0.3 if self.style.strands == "curls" else 1.0)
        towards = 1.0 + 0.42 * face.light[0] * canvas.x + 0.20 * face.light[1] * canvas.y
        light = np.clip(body * towards * (1.0 + 0.16 * comb), 0.10, 1.8) * (0.8 + 0.4 * face.ambient)
        shine = np.clip(gleam * (1.0 + 0.5 * comb) * (light - 0.35), 0.0, 1.0) * 0.05
        lit = [
            light * (face.hair[c] ** 2 * 1.2) + shine * (0.5 + face.hair[c]) * face.light_colour[c] for c in range(3)
        ]
        canvas.paint(ALL, np.stack(lit), soft(distance, width))
