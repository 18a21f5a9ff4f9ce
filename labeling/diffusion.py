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

LAPSES = 0.05
SWEEPS = 3  # more change nothing in the third digit
# log boundary, logit start, log non-decision time, log gain, drift bias, log drift noise: typical of published fits for
# unit diffusion noise, and wide enough for most of them (reviewed by Matzke and Wagenmakers 2009)
PRIOR_MEAN = np.array([np.log(1.3), 0.0, np.log(0.4), np.log(2.0), 0.0, 0.0])
PRIOR_SD = np.array([0.5, 0.4, 0.4, 0.7, 0.7, 0.7])


class _Trials(NamedTuple):
    """What is known of a subject's own trials."""

    vote: Floats
    rt: Floats
    mean: Floats
    """Of the image's drift d, by the other subjects."""
    variance: Floats
    longest_s: float
    """The longest time of a lapse."""


def diffusion(votes: Votes) -> Terms:
    """tanh of the posterior mean of an image's drift, with every subject's parameters fitted given the others' votes.

    A subject's parameters maximise their posterior under the prior of this module, the drifts of the images being those
    that the other subjects' votes tell (Gaussian, integrated out); all subjects are fitted side by side, `SWEEPS`
    times. For the fit an unknown response time is taken for the subject's median.

    Response times are used as far as `evidence` finds that they inform: with its use u, a trial's message is the
    drift diffusion's to the power u times that of the vote alone to the power 1 - u, N(s / g, 1 / g^2) with g the
    subject's weight there (a logarithmic pool: Genest and Zidek 1986). A vote without a time speaks alone.
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
            parameters[subject] = minimize(
                _cost,
                parameters[subject],
                args=(trials,),
                method="Nelder-Mead",
                options={"xatol": 1e-4, "fatol": 1e-6, "maxfev": 2000, "adaptive": True},
            ).x
            timed_precision, timed_linear = _message(parameters[subject], trials)
            precision[own] = use[own] * timed_precision + (1 - use[own]) * g[own] ** 2
            linear[own] = use[own] * timed_linear + (1 - use[own]) * g[own] * trials.vote
    boundary, start, non_decision_s, gain, bias, noise = _natural(parameters.T)
    return Terms(
        push=side * linear,
        weight=precision,
        prior=1.0,
        link="tanh",
        dropped=np.zeros(len(rt), dtype=bool),
        subjects={
            "boundary": boundary,
            "start": start if side > 0 else 1 - start,
            "non_decision_s": non_decision_s,
            "gain": gain,
            "drift_bias": side * bias,
            "drift_noise": noise,
            "rt_use": voting.subjects["rt_use"],
        },
        notes=voting.notes,
    )


def _side(votes: Votes) -> float:
    """The vote to be called +1, so that swapping all votes swaps all that follows, to the last bit."""
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


def _likelihood(parameters: Floats, trials: _Trials) -> tuple[Floats, float, Floats, Floats]:
    """(T,) density of vote and time where the subject attends, that of a lapse, way x (T,) and decision time (T,)."""
    boundary, start, non_decision_s, gain, bias, noise = _natural(parameters)
    way = boundary * np.where(trials.vote > 0, 1 - start, -start)
    time_s = np.maximum(trials.rt - non_decision_s, 1e-9)
    drift, spread = gain * trials.mean + bias, gain**2 * trials.variance + noise**2
    exponent = (spread * way**2 + 2 * drift * way - drift**2 * time_s) / (2 * (1 + spread * time_s))
    density = first_passage_density(time_s / boundary**2, np.abs(way) / boundary) / boundary**2
    attending = density * np.exp(np.minimum(exponent, 500)) / np.sqrt(1 + spread * time_s)
    return (1 - LAPSES) * attending, LAPSES * 0.5 / trials.longest_s, way, time_s


def _cost(parameters: Floats, trials: _Trials) -> float:
    """Minus the log posterior of a subject's parameters, up to a constant."""
    attending, lapse, _, _ = _likelihood(parameters, trials)
    return float(-np.log(attending + lapse).sum() + 0.5 * np.sum(((parameters - PRIOR_MEAN) / PRIOR_SD) ** 2))


def _message(parameters: Floats, trials: _Trials) -> tuple[Floats, Floats]:
    """(T,) precision and precision times mean of the Gaussian message of each trial on d.

    Together with what the others say, N(m, V), it has the mean and variance of what the trial leaves of d, be it a
    lapse or not (expectation propagation; Minka 2001, section 3.2). A trial that may well be a lapse never adds doubt.
    """
    attending, lapse, way, time_s = _likelihood(parameters, trials)
    _, _, _, gain, bias, noise = _natural(parameters)
    share = attending / (attending + lapse)
    before = 1 / trials.variance
    after = before + gain**2 * time_s / (1 + noise**2 * time_s)
    shift = (before * trials.mean + gain * (way - bias * time_s) / (1 + noise**2 * time_s)) / after - trials.mean
    variance = share / after + (1 - share) * trials.variance + share * (1 - share) * shift**2
    precision = 1 / np.minimum(variance, trials.variance) - before
    return precision, (before + precision) * (trials.mean + share * shift) - before * trials.mean


def first_passage_density(time: Floats, way: Floats) -> Floats:
    """(T,) density at `time` of Brownian motion without drift leaving [0, 1] through the end at distance `way`.

    The series for short and for long times (Navarro and Fuss 2009, equations 5 and 6), to 1e-12.
    """
    short = np.minimum(time, 1.0)[:, None]
    images = way[:, None] + 2 * np.arange(-4, 5)
    early = (images * np.exp(-(images**2) / (2 * short))).sum(1) / np.sqrt(2 * np.pi * short[:, 0] ** 3)
    k = np.arange(1, 5)
    decay = np.exp(-(k**2) * np.pi**2 * np.maximum(time, 1.0)[:, None] / 2)
    late = np.pi * (k * decay * np.sin(k * np.pi * way[:, None])).sum(1)
    return np.maximum(np.where(time < 1, early, late), 0)
