"""The answered trials of a table, as arrays: what every score is a function of."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shell import UserError

Floats = NDArray[Any]  # float64; the stubs of bincount and of scipy know less
Codes = NDArray[np.intp]
MANY = 20  # votes per subject


@dataclass(frozen=True)
class Votes:
    """T votes of S subjects on I images. Codes count in the sorted order of the names."""

    subject: Codes
    """(T,) in [0, S)."""
    image: Codes
    """(T,) in [0, I)."""
    vote: Floats
    """(T,) +1 smiley, -1 not smiley."""
    response_time_s: Floats
    """(T,) > 0; NaN where none is known."""
    subjects: pd.Index
    """(S,) names."""
    images: pd.Index
    """(I,) names."""

    def per_image(self, values: Floats) -> Floats:
        """(I,) sums of `values` (T,)."""
        return np.bincount(self.image, values, len(self.images)).astype(float)  # of nothing it would be integers

    def per_subject(self, values: Floats) -> Floats:
        """(S,) sums of `values` (T,)."""
        order, starts = self.by_subject
        if isinstance(order, slice) and np.all(starts[1:] > starts[:-1]):  # nobody is without votes
            return np.add.reduceat(values, starts[:-1], dtype=float)  # quicker
        return np.bincount(self.subject, values, len(self.subjects)).astype(float)

    def medians(self, values: Floats) -> Floats:
        """(S,) medians, per subject, of those `values` (T,) that are not NaN; NaN where there is none."""
        order, starts = self.by_subject
        each = np.split(values[order], starts[1:-1])[: len(self.subjects)]
        if np.isnan(values).any():
            each = [own[~np.isnan(own)] for own in each]
        return np.array([np.median(own) if len(own) else np.nan for own in each])

    @cached_property
    def by_subject(self) -> tuple[Codes | slice, Codes]:
        """(T,) the order that sorts the votes by subject, and (S + 1,) where each subject starts in it, and the end."""
        starts = np.concatenate([[0], np.cumsum(np.bincount(self.subject, minlength=len(self.subjects)))])
        if np.all(self.subject[1:] >= self.subject[:-1]):  # as most tables are
            return slice(None), starts
        few = self.subject.astype(np.min_scalar_type(len(self.subjects)))
        return np.argsort(few, kind="stable"), starts  # a radix sort

    @cached_property
    def repeats(self) -> bool:
        """Whether any subject has judged an image more than once."""
        if len(self.vote) < MANY * len(self.subjects):
            return len(np.unique(self._cell)) < len(self.vote)
        order, starts = self.by_subject  # quicker than sorting, where there are few subjects
        image, number = self.image[order], np.arange(len(self.vote))
        last = np.empty(len(self.images), dtype=np.intp)
        for start, end in pairwise(starts):
            own = image[start:end]
            last[own] = number[start:end]
            if not np.array_equal(last[own], number[start:end]):  # a later vote has taken the place of an earlier one
                return True
        return False

    @cached_property
    def _pair(self) -> Codes:
        """(T,) numbers each pair of subject and image that has a vote: repeats share a number."""
        numbers: Codes = np.unique(self._cell, return_inverse=True)[1]
        return numbers

    @cached_property
    def first(self) -> NDArray[np.bool_]:
        """(T,) which votes are their subject's first on their image."""
        if not self.repeats:
            return np.ones(len(self.vote), dtype=bool)
        found = np.zeros(len(self.vote), dtype=bool)
        found[np.unique(self._cell, return_index=True)[1]] = True
        return found

    def of_images(self, images: NDArray[np.bool_]) -> tuple["Votes", Codes]:
        """The votes on those `images` (I,) alone, and where they stand among all."""
        at = np.flatnonzero(images[self.image])
        image = (np.cumsum(images) - 1)[self.image[at]]
        names = self.images[images]
        return Votes(self.subject[at], image, self.vote[at], self.response_time_s[at], self.subjects, names), at

    @property
    def _cell(self) -> Codes:
        return self.subject * len(self.images) + self.image

    def per_pair(self, values: Floats) -> Floats:
        """(T,) the sum of `values` (T,) over all votes of the same subject on the same image."""
        return np.bincount(self._pair, values)[self._pair] if self.repeats else values


