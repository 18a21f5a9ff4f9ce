"""How well the labels would come out again with other subjects."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from labeling.labels import score
from labeling.votes import is_vote
from shell import progress

SPLITS = 10


@dataclass(frozen=True)
class Reliability:
    """Of labels by all subjects, from labels by halves of them."""

    split_half: float
    """Correlation of the labels by one half of the subjects with those by the other, mean over splits."""
    n_subjects: int
    n_images: float
    """Judged by both halves, mean over splits."""

    @property
    def by_chance(self) -> bool:
        """Whether subjects who have nothing in common may agree as much: it is within two standard errors of 0.

        A correlation of n images has the standard error 1 / sqrt(n - 1) where there is none. Those of all ways to halve
        S subjects are correlated, and their mean has the sqrt(S / (2 S - 2))th part of it; of ten ways hardly more.
        """
        part = math.sqrt(self.n_subjects / (2 * self.n_subjects - 2))
        return self.split_half < 2 * part / math.sqrt(max(self.n_images - 1, 1))

    @property
    def doubt(self) -> str:
        """That they may, in words."""
        return (
            f"halves of the subjects agree by {self.split_half:.2f} on {self.n_images:.0f} faces, as they may by chance"
        )

    @property
    def full(self) -> float:
        """Of the labels by all subjects, as Spearman (1910) and Brown (1910) step one up: S r / (1 + (S - 1) r)."""
        return self.n_subjects * self.of_one / (1 + (self.n_subjects - 1) * self.of_one)

    @property
    def of_one(self) -> float:
        """Of the labels by one subject: the r at which halves of a and b subjects correlate as they do.

        That is r sqrt(a b) / sqrt((1 + (a - 1) r) (1 + (b - 1) r)), where an odd number has halves that are not alike.
        """
        a, square = self.n_subjects // 2, self.split_half**2
        b = self.n_subjects - a
        linear, quadratic = square * (a + b - 2), a * b - square * (a - 1) * (b - 1)
        return (linear + math.sqrt(linear**2 + 4 * quadratic * square)) / (2 * quadratic)

    def subjects_for(self, reliability: float) -> int:
        """How many subjects give labels of this reliability, all being like these."""
        return max(1, math.ceil(reliability * (1 - self.of_one) / (self.of_one * (1 - reliability)) - 1e-9))

    @property
    def more_to_halve_error(self) -> int:
        """How many more subjects halve the standard error, sqrt(1 - reliability)."""
        return self.subjects_for(1 - (1 - self.full) / 4) - self.n_subjects


def split_half(trials: pd.DataFrame, method: str = "evidence", seed: int = 0) -> Reliability | None:
    """The reliability of a method's labels by halves of the subjects who have voted: all, or ten at random.

    None where it cannot be told: fewer than two subjects, fewer than three images judged by both halves, or halves that
    do not agree at all.
    """
    trials = trials[is_vote(trials)]
    subjects = np.sort(trials["subject"].astype(str).unique())
    found, shared = [], []
    for half in progress(halves(len(subjects), seed), "Reliability", unit="split"):
        in_half = trials["subject"].astype(str).isin(subjects[list(half)])
        labels = [score(part, method).set_index("image")["smile"] for part in (trials[in_half], trials[~in_half])]
        both = pd.concat(labels, axis=1, join="inner")
        if len(both) >= 3 and (both.std() > 0).all():
            found.append(float(both.corr().iloc[0, 1]))
            shared.append(len(both))
    mean = float(np.mean(found)) if found else 0.0
    return Reliability(min(mean, 0.9999), len(subjects), float(np.mean(shared))) if mean > 0 else None


def halves(n_subjects: int, seed: int = 0) -> list[Sequence[int]]:
    """Which subjects are one half: in every way, of six or fewer, else in ten at random."""
    size = n_subjects // 2
    if n_subjects < 2:
        return []
    if math.comb(n_subjects, size) // (2 - n_subjects % 2) > SPLITS:
        rng = np.random.default_rng(seed)
        return [rng.permutation(n_subjects)[:size].tolist() for _ in range(SPLITS)]
    every = combinations(range(n_subjects), size)
    return [half for half in every if n_subjects % 2 or half[0] == 0]  # of an even number the rest is a half, too
