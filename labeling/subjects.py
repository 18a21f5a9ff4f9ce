"""What each subject is worth, in figures and in plain words, and how far the subjects agree with each other."""

from typing import Any

import krippendorff
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labeling.scores import ANTICIPATION_S, accuracy
from labeling.votes import Floats, Votes, from_trials, is_practice

SWAPPED_Z = -4.0  # agreement so far below chance does not happen to a careless subject
DOUBTFUL_Z = -2.0  # so far below it may be one who has swapped the keys, too
GUESSING_Z = 2.0  # agreement that cannot be told from chance
ATTENTIVE = 0.4  # usual correlation of attentive subjects with what most others say
OPPOSITE = "says the opposite of"  # a flag's first words
ENOUGH_VOTES = 20  # fewer say nothing about a subject
MILLISECONDS_FROM_S = 30.0  # nobody takes half a minute for a first impression


def describe(trials: pd.DataFrame) -> pd.DataFrame:
    """One row per subject with a vote, index `subject`.

    Parameters
    ----------
    trials : see `labeling.score`; `trial_type`, `early_press` and `ended_by` are used where they are there.

    Returns
    -------
    `votes`; `missed` (no answer, and no pause instead); `anticipations` (presses before the face) and `fast_guesses`
    (votes under 0.15 s); `median_rt_s` and `rt_iqr_s` (interquartile range); `smiley` (share of smiley votes);
    `agreement` (share of votes that are what most other subjects say, ties left out) and `agreement_z` (against
    independent votes); `accuracy` (probability to vote for what an image is, one-coin EM; NaN where nobody else has
    judged the same images and it would be its prior); `consistency` (share of repeats that are answered as the first
    time); `flags` (in plain words, "" where nothing is odd).
    """
    votes = from_trials(trials)
    counted = trials[~is_practice(trials)]
    subject = counted["subject"].astype(str)
    early = counted["early_press"].notna().groupby(subject).sum() if "early_press" in counted.columns else 0
    n = np.bincount(votes.subject, minlength=len(votes.subjects))
    times = pd.Series(votes.response_time_s).groupby(votes.subject)
    flipped = find_swapped(votes)
    agreement, z, compared = _agreement(votes, votes.vote * np.where(flipped, -1, 1)[votes.subject], votes.vote)
    table = pd.DataFrame(
        {
            "votes": n,
            "fast_guesses": votes.per_subject((votes.response_time_s < ANTICIPATION_S) * 1.0).astype(int),
            "median_rt_s": votes.medians(votes.response_time_s),
            "rt_iqr_s": (times.quantile(0.75) - times.quantile(0.25)).to_numpy(),
            "smiley": votes.per_subject((votes.vote > 0) * 1.0) / n,
            "agreement": agreement,
            "agreement_z": z,
            "accuracy": np.where(compared > 0, accuracy(votes, votes.vote), np.nan),
            "consistency": _consistency(votes),
        },
        index=votes.subjects.rename("subject"),
    )
    table.insert(1, "missed", _missed(trials).reindex(table.index, fill_value=0))
    table.insert(2, "anticipations", pd.Series(early, index=table.index).fillna(0).astype(int))
    table["flags"] = [
        _flags(row, swapped, int(k), len(table))
        for row, swapped, k in zip(table.itertuples(), flipped, compared, strict=True)
    ]
    return table


def silent(trials: pd.DataFrame) -> pd.Series:
    """Who has missed every face, and so has no row in `describe`: how many, by subject."""
    missed = _missed(trials)
    return missed[(missed > 0) & ~missed.index.isin(from_trials(trials).subjects)]


def _missed(trials: pd.DataFrame) -> pd.Series:
    """Faces without an answer, pauses left out, by subject."""
    counted = trials[~is_practice(trials)]
    unanswered = counted["response"].isna()
    if "ended_by" in counted.columns:
        unanswered &= counted["ended_by"] != "interruption"
    return unanswered.groupby(counted["subject"].astype(str)).sum()


