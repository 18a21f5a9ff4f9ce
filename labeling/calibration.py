"""Asked against perceived degree: what people see in faces that a model made at known degrees of smile.

The perceived degree of an asked one is the *mean label that very many subjects would give to faces of that degree*, so
it is on the scale of labels.csv, on which the model learned. The labels of single faces are not averaged for it: few
votes draw them towards 0 (their prior), by how much depends on the number of votes, and their noise bends the mean of a
tanh. With A and B the sums of push and weight over the votes on a face (`labeling.scores`), without any prior,

    theta = A / B                   of a face, with the variance phi / B (`labeling.intervals`)
    theta ~ N(mu, tau^2)            over the identities at one asked degree
    perceived = E link(theta)

phi is the mean square of A - theta B between subjects, tau^2 is by moments and mu the mean weighted by 1 / (phi / B +
tau^2): a random-effects meta-analysis (DerSimonian and Laird 1986), with faces for studies. In the weights B is what as
many votes have on average at that degree: a face's own B is small where all agree at once, and would draw mu to 0.
Nothing here shrinks, so more subjects make the intervals narrower and leave the curve where it is, from two on: the
theta of one vote is at the end of the scale, and so one subject's curve is by 0.1 or more too far from 0.

Perceived degrees do not fall while asked ones grow: an isotonic regression, weighted by 1 / variance (Barlow et al.
1972), sees to it. Intervals come from resampling subjects *and* identities, each as a whole (Owen 2007, the pigeonhole
bootstrap), because the curve is meant for other people and other faces. How much a subject's votes are worth (accuracy,
response times), phi and tau^2 are kept as they were found.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression
from scipy.special import ndtri
from scipy.stats import binomtest

from data.calibration import ASKED, IDENTITY, MODEL, Calibration
from labeling import psychometric
from labeling.intervals import LEVEL, Link
from labeling.labels import Assessment
from labeling.scores import LINKS
from labeling.votes import Codes, Floats
from shell import one_thread

DRAWS = 500
TRIES = 40  # for each draw, until faces are called too few
FEWEST_IDENTITIES = 3  # at each asked degree
NODES = ndtri((np.arange(101) + 0.5) / 101)  # of a standard Gaussian, of equal probability


@dataclass(frozen=True)
class Cells:
    """Sums over the counted votes of one subject on one identity at one asked degree: (S, I, K) each."""

    push: Floats
    weight: Floats
    votes: Floats
    smiley: Floats
    asked: Floats
    """(K,) the asked degrees, increasing."""


@one_thread
def calibrate(assessment: Assessment, metadata: pd.DataFrame, simulated: bool) -> Calibration | str:
    """The calibration of the model whose faces were judged, or one sentence on why there is none.

    `metadata` has the columns `image`, `asked_smile`, `model` (one hash) and, where faces of one identity were made at
    several degrees, `identity`; without it every face is an identity of its own.
    """
    faces = metadata[metadata["image"].isin(assessment.labels["image"]) & _numbers(metadata[ASKED]).notna()]
    models = faces[MODEL].dropna().astype(str).unique() if MODEL in faces else []
    if len(models) != 1:
        return f"No calibration: metadata.csv has to name one model in the column {MODEL}, it names {len(models)}."
    if _numbers(faces[ASKED]).nunique() < 2:
        return "No calibration: it takes votes on faces of two asked degrees."
    cells = cells_of(assessment, faces)
    too_few = "No calibration: it takes three identities at each asked degree to tell how sure it is; here are fewer."
    identities = (cells.votes.sum(0) > 0).sum(0)  # (K,)
    if not len(identities) or identities.min() < FEWEST_IDENTITIES:
        return too_few
    link = assessment.terms.link
    mean, (draws, counts) = perceived(cells, link), bootstrap(cells, link)
    if len(draws) < DRAWS:
        return too_few
    precision = 1 / (draws.var(0) + 1e-6)
    monotone = isotonic_regression(mean, weights=precision).x
    low, high = _ends(np.array([isotonic_regression(draw, weights=precision).x for draw in draws]))
    votes, smiley = cells.votes.sum((0, 1)), cells.smiley.sum((0, 1))
    curve = psychometric.fit(cells.asked, smiley, votes)
    curves = [psychometric.fit(cells.asked, some, n, also=curve) for some, n in counts]
    grows_from, grows_to = growth(cells.asked, draws)
    share = smiley / votes
    (share_low, share_high), (least, most) = _ends(counts[:, 0] / counts[:, 1]), _of_independent(smiley, votes)
    return Calibration(
        model=str(models[0]),
        method=assessment.method,
        subjects=len(cells.push),
        identities=cells.push.shape[1],
        simulated=simulated,
        asked=tuple(map(float, cells.asked)),
        perceived=_floats(monotone),
        perceived_low=_floats(np.minimum(low, monotone)),
        perceived_high=_floats(np.maximum(high, monotone)),
        votes=tuple(int(n) for n in votes),
        smiley=_floats(share),
        smiley_low=_floats(np.minimum(share_low, least)),
        smiley_high=_floats(np.maximum(share_high, most)),
        pse=_with_interval(curve.pse, [one.pse for one in curves]),
        slope=_with_interval(curve.slope, [one.slope for one in curves]),
        lapse=round(curve.lapse, 4),
        grows_from=grows_from,
        grows_to=grows_to,
    )


def cells_of(assessment: Assessment, faces: pd.DataFrame) -> Cells:
    """The counted votes on `faces` (`image`, `asked_smile`, perhaps `identity`), summed."""
    votes, terms = assessment.votes, assessment.terms
    known = faces.set_index("image").reindex(votes.images)
    asked_of = _numbers(known[ASKED]).to_numpy(float)
    identity_of = known[IDENTITY] if IDENTITY in known else pd.Series(votes.images)
    identity = pd.factorize(identity_of.where(~np.isnan(asked_of)))[0]
    here = (~terms.dropped) & ~np.isnan(asked_of)[votes.image] & (identity >= 0)[votes.image]
    asked = np.unique(asked_of[votes.image[here]])
    image = votes.image[here]
    subjects, subject = np.unique(votes.subject[here], return_inverse=True)
    identities, own = np.unique(identity[image], return_inverse=True)
    shape = (len(subjects), len(identities), len(asked))
    cell: Codes = np.ravel_multi_index((subject, own, np.searchsorted(asked, asked_of[image])), shape)

    def total(values: Floats) -> Floats:
        return np.bincount(cell, values[here], int(np.prod(shape))).reshape(shape)

    return Cells(
        total(terms.push), total(terms.weight), total(np.ones_like(votes.vote)), total((votes.vote > 0) * 1.0), asked
    )


class _Spread(NamedTuple):
    """How far answers lie apart at each of K degrees; see the module."""

    phi: Floats
    """(K,) between subjects on one face."""
    between: Floats
    """(K,) tau^2, between identities."""
    weight_of_vote: Floats
    """(K,) the mean."""

    @classmethod
    def of(cls, cells: Cells) -> "_Spread":
        push, weight = cells.push.sum(0), cells.weight.sum(0)  # (I, K)
        theta = np.divide(push, weight, out=np.zeros_like(push), where=weight > 0)
        subjects = (cells.weight > 0).sum(0)
        several = subjects >= 2
        square = ((cells.push - theta * cells.weight) ** 2).sum(0) * several * subjects / np.maximum(subjects - 1, 1)
        shared = (weight * several).sum(0)
        # where no face has two subjects, votes of +1 and -1 have at most this
        phi = np.maximum(np.divide(square.sum(0), shared, out=np.ones_like(shared), where=shared > 0), 1e-6)
        precision = weight / phi
        sum_1, sum_2 = precision.sum(0), (precision**2).sum(0)
        mean = (precision * theta).sum(0) / sum_1
        excess = (precision * (theta - mean) ** 2).sum(0) - ((weight > 0).sum(0) - 1)
        scale = sum_1 - sum_2 / sum_1
        between = np.maximum(np.divide(excess, scale, out=np.zeros_like(excess), where=scale > 1e-9), 0)
        return cls(phi, between, weight.sum(0) / cells.votes.sum((0, 1)))


def perceived(cells: Cells, link: Link) -> Floats:
    """(K,) the mean label that very many subjects would give at each asked degree."""
    push, weight, votes = (values.sum(0) for values in (cells.push, cells.weight, cells.votes))
    return _perceived(push, weight, votes, np.ones(cells.push.shape[1]), _Spread.of(cells), link)


def bootstrap(cells: Cells, link: Link, draws: int = DRAWS, seed: int = 0) -> tuple[Floats, Floats]:
    """`perceived` (D, K), and smiley and all votes (D, 2, K), in resamples of subjects and identities.

    Only resamples with votes at every degree count; where they are rarer than one of `TRIES`, D is less than `draws`.
    """
    rng = np.random.default_rng(seed)
    n_subjects, n_identities, n_degrees = cells.push.shape
    spread, judged = _Spread.of(cells), cells.votes.sum(0) > 0
    found: list[Floats] = []
    counts = []
    for _ in range(TRIES * draws):
        subjects = rng.multinomial(n_subjects, np.full(n_subjects, 1 / n_subjects)).astype(float)
        identities = rng.multinomial(n_identities, np.full(n_identities, 1 / n_identities)).astype(float)
        if not (identities @ judged > 0).all():  # a degree is left without faces; summing would be for nothing
            continue
        push, weight, votes, smiley = (
            np.tensordot(subjects, values, 1) for values in (cells.push, cells.weight, cells.votes, cells.smiley)
        )
        if (identities @ votes > 0).all():
            found.append(_perceived(push, weight, votes, identities, spread, link))
            counts.append((identities @ smiley, identities @ votes))
        if len(found) == draws:
            break
    return np.reshape(found, (-1, n_degrees)), np.reshape(counts, (-1, 2, n_degrees))


def _perceived(push: Floats, weight: Floats, votes: Floats, times: Floats, spread: _Spread, link: Link) -> Floats:
    """(K,) E link(theta) from the sums (I, K) per face, each identity counted `times` (I,)."""
    theta = np.divide(push, weight, out=np.zeros_like(push), where=weight > 0)
    information = np.where(weight > 0, votes, 0) * spread.weight_of_vote
    share = times[:, None] * information / (spread.phi + spread.between * information)
    mean = (share * theta).sum(0) / share.sum(0)
    return LINKS[link](mean + np.sqrt(spread.between) * NODES[:, None]).mean(0)


def growth(asked: Floats, draws: Floats) -> tuple[float, float]:
    """Between which asked degrees the answers grow, from `draws` (D, K) of the perceived ones.

    The lower end is the highest degree that is not credibly above the lowest one, the upper end the lowest that is not
    credibly below the highest one; credibly: in more than 95 % of the draws.
    """
    above = (draws > draws[:, :1]).mean(0) > (1 + LEVEL) / 2
    below = (draws < draws[:, -1:]).mean(0) > (1 + LEVEL) / 2
    return float(asked[~above].max()), float(asked[~below].min())


def _numbers(column: pd.Series) -> pd.Series:
    return pd.to_numeric(column, errors="coerce").astype(float)


def _ends(draws: Floats) -> tuple[Floats, Floats]:
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def _of_independent(smiley: Floats, votes: Floats) -> Floats:
    """Exact intervals (2, K) of shares, if votes were independent (Clopper and Pearson 1934)."""
    return np.array([binomtest(int(k), int(n)).proportion_ci(LEVEL) for k, n in zip(smiley, votes, strict=True)]).T


def _with_interval(value: float, draws: list[float]) -> tuple[float, float, float]:
    low, high = _ends(np.array(draws))
    middle, least, most = (float(f"{one:.4g}") for one in (value, min(low, value), max(high, value)))
    return middle, least, most  # to four digits, for a slope is never 0


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)
