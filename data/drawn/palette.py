"""The colours of people and places: skin, hair, iris, lips, clothes, backdrops; display values in [0, 1]."""

from __future__ import annotations

import colorsys
from typing import TypeAlias

import numpy as np

Colour: TypeAlias = tuple[float, float, float]  # display values (sRGB) in [0, 1]

_SKIN = (
    np.array(
        [
            (246, 214, 196),
            (238, 196, 170),
            (226, 176, 144),
            (207, 157, 125),
            (181, 130, 100),
            (150, 103, 79),
            (121, 82, 64),
            (96, 64, 51),
            (77, 52, 43),
        ]
    )
    / 255.0
)  # from light to dark
_HAIR = {
    "black": (38, 32, 33),
    "dark brown": (62, 44, 36),
    "brown": (96, 66, 46),
    "light brown": (138, 102, 70),
    "blond": (198, 162, 110),
    "auburn": (116, 56, 38),
    "ginger": (158, 92, 56),
    "grey": (188, 186, 186),
}
_IRIS = {
    "dark": (60, 38, 27),
    "brown": (96, 60, 36),
    "hazel": (128, 98, 54),
    "green": (98, 124, 86),
    "blue": (92, 132, 168),
    "grey": (122, 136, 146),
}


def mix(a: Colour, b: Colour, t: float) -> Colour:
    """The colour a fraction t of the way from a to b."""
    return a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2])


def _colour(values: np.ndarray) -> Colour:
    r, g, b = (float(v) for v in np.clip(values, 0.0, 1.0))
    return r, g, b


def skin(depth: float, undertone: float) -> Colour:
    """Skin from 0 (lightest) to 1 (darkest); undertone from -1 (rosy) to 1 (golden, olive)."""
    at = depth * (len(_SKIN) - 1)
    base = np.array([np.interp(at, np.arange(len(_SKIN)), _SKIN[:, c]) for c in range(3)])
    return _colour(base * (1.0 + undertone * np.array([-0.015, 0.015, -0.045])))


def lips(skin_colour: Colour, makeup: float, hue: float) -> Colour:
    """Lips, rosier and darker than the skin; makeup in [0, 1] reddens them, hue 0 to brick, 1 to berry."""
    red, green, blue = skin_colour
    bare = (red * 0.86 + 0.02, green * 0.66 + 0.02, blue * 0.70 + 0.03)
    stick = mix((0.72, 0.22, 0.24), (0.66, 0.25, 0.36), hue)
    depth = 0.55 + 0.45 * red
    return mix(bare, (stick[0] * depth, stick[1] * depth, stick[2] * depth), 0.62 * makeup)


def hair_name(rng: np.random.Generator, skin_depth: float) -> str:
    """A natural hair colour; the light ones are rarer the darker the skin."""
    light = max(0.0, 1.0 - 1.7 * skin_depth)
    weights = np.array(
        [
            0.12 + 2.2 * skin_depth,
            0.5 + 0.6 * skin_depth,
            0.15 + 0.7 * light,
            0.7 * light,
            0.8 * light,
            0.04 + 0.35 * light,
            0.3 * light,
        ]
    )
    return str(list(_HAIR)[int(rng.choice(len(weights), p=weights / weights.sum()))])


def hair(rng: np.random.Generator, name: str, grey: float) -> Colour:
    """Hair of that colour, a little varied, with a fraction of grey in [0, 1]."""
    base = np.array(_HAIR[name]) / 255.0 * np.exp(rng.uniform(-0.15, 0.10))
    white = np.array(_HAIR["grey"]) / 255.0 * rng.uniform(0.8, 1.1)
    dull = base + min(1.0, 2.0 * grey) * (base.mean() - base)  # half-grey red hair is not pink
    return _colour(dull + grey * (white - dull))


def iris(rng: np.random.Generator, skin_depth: float) -> tuple[str, Colour]:
    """Name and colour of the iris; the light ones are rarer the darker the skin."""
    light = max(0.0, 1.0 - 2.0 * skin_depth)
    weights = np.array([0.1 + 1.6 * skin_depth, 0.6, 0.1 + 0.3 * light, 0.35 * light, 0.8 * light, 0.3 * light])
    name = list(_IRIS)[int(rng.choice(len(weights), p=weights / weights.sum()))]
    return name, _colour(np.array(_IRIS[name]) / 255.0 * np.exp(rng.uniform(-0.12, 0.12)))


def cloth(rng: np.random.Generator) -> Colour:
    """A calm clothing colour."""
    return colorsys.hsv_to_rgb(float(rng.random()), float(rng.uniform(0.05, 0.5)), float(rng.uniform(0.18, 0.85)))


def backdrop(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """The two ends of a soft studio gradient: one hue, two lightnesses."""
    hue, saturation, value = float(rng.random()), float(rng.uniform(0.04, 0.30)), float(rng.uniform(0.3, 0.9))
    far = value * float(rng.uniform(0.5, 0.85))
    return colorsys.hsv_to_rgb(hue, saturation, value), colorsys.hsv_to_rgb(hue, min(1.0, saturation * 1.3), far)
