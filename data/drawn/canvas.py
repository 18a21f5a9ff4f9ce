"""The pixel grid that a face is painted on: coordinates that follow the head's pose, soft edges, paint.

Head units: the picture spans about [-1, 1], x to the right, y down. `x, y` turn with the head's roll only and
hold its silhouette; `u, v` lie on the face, which yaw and pitch slide over it (parallax by depth).
All planes are float32 (n, n), n = 2 size: painted at twice the size, averaged down at the end.
"""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from data.drawn.identity import Identity
from data.drawn.palette import Colour

Plane: TypeAlias = NDArray[Any]  # float32, (n, n) or a box of it
Box: TypeAlias = tuple[slice, slice]

ALL: Box = (slice(None), slice(None))
CENTRE_Y = -0.06  # of the head's outline, in head units
_TURN_STEPS = 4096  # samples of an outline around the head: finer than a pixel
_TURN = np.linspace(-np.pi, np.pi, _TURN_STEPS, dtype=np.float32)


def soft(distance: Plane, width: float) -> Plane:
    """Coverage in [0, 1]: 1 where the signed distance to a shape is below -width, 0 above width."""
    t: Plane = np.clip(0.5 - distance * (0.5 / width), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def hill(t: Plane) -> Plane:
    """exp(-t^2)."""
    height: Plane = np.exp(-t * t)
    return height


def ramp(low: float, high: float, t: float) -> float:
    """Smoothstep of a number: 0 below low, 1 above high."""
    t = min(max((t - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


def around(degrees: list[float], values: list[float], blur_degrees: float) -> Plane:
    """A closed curve r(angle) through mirrored points, as a table for `Canvas.look_up`.

    degrees: from 0 (top of the head) to 180 (chin), increasing; values: of one half, mirrored to the other.
    """
    table = np.interp(np.abs(np.degrees(_TURN)), degrees, values)
    reach = int(3 * blur_degrees / 360 * _TURN_STEPS)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * 360 / _TURN_STEPS / blur_degrees) ** 2)
    padded = np.concatenate([table[-reach:], table, table[:reach]])
    spectrum = np.fft.rfft(padded) * np.fft.rfft(kernel / kernel.sum(), len(padded))
    smooth = np.fft.irfft(spectrum, len(padded))
    return smooth[2 * reach : 2 * reach + _TURN_STEPS].astype(np.float32)


@functools.cache
def _noise_tile() -> Plane:
    """Band-limited noise (1024, 1024), tileable, mean 0, sd 1, one bump about 8 samples wide."""
    white = np.random.default_rng(20240607).standard_normal((1024, 1024))
    f = np.fft.fftfreq(1024)
    band = np.exp(-0.5 * ((f[:, None] ** 2 + f[None] ** 2) / 0.045**2))
    tile = np.fft.ifft2(np.fft.fft2(white) * band).real
    even: Plane = ((tile - tile.mean()) / tile.std()).astype(np.float32)
    return even


def noise(a: Plane, b: Plane) -> Plane:
    """Smooth noise, mean 0, sd 1, at coordinates in which one bump is about 1 wide."""
    i = (a * 8.0).astype(np.int32) & 1023
    j = (b * 8.0).astype(np.int32) & 1023
    bumps: Plane = _noise_tile()[i, j]
    return bumps


class Canvas:
    """A square picture being painted, in linear light, with the coordinates of one posed head.

    rgb: float32 (3, n, n), linear light (the square of display values). px: one grid step in head units.
    """

    def __init__(self, face: Identity, size: int) -> None:
        """Lay out the grid of a picture of size x size in the pose of the face."""
        self.n = n = 2 * size
        self.px = 2.0 / (n * face.scale)
        self._face = face
        self.rgb: Plane = np.zeros((3, n, n), np.float32)
        grid = (np.arange(n, dtype=np.float32) + 0.5) * (2.0 / n) - 1.0
        a, b = (grid[None, :] - face.shift_x) / face.scale, (grid[:, None] - face.shift_y) / face.scale
        cos, sin = float(np.cos(face.roll)), float(np.sin(face.roll))
        self.x: Plane = cos * a + sin * b
        self.y: Plane = cos * b - sin * a
        self.turn: Plane = np.arctan2(self.x, CENTRE_Y - self.y)  # 0 at the top of the head, +-pi at the chin
        self._index = ((self.turn + np.pi) * ((_TURN_STEPS - 1) / (2 * np.pi))).astype(np.int32)
        self.reach: Plane = np.hypot(self.x, self.y - CENTRE_Y)

    def look_up(self, table: Plane) -> Plane:
        """A curve of `around`, at every pixel's angle."""
        curve: Plane = table[self._index]
        return curve

    def slide(self, depth: Plane) -> None:
        """Set the face coordinates u, v from the head's depth (n, n) in [0, 1]: near parts move most."""
        self.u: Plane = self.x - self._face.yaw * depth
        self.v: Plane = self.y - self._face.pitch * depth

    def box(self, x: float, y: float, half_width: float, half_height: float) -> Box:
        """The slices that hold this rectangle of the face, whatever the pose (parallax of at most 0.22)."""
        face = self._face
        half_width, half_height = half_width + 1.3 * abs(face.yaw), half_height + 1.3 * abs(face.pitch)
        cos, sin = float(np.cos(face.roll)), float(np.sin(face.roll))
        column = (cos * x - sin * y) * face.scale + face.shift_x
        row = (sin * x + cos * y) * face.scale + face.shift_y
        wide = (half_width * cos + half_height * abs(sin)) * face.scale
        high = (half_height * cos + half_width * abs(sin)) * face.scale
        return self._span(row - high, row + high), self._span(column - wide, column + wide)

    def _span(self, low: float, high: float) -> slice:
        first, last = (int((edge + 1.0) * 0.5 * self.n) for edge in (low - 0.01, high + 0.01))
        return slice(min(max(first, 0), self.n), min(max(last + 1, 0), self.n))

    def paint(self, box: Box, colour: Colour | Plane, cover: Plane) -> None:
        """Lay a colour (display values in [0, 1], or linear light (3, h, w)) over the box by its coverage."""
        target = self.rgb[(slice(None), *box)]
        for c in range(3):
            ink = colour[c] if isinstance(colour, np.ndarray) else colour[c] * colour[c]
            target[c] += cover * (ink - target[c])

    def tint(self, box: Box, factor: Colour, amount: Plane) -> None:
        """Multiply the light in the box by `factor` (1, 1, 1 = no change) where amount is 1."""
        target = self.rgb[(slice(None), *box)]
        for c in range(3):
            target[c] *= 1.0 + amount * (factor[c] - 1.0)

    def picture(self, grain: Plane) -> NDArray[np.uint8]:
        """The finished picture (size, size, 3); grain (size, size) is added in display values of [0, 1]."""
        half = self.n // 2
        mean = self.rgb.reshape(3, half, 2, half, 2).mean((2, 4))
        shown = np.sqrt(np.clip(mean, 0.0, 1.0)) + grain
        levels: NDArray[np.uint8] = (np.clip(shown, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
        return levels.transpose(1, 2, 0).copy()
