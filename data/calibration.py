"""What people see when a model is asked for a degree of smile: calibration.json of a stimulus set.

`labeling.build` writes it, from the answers that people gave to faces made at known degrees; `model.sample` and
`model.stimuli` read it to take degrees on the perceived scale. The file is the dataclass `Calibration` as JSON.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from shell import UserError, typed, write_text

if TYPE_CHECKING:
    from scipy.interpolate import PchipInterpolator

FILE = "calibration.json"
ASKED, IDENTITY, MODEL = "asked_smile", "identity", "model"  # the columns of metadata.csv that a calibration reads
PERCEIVED = "perceived_smile"  # what people see at the asked degree, where a calibration says so
# what model.stimuli writes beside these; none of them is a property of a face that could confound its label, as
# read_age and read_female are
MADE = (ASKED, IDENTITY, MODEL, "seed", PERCEIVED, "read_smile", "read_low", "read_high")
MADE_BY = "model.stimuli"  # `source` in set.json
FLAT = 1e-9  # degrees closer than this are one


@dataclass(frozen=True)
class Calibration:
    """Asked against perceived degree at K asked degrees. Intervals are of 90 %, over subjects and identities."""

    model: str
    """Hash of the model that made the faces."""
    method: str
    """Of labeling, whose scale the perceived degrees are on."""
    subjects: int
    identities: int
    simulated: bool
    """Whether no person has judged them."""
    asked: tuple[float, ...]
    """(K,) increasing."""
    perceived: tuple[float, ...]
    """(K,) in [-1, 1], never decreasing: the mean label that very many subjects would give to faces of that degree."""
    perceived_low: tuple[float, ...]
    perceived_high: tuple[float, ...]
    votes: tuple[int, ...]
    """(K,)"""
    smiley: tuple[float, ...]
    """(K,) share of votes that were smiley."""
    smiley_low: tuple[float, ...]
    smiley_high: tuple[float, ...]
    pse: tuple[float, float, float]
    """The asked degree that is called smiley half of the time (point of subjective equality); then its interval."""
    slope: tuple[float, float, float]
    """Of the probability of smiley at the pse, per unit of asked degree; then its interval."""
    lapse: float
    """Share of votes that the degree has no say in: the psychometric function ends half of it short of 0 and 1."""
    grows_from: float
    """The highest asked degree that cannot be told from the lowest one."""
    grows_to: float
    """The lowest asked degree that cannot be told from the highest one: here the answers stop growing."""

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest perceived degree."""
        return self.perceived[0], self.perceived[-1]

    @property
    def spread(self) -> float:
        """Standard deviation of the cumulative Gaussian of the psychometric function, in asked degrees."""
        return (1 - self.lapse) / (self.slope[0] * math.sqrt(2 * math.pi))

    def probability(self, asked: float) -> float:
        """Of *smiley* at a degree: lapse / 2 + (1 - lapse) Phi((asked - pse) / spread)."""
        standard = (asked - self.pse[0]) / self.spread
        return self.lapse / 2 + (1 - self.lapse) * (1 + math.erf(standard / math.sqrt(2))) / 2

    def to_perceived(self, asked: float) -> float:
        """What people see at the degree `asked` of the model.

        The monotone piecewise cubic of Fritsch and Butland (1984, PCHIP) through the K points.

        Raises
        ------
        UserError
            `asked` lies outside of the degrees that people were shown.
        """
        low, high = self.asked[0], self.asked[-1]
        if not low <= asked <= high:
            raise UserError(f"degree {asked:g}: the calibration covers asked degrees from {low:g} to {high:g}.")
        return float(self._curve()(asked))

    def to_asked(self, perceived: float) -> float:
        """The degree to ask the model for, so that people see `perceived`: the inverse of `to_perceived`.

        Where several degrees do, because the answers stand still there, it is the one nearest to 0.

        Raises
        ------
        UserError
            People saw no such degree in this model's faces.
        """
        low, high = self.range
        if not low - FLAT <= perceived <= high + FLAT:  # NaN is not between either
            raise UserError(
                f"degree {perceived:g}: people see degrees from {low:.2f} to {high:.2f} in this model's faces."
            )
        curve = self._curve()
        first = self._last_where(lambda x: curve(x) < perceived - FLAT)
        last = self._last_where(lambda x: curve(x) <= perceived + FLAT)
        return float(min(max(0.0, first), last))

    def _last_where(self, holds: Any) -> float:
        """Where in the asked range `holds` ends, which it does once; by bisection."""
        low, high = self.asked[0], self.asked[-1]
        if holds(high):
            return high
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if holds(middle) else (low, middle)
        return low

    def _curve(self) -> "PchipInterpolator":
        from scipy.interpolate import PchipInterpolator

        return PchipInterpolator(self.asked, self.perceived)


