"""Which faces a subject sees and in which order: shuffling, repeats, key sides, and what is left after earlier runs."""

import hashlib
import random
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shell import UserError

ROWS = (
    ("left", "right"),
    ("left shift", "right shift"),
    *map(tuple, ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")),
)
Kinds = tuple[Hashable, ...]  # what an image is one of: a degree of smile, an identity
REPEAT_DISTANCE = 20  # trials at least between the two showings of a face, so that few remember their answer


@dataclass(frozen=True)
class Planned:
    """One trial to come."""

    image: str
    trial_type: str
    """practice, main or repeat."""
    true_smile: float | None = None
    """Of a face that was drawn for practice; other faces have no right answer."""


def order(images: Iterable[str], seed: int, repeats: float = 0.0) -> list[Planned]:
    """All `images` shuffled, and the share `repeats` of them shown once more, at least `REPEAT_DISTANCE` trials later.

    The same images, seed and share always give the same list. Where the distance does not leave room for all repeats
    between the faces, some come after the last one. Of fewer faces than the distance none is repeated: an answer that
    is still remembered says nothing about consistency.
    """
    rng = random.Random(seed)
    main = sorted(images)
    rng.shuffle(main)
    early_enough = range(max(0, len(main) - REPEAT_DISTANCE))
    count = round(repeats * len(main)) if len(main) >= REPEAT_DISTANCE else 0
    again: dict[int, list[Planned]] = {}
    for first in sorted(rng.sample(early_enough, min(count, len(early_enough)))):
        after = rng.randrange(first + REPEAT_DISTANCE, len(main))
        again.setdefault(after, []).append(Planned(main[first], "repeat"))
    trials: list[Planned] = []
    for position, image in enumerate(main):
        trials += [Planned(image, "main"), *again.get(position, [])]
    late = main[len(early_enough) :][: max(0, count - len(early_enough))]
    return trials + [Planned(image, "repeat") for image in late]


def remaining(trials: Sequence[Planned], rows: Iterable[Mapping[str, str]]) -> list[Planned]:
    """What is left of `trials` when the trials of `rows` (with `image` and `trial_type`) are done.

    `rows` may be of another plan, with a smaller limit. A repeat that would then come less than `REPEAT_DISTANCE`
    trials after the first showing waits, at most until all else is done.
    """
    shown = [(row["image"], row["trial_type"]) for row in rows if row["trial_type"] != "practice"]
    done = set(shown)
    first = {image: number for number, (image, trial_type) in enumerate(shown) if trial_type == "main"}
    left: list[Planned] = []
    waiting: list[Planned] = []

    def too_early(trial: Planned) -> bool:
        return trial.trial_type == "repeat" and len(shown) + len(left) < first[trial.image] + REPEAT_DISTANCE

    for trial in trials:
        while waiting and not too_early(waiting[0]):
            left.append(waiting.pop(0))
        if (trial.image, trial.trial_type) in done:
            continue
        if too_early(trial):
            waiting.append(trial)
            continue
        if trial.trial_type == "main":
            first[trial.image] = len(shown) + len(left)
        left.append(trial)
    return left + waiting


def least_seen(
    images: Iterable[str], seen: Iterable[str], limit: int, seed: int, kinds: Mapping[str, Kinds] | None = None
) -> list[str]:
    """The `limit` images that stand least often in `seen`.

    Of equals those come first of whose kinds fewest are chosen so far: `kinds` holds each image's, such as the degree
    of smile that was asked for and the identity, the one that matters most first. Then chance, by `seed`, decides.
    """
    counts = Counter(seen)
    shuffled = sorted(images)
    random.Random(seed).shuffle(shuffled)
    if not kinds:
        return sorted(shuffled, key=lambda image: counts[image])[:limit]
    nothing = (None,) * max(map(len, kinds.values()))
    columns = [_numbered(column) for column in zip(*(kinds.get(image, nothing) for image in shuffled), strict=True)]
    taken = [np.zeros(len(shuffled), dtype=int) for _ in columns]  # how many of each kind
    often = np.array([counts[image] for image in shuffled])
    limit = min(limit, len(shuffled))
    chosen: list[int] = []
    for _ in range(limit):
        rank = often
        for column, number in zip(columns, taken, strict=True):
            rank = rank * (limit + 1) + number[column]  # what came before weighs more
        rank[chosen] = np.iinfo(rank.dtype).max
        chosen.append(int(rank.argmin()))
        for column, number in zip(columns, taken, strict=True):
            number[column[chosen[-1]]] += 1
    return [shuffled[place] for place in chosen]


def _numbered(column: Iterable[Hashable]) -> NDArray[np.int64]:
    """A number in place of each value, the same for equal ones."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in column])


def practice(count: int, seed: int) -> list[Planned]:
    """`count` practice trials on clear cases, every second of which smiles, shuffled by `seed`."""
    smiles = [(-1) ** i * (0.9 - 0.1 * (i % 3)) for i in range(count)]
    random.Random(seed).shuffle(smiles)
    return [
        Planned(f"practice-{number:02d}_smile{smile:+.1f}", "practice", smile)
        for number, smile in enumerate(smiles, start=1)
    ]


def responses(subject: str, keys: tuple[str, str] | None, others: Iterable[Mapping[str, str]] = ()) -> dict[str, str]:
    """Key name to response, the left key first, where both are in one of `ROWS`.

    `keys` are those for not smiley and smiley, given by the user; without them F and J, and smiley is on the side that
    fewer of the `others` have, each of whom is given by such a mapping. Between equals the subject's id decides.
    """
    if keys is not None:
        given = {keys[0]: "not-smiley", keys[1]: "smiley"}
        row = next((row for row in ROWS if set(keys) <= set(row)), keys)
        return {key: given[key] for key in row if key in given}
    one, other = {"f": "not-smiley", "j": "smiley"}, {"f": "smiley", "j": "not-smiley"}
    if hashlib.sha256(subject.lower().encode()).digest()[0] % 2:
        one, other = other, one
    taken = list(others)
    return one if taken.count(one) <= taken.count(other) else other


def read_list(path: Path, names: Iterable[str]) -> list[str]:
    """The images named in a text file, one per line.

    Raises
    ------
    UserError
        A line names no image of the set, or one twice, or there is none.
    """
    known = set(names)
    images: list[str] = []
    for row, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        image = line.strip()
        if image and image not in known:
            raise UserError(f"{path}, row {row}: {image!r} is no picture of the image set.")
        if image in images:
            raise UserError(f"{path}, row {row}: {image!r} stands in a row above.")
        if image:
            images.append(image)
    if not images:
        raise UserError(f"{path}: no picture is named here.")
    return images
