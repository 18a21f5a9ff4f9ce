"""What lies on the skin: blush, freckles, the nose's shadows, the folds of age and of smiling."""

from __future__ import annotations

import numpy as np

from data.drawn.canvas import Canvas, hill, noise, soft
from data.drawn.expression import Expression
from data.drawn.head import SHADOW
from data.drawn.identity import Identity


def flush(canvas: Canvas, face: Identity, e: Expression) -> None:
    """Rosy cheeks and nose, pale lids and forehead, freckles."""
    rosy = 0.45 + 0.55 * face.blush
    box = canvas.box(0.0, 0.08, 0.75, 0.42)
    u, v = canvas.u[box], canvas.v[box]
    cheek = hill((np.abs(u) - 0.36) / 0.17) * hill((v - 0.11 + 0.04 * e.joy) / 0.15)
    nose = hill(u / 0.11) * hill((v - face.nose_tip_y) / 0.09)
    canvas.tint(box, (1.03, 0.82, 0.80), rosy * ((0.50 + 0.25 * e.joy) * cheek + 0.40 * nose))
    if face.freckles:
        where = hill(u / 0.46) * hill((v - 0.05) / 0.16)
        dots = np.clip(noise(u * 52.0 + face.number % 61, v * 52.0 + face.number % 53) - 0.9, 0.0, 1.0)
        canvas.tint(box, (0.74, 0.60, 0.50), face.freckles * where * dots)


def nose(canvas: Canvas, face: Identity, e: Expression) -> None:
    """Nostrils, wings and the shadow that the nose throws on the lip."""
    wide, tip = face.nose_width * e.nostril, face.nose_tip_y
    box = canvas.box(0.0, tip + 0.02, 0.30, 0.22)
    u, v = canvas.u[box], canvas.v[box] - tip
    across = np.abs(u)
    v = v + 1.3 * across * across  # the base of the nose hangs lowest in the middle
    away = u + 0.05 * face.light[0]
    canvas.tint(box, SHADOW, 0.50 * hill(away / (0.12 * wide)) * hill((v - 0.098) / 0.030))
    canvas.tint(box, SHADOW, 0.30 * hill(across / (0.10 * wide)) * hill((v - 0.066) / 0.018))
    slit = np.hypot((across - 0.052 * wide) / (0.030 * wide), (v - 0.060) / 0.0125)
    canvas.tint(box, (0.20, 0.11, 0.10), 0.88 * soft(slit - 1.0, 0.45))
    wing = np.hypot((across - 0.088 * wide) / 0.048, (v - 0.028) / 0.046) - 1.0
    groove = hill(wing / 0.20) * soft(0.088 * wide + 0.012 - across, 0.02) * soft(np.abs(v - 0.022) - 0.036, 0.025)
    canvas.tint(box, SHADOW, 0.50 * groove)
    side = np.clip(-u * face.light[0] / 0.05, -1.0, 1.0)
    canvas.tint(box, SHADOW, 0.16 * np.maximum(side, 0.0) * hill((across - 0.075) / 0.035) * hill((v + 0.10) / 0.12))


def folds(canvas: Canvas, face: Identity, e: Expression) -> None:
    """Nasolabial folds, deeper with age and with a smile; lines of the forehead and between stern brows."""
    box = canvas.box(0.0, 0.34, 0.62, 0.34)
    across, v = np.abs(canvas.u[box]), canvas.v[box]
    corner_x, corner_y = e.corner
    top_x, top_y = 0.118 * face.nose_width * e.nostril, face.nose_tip_y - 0.005
    low_x, low_y = corner_x + 0.058, corner_y + 0.015 + 0.03 * e.joy
    t = (v - top_y) / (low_y - top_y)
    path = top_x + (low_x - top_x) * t + 0.040 * (0.7 + 0.8 * e.joy) * 4.0 * t * (1.0 - t)
    depth = min(0.85, 0.03 + 0.24 * face.lines + 0.55 * e.joy)
    along = soft(np.abs(t - 0.5) - 0.46, 0.16)
    inward = path - across
    canvas.tint(box, SHADOW, 0.66 * depth * along * hill(inward / 0.015))
    canvas.tint(box, SHADOW, 0.42 * depth * along * hill((inward - 0.02) / 0.036))
    canvas.tint(box, (1.12, 1.10, 1.08), depth * along * hill((inward + 0.045) / 0.035))
    forehead = canvas.box(0.0, -0.55, 0.42, 0.16)
    u, v = canvas.u[forehead], canvas.v[forehead]
    if face.lines > 0.15:
        wave = v + 0.05 * u * u + 0.008 * noise(u * 3.0, v * 2.0 + face.number % 41)
        lines = sum(hill((wave - y) / 0.008) for y in (-0.64, -0.56, -0.48))
        canvas.tint(forehead, SHADOW, 0.34 * face.lines * np.asarray(lines) * hill(u / 0.28))
    frown = canvas.box(0.0, -0.32, 0.14, 0.14)
    across, v = np.abs(canvas.u[frown]), canvas.v[frown]
    crease = hill((across - 0.040 - 0.1 * (v + 0.32)) / 0.009) * soft(np.abs(v + 0.31) - 0.05, 0.04)
    canvas.tint(frown, SHADOW, min(0.75, 0.62 * e.grim + 0.15 * face.lines) * crease)