class _Kind(NamedTuple):
    """Of a value in the file."""

    word: str
    holds: Callable[[Any], bool]


def _number(low: float, high: float, word: str) -> _Kind:
    return _Kind(word, lambda value: type(value) in (int, float) and low <= value <= high)  # NaN is not between


TEXT = _Kind("text", lambda value: isinstance(value, str))
YES_OR_NO = _Kind("true or false", lambda value: isinstance(value, bool))
COUNT = _Kind("whole number of at least 1", lambda value: type(value) is int and value >= 1)
NUMBER, DEGREE = _number(-1e9, 1e9, "number"), _number(-1, 1, "number from -1 to 1")
SHARE = _number(0, 1, "number from 0 to 1")
ONE, PER_DEGREE = 1, 0  # values in a field
FIELDS = {
    "model": (TEXT, ONE),
    "method": (TEXT, ONE),
    "subjects": (COUNT, ONE),
    "identities": (COUNT, ONE),
    "simulated": (YES_OR_NO, ONE),
    "asked": (NUMBER, PER_DEGREE),
    "perceived": (DEGREE, PER_DEGREE),
    "perceived_low": (DEGREE, PER_DEGREE),
    "perceived_high": (DEGREE, PER_DEGREE),
    "votes": (COUNT, PER_DEGREE),
    "smiley": (SHARE, PER_DEGREE),
    "smiley_low": (SHARE, PER_DEGREE),
    "smiley_high": (SHARE, PER_DEGREE),
    "pse": (NUMBER, 3),
    "slope": (_number(1e-9, 1e9, "number above 0"), 3),
    "lapse": (_number(0, 0.5, "number from 0 to 0.5"), ONE),
    "grows_from": (NUMBER, ONE),
    "grows_to": (NUMBER, ONE),
}


def write_calibration(folder: Path, calibration: Calibration) -> Path:
    """Write calibration.json into the set in `folder`; returns its path."""
    path = folder / FILE
    write_text(path, json.dumps(asdict(calibration), indent=2) + "\n")
    return path


def read_calibration(folder: str | os.PathLike[str]) -> Calibration:
    """The calibration in the set in `folder`.

    Raises
    ------
    UserError
        There is none, or it is not one.
    """
    path = Path(folder) / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; python -m labeling.build --data {typed(folder)} makes it from people's answers."
        ) from None
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}).") from error
    names = {field.name for field in fields(Calibration)}
    if not isinstance(found, dict) or not names <= found.keys():
        missing = sorted(names - found.keys()) if isinstance(found, dict) else sorted(names)
        raise UserError(f"{path}: not a calibration (no {', '.join(missing)}); labeling.build makes it anew.")
    degrees = len(found["asked"]) if isinstance(found["asked"], list) else 0
    for name, (kind, count) in FIELDS.items():
        value = found[name]
        values = [value] if count == ONE else value
        n = count or max(degrees, 2)
        if not isinstance(values, list) or len(values) != n or not all(map(kind.holds, values)):
            expected = kind.word if count == ONE else f"a list of {n}, each a {kind.word}"
            raise UserError(f"{path}: {name} is {json.dumps(value)[:60]}, expected {expected}.")
    for name, least, course in (("asked", FLAT, "increase"), ("perceived", 0.0, "never fall")):
        if any(b - a < least for a, b in pairwise(found[name])):
            raise UserError(f"{path}: {name} is {json.dumps(found[name])[:60]}, expected degrees that {course}.")
    values = {name: tuple(found[name]) if isinstance(found[name], list) else found[name] for name in names}
    return Calibration(**cast("dict[str, Any]", values))


def calibration_of(folder: str | os.PathLike[str], model: str) -> Calibration:
    """The calibration in `folder`, which must be that of the model with the hash `model`.

    Raises
    ------
    UserError
        As `read_calibration`, or it is another model's.
    """
    calibration = read_calibration(folder)
    if calibration.model != model:
        raise UserError(
            f"{Path(folder) / FILE}: calibrates the model {calibration.model}, not {model}; "
            "every model needs answers to its own faces; --run says which one draws."
        )
    return calibration


def warn_of_simulation(calibration: Calibration) -> None:
    """Say so where no person stands behind the degrees that are asked for."""
    if calibration.simulated:
        print("note: the calibration is by simulated subjects; it says nothing about people.")


def record_of(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Which calibration it is that lies in `folder`, for the set.json of what is made by it."""
    calibration = read_calibration(folder)
    return {
        "set": Path(folder).resolve().name,
        "sha256": hashlib.sha256((Path(folder) / FILE).read_bytes()).hexdigest(),
        "subjects": calibration.subjects,
        "simulated": calibration.simulated,
        "method": calibration.method,
    }
