"""Empirical-Bayes drift diffusion: every subject's parameters, and the Gaussian posterior of every image's drift.

An image has a drift d ~ N(0, 1). On a trial the evidence of a subject drifts by N(gain d + bias, noise^2) with unit
diffusion noise, from start * boundary until it reaches 0 (not smiley) or the boundary (smiley) after T = RT -
non-decision time (Ratcliff 1978). With x the way from the start to the boundary that was reached, the likelihood of a
drift v is f0(T) exp(x v - v^2 T / 2), f0 the first-passage density without drift; so a Gaussian drift integrates in
closed form, and an attentive trial's message on d is Gaussian. 5 % of trials are lapses: any vote, at any time.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from labeling.scores import Terms, evidence, quality
from labeling.votes import Floats, Votes
from shell import one_thread

LAPSES = 0.05
SWEEPS = 3  # more change nothing in the third digit
# log boundary, logit start, log non-decision time, log gain, drift bias, log drift noise: typical of published fits for
# unit diffusion noise, and wide enough for most of them (reviewed by Matzke and Wagenmakers 2009)
PRIOR_MEAN = np.array([np.log(1.3), 0.0, np.log(0.4), np.log(2.0), 0.0, 0.0])
PRIOR_SD = np.array([0.5, 0.4, 0.4, 0.7, 0.7, 0.7])
WIDEST = 8.0  # standard deviations: no search needs to leave where all is finite
KNOWN_IMAGES = 10.0
FAST = (0.0, 0.05)  # quantiles of a subject's times below which a search starts with the non-decision time
BELOW_S = 0.05  # so far below them


class _Trials(NamedTuple):
    """What is known of a subject's own trials."""

    vote: Floats
    rt: Floats
    mean: Floats
    """Of the image's drift d, by the other subjects."""
    variance: Floats
    longest_s: float
    """The longest time of a lapse."""


class _Attending(NamedTuple):
    """The density of vote and time on T trials, lapses left aside."""

    log_density: Floats
    """(T,)"""
    slope: Floats
    """(6, T) its gradient in the parameters."""
    way: Floats
    """(T,) from the start to the boundary that was reached, negative for not smiley."""
    time_s: Floats
    """(T,) of the decision."""


@one_thread
def diffusion(votes: Votes) -> Terms:
    """tanh of the posterior mean of an image's drift, with every subject's parameters fitted given the others' votes.

    A subject's parameters maximise their posterior under the prior of this module, the drifts of the images being those
    that the other subjects' votes tell (Gaussian, integrated out); all subjects are fitted side by side, `SWEEPS`
    times. For the fit an unknown response time is taken for the subject's median.

    Response times are used as far as `evidence` finds that they inform: with its use u, a trial's message is the
    drift diffusion's to the power u times that of the vote alone to the power 1 - u, N(s / g, 1 / g^2) with g the
    subject's weight there (a logarithmic pool: Genest and Zidek 1986). A vote without a time speaks alone. What the
    messages say of all images together sets the scale of the drifts at the end, so that they have variance 1.
    """
    side = _side(votes)
    voting = evidence(votes)
    use = voting.subjects["rt_use"][votes.subject] * ~np.isnan(votes.response_time_s)
    g = quality(voting.subjects["accuracy"])[votes.subject] * ~voting.dropped
    rt = _filled(votes)
    longest_s = rt.max(initial=1.0)
    rows = [np.flatnonzero(votes.subject == subject) for subject in range(len(votes.subjects))]
    parameters = np.tile(PRIOR_MEAN, (len(rows), 1))
    precision, linear = np.zeros_like(rt), np.zeros_like(rt)
    for _ in range(SWEEPS):
        # what all others say of a trial's image
        cavity_precision = 1 + votes.per_image(precision)[votes.image] - votes.per_pair(precision)
        cavity_mean = (votes.per_image(linear)[votes.image] - votes.per_pair(linear)) / cavity_precision
        for subject, own in enumerate(rows):
            trials = _Trials(side * votes.vote[own], rt[own], cavity_mean[own], 1 / cavity_precision[own], longest_s)
            parameters[subject] = _fit(trials, parameters[subject])
            timed_precision, timed_linear = _message(parameters[subject], trials)
            precision[own] = use[own] * timed_precision + (1 - use[own]) * g[own] ** 2
            linear[own] = use[own] * timed_linear + (1 - use[own]) * g[own] * trials.vote
    boundary, start, non_decision_s, gain, bias, noise = _natural(parameters.T)
    sd = np.sqrt(_variance(votes.per_image(linear), votes.per_image(precision))) if use.any() else 1.0
    return Terms(
        push=side * linear * sd,
        weight=precision * sd**2,
        prior=1.0,
        link="tanh",
        dropped=np.zeros(len(rt), dtype=bool),
        fitted=len(PRIOR_MEAN) if use.any() else 0,
        subjects={
            "boundary": boundary,
            "start": start if side > 0 else 1 - start,
            "non_decision_s": non_decision_s,
            "gain": gain * sd,
            "drift_bias": side * bias,
            "drift_noise": noise,
            "rt_use": voting.subjects["rt_use"],
        },
        notes=voting.notes,
    )


