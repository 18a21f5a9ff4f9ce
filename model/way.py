"""From a degree of smile to a place on the line through the latent space, in steps that look even.

A place is what the smile's linear read-out says, s(z) in `model.latent`. What is *seen* in the faces along the line
rises in an S: slowly at both ends, fast in between, for a read-out is linear and a smile is not. So degrees are laid on
the line where the smile that is seen rises evenly from -1 to 1, as just-noticeable steps are laid on a physical scale
(Fechner, 1860). What is seen is what the smile reader sees on average in many drawn faces.

The way ends at degrees -1 and 1: three standard deviations of the read-out from its mean, but no farther than the
labels go, for beyond are no faces that the model learned from. Degrees past the ends level off.

For faces that `model.flow` draws a place is the smile that it is told, and their way is another.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model.measures import Floats

STRAIGHT: tuple[float, ...] = (-1.0, 1.0)
"""The places of degrees that are evenly spread from -1 to 1, here: a degree is its own place."""
BEYOND = 0.4  # how far past its ends the way comes at most; a degree of 3 comes 0.33
KNOTS = 17
EXTENT = 3.0  # standard deviations


def place(smile: Tensor, way: Sequence[float] = STRAIGHT, beyond: float | None = BEYOND) -> Tensor:
    """The place on the line of degrees `smile` (N,): by `way` in [-1, 1]; outside ever slower, or straight on.

    `way` holds the places of degrees that are evenly spread from -1 to 1, and lines join them. Past the ends at most
    `beyond` is added, or with None as much as the degree lies outside.
    """
    inside = smile.clamp(-1, 1)
    excess = smile - inside
    if beyond is not None:
        excess = excess / (1 + excess.abs() / beyond)
    return _joined(inside, _degrees(way, smile), _knots(way, smile)) + excess


def degree(place: Tensor, way: Sequence[float] = STRAIGHT) -> Tensor:
    """The degree (N,) that stands at a place on the line; past the ends straight on, as `place` with None goes."""
    knots = _knots(way, place)
    inside = place.clamp(float(knots[0]), float(knots[-1]))
    return _joined(inside, knots, _degrees(way, place)) + (place - inside)


def even_way(places: Floats, seen: Floats, mean: float, deviation: float) -> tuple[float, ...]:
    """The way on which what is seen rises evenly.

    Parameters
    ----------
    places : (K,) rising, from -1 or lower to 1 or higher
    seen : (K,) the mean degree that is seen in faces there; where it falls, the highest so far counts
    mean, deviation : over faces, of what places are: the read-out, or the smile that the flow is told

    Returns
    -------
    The places of KNOTS degrees evenly spread from -1 to 1; those of `STRAIGHT` where nothing rises.
    """
    low, high = max(-1.0, mean - EXTENT * deviation), min(1.0, mean + EXTENT * deviation)
    if not low < high:
        return STRAIGHT
    inside = np.concatenate([[low], places[(places > low) & (places < high)], [high]])
    rising = np.maximum.accumulate(np.interp(inside, places, seen))
    if not rising[-1] > rising[0]:
        return STRAIGHT
    rising = rising + 1e-6 * (rising[-1] - rising[0]) * np.linspace(0, 1, len(rising))  # each height has one place
    return tuple(np.interp(np.linspace(rising[0], rising[-1], KNOTS), rising, inside).round(4).tolist())


def _degrees(way: Sequence[float], like: Tensor) -> Tensor:
    return torch.linspace(-1, 1, len(way), dtype=like.dtype, device=like.device)


def _knots(way: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(way, dtype=like.dtype, device=like.device)


def _joined(x: Tensor, at: Tensor, values: Tensor) -> Tensor:
    """Values (K,) at rising points `at` (K,), linearly between them at points x that lie inside."""
    right = torch.searchsorted(at, x.contiguous()).clamp(1, len(at) - 1)
    left = right - 1
    return values[left] + (x - at[left]) / (at[right] - at[left]) * (values[right] - values[left])