def is_practice(trials: pd.DataFrame) -> NDArray[np.bool_]:
    """(T,) which trials are practice by their `trial_type`, if they have one, in whatever case it is written."""
    if "trial_type" not in trials.columns:
        return np.zeros(len(trials), dtype=bool)
    codes, words = pd.factorize(trials["trial_type"])
    practice = np.array([*(str(word).strip().lower() == "practice" for word in words), False])  # -1: none is written
    return practice[codes]


def is_vote(trials: pd.DataFrame) -> NDArray[np.bool_]:
    """(T,) which trials are answered and no practice."""
    answered: NDArray[np.bool_] = trials["response"].notna().to_numpy(dtype=bool)
    return answered & ~is_practice(trials)


def from_trials(trials: pd.DataFrame) -> Votes:
    """The answered trials of a table with `subject, image, response` (+1, -1 or missing) and `response_time` (s).

    Names may be text or categorical; of categories the codes are used as they are, which is quicker in large tables.
    Practice trials (`trial_type`, where there is such a column) never count; a missing response_time says nothing.

    Raises
    ------
    UserError
        A column is missing, or a cell is none of the above; with its row, counted from 1.
    """
    for column in ("subject", "image", "response", "response_time"):
        if column not in trials.columns:
            raise UserError(f"trials: no column {column!r}, found {', '.join(map(str, trials.columns))}.")
    response = _numbers(trials["response"], "response", "+1, -1 or missing")
    response_time_s = _numbers(trials["response_time"], "response_time", "seconds above 0 or missing")
    known = (response == 1) | (response == -1) | np.isnan(response)
    _demand(known, trials["response"], "response", "+1, -1 or missing")
    impossible = (response_time_s <= 0) | (response_time_s == np.inf)  # NaN is neither
    _demand(~impossible, trials["response_time"], "response_time", "seconds above 0 or missing")
    answered = is_vote(trials)
    subject, subjects = _codes(trials["subject"], answered)
    image, images = _codes(trials["image"], answered)
    if not answered.all():
        response, response_time_s = response[answered], response_time_s[answered]
    return Votes(subject, image, response, response_time_s, subjects, images)


def _numbers(column: pd.Series, name: str, expected: str) -> Floats:
    if column.dtype == np.float64:
        return column.to_numpy()
    numbers: Floats = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    _demand(~np.isnan(numbers) | column.isna().to_numpy(), column, name, expected)
    return numbers


def _demand(ok: NDArray[np.bool_], column: pd.Series, name: str, expected: str) -> None:
    if not ok.all():
        row = int(np.flatnonzero(~ok)[0])
        raise UserError(f"trials, row {row + 1}: {name} is {str(column.iloc[row])[:60]!r}, expected {expected}.")


def _codes(column: pd.Series, answered: NDArray[np.bool_]) -> tuple[Codes, pd.Index]:
    _demand(column.notna().to_numpy(dtype=bool) | ~answered, column, str(column.name), "a name")
    if not answered.all():
        column = column[answered]
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, names = column.cat.codes.to_numpy(), column.cat.categories
    else:
        codes, names = pd.factorize(column.astype(str) if column.dtype == object else column)
    occurs = np.zeros(len(names), dtype=bool)  # not all do: of categories, and of Arrow's dictionaries
    occurs[codes] = True
    used = np.flatnonzero(occurs)
    spelled, rank = np.unique(names[used].astype(str).to_numpy(dtype=object), return_inverse=True)
    if np.array_equal(rank, np.arange(len(names))):
        return codes.astype(np.intp), pd.Index(spelled, dtype=str)
    rank_of = np.zeros(len(names), dtype=np.intp)
    rank_of[used] = rank
    return rank_of[codes], pd.Index(spelled, dtype=str)