def _variance(linear: Floats, precision: Floats) -> float:
    """The most likely variance of the images' drifts, given each image's message (I,), by EM.

    Given 1, which the subjects were fitted with, as the spread of `KNOWN_IMAGES` others: few images tell little. Gains
    and drifts share one scale, along which sweeps hardly move (Liu, Rubin and Wu 1998), and pooled messages are no
    longer a likelihood; both left intervals too narrow.
    """
    variance = 1.0
    for _ in range(500):
        posterior = 1 / (1 / variance + precision)
        square = np.sum((posterior * linear) ** 2 + posterior)
        before, variance = variance, float((square + KNOWN_IMAGES) / (len(linear) + KNOWN_IMAGES))
        if abs(variance - before) < 1e-9:
            break
    return variance


def _side(votes: Votes) -> float:
    """The vote to be called +1, so that swapping all votes swaps all that follows; where all is tied, nearly."""
    for statistic in (votes.vote.sum(), np.nansum(votes.vote * votes.response_time_s)):
        if abs(statistic) > 1e-9:
            return float(np.sign(statistic))
    return 1.0


def _filled(votes: Votes) -> Floats:
    """(T,) response times, unknown ones taken for the subject's median, else for everybody's, else for 1 s."""
    rt = votes.response_time_s
    usual_s = 1.0 if np.isnan(rt).all() else float(np.nanmedian(rt))
    medians = votes.medians(rt)
    return np.where(np.isnan(rt), np.where(np.isnan(medians), usual_s, medians)[votes.subject], rt)


def _natural(parameters: Floats) -> tuple[Floats, ...]:
    """Boundary, start, non-decision time, gain, bias, noise from the unbounded scales that are fitted."""
    log_boundary, logit_start, log_non_decision, log_gain, bias, log_noise = parameters
    return np.exp(log_boundary), expit(logit_start), np.exp(log_non_decision), np.exp(log_gain), bias, np.exp(log_noise)


def _fit(trials: _Trials, start: Floats) -> Floats:
    """(6,) the parameters of highest posterior density that are found from `start` and from fast times.

    L-BFGS with the exact gradient, in standard deviations of the prior. There can be several maxima: a non-decision
    time below the fastest votes, or above some that are then taken for lapses.
    """
    fast_s = np.maximum(np.quantile(trials.rt, FAST) - BELOW_S, BELOW_S)
    starts = [start, *(np.where(np.arange(len(start)) == 2, np.log(s), start) for s in fast_s)]
    found = [
        minimize(
            _cost,
            np.clip((at - PRIOR_MEAN) / PRIOR_SD, -WIDEST, WIDEST),
            args=(trials,),
            method="L-BFGS-B",
            jac=True,
            bounds=[(-WIDEST, WIDEST)] * len(at),
            options={"ftol": 1e-13, "gtol": 1e-7, "maxiter": 500},
        )
        for at in starts
    ]
    best: Floats = min(found, key=lambda fit: float(fit.fun)).x
    return PRIOR_MEAN + PRIOR_SD * best


def _cost(standardised: Floats, trials: _Trials) -> tuple[float, Floats]:
    """Minus the log posterior of a subject's parameters (6,), up to a constant, and its gradient."""
    found = _attending(PRIOR_MEAN + PRIOR_SD * standardised, trials)
    either = np.logaddexp(found.log_density, _log_lapse(trials))
    share = np.exp(found.log_density - either)
    gradient = np.where(share > 0, share * found.slope, 0).sum(1)  # at share 0 the slope may be huge
    return float(0.5 * standardised @ standardised - either.sum()), standardised - PRIOR_SD * gradient


