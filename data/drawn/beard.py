"""Beard, moustache and stubble."""

from __future__ import annotations

import numpy as np

from data.drawn.canvas import Canvas, hill, noise, soft
from data.drawn.expression import Expression
from data.drawn.identity import Identity
from data.drawn.palette import mix


def beard(canvas: Canvas, face: Identity, e: Expression, edge: np.ndarray) -> None:
    """Hair of the lower face; edge: relative radius on the face. Painted before the mouth."""
    if face.beard == "none":
        return
    box = canvas.box(0.0, 0.46, 0.72, 0.58)
    u, v, rim = canvas.u[box], canvas.v[box], edge[box]
    across = np.abs(u)
    grain = noise(u * 44.0 + 16.0 * np.sign(u) * v, v * 12.0 + face.number % 71)
    lip = e.mouth_y - 0.062
    moustache = soft(
        np.abs(v - lip - (0.55 - 5.0 * max(e.lift, 0.0)) * across * across) - 0.040 + 0.006 * grain, 0.022
    ) * soft(across - 0.215, 0.05)
    moustache = moustache * (1.0 - 0.5 * hill(u / 0.018))
    sides = 0.02 + 0.86 * np.clip(0.60 - across, 0.0, 1.0)  # from sideburn down to beside the mouth
    line = np.where(across < 0.36, 0.227 + 1.25 * np.clip(0.36 - across, 0.0, 0.17), sides)
    jaw = soft(line - v + 0.02 * grain, 0.06) * soft((rim - 1.03) + 0.012 * grain, 0.03)
    cover = {
        "moustache": moustache,
        "goatee": np.maximum(
            moustache,
            jaw * soft(np.hypot(u, 0.75 * (v - 0.62)) - 0.17 + 0.01 * grain, 0.05) * soft(0.50 - v, 0.06),
        ),
        "full": np.maximum(moustache, jaw),
        "stubble": 0.40 * np.maximum(moustache, jaw) * (0.75 + 0.25 * grain),
    }[face.beard]
    ink = mix(face.hair, (0.14, 0.10, 0.09), 0.35)
    light = np.clip(0.95 + 0.16 * grain + 0.55 * face.light[0] * u - 0.55 * np.maximum(v - 0.6, 0.0), 0.2, 1.6)
    canvas.paint(box, np.stack([light * c * c for c in ink]), np.clip(cover, 0.0, 1.0) * 0.93)
