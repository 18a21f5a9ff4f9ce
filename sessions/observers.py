"""Simulated observers: drift diffusion with unit noise between the boundaries 0 (not smiley) and a (smiley).

What is drawn is exact in law: a path between two boundaries is walked in symmetric intervals, and for a symmetric
interval the exit's side and time are independent, with known laws (Wald's identity; Cox and Miller 1965, section 5.7).
"""

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DRIFT_NOISE: Final = 0.7  # sd of the drift from trial to trial
FAST_GUESSES: Final = 0.02  # share of trials, answered at random after U(0.08, 0.2) s
LAPSES: Final = 0.02  # share of trials, answered at random after U(0.3, 3) s


@dataclass(frozen=True)
class Observer:
    """One subject's parameters."""

    boundary: float
    """Separation of the boundaries, in sqrt(s)."""
    start: float
    """Where the evidence starts, as a share of the boundary; above 0.5 leans to smiley."""
    non_decision_s: float
    """Seeing and pressing, in seconds; U(-0.05, 0.05) s is added on each trial."""
    gain: float
    """Drift per standard deviation of the true smile."""
    drift_bias: float
    """Drift for a face of average smile."""


def draw_observer(rng: np.random.Generator) -> Observer:
    """An observer from the population."""
    return Observer(
        boundary=float(np.exp(rng.normal(np.log(1.5), 0.25))),
        start=float(np.clip(rng.normal(0.5, 0.06), 0.3, 0.7)),
        non_decision_s=float(rng.uniform(0.25, 0.45)),
        gain=float(np.exp(rng.normal(np.log(1.8), 0.35))),
        drift_bias=float(rng.normal(0, 0.3)),
    )


def respond(observer: Observer, smile: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """One trial per element of `smile` (N,), the true smiles standardised to mean 0 and sd 1.

    Returns
    -------
    votes, response_time_s : (N,) +1 or -1, and seconds > 0.
    """
    n = len(smile)
    drift = observer.gain * smile + observer.drift_bias + DRIFT_NOISE * rng.standard_normal(n)
    smiley, decision_s = first_passage(drift, observer.boundary, observer.start, rng)
    response_time_s = decision_s + observer.non_decision_s + rng.uniform(-0.05, 0.05, n)
    kind = rng.random(n)
    guess = kind < FAST_GUESSES
    lapse = ~guess & (kind < FAST_GUESSES + LAPSES)
    response_time_s = np.where(guess, rng.uniform(0.08, 0.2, n), response_time_s)
    response_time_s = np.where(lapse, rng.uniform(0.3, 3.0, n), response_time_s)
    smiley = np.where(guess | lapse, rng.random(n) < 0.5, smiley)
    return np.where(smiley, 1.0, -1.0), response_time_s


def first_passage(
    drift: Array, boundary: float, start: float, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], Array]:
    """Which boundary Brownian motion with `drift` (N,) leaves through, and when.

    Parameters
    ----------
    drift : per second, unit diffusion noise.
    boundary, start : the motion starts at start * boundary, 0 < start < 1, and ends at 0 or at `boundary`.

    Returns
    -------
    upper, time_s : (N,) bool and seconds.
    """
    cumulative_hazard, exit_time = _exit_time_law()
    position = np.full(len(drift), start * boundary)
    time_s = np.zeros(len(drift))
    inside = np.arange(len(drift))
    while inside.size:
        x, v = position[inside], drift[inside]
        room = np.minimum(x, boundary - x)
        # the largest symmetric interval, but none so wide that the drift makes acceptance below rare
        half = np.minimum(room, 1 / np.maximum(np.abs(v), 1e-9))
        exit_s = half**2 * np.interp(rng.standard_exponential(len(x)), cumulative_hazard, exit_time)
        # Girsanov: drift tilts the law of the exit time by exp(-v^2 t / 2)
        accepted = rng.random(len(x)) < np.exp(-(v**2) * exit_s / 2)
        up = rng.random(len(x)) < 1 / (1 + np.exp(-2 * v * half))
        moved = np.where(up, x + half, x - half)
        # an interval's end that is meant to be a boundary may miss it by rounding
        moved = np.where(moved < 1e-12 * boundary, 0, np.where(moved > (1 - 1e-12) * boundary, boundary, moved))
        position[inside] = np.where(accepted, moved, x)
        time_s[inside] += np.where(accepted, exit_s, 0)
        inside = inside[(position[inside] > 0) & (position[inside] < boundary)]
    return position > boundary / 2, time_s


@functools.cache
def _exit_time_law() -> tuple[Array, Array]:
    """Cumulative hazard and time of the exit of driftless Brownian motion from [-1, 1], on a fine grid.

    The survival is 4 / pi sum_k (-1)^k / (2k + 1) exp(-(2k + 1)^2 pi^2 t / 8) (Feller 1971, volume 2, chapter X.5).
    """
    time = np.geomspace(0.02, 25, 20_000)
    odd = np.arange(1, 200, 2)
    survival = 4 / np.pi * np.exp(-(np.pi**2) / 8 * np.outer(time, odd**2)) @ ((-1.0) ** (odd // 2) / odd)
    return np.maximum.accumulate(-np.log(np.minimum(survival, 1))), time
