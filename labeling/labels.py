"""From trials to labels: `score`, and `assess`, which also tells what was found out on the way."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from labeling import scores
from labeling.diffusion import diffusion
from labeling.intervals import Z
from labeling.votes import Votes, from_trials
from shell import UserError

METHODS: dict[str, Callable[[Votes], scores.Terms]] = {
    "evidence": scores.evidence,
    "majority": scores.majority,
    "mean-vote": scores.mean_vote,
    "inverse-rt": scores.inverse_rt,
    "linear-rt": scores.linear_rt,
    "diffusion": diffusion,
}


@dataclass(frozen=True)
class Assessment:
    """Labels, and what was found out on the way to them."""

    method: str
    labels: pd.DataFrame
    """See `score`."""
    subjects: pd.DataFrame
    """One row per subject with a vote, index `subject`: `votes`, `dropped` (those of them that the method does not
    use), and what the method found (such as `accuracy` and `rt_use`)."""
    notes: tuple[str, ...]
    """What was decided, and why, in plain words."""
    why_dropped: str
    """Why the method does not use the votes counted in `subjects.dropped`."""
    votes: Votes
    terms: scores.Terms
    """What each vote adds to the label of its image."""


def score(trials: pd.DataFrame, method: str = "evidence") -> pd.DataFrame:
    """One label per image.

    Parameters
    ----------
    trials : `subject, image, response` (+1 smiley, -1 not smiley, or missing) and `response_time` (s, or missing), one
        row per trial; each answered trial is one vote. Practice trials (`trial_type`) do not count.
    method : a key of `METHODS`; the formulas stand in `labeling.scores` and `labeling.diffusion`.

    Returns
    -------
    One row per image with a vote that the method uses, sorted by image: `image`, `smile` in [-1, 1], `smile_se` (a
    standard error: the width of the interval over 3.29), `smile_low` and `smile_high` (90 % interval of what many
    subjects would give), `votes` and `subjects`, both of votes that the method uses.

    Raises
    ------
    UserError
        The method is unknown, or the trials break a rule of `labeling.votes.from_trials`.
    """
    return assess(trials, method).labels


def assess(trials: pd.DataFrame, method: str = "evidence") -> Assessment:
    """Labels as `score` gives them, with a table of the subjects and notes on what was decided."""
    if method not in METHODS:
        raise UserError(f"method {method!r}: expected one of {', '.join(METHODS)}.")
    votes = from_trials(trials)
    found = METHODS[method](votes)
    smile, low, high = found.smile(votes)
    image = votes.image[~found.dropped] if found.dropped.any() else votes.image
    n_votes = np.bincount(image, minlength=len(votes.images))
    n_subjects = n_votes
    if votes.repeats:
        counted = (~found.dropped).astype(float)
        n_subjects = votes.per_image(counted / np.maximum(votes.per_pair(counted), 1)).round().astype(int)
    labels = pd.DataFrame(
        {
            "image": votes.images,
            "smile": smile,
            "smile_se": (high - low) / (2 * Z),
            "smile_low": low,
            "smile_high": high,
            "votes": n_votes,
            "subjects": n_subjects,
        }
    )
    subjects = pd.DataFrame(
        {
            "votes": np.bincount(votes.subject, minlength=len(votes.subjects)),
            "dropped": votes.per_subject(found.dropped).astype(int),
            **found.subjects,
        },
        index=votes.subjects.rename("subject"),
    )
    used = labels[n_votes > 0].reset_index(drop=True)
    return Assessment(method, used, subjects, found.notes, found.why_dropped, votes, found)
