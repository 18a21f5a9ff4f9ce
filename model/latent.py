"""What the trained encoder knows of its own latent space: where faces lie in it, and which way the smile goes.

With z the encoder's samples over the training faces (mean m, covariance S) and y the attributes of each face (smile,
and gender, age and race where the set knows them):

    W = C' S^-1                     the linear read-outs, y(z) = mean(y) + W (z - m), C = cov(z, y)
    G = S W' (W S W')^-1            the most likely change of z that moves one read-out by one while the others stay

so that W G = I. The smile's column of G is the condition of the model: `z + d g` has a smile read-out d higher.
G is the conditional mean E[z | y] - m of a Gaussian z, per unit of y (e.g. Bishop, 2006, eq. 2.81).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

RIDGE = 1e-3  # of the mean variance of z: keeps S invertible when latent dimensions outnumber faces


@dataclass(frozen=True)
class Latent:
    """Statistics of z over the training faces. Z latent dimensions, A attributes, the smile first."""

    mean: Tensor
    """m (Z,)."""
    factor: Tensor
    """Lower Cholesky factor of S (Z, Z): mean + factor @ N(0, I) is the ex-post prior (Ghosh et al., 2020)."""
    readout: Tensor
    """W (A, Z)."""
    offset: Tensor
    """mean(y) (A,)."""
    direction: Tensor
    """G (Z, A)."""

    @property
    def dimensions(self) -> int:
        """Z."""
        return len(self.mean)

    @property
    def width(self) -> int:
        """Z, numbers that make a person."""
        return self.dimensions

    @property
    def smiles(self) -> tuple[float, float]:
        """Mean and standard deviation of the smile's read-out over faces."""
        return self.offset[0].item(), (self.readout[0] @ self.factor).norm().item()

    def people(self, noise: Tensor, truncation: float = 1.0) -> Tensor:
        """noise (N, Z) ~ N(0, 1) -> (N, Z), a person each: what `draw` makes faces of."""
        return truncation * noise

    def draw(self, people: Tensor, smile: Tensor | float | None = None) -> Tensor:
        """People (N, Z) ~ N(0, 1) -> z (N, Z) ~ N(m, S), or at the smile read-out `smile`, a number or (N,)."""
        z = self.mean + people @ self.factor.T
        return z if smile is None else self.at(z, smile)

    def whitened(self, z: Tensor) -> Tensor:
        """z (N, Z) -> the noise (N, Z) that `draw` makes it of: over faces of mean 0 and covariance I."""
        return torch.linalg.solve_triangular(self.factor, (z - self.mean).T, upper=False).T

    def read(self, z: Tensor) -> Tensor:
        """z (N, Z) -> smile read-out (N,)."""
        return self.offset[0] + (z - self.mean) @ self.readout[0]

    def move(self, z: Tensor, by: Tensor | float) -> Tensor:
        """z (N, Z) with its smile read-out raised by `by`, a number or (N,); the other read-outs stay."""
        by = torch.as_tensor(by, dtype=z.dtype, device=z.device)
        return z + by.reshape(-1, 1) * self.direction[:, 0]

    def at(self, z: Tensor, smile: Tensor | float) -> Tensor:
        """z (N, Z) moved to the smile read-out `smile`, a number or (N,)."""
        return self.move(z, smile - self.read(z))


def with_readout(latent: Latent, z: Tensor, smile: Tensor) -> Latent:
    """The smile's read-out fitted anew: to the smile (N,) that is seen in the pictures decoded from z (N, Z).

    What the decoder draws is what a degree is asked of. The first row of W becomes the ridge regression of `smile` on
    z, and G follows.
    """
    deviation = (z - latent.mean).double()
    factor = latent.factor.double()
    covariance = factor @ factor.T
    penalty = RIDGE * covariance.trace() / len(covariance) * torch.eye(len(covariance), dtype=torch.float64)
    cross = deviation.T @ (smile.double() - smile.double().mean()) / len(z)
    readout, offset = latent.readout.double().clone(), latent.offset.double().clone()
    readout[0] = torch.linalg.solve(deviation.T @ deviation / len(z) + penalty, cross)
    offset[0] = smile.double().mean()
    direction = _direction(covariance @ readout.T, readout)
    return replace(latent, readout=readout.float(), offset=offset.float(), direction=direction.float().contiguous())


def fit_latent(parts: Iterable[tuple[Tensor, Tensor, Tensor]]) -> Latent:
    """Fit `Latent` to the training faces, which come in parts: sums are kept, faces are not, however many there are.

    Each part holds the encoder's mean and variance (N, Z) of N faces and their attributes (N, A), NaN where unknown;
    the smile is attribute 0. Without attributes (an AE or VAE) there is a prior but no direction. float64 inside, and
    sums of differences from the first part's means, which keeps them exact (Chan et al., 1983).
    """
    sums: list[Tensor] = []
    for part in parts:
        mu, variance, attributes = (t.double() for t in part)
        known = attributes.isfinite()
        if not sums:
            near_mu, near_y = mu.mean(0), attributes.nanmean(0).nan_to_num()
        d = mu - near_mu  # (N, Z)
        y = torch.where(known, attributes - near_y, 0)  # (N, A)
        new = [torch.tensor(len(d)), d.sum(0), d.T @ d, variance.sum(0)]
        new += [known.sum(0), y.sum(0), d.T @ known.double(), d.T @ y]
        sums = [old + more for old, more in zip(sums, new, strict=True)] if sums else new
    count, sum_d, sum_dd, sum_variance, count_y, sum_y, sum_d_known, sum_dy = sums
    mean = sum_d / count
    covariance = sum_dd / count - mean.outer(mean) + (sum_variance / count).diag()
    covariance += RIDGE * covariance.trace() / len(covariance) * torch.eye(len(covariance), dtype=torch.float64)
    count_y = count_y.clamp(min=1)
    offset = sum_y / count_y
    cross = (sum_dy - sum_d_known * offset) / count_y  # C (Z, A), over the faces where the attribute is known
    readout = torch.linalg.solve(covariance, cross).T  # (A, Z)
    direction = _direction(cross, readout)  # S W' = C
    factor = torch.linalg.cholesky(covariance)
    found = (near_mu + mean, factor, readout, near_y + offset, direction)
    return Latent(*(t.float().contiguous() for t in found))


def _direction(carried: Tensor, readout: Tensor) -> Tensor:
    """G (Z, A) from S W' (Z, A) and W (A, Z).

    By the pseudo-inverse, because an attribute that never varies moves nothing.
    """
    return carried @ torch.linalg.pinv(readout @ carried, hermitian=True)
