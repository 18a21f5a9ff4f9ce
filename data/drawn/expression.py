"""What a smile does to a face: one degree in, the geometry of mouth, cheeks, lids and brows out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.drawn.canvas import Plane, ramp
from data.drawn.identity import Identity

MOUTH_Y = 0.455  # of the resting lip line, in head units


@dataclass(frozen=True)
class Expression:
    """Geometry of one face at one degree of smile; lengths in head units, y down."""

    joy: float  # 0 neutral to 1 laughing: cheeks, folds, lids
    grim: float  # 0 neutral to 1 stern: brows, chin, pressed lips
    mouth_y: float
    half_width: float  # from the midline to a corner of the mouth
    lift: float  # rise of the corners above the middle of the upper lip's edge
    gape: float  # opening between the lips at the midline
    upper_lip: float  # heights of the red of the lips
    lower_lip: float
    nostril: float  # widening of the nose's wings
    lower_lid: float  # rise of the lower lid, as a fraction of its depth
    upper_lid: float  # openness of the upper lid
    brow_drop: float

    @property
    def corner(self) -> tuple[float, float]:
        """Where the right corner of the mouth is (x, y)."""
        return self.half_width, self.mouth_y - self.lift


def expression(face: Identity, smile: float) -> Expression:
    """The face's geometry at a smile in [-1, 1]; a little beyond exaggerates it, up to 1.5."""
    s = min(max(smile, -1.5), 1.5)
    joy = ramp(-0.55, 1.35, s) * 1.12 - 0.16
    joy = max(joy, 0.0)
    grim = max(-s, 0.0)
    gape = 0.118 * ramp(0.18, 1.25, s)
    rise = 0.105 * s if s > 0 else 0.062 * s
    full = face.lip_fullness
    return Expression(
        joy=joy,
        grim=grim,
        mouth_y=MOUTH_Y - 0.018 * joy + 0.008 * grim,
        half_width=0.248 * face.mouth_width * (1.0 + 0.40 * joy - 0.09 * grim),
        lift=rise + face.mouth_curve + 0.006,
        gape=gape,
        upper_lip=0.050 * full * (1.0 - 0.20 * joy - 0.38 * grim),
        lower_lip=0.072 * full * (1.0 - 0.16 * joy - 0.34 * grim),
        nostril=1.0 + 0.10 * joy,
        lower_lid=0.66 * joy,
        upper_lid=1.0 - 0.22 * joy - 0.10 * grim,
        brow_drop=0.035 * grim - 0.012 * joy,
    )


def lip_lines(e: Expression, m: Plane) -> tuple[Plane, Plane, Plane, Plane]:
    """Heights y of the four lines of the lips at m = u / half_width in [-1, 1], from the top down.

    Top of the upper lip (Cupid's bow), its lower edge, the lower lip's upper edge, its bottom; shaped like m.
    """
    m = np.clip(m, -1.0, 1.0)
    arch = 1.0 - m * m
    full = np.sqrt(arch)
    edge = e.mouth_y - e.lift * (0.35 * np.abs(m) + 0.65 * m * m)
    edge = edge + 0.006 * (np.exp(-((m / 0.22) ** 2)) - 0.5) * arch  # the middle of the upper lip hangs a little
    bow = 0.80 + 0.34 * np.exp(-(((np.abs(m) - 0.24) / 0.20) ** 2)) - 0.10 * np.exp(-((m / 0.10) ** 2))
    top = edge - e.upper_lip * bow * (0.4 * full + 0.6 * arch)
    lower = edge + e.gape * (0.25 * full + 0.75 * arch)
    bottom = lower + e.lower_lip * (0.5 * full + 0.5 * arch)
    return top, edge, lower, bottom
