"""The psychometric function: how the probability of *smiley* grows with the degree that a model was asked for.

    P(smiley | x) = lapse / 2 + (1 - lapse) Phi((x - pse) / spread)

A cumulative Gaussian, fitted by maximum likelihood, that does not reach 0 and 1, by one lapse rate for both ends
(Wichmann and Hill 2001, part I). Beside slips of attention the lapse takes up faces that have stopped to change: where
the answers level off at 85 %, they do so whatever the degree, and without it the slope would pay for that.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import ndtr, ndtri, xlogy

from labeling.votes import Floats

FEWEST_LAPSES = 1e-6  # keeps every probability, and with it the likelihood and its gradient, finite
MOST_LAPSES = 0.5
FIRST_LAPSES = (0.02, 0.2)  # where the search begins
BOUNDS = ((-1.0, 2.0), (np.log(0.02), np.log(20)), (FEWEST_LAPSES, MOST_LAPSES))  # of asked degrees from 0 to 1
FEWEST_DEGREES = 3  # of fewer any lapse goes with some spread: then none is taken to be there


class Psychometric(NamedTuple):
    """The function's parameters."""

    pse: float
    """Asked degree at which half of the votes are smiley."""
    spread: float
    """Standard deviation of the cumulative Gaussian, > 0."""
    lapse: float
    """Share of votes that the asked degree has no say in, in (0, 0.5]."""

    @property
    def slope(self) -> float:
        """Of the probability at the pse, per unit of asked degree."""
        return float((1 - self.lapse) / (self.spread * np.sqrt(2 * np.pi)))


def probability(asked: Floats, pse: float, spread: float, lapse: float) -> Floats:
    """P(smiley) at each degree of `asked`."""
    return lapse / 2 + (1 - lapse) * ndtr((asked - pse) / spread)


def fit(asked: Floats, smiley: Floats, votes: Floats, also: Psychometric | None = None) -> Psychometric:
    """The function under which `smiley` (K,) of `votes` (K,) at the degrees `asked` (K,) are likeliest.

    The pse lies within one range of `asked` beyond its ends, the spread between 0.02 and 20 ranges: answers that say
    nothing of the one or the other give the bound. The search, in ranges, begins at two probit lines; at
    one of them and at `also`, where that is given. Of two degrees there are no lapses.
    """
    bounds = BOUNDS if len(asked) >= FEWEST_DEGREES else (*BOUNDS[:2], (FEWEST_LAPSES, FEWEST_LAPSES))
    low, reach = asked.min(), np.ptp(asked)
    standard = (asked - low) / reach
    starts = [_probit_line(standard, smiley, votes, lapse) for lapse in FIRST_LAPSES]
    if also is not None:
        starts = starts[:1]
        starts.append(Psychometric((also.pse - low) / reach, also.spread / reach, also.lapse))
    found = []
    for pse, spread, lapse in starts:
        inside = [np.clip(v, *bound) for v, bound in zip((pse, np.log(spread), lapse), bounds, strict=True)]
        found.append(minimize(_cost, inside, (standard, smiley, votes), jac=True, bounds=bounds, method="L-BFGS-B"))
    pse, log_spread, lapse = min(found, key=lambda one: float(one.fun)).x
    return Psychometric(float(low + reach * pse), float(reach * np.exp(log_spread)), float(lapse))


def _cost(parameters: Floats, asked: Floats, smiley: Floats, votes: Floats) -> tuple[float, Floats]:
    """Minus the log likelihood per vote, and its gradient by pse, log spread and lapse."""
    pse, log_spread, lapse = parameters
    spread = np.exp(log_spread)
    standard = (asked - pse) / spread
    p, q = probability(asked, pse, spread, lapse), probability(-asked, -pse, spread, lapse)  # q = 1 - p, to all digits
    of_p = (smiley / p - (votes - smiley) / q) / votes.sum()
    density = (1 - lapse) * np.exp(-(standard**2) / 2) / np.sqrt(2 * np.pi)
    by_parameter = np.array([-density / spread, -density * standard, 0.5 - ndtr(standard)])  # (3, K)
    likelihood = np.sum(xlogy(smiley, p) + xlogy(votes - smiley, q)) / votes.sum()
    return -float(likelihood), -by_parameter @ of_p


def _probit_line(asked: Floats, smiley: Floats, votes: Floats, lapse: float) -> Psychometric:
    """The line through the votes' probits at a given lapse, weighted by votes: probit analysis."""
    share = ((smiley + 0.5) / (votes + 1) - lapse / 2) / (1 - lapse)
    slope, height = np.polyfit(asked, ndtri(np.clip(share, 0.02, 0.98)), 1, w=np.sqrt(votes))
    slope = max(slope, 0.05 / np.ptp(asked))
    return Psychometric(float(-height / slope), float(1 / slope), lapse)
