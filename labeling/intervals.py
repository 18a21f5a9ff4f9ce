"""How sure a label is: 90 % intervals for the label that very many subjects of the same kind would give.

The scale is set by the data: how far subjects' votes on the same image lie apart. No truth is used.
"""

from typing import Literal, NamedTuple

import numpy as np
from scipy.special import betainc, betaincinv, ndtri

from labeling.votes import Floats, Votes

Link = Literal["identity", "sign", "tanh"]
LEVEL = 0.9
Z = float(ndtri((1 + LEVEL) / 2))
USUAL = {"tanh": 1.0, "identity": 2 / 3, "sign": 2 / 3}  # phi, by the model; of coins whose odds are uniform
USUAL_VOTES = 4.0  # what is known of phi beforehand is worth so many: two votes that agree are no proof of certainty


class Sums(NamedTuple):
    """(I,) each: the sums over an image's votes."""

    push: Floats
    weight: Floats


def interval(
    votes: Votes, push: Floats, weight: Floats, sums: Sums, link: Link, fitted: int = 0
) -> tuple[Floats, Floats]:
    """(I,) lower and upper ends of the 90 % intervals of labels that are ratios of sums, within [-1, 1].

    `push` and `weight` (T,) are what each vote adds, `sums` their sums. For an image with A = sum(push) and
    B = sum(weight), very many subjects would give theta = E(push) / E(weight), and A - theta B has the variance phi B:
    phi is the mean square of push - theta weight between subjects, per weight; of T votes only T - S fitted count for
    it where `fitted` parameters of each of S subjects were fitted to them, but half of them at least. With a Gaussian
    prior of theta, of mean mu and variance psi, theta is Gaussian around (A + k mu) / (B + k), k = phi / psi, with the
    variance phi / (B + k).

    For tanh, mu = 0 and psi = 1, the prior of the score itself. Else both are those of the labels, phi is proportional
    to 1 - theta^2 (votes are coins), and the Beta distribution of that mean and variance gives the ends. A subject's
    repeats count as so many votes as they are worth (`_information`).
    """
    total = sums.weight
    theta = np.divide(sums.push, total, out=np.zeros_like(total), where=total > 0)
    information, phi = _information(votes, push, weight, total, theta, USUAL[link])
    if phi is not None:
        phi /= 1 - min(fitted * len(votes.subjects) / len(votes.vote), 0.5)
    if link == "tanh":
        phi = USUAL[link] if phi is None else phi
        centre = information * theta / (information + phi)
        half = Z * np.sqrt(phi / (information + phi))
        return np.tanh(centre - half), np.tanh(centre + half)
    mean, variance = _moments(theta, information, USUAL[link] if phi is None else phi)
    phi = 1 - mean**2 - variance if phi is None else phi
    k = phi / variance
    centre = np.clip((information * theta + k * mean) / (information + k), -1 + 1e-9, 1 - 1e-9)
    votes_worth = (information + k) * (1 - mean**2 - variance) / max(phi, 1e-9)
    a, b = (1 + centre) / 2 * votes_worth, (1 - centre) / 2 * votes_worth
    if link == "sign":
        below = betainc(a, b, 0.5)  # probability that most of many subjects vote not smiley
        return np.where(below < (1 - LEVEL) / 2, 1.0, -1.0), np.where(below > (1 + LEVEL) / 2, -1.0, 1.0)
    return 2 * betaincinv(a, b, (1 - LEVEL) / 2) - 1, 2 * betaincinv(a, b, (1 + LEVEL) / 2) - 1


def _information(
    votes: Votes, push: Floats, weight: Floats, total: Floats, theta: Floats, usual: float
) -> tuple[Floats, float | None]:
    """(I,) the weights `total` (I,) after a discount for correlated repeats, and phi; None where no image has two
    subjects. Of few votes it is drawn to its `usual` value.

    A subject's m votes on one image are worth m / (1 + (m - 1) rho), rho being the correlation of their residuals; one
    vote, where no image has two subjects.
    """
    residual = push - theta[votes.image] * weight
    if votes.repeats:
        of_pair = votes.per_pair(residual)
        repeats = votes.per_pair(np.ones_like(residual)) - 1
        # per vote: the products with the other votes of the pair, against what they would be if all were alike
        expected = np.sum(residual**2 * repeats)
        rho = float(np.clip(np.sum(residual * (of_pair - residual)) / expected, 0, 1)) if expected > 0 else 0.0
        if (votes.per_image(votes.first) <= 1).all():  # one's residuals from oneself tell nothing of others
            rho = 1.0
        discount = 1 + repeats * rho
        residual_square = np.sum(residual * of_pair)
        spread = votes.per_image(weight * discount)  # variance of push - theta weight, over phi
        taken = votes.per_image(weight * discount * votes.per_pair(weight))
    else:
        residual_square = np.dot(residual, residual)
        spread, taken = total, votes.per_image(weight**2)
    information = np.divide(total**2, spread, out=np.zeros_like(total), where=spread > 0)
    # residuals from an image's own theta are too small: each subject takes its share of the weight with it
    freedom = np.sum(spread - np.divide(taken, total, out=np.zeros_like(total), where=total > 0))
    if freedom <= 1e-9 * max(spread.sum(), 1e-300):
        return information, None
    known = USUAL_VOTES * weight.mean()
    return information, float((residual_square + usual * known) / (freedom + known))


def _moments(theta: Floats, weight: Floats, phi: float) -> tuple[float, float]:
    """Mean and variance, over images, of what many subjects would give: the spread of theta less what phi explains.

    One image more is taken to be known, whose label could be anything in [-1, 1]: few images tell little of others.
    """
    judged = weight > 0
    theta, n = theta[judged], judged.sum() + 1
    mean = float(theta.sum() / n)
    spread = float((np.sum((theta - mean) ** 2) + mean**2 + 1 / 3) / n)
    noise = float(np.mean(phi / weight[judged])) if judged.any() else 0.0
    most = 1 - mean**2
    return mean, float(np.clip(spread - noise, 0.05 * most, 0.9 * most))
