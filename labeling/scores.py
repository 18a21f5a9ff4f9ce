"""The scores: pure functions of the votes, each a ratio of sums over an image's votes,

    smile = link(sum(push) / (prior + sum(weight))).

In the formulas s is a vote (+1 or -1) and RT its response time in seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import logit

from labeling.intervals import Link, Sums, interval
from labeling.votes import Codes, Floats, Votes

ANTICIPATION_S = 0.15  # faster than anybody sees and presses
EARLY_AT_MOST = 0.1  # a larger share of so short times means that they were not taken from the face's onset
LONGEST_TAU = 4.0
CHECKED_TRIALS = 1_000_000  # more make the check of response times no better, only slower
LINEAR_RANGE_S = (0.1, 2.0)


class Agreement(NamedTuple):
    """Of c = 2 p - 1 among subjects who are right with probability p."""

    mean: float
    variance: float


USUAL_AGREEMENT = Agreement(0.6, 0.64 / 21)  # as of p ~ Beta(16, 4)
USUAL_SUBJECTS = 5  # whose worth it is, for the variance

LINKS: dict[Link, Callable[[Floats], Floats]] = {
    "identity": lambda ratio: np.clip(ratio, -1, 1),
    "sign": np.sign,
    "tanh": np.tanh,
}


@dataclass(frozen=True)
class Terms:
    """What each vote adds to the label of its image, and what was found out about the subjects on the way."""

    push: Floats
    """(T,) towards smiley."""
    weight: Floats
    """(T,) >= 0, 0 for a dropped vote."""
    prior: float
    """Weight of no smile at all."""
    link: Link
    dropped: NDArray[np.bool_]
    """(T,) votes that do not count; their push and weight are 0."""
    why_dropped: str = ""
    subjects: dict[str, Floats] = field(default_factory=dict)
    """(S,) each: what the score found about the subjects."""
    notes: tuple[str, ...] = ()
    """What was decided, and why, in plain words."""
    fitted: int = 0
    """Parameters fitted per subject to these very votes, which makes them look more alike than they are."""

    def smile(self, votes: Votes) -> tuple[Floats, Floats, Floats]:
        """(I,) each: the labels in [-1, 1], 0 for an image without weight, and the ends of their 90 % intervals."""
        sums = Sums(votes.per_image(self.push), votes.per_image(self.weight))
        weight = self.prior + sums.weight
        ratio = np.divide(sums.push, weight, out=np.zeros_like(weight), where=weight > 0)
        smile = LINKS[self.link](ratio)
        low, high = interval(votes, self.push, self.weight, sums, self.link, self.fitted)
        return smile, np.minimum(low, smile), np.maximum(high, smile)


def majority(votes: Votes) -> Terms:
    """sign(sum s): what most votes say, 0 for a tie."""
    return Terms(votes.vote, np.ones_like(votes.vote), 0.0, "sign", _none(votes))


def mean_vote(votes: Votes) -> Terms:
    """mean(s): the share of smiley votes, from -1 to +1."""
    return Terms(votes.vote, np.ones_like(votes.vote), 0.0, "identity", _none(votes))


def _none(votes: Votes) -> NDArray[np.bool_]:
    return np.zeros(len(votes.vote), dtype=bool)


def inverse_rt(votes: Votes) -> Terms:
    """mean(s min(RT) / RT), the minimum within subject: votes weighted by relative speed.

    Votes without a response time are dropped.
    """
    known = ~np.isnan(votes.response_time_s)
    fastest_s = np.full(len(votes.subjects), np.inf)
    np.fmin.at(fastest_s, votes.subject, votes.response_time_s)
    speed = np.where(known, fastest_s[votes.subject] / votes.response_time_s, 0.0)
    return Terms(votes.vote * speed, known * 1.0, 0.0, "identity", ~known, "no response time")


def linear_rt(votes: Votes) -> Terms:
    """mean(s (1 - RT / RT_max)), the formula of the published SmileCVAE labels (github.com/raulorteg/SmileCVAE).

    RT_max is 2 s; votes with RT under 0.1 s, over RT_max or unknown are dropped.
    """
    shortest_s, longest_s = LINEAR_RANGE_S
    kept = (votes.response_time_s >= shortest_s) & (votes.response_time_s <= longest_s)
    push = np.where(kept, votes.vote * (1 - votes.response_time_s / longest_s), 0.0)
    why = f"response time not between {shortest_s} and {longest_s} s"
    return Terms(push, kept * 1.0, 0.0, "identity", ~kept, why)


def evidence(votes: Votes) -> Terms:
    """tanh(v), v = sum(g s) / (1 + sum(g^2 tau)): the posterior mean of an image's drift, by votes and decision times.

        tau = 2 RT / median(RT of the subject) - 1, below 0.1 -> 1 (an RT that says nothing), at most 4
        g   = clip(logit(p) / logit(0.9), 0, 1.6), p the subject's accuracy by `accuracy`

    A drift-diffusion observer of boundary a and drift v has, at the time T of its decision s = +-1, the likelihood
    exp(a s v / 2 - v^2 T / 2) in v, so that v is Gaussian given votes and times: sum(s) / (kappa + sum(T)), in units of
    a (Ratcliff 1978; Bogacz et al. 2006, appendix). g weighs subjects as Nitzan and Paroush (1982).

    How far tau may leave 1 is decided per subject from the data, see `response_time_use`. Votes under 0.15 s are
    dropped, unless the subject's times are not used. They never are where more than a tenth of them is under 0.15 s:
    such times were not taken from the face's onset.
    """
    rt = votes.response_time_s
    early = rt < ANTICIPATION_S
    timed = ~np.isnan(rt)
    if early.any():
        n_votes = np.bincount(votes.subject)
        timed &= ~early & (votes.per_subject(early * 1.0) <= EARLY_AT_MOST * n_votes)[votes.subject]
    median_s = votes.medians(rt if timed.all() else np.where(timed, rt, np.nan))
    tau = (2 / median_s)[votes.subject]
    tau *= rt  # in place: of ten million votes each new array costs more than the arithmetic
    tau -= 1
    says_nothing = ~(timed & (tau >= 0.1))
    np.minimum(tau, LONGEST_TAU, out=tau)
    np.copyto(tau, 1.0, where=says_nothing)

    counted = ~early
    p, g = _quality(votes, counted)
    use, notes = response_time_use(votes, g, tau, timed, counted, ~np.isnan(median_s))
    used_all_the_same = early & (use == 0)[votes.subject]
    if used_all_the_same.any():
        counted |= used_all_the_same
        p, g = _quality(votes, counted)
    push = g[votes.subject]
    push *= votes.vote
    tau -= 1
    weight = (g**2 * use)[votes.subject]
    weight *= tau
    weight += (g**2)[votes.subject]
    if not counted.all():
        push *= counted
        weight *= counted
    return Terms(
        push,
        weight,
        prior=1.0,
        link="tanh",
        dropped=~counted,
        why_dropped=f"response time under {ANTICIPATION_S} s",
        subjects={"accuracy": p, "rt_use": use},
        notes=notes,
    )


def _quality(votes: Votes, counted: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """(S,) accuracies from the votes that are `counted` (T,), and (S,) the weights g by them."""
    p = accuracy(votes, votes.vote if counted.all() else votes.vote * counted)
    return p, quality(p)


def quality(p: Floats) -> Floats:
    """(S,) what the votes of subjects of these accuracies weigh: 1 at 0.9, 0 from chance down."""
    return np.clip(logit(p) / logit(0.9), 0, 1.6)


def accuracy(votes: Votes, vote: Floats) -> Floats:
    """(S,) each subject's probability to vote for what an image is, by the one-coin model and EM.

    Every image either smiles or not, with equal odds; each vote is right with the subject's probability p (Dawid and
    Skene 1979; Zhang et al. 2016, section 2). The prior of p is the Beta distribution that the subjects together make
    likely (`_usual_agreement`), so that who voted little is taken to be like the others (empirical Bayes: Efron and
    Morris 1975). `vote` is 0 where it does not count. A subject's votes on one image count as one: said twice, a thing
    is no better proven.
    """
    if votes.repeats:
        vote = vote / np.maximum(votes.per_pair(np.abs(vote)), 1)
    order, starts = votes.by_subject
    shape = (len(votes.subjects), len(votes.images))
    table = sparse.csr_array((vote[order], votes.image[order], starts), shape=shape)
    n_votes = votes.per_subject(np.abs(vote))
    usual = USUAL_AGREEMENT
    p = _one_coin(table, n_votes, usual, np.full(len(n_votes), (1 + usual.mean) / 2))
    for _ in range(2):
        p = _one_coin(table, n_votes, _usual_agreement(votes, vote, logit(p)), p)
    return p


def _one_coin(table: sparse.csr_array, n_votes: Floats, usual: Agreement, p: Floats) -> Floats:
    """(S,) accuracies by EM from a `table` (S, I) of votes, beginning with `p` (S,)."""
    known = (1 - usual.mean**2) / usual.variance - 1  # so many votes the prior is worth
    right_before = (1 + usual.mean) / 2 * known
    for _ in range(200):
        belief = np.tanh(logit(p) @ table / 2)  # 2 P(smiley) - 1
        right = (n_votes + table @ belief) / 2
        before, p = p, (right_before + right) / (known + n_votes)
        if np.abs(p - before).max(initial=0) < 1e-9:
            break
    return p


def _usual_agreement(votes: Votes, vote: Floats, weight: Floats) -> Agreement:
    """Mean and variance among subjects of c = 2 p - 1, by how far each agrees with the others.

    Where the others, each with `weight` (S,) logit(p), believe b = 2 P(smiley) - 1, a subject's mean vote is c b: c is
    found by least squares, sum(b s) / sum(b^2), and mean and variance by `_random_effects`. They are drawn to
    `USUAL_AGREEMENT`, as if one subject more were of that mean, and `USUAL_SUBJECTS` more of that variance.
    """
    evidence = weight[votes.subject] * vote
    belief = np.tanh((votes.per_image(evidence)[votes.image] - votes.per_pair(evidence)) / 2)
    square = belief**2 * np.abs(vote)
    known, agreement = votes.per_subject(square), votes.per_subject(belief * vote)
    compared = known > 1e-9
    if compared.sum() < 2:
        return USUAL_AGREEMENT
    pooled = np.clip(agreement.sum() / known.sum(), -0.99, 0.99)
    variance = votes.per_subject(square * (1 - (pooled * belief) ** 2))[compared] / known[compared] ** 2
    mean, between = _random_effects(agreement[compared] / known[compared], variance)
    precision = np.array([np.sum(1 / (variance + between)), 1 / USUAL_AGREEMENT.variance])
    mean = float(np.clip(precision @ (mean, USUAL_AGREEMENT.mean) / precision.sum(), 0, 0.95))
    n = compared.sum()
    between = (n * between + USUAL_SUBJECTS * USUAL_AGREEMENT.variance) / (n + USUAL_SUBJECTS)
    return Agreement(mean, min(between, (1 - mean**2) / 3))  # 3: a prior worth two votes, uniform where mean is 0


def response_time_use(
    votes: Votes,
    g: Floats,
    tau: Floats,
    timed: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    has_times: NDArray[np.bool_],
) -> tuple[Floats, tuple[str, ...]]:
    """(S,) how far each subject's response times are used, from 0 (not) to 1 (fully), and why.

    Checked without any truth: do a subject's faster votes agree better with what the other subjects say? r is the
    correlation, within subject and response, of -tau with the vote times the label by all others. Subjects borrow
    strength from each other (r ~ N(mean, variance between subjects), by moments: DerSimonian and Laird 1986), and the
    use is the positive-part shrinkage 1 - 2 / z^2 of a subject's posterior r, z its ratio to its standard error: 0
    below z = 1.41.

    Parameters
    ----------
    g : (S,) weights of the subjects.
    tau, timed, counted : (T,) relative decision times, which of them are known, and which votes count.
    has_times : (S,) who has a known time.
    """
    n_subjects = len(votes.subjects)
    if not has_times.any():
        return np.zeros(n_subjects), ("There are no usable response times: votes alone count.",)
    step = 1 + len(tau) // CHECKED_TRIALS
    if step > 1:  # a fixed part of the images is enough to tell
        votes, at = votes.of_images(np.arange(len(votes.images)) % step == 0)
        tau, timed, counted = tau[at], timed[at], counted[at]
    push = g[votes.subject] * votes.vote * counted
    weight = (g**2)[votes.subject] * tau * counted
    some = np.flatnonzero(timed & (push != 0))
    image = votes.image[some]
    others_weight = votes.per_image(weight)[image] - votes.per_pair(weight)[some]
    others_push = votes.per_image(push)[image] - votes.per_pair(push)[some]
    shared = others_weight > 1e-9
    some, label = some[shared], np.tanh(others_push[shared] / (1 + others_weight[shared]))
    # response keys differ in speed and in how often they are right, which says nothing about single faces
    group = 2 * votes.subject[some] + (votes.vote[some] > 0)
    speed, agreement = _centred(-tau[some], group), _centred(votes.vote[some] * label, group)

    def per_subject(values: Floats) -> Floats:
        return np.bincount(group // 2, values, n_subjects).astype(float)

    freedom = per_subject(np.ones(len(group))) - 2
    spread = np.sqrt(per_subject(speed**2) * per_subject(agreement**2))
    checked = (freedom >= 3) & (spread > 1e-9)
    use = np.zeros(n_subjects)
    if not checked.any():
        why = (
            "there is one subject"
            if n_subjects == 1
            else "nobody's times differ from face to face, or all answers agree"
            if np.any(freedom >= 3)
            else "too few faces were judged by several subjects"
        )
        return has_times * 1.0, (f"Response times are used, but that they inform could not be checked: {why}.",)
    r, variance = per_subject(speed * agreement)[checked] / spread[checked], 1 / freedom[checked]
    mean, between = _random_effects(r, variance)
    mean_variance = 1 / np.sum(1 / (variance + between))
    own = between / (between + variance)  # 0: all subjects are alike
    z = (own * r + (1 - own) * mean) / np.sqrt(own * variance + (1 - own) ** 2 * mean_variance)
    pooled_z = mean / np.sqrt(mean_variance)
    use[has_times] = _shrinkage(pooled_z)  # for those who shared too few faces with others
    use[checked] = _shrinkage(z)
    verdict = "used" if use.mean() > 0.5 else "used in part" if use.mean() > 0 else "not used"
    return use, (
        f"Response times are {verdict} (weight {use.mean():.2f}): the correlation of a vote's speed with its agreement "
        f"with the other subjects is {round(mean, 2) + 0.0:+.2f} (z = {round(pooled_z, 1) + 0.0:.1f}).",
    )


def _shrinkage(z: Floats) -> Floats:
    return np.where(z > np.sqrt(2), 1 - 2 / np.maximum(z, 1) ** 2, 0.0)


def _centred(values: Floats, group: Codes) -> Floats:
    n = np.bincount(group)
    return values - (np.bincount(group, values) / np.maximum(n, 1))[group]


def _random_effects(effect: Floats, variance: Floats) -> tuple[float, float]:
    """Mean and variance between of effects with known variances, by moments (DerSimonian and Laird 1986)."""
    weight = 1 / variance
    mean = np.sum(weight * effect) / weight.sum()
    excess = np.sum(weight * (effect - mean) ** 2) - (len(effect) - 1)
    scale = weight.sum() - np.sum(weight**2) / weight.sum()
    between = max(0.0, excess / scale) if scale > 0 else 0.0
    weight = 1 / (variance + between)
    return float(np.sum(weight * effect) / weight.sum()), float(between)
