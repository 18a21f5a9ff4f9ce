"""Fine detail, given back: what is drawn gets as much of it as the faces have that the model learned from.

A decoder that learns by squared error draws the mean of all pictures that a latent may stand for, and in a mean the
finer a detail is, the less of it is left. The fine part of a picture is what each pixel differs by from the mean of its
3 x 3 neighbourhood. It is raised by the one amount that gives reconstructions of training faces the power there that
the faces themselves have: power spectrum equalization (Cannon, 1976), with one band and one number for all faces. It is
linear and the same everywhere, so it adds no detail that was not drawn; it costs reconstructions some PSNR, for what
was drawn wrong is raised as well.
"""

from collections.abc import Iterable

import torch
from torch import Tensor


def focused(x: Tensor, amount: float) -> Tensor:
    """Pictures (B, 3, S, S) with their fine part raised by `amount`; 0 leaves them as they are."""
    return torch.add(x, fine(x), alpha=amount) if amount else x


def fine(x: Tensor) -> Tensor:
    """What each value of pictures (B, 3, S, S) differs by from the mean of its 3 x 3 neighbourhood."""
    return torch.sub(x, _threes(_threes(x, 2), 3), alpha=1 / 9)


def _threes(x: Tensor, axis: int) -> Tensor:
    """Each value plus its two neighbours along an axis; at the edges, itself again. A third of a convolution's time."""
    last = x.shape[axis] - 1
    total = x.clone()
    total.narrow(axis, 1, last).add_(x.narrow(axis, 0, last))
    total.narrow(axis, 0, last).add_(x.narrow(axis, 1, last))
    total.narrow(axis, 0, 1).add_(x.narrow(axis, 0, 1))
    total.narrow(axis, last, 1).add_(x.narrow(axis, last, 1))
    return total


def focus_amount(parts: Iterable[tuple[Tensor, Tensor]]) -> float:
    """The amount for faces (B, 3, S, S) and what is drawn of them, in parts; 0 where there is detail enough.

    With f the fine part of what is drawn, and ff the fine part of f: mean (f + a ff)^2 = mean (fine part of a face)^2.
    """
    terms = torch.stack([_terms(x, drawn) for x, drawn in parts]).double().sum(0)
    wanted, once, across, twice = terms.tolist()
    if once >= wanted or not twice:
        return 0.0
    return float(((across**2 + twice * (wanted - once)) ** 0.5 - across) / twice)


def _terms(x: Tensor, drawn: Tensor) -> Tensor:
    once = fine(drawn)
    twice = fine(once)
    return torch.stack([fine(x).square().sum(), once.square().sum(), (once * twice).sum(), twice.square().sum()])
