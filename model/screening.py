"""Which of a model's faces are good enough to be shown to people, by judges that took no part in its training.

A person who does not exist is left out whose smile is read far from the asked degree, whose read smile falls where the
asked one grows, who changes more than the smile (who it is, age or sex), who lies apart from what the model usually
makes, or who looks like one that is already in the set. So is one whom the model's own encoder does not know again in
the drawn faces: an eye that is a smear or a veil over a cheek is nothing that it ever encoded. What is usual and what
is alike is learned from the model's own samples.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist

if TYPE_CHECKING:
    from model.judges import Judges

Pictures = NDArray[np.uint8]  # (..., S, S, 3)
Floats = NDArray[np.float64]

FAR = 2.0  # what is read further off than this many errors of the reading is a failure
FALSE_MATCHES = 0.05  # of two different people at one degree, how many pass for one
SURE = 0.75  # of the sex, at one degree of one and at another of the other
NEIGHBOURS = 5
ODD = 3.0  # robust standard deviations above the usual distance to the neighbours
TORN = 2.5  # the same, above the usual cycle distance

OFF, FALLS, APART, ALIKE = "smile read far off", "smile not monotone", "unlike other faces", "near-duplicates"
ANOTHER, AGES, SEX = "not one person at all degrees", "age changes", "sex changes"
BROKEN, NOT_ASKED_FOR = "no whole face", "age not asked for"


@dataclass(frozen=True)
class Usual:
    """What the model's own samples look like to a judge: R of them."""

    descriptors: Floats
    """(R, D) unit length, of persons."""
    apart: float
    """A person further from the nearest of them is an outlier."""
    alike: float
    """Two persons nearer to each other are near-duplicates."""
    one: float
    """Two pictures further from each other are not of one person."""
    whole: float
    """A person with a larger mean cycle distance is no whole face."""


@dataclass
class Screening:
    """Takes persons in the order in which they are drawn, and remembers those that passed."""

    judges: "Judges"
    usual: Usual
    asked: Floats
    """(K,) degrees."""
    ages: tuple[float, float] | None = None
    """Youngest and oldest who are asked for, in years as the judges read them in the mean over the degrees."""
    left_out: dict[str, list[int]] = field(default_factory=dict)
    """Their numbers, by reason."""
    passed: list[Floats] = field(default_factory=list)
    """Descriptors (K, D) of those in the set."""

    @property
    def thresholds(self) -> dict[str, float | None]:
        """Beyond which a person is left out, for set.json; None where nothing is known to compare with."""
        found = {
            "smile_off": FAR * self.judges.smile_error,
            "age_change_years": None if self.judges.age_error is None else FAR * self.judges.age_error,
            "sure_of_sex": SURE,
            "descriptors_of_one_person": self.usual.one,
            "descriptors_apart": self.usual.apart,
            "descriptors_alike": self.usual.alike,
            "cycle_distance": self.usual.whole,
        }
        return {name: None if value is None else round(float(value), 4) for name, value in found.items()}

    def passes(self, number: int, faces: Pictures, cycle: Floats) -> bool:
        """Whether person `number`, (K, S, S, 3) at the asked degrees, with cycle distances (K,), joins the set."""
        attributes = self.judges.attributes(faces)
        if self.ages is not None and not self.ages[0] <= attributes["age"].mean() <= self.ages[1]:  # NaN is not either
            # first, so that the other reasons count those who are asked for; and the other judges need not look
            return self._leave_out(number, NOT_ASKED_FOR)
        descriptors = self.judges.describe(faces)
        reason = BROKEN if cycle.mean() > self.usual.whole else None
        reason = reason or failure(self.judges.smile(faces), self.asked, self.judges.smile_error)
        reason = reason or change(descriptors, self.usual.one, attributes, self.judges.age_error)
        if (
            reason is None
            and neighbour_distance(person(descriptors[None]), self.usual.descriptors)[0] > self.usual.apart
        ):
            reason = APART
        if reason is None and any(distance(descriptors, other) < self.usual.alike for other in self.passed):
            reason = ALIKE
        if reason is not None:
            return self._leave_out(number, reason)
        self.passed.append(descriptors)
        return True

    def _leave_out(self, number: int, reason: str) -> bool:
        self.left_out.setdefault(reason, []).append(number)
        return False


def failure(read: Floats, asked: Floats, error: float) -> str | None:
    """Why the read degrees (K,) of a person at the `asked` ones (K,) will not do, or None.

    `error` is the standard deviation of a reading. Labels, and so readings, end at -1 and 1: a degree asked beyond is
    read well enough there.
    """
    if not (np.abs(np.clip(read, -1, 1) - np.clip(asked, -1, 1)) <= FAR * error).all():  # NaN is far off too
        return OFF
    return FALLS if (np.diff(read[np.argsort(asked)]) < 0).any() else None


def change(descriptors: Floats, one: float, attributes: Mapping[str, Floats], age_error: float | None) -> str | None:
    """What else than the smile changes in a person, with `descriptors` (K, D) and `attributes` (K,) each, or None.

    Pictures of one person are not further than `one` from each other. `age_error` in years is that of a reading.
    """
    if pdist(descriptors).max(initial=0) > one:
        return ANOTHER
    if age_error is not None and "age" in attributes and np.ptp(attributes["age"]) > FAR * age_error:
        return AGES
    female = attributes.get("p(female)")
    return SEX if female is not None and female.min() < 1 - SURE and female.max() > SURE else None


def learn_usual(samples: Floats, sterner: Floats, happier: Floats, cycle: Floats) -> Usual:
    """`Usual` from descriptors of R samples: (R, K, D) at the asked degrees, and (R, D) at two that lie apart.

    Outliers are more than 3 robust standard deviations further from their 5 nearest neighbours than is usual (Ramaswamy
    et al., 2000). Two persons are alike who differ less than one person does at two degrees, in the median. Two
    pictures are of one person if they are nearer than all but `FALSE_MATCHES` of pairs of samples at one degree. A
    person is no whole face whose `cycle` distances (R, K) are more than 2.5 robust standard deviations above the usual.
    """
    persons = person(samples)
    apart = above(neighbour_distance(persons, persons, itself=1), ODD)
    alike = np.median(np.linalg.norm(sterner - happier, axis=-1))
    one = np.quantile([pdist(some) for some in samples.swapaxes(0, 1)], FALSE_MATCHES)
    return Usual(persons, apart, float(alike), float(one), above(cycle.mean(1), TORN))


def above(values: Floats, deviations: float) -> float:
    """The median of values (R,) and so many robust standard deviations more."""
    middle = np.median(values)
    return float(middle + deviations * 1.4826 * np.median(np.abs(values - middle)))


def person(descriptors: Floats) -> Floats:
    """(N, K, D) of pictures -> (N, D) of persons, unit length."""
    mean = descriptors.mean(1)
    found: Floats = mean / np.linalg.norm(mean, axis=-1, keepdims=True)
    return found


def distance(one: Floats, other: Floats) -> float:
    """Between two persons (K, D): the mean over the degrees."""
    return float(np.linalg.norm(one - other, axis=-1).mean())


def neighbour_distance(descriptors: Floats, among: Floats, itself: int = 0) -> Floats:
    """(N,) mean distance to the nearest of `among`; `itself` is 1 where they are the same persons."""
    distances: Floats = np.sort(cdist(descriptors, among), axis=1)
    return distances[:, itself : itself + NEIGHBOURS].mean(1)