def find_swapped(votes: Votes) -> NDArray[np.bool_]:
    """(S,) whose votes are far more often the opposite of what most others say than chance allows.

    One subject after the other, the worst first, is taken for swapped, so that it does not speak against the rest.
    Where half of the subjects are against the other half, as one of two is, nobody knows which half: then nobody is.
    """
    swapped = np.zeros(len(votes.subjects), dtype=bool)
    while 2 * swapped.sum() < len(swapped):
        sign = np.where(swapped, -1, 1)[votes.subject]
        _, z, compared = _agreement(votes, votes.vote * sign, votes.vote * sign)
        z = np.where(swapped | (compared < ENOUGH_VOTES), 0.0, np.nan_to_num(z))
        if z.min() > SWAPPED_Z:
            against = swapped.sum() + (z < DOUBTFUL_Z).sum()
            return swapped if 2 * against < len(swapped) else np.zeros_like(swapped)
        swapped[z.argmin()] = True
    return np.zeros_like(swapped)


def fix_swapped(trials: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The trials with the votes of swapped subjects turned round, and who they are."""
    votes = from_trials(trials)
    names = list(votes.subjects[find_swapped(votes)])
    turned = trials["subject"].astype(str).isin(names)
    response = pd.to_numeric(trials["response"])
    return trials.assign(response=response.where(~turned, -response)), names


def krippendorff_alpha(votes: Votes) -> float:
    """Krippendorff's alpha of the votes, nominal; NaN where no image has votes of two or all votes are alike.

    Of a subject's votes on an image only the first counts: alpha is about how far subjects agree, not one with oneself.
    Krippendorff (2011), Computing Krippendorff's alpha-reliability.
    """
    counts = np.stack([votes.per_image((side * votes.vote > 0) & votes.first) for side in (-1, 1)], axis=1)
    counts = counts[counts.sum(1) > 1]
    if not len(counts) or not counts.any(0).all():
        return float("nan")
    return float(krippendorff.alpha(value_counts=counts.astype(int), level_of_measurement="nominal"))


def _agreement(votes: Votes, said: Floats, vote: Floats) -> tuple[Floats, Floats, Floats]:
    """(S,) share of `vote` (T,) that is what most others `said` (T,), its z if independent, and how many count.

    Each of the others is one, however often it judged the image.
    """
    said = said / votes.per_pair(np.ones_like(said))
    others = np.sign(np.round(votes.per_image(said)[votes.image] - votes.per_pair(said), 9))
    counts = (others != 0) * 1.0
    n = votes.per_subject(counts)
    some = np.maximum(n, 1)
    mean_vote, mean_others = votes.per_subject(vote * counts) / some, votes.per_subject(others) / some
    product = votes.per_subject(vote * others) / some
    spread = np.sqrt(np.maximum((1 - mean_vote**2) * (1 - mean_others**2), 0) / some)
    z = np.divide(product - mean_vote * mean_others, spread, out=np.zeros_like(spread), where=spread > 1e-9)
    return np.where(n > 0, (1 + product) / 2, np.nan), np.where(n > 0, z, np.nan), n


def _consistency(votes: Votes) -> Floats:
    """(S,) share of pairs of votes of one subject on one image that are alike, NaN where there are none."""
    if not votes.repeats:
        return np.full(len(votes.subjects), np.nan)
    others = votes.per_pair(np.ones_like(votes.vote)) - 1
    product = votes.per_subject(votes.vote * (votes.per_pair(votes.vote) - votes.vote))
    pairs = votes.per_subject(others)
    return np.where(pairs > 0, (1 + product / np.maximum(pairs, 1)) / 2, np.nan)


def _flags(row: Any, swapped: bool, compared: int, n_subjects: int) -> str:
    flags = []
    if row.median_rt_s > MILLISECONDS_FROM_S:
        flags.append("times look like milliseconds")
    if swapped:
        flags.append("keys swapped")
    elif compared >= ENOUGH_VOTES and row.agreement_z < SWAPPED_Z:
        flags.append(f"{OPPOSITE} " + ("most others" if n_subjects > 2 else "the other subject"))
    elif row.votes >= ENOUGH_VOTES and not 0.05 < row.smiley < 0.95:
        flags.append(f"nearly always {'smiley' if row.smiley > 0.5 else 'not smiley'}")
    elif compared >= ENOUGH_VOTES and row.agreement_z < min(GUESSING_Z, ATTENTIVE * compared**0.5 - GUESSING_Z):
        # as by chance, and not as of few faces by an attentive subject; of two nobody knows who of them
        flags.append("guessing" if n_subjects > 2 else "agrees with the other subject by chance at most")
    if row.fast_guesses > 0.1 * row.votes:
        flags.append("many votes too fast to have seen the face")
    if row.missed > 0.2 * (row.votes + row.missed):
        flags.append("many faces missed")
    return ", ".join(flags)
