"""How well the labels would come out again with other subjects."""

import math
from dataclasses import dataclass

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

    @property
    def full(self) -> float:
        """Of the labels by all subjects, as Spearman (1910) and Brown (1910) step a half up: 2 r / (1 + r)."""
        return 2 * self.split_half / (1 + self.split_half)

    @property
    def of_one(self) -> float:
        """Of the labels by one subject: r / (n / 2 - (n / 2 - 1) r)."""
        half = self.n_subjects / 2
        return self.split_half / (half - (half - 1) * self.split_half)

    def subjects_for(self, reliability: float) -> int:
        """How many subjects give labels of this reliability, all being like these."""
        return max(1, math.ceil(reliability * (1 - self.of_one) / (self.of_one * (1 - reliability)) - 1e-9))

    @property
    def more_to_halve_error(self) -> int:
        """How many more subjects halve the standard error, sqrt(1 - reliability)."""
        return self.subjects_for(1 - (1 - self.full) / 4) - self.n_subjects


def split_half(trials: pd.DataFrame, method: str = "evidence", seed: int = 0) -> Reliability | None:
    """The reliability of a method's labels by random halves of the subjects who have voted.

    None where it cannot be told: fewer than two subjects, fewer than three images judged by both halves, or halves that
    do not agree at all.
    """
    trials = trials[is_vote(trials)]
    subjects = np.sort(trials["subject"].astype(str).unique())
    rng = np.random.default_rng(seed)
    found = []
    for _ in progress(range(SPLITS if len(subjects) > 2 else 1), "Reliability", unit="split"):
        half = rng.permutation(subjects)[: len(subjects) // 2]
        in_half = trials["subject"].astype(str).isin(half)
        labels = [score(part, method).set_index("image")["smile"] for part in (trials[in_half], trials[~in_half])]
        both = pd.concat(labels, axis=1, join="inner")
        if len(both) >= 3 and (both.std() > 0).all():
            found.append(float(both.corr().iloc[0, 1]))
    mean = float(np.mean(found)) if found else 0.0
    return Reliability(min(mean, 0.9999), len(subjects)) if mean > 0 else None
