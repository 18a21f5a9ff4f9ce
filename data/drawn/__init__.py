"""Drawn faces: our own parametric portraits, with any number of people and a smile of known degree.

for face in faces(1000, seed=0):
    picture = draw(face.identity, face.true_smile)  # uint8 (128, 128, 3)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.drawn.beard import beard
from data.drawn.canvas import Canvas
from data.drawn.expression import expression
from data.drawn.eyes import brows, eyes
from data.drawn.hair import Hair, covers_ears
from data.drawn.head import backdrop, bust, ears, outline, skin
from data.drawn.identity import Identity, identity
from data.drawn.marks import flush, folds, nose
from data.drawn.mouth import mouth
from data.drawn.worn import earrings, glasses

__all__ = ["Face", "Identity", "draw", "faces", "identity"]


@dataclass(frozen=True)
class Face:
    """One face of a set: a person and the degree to which it smiles."""

    file_name: str
    true_smile: float  # uniform in [-1, 1], independent of the person
    identity: Identity

    @property
    def traits(self) -> dict[str, str | int | float]:
        """What a reader of metadata.csv may want to know of the person."""
        who = self.identity
        return {
            "age": int(who.age),
            "gender": "female" if who.femininity > 0.5 else "male",
            "skin_depth": round(who.skin_depth, 3),
            "hair": who.hair_style,
            "hair_colour": who.hair_colour,
            "eyes": who.iris,
            "beard": who.beard,
            "glasses": who.glasses,
        }


def faces(count: int, seed: int) -> Iterator[Face]:
    """The first `count` faces of a seed; face i is the same whatever the count."""
    for i in range(count):
        smile = float(np.random.default_rng((seed, i, 1)).uniform(-1.0, 1.0))
        yield Face(f"{i:05d}.png", smile, identity(i, seed))


def draw(person: Identity, smile: float, size: int = 128) -> NDArray[np.uint8]:
    """Paint a person with a smile in [-1, 1] (a little beyond is fine): uint8 RGB (size, size, 3)."""
    e = expression(person, smile)
    canvas = Canvas(person, size)
    head = canvas.look_up(outline(person))
    edge = canvas.reach / head
    canvas.slide(np.sqrt(1.0 - np.minimum(edge, 1.0) ** 2))
    backdrop(canvas, person)
    hair = None if person.hair_style == "bald" else Hair(canvas, person, head)
    if hair:
        hair.behind()
    bust(canvas, person, edge)
    if not covers_ears(person):
        ears(canvas, person)
    skin(canvas, person, e, edge)
    flush(canvas, person, e)
    nose(canvas, person, e)
    folds(canvas, person, e)
    eyes(canvas, person, e)
    brows(canvas, person, e)
    beard(canvas, person, e, edge)
    mouth(canvas, person, e)
    earrings(canvas, person)
    if hair:
        hair.before(edge)
    glasses(canvas, person)
    grain = np.random.default_rng((person.number, 2)).standard_normal((size, size), dtype=np.float32)
    return canvas.picture(grain * np.float32(0.004))