def _log_lapse(trials: _Trials) -> float:
    """Log density of any vote at any time by a subject who does not attend."""
    return float(np.log(LAPSES * 0.5 / trials.longest_s))


def _attending(parameters: Floats, trials: _Trials) -> _Attending:
    """The density where a subject of these `parameters` (6,) attends, the image's drift integrated out."""
    boundary, start, non_decision_s, gain, bias, noise = _natural(parameters)
    way = boundary * np.where(trials.vote > 0, 1 - start, -start)
    decided = trials.rt - non_decision_s
    time_s = np.maximum(decided, 1e-9)
    drift, spread = gain * trials.mean + bias, gain**2 * trials.variance + noise**2
    widening = 1 + spread * time_s
    exponent = (spread * way**2 + 2 * drift * way - drift**2 * time_s) / (2 * widening)
    passage, per_time, per_way = log_first_passage(time_s / boundary**2, np.abs(way) / boundary)
    log_density = np.log1p(-LAPSES) + passage - 2 * np.log(boundary) + exponent - np.log(widening) / 2
    by_way = (spread * way + drift) / widening + np.sign(way) * per_way / boundary
    by_time = per_time / boundary**2 - (drift**2 + (2 * exponent + 1) * spread) / (2 * widening)
    by_drift = (way - drift * time_s) / widening
    by_spread = (way**2 - (2 * exponent + 1) * time_s) / (2 * widening)
    by_boundary = -2 / boundary - 2 * per_time * time_s / boundary**3 - per_way * np.abs(way) / boundary**2
    slope = np.array(
        [
            boundary * by_boundary + way * by_way,
            -boundary * start * (1 - start) * by_way,
            -non_decision_s * by_time * (decided > 1e-9),
            gain * (trials.mean * by_drift + 2 * gain * trials.variance * by_spread),
            by_drift,
            2 * noise**2 * by_spread,
        ]
    )
    return _Attending(log_density, slope, way, time_s)


def _message(parameters: Floats, trials: _Trials) -> tuple[Floats, Floats]:
    """(T,) precision and precision times mean of the Gaussian message of each trial on d.

    Together with what the others say, N(m, V), it has the mean and variance of what the trial leaves of d, be it a
    lapse or not (expectation propagation; Minka 2001, section 3.2). A trial that may well be a lapse never adds doubt.
    """
    log_density, _, way, time_s = _attending(parameters, trials)
    _, _, _, gain, bias, noise = _natural(parameters)
    share = expit(log_density - _log_lapse(trials))
    before = 1 / trials.variance
    after = before + gain**2 * time_s / (1 + noise**2 * time_s)
    shift = (before * trials.mean + gain * (way - bias * time_s) / (1 + noise**2 * time_s)) / after - trials.mean
    variance = share / after + (1 - share) * trials.variance + share * (1 - share) * shift**2
    precision = 1 / np.minimum(variance, trials.variance) - before
    return precision, (before + precision) * (trials.mean + share * shift) - before * trials.mean


def log_first_passage(time: Floats, way: Floats) -> Floats:
    """(3, T) log density at `time` of Brownian motion without drift leaving [0, 1] through the end at distance `way`,
    and its derivatives by time and by way.

    The series for short and for long times (Navarro and Fuss 2009, equations 5 and 6), to 1e-12 of the density.
    """
    found = np.empty((3, len(time)))
    short = time < 0.3
    t, w = time[short], way[short]
    images = w + 2.0 * np.arange(-2, 3)[:, None]
    square = images**2 / t
    share = np.exp((w**2 / t - square) / 2)  # of the nearest image: no time is too short
    total = (images * share).sum(0)
    found[0, short] = np.log(total) - w**2 / (2 * t) - 0.5 * np.log(2 * np.pi * t**3)
    found[1, short] = ((images * square * share).sum(0) / total - 3) / (2 * t)
    found[2, short] = ((1 - square) * share).sum(0) / total
    t, w = time[~short], way[~short]
    k = np.pi * np.arange(1, 5)[:, None]
    decay = k * np.exp((np.pi**2 - k**2) * t / 2)
    wave = decay * np.sin(k * w)
    total = wave.sum(0)
    found[0, ~short] = np.log(total) - np.pi**2 * t / 2
    found[1, ~short] = -(k**2 * wave).sum(0) / (2 * total)
    found[2, ~short] = (k * decay * np.cos(k * w)).sum(0) / total
    return found
