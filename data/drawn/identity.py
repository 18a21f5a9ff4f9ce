"""Who a face is: everything about a drawn face but its smile, drawn from a seed.

Lengths are in head units (the picture spans about [-1, 1]); factors are 1 for the average face.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from data.drawn import palette
from data.drawn.palette import Colour

STYLES = (
    "bald",
    "cropped",
    "short",
    "swept",
    "fringe",
    "bob",
    "long",
    "wavy",
    "curly",
    "afro",
    "bun",
    "receding",
)
_MASCULINE_STYLES = (0.10, 0.17, 0.22, 0.18, 0.05, 0.00, 0.03, 0.02, 0.08, 0.05, 0.00, 0.10)
_FEMININE_STYLES = (0.01, 0.03, 0.05, 0.05, 0.10, 0.17, 0.20, 0.16, 0.09, 0.05, 0.09, 0.00)


@dataclass(frozen=True)
class Identity:
    """One person in one pose, light and place. `number` seeds the fine textures: freckles, strands, grain."""

    number: int
    age: float  # years, 18 to 80
    femininity: float  # how the face presents, 0 masculine to 1 feminine
    skin_depth: float  # 0 lightest to 1 darkest
    skin: Colour
    lips: Colour
    # head, as factors
    face_width: float
    jaw_width: float
    chin_width: float
    chin_drop: float  # length added to the chin
    cheekbones: float
    # features
    brow_thickness: float
    brow_arch: float
    brow_height: float
    eye_size: float
    eye_open: float
    eye_tilt: float  # rise of the outer corner per length
    eye_spacing: float
    eyelid_crease: float  # 0 none to 1 deep
    lashes: float
    iris: str
    iris_colour: Colour
    nose_width: float
    nose_height: float
    nose_tip_y: float  # head units
    mouth_width: float
    lip_fullness: float
    mouth_curve: float  # resting rise of the corners, small beside a smile's
    blush: float
    freckles: float
    lines: float  # 0 smooth to 1 deeply lined
    # hair and what is worn
    hair_style: str
    hair_colour: str
    hair: Colour
    hair_volume: float
    part: float  # -1 left to 1 right
    beard: str  # none, stubble, moustache, goatee, full
    glasses: str  # none, round, square, thin
    glasses_colour: Colour
    earrings: bool
    # pose (parallax and radians), place in the picture
    yaw: float
    pitch: float
    roll: float
    scale: float
    shift_x: float
    shift_y: float
    # light and surroundings
    light: tuple[float, float, float]  # unit vector towards the light, z to the viewer
    light_colour: Colour
    ambient: float
    backdrop: tuple[Colour, Colour]
    backdrop_turn: float
    cloth: Colour


def identity(number: int, seed: int) -> Identity:
    """Person `number` of a seed; depends on nothing else."""
    rng = np.random.default_rng((seed, number, 0))

    def around(mean: float, sd: float) -> float:
        return mean + sd * float(np.clip(rng.standard_normal(), -2.2, 2.2))

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    def chance(p: float) -> bool:
        return bool(rng.random() < p)

    def pick(names: tuple[str, ...], weights: tuple[float, ...]) -> str:
        return names[int(rng.choice(len(names), p=np.array(weights) / sum(weights)))]

    femininity = min(max(around(0.82 if chance(0.5) else 0.18, 0.12), 0.0), 1.0)
    feminine = femininity > 0.5
    age = 18 + 62 * float(rng.beta(1.2, 1.7))
    old = max(0.0, (age - 35) / 45)
    depth = between(0.0, 1.0)
    skin = palette.skin(depth, between(-1.0, 1.0))
    grey = max(0.0, min(1.0, (age - between(46, 70)) / 16))
    hair_colour = palette.hair_name(rng, depth)
    iris, iris_colour = palette.iris(rng, depth)
    style = pick(STYLES, _FEMININE_STYLES if feminine else _MASCULINE_STYLES)
    beard = "none"
    if not feminine:
        beard = pick(("none", "stubble", "moustache", "goatee", "full"), (0.50, 0.18, 0.08, 0.09, 0.15))
    painted = between(0.0, 1.0) if feminine and chance(0.6) else 0.0
    light_x, light_y = between(-0.75, 0.75), between(-0.75, -0.25)
    length = math.hypot(light_x, light_y, 0.85)
    warmth = between(-1.0, 1.0)
    full = 1.0 + 0.16 * (depth - 0.4)
    return Identity(
        number=number + 7919 * seed,
        age=age,
        femininity=femininity,
        skin_depth=depth,
        skin=skin,
        lips=palette.lips(skin, painted, between(0.0, 1.0)),
        face_width=around(1.0, 0.042) - 0.02 * femininity,
        jaw_width=around(1.04 - 0.09 * femininity, 0.055) + 0.03 * old,
        chin_width=around(1.12 - 0.26 * femininity, 0.12),
        chin_drop=around(0.015 - 0.03 * femininity, 0.02),
        cheekbones=around(1.0, 0.3),
        brow_thickness=around(1.22 - 0.46 * femininity, 0.14),
        brow_arch=around(0.6 + 0.7 * femininity, 0.35),
        brow_height=around(0.012 * femininity, 0.012),
        eye_size=around(0.97 + 0.08 * femininity, 0.045),
        eye_open=around(0.89 + 0.13 * femininity - 0.13 * old, 0.10),
        eye_tilt=around(0.03 + 0.06 * femininity - 0.07 * old, 0.06),
        eye_spacing=around(1.0, 0.035),
        eyelid_crease=float(rng.beta(2.0, 1.2)),
        lashes=0.25 + 0.75 * femininity * between(0.6, 1.0),
        iris=iris,
        iris_colour=iris_colour,
        nose_width=around(1.06 - 0.14 * femininity, 0.09) * full,
        nose_height=around(1.06 - 0.14 * femininity, 0.16),
        nose_tip_y=around(0.165 - 0.02 * femininity, 0.02) + 0.02 * old,
        mouth_width=around(1.0, 0.05),
        lip_fullness=around(0.92 + 0.20 * femininity - 0.22 * old, 0.14) * full,
        mouth_curve=around(0.0, 0.006),
        blush=between(0.2, 1.0),
        freckles=between(0.4, 1.0) if chance(max(0.0, 0.45 * (0.7 - depth))) else 0.0,
        lines=min(1.0, old * between(0.7, 1.2)),
        hair_style=style,
        hair_colour="grey" if grey > 0.5 else hair_colour,
        hair=palette.hair(rng, hair_colour, grey),
        hair_volume=between(0.7, 1.35),
        part=between(0.25, 0.8) * (1 if chance(0.5) else -1),
        beard=beard,
        glasses=pick(("none", "round", "square", "thin"), (0.78, 0.07, 0.09, 0.06)),
        glasses_colour=[(0.10, 0.09, 0.10), (0.28, 0.16, 0.10), (0.55, 0.45, 0.28), (0.16, 0.20, 0.32)][
            rng.integers(4)
        ],
        earrings=chance(0.5 if feminine else 0.07),
        yaw=around(0.0, 0.07),
        pitch=around(0.0, 0.03),
        roll=around(0.0, 0.05),
        scale=around(1.06, 0.025),
        shift_x=around(0.0, 0.02),
        shift_y=around(0.0, 0.015),
        light=(light_x / length, light_y / length, 0.85 / length),
        light_colour=(1.0 + 0.06 * warmth, 1.0, 1.0 - 0.09 * warmth),
        ambient=between(0.32, 0.5),
        backdrop=palette.backdrop(rng),
        backdrop_turn=between(-math.pi, math.pi),
        cloth=palette.cloth(rng),
    )
