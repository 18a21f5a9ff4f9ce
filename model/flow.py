"""Which latents are faces, learned by diffusion: whole faces, where a Gaussian of the same covariance mixes them.

The ex-post prior N(m, S) of `model.latent` knows how latents vary by pairs of dimensions, and no more: half a pair of
glasses is as likely as none. Here a net learns the distribution itself (latent diffusion: Vahdat et al., 2021). In
x = L^-1 (z - m), S = L L', it takes noise away from x + sigma n, for any sigma (Karras et al., 2022, table 1, data of
standard deviation 1):

    D(x, sigma) = the mean of all latents that x may be, before noise of standard deviation sigma

and dx/dsigma = (x - D) / sigma (their eq. 3) is a path on which noise becomes a face, or a face its noise: both ways,
without chance. Where latents are Gaussian, D is linear and the path ends at m + L n, as `Latent.draw` does.

A degree of smile is a condition on the path: y = W' x, the linear read-outs of x, is known, and the most likely
correction of D that keeps to it is that of `model.latent`,

    D + G' (y - W' D),    W' = W L,  G' = L^-1 G.

`at` follows a face up to its noise with its own read-outs as the condition, and down again with another smile's.
Gender, age and race have the same read-outs as before. Where latents are Gaussian this is z + d g, the straight line
of `Latent.at`; where they are not it bends, and stays among faces.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.latent import Latent

MOST, LEAST = 10.0, 0.05  # noise at the first and the last step, in standard deviations of x
CURVE = 5.0  # how far the steps crowd at little noise
STEPS = 16
BLOCKS = 4
LEVELS = 16  # sines and cosines that tell the net how much noise there is
EMBEDDED = 64
TOGETHER = 256  # latents at a time


class Block(nn.Module):
    """h + gate linear(silu(scale norm(h) + shift)), twice linear; scale, shift and gate by how much noise there is."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.noise = nn.Linear(EMBEDDED, 3 * width)
        self.linear_1, self.linear_2 = nn.Linear(width, width), nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.linear_2.weight)
        nn.init.zeros_(self.linear_2.bias)

    def forward(self, h: Tensor, noise: Tensor) -> Tensor:  # (B, W), (B, E) -> (B, W)
        scale, shift, gate = self.noise(noise).chunk(3, 1)
        inner = F.silu(self.linear_1(self.norm(h) * (1 + scale) + shift))
        return h + (1 + gate) * self.linear_2(self.dropout(inner))


class Denoiser(nn.Module):
    """D. Untaught, it is that of a Gaussian."""

    frequencies: Tensor

    def __init__(self, dimensions: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(2 * LEVELS, EMBEDDED), nn.SiLU(), nn.Linear(EMBEDDED, EMBEDDED), nn.SiLU())
        self.enter = nn.Linear(dimensions, width)
        self.blocks = nn.ModuleList(Block(width, dropout) for _ in range(BLOCKS))
        self.norm, self.leave = nn.LayerNorm(width), nn.Linear(width, dimensions)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        frequencies = torch.exp(torch.linspace(math.log(0.2), math.log(10), LEVELS))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """x + sigma n (B, Z), sigma (B,) -> the mean of all x that it may be (B, Z)."""
        norm, spread = (sigma**2 + 1).sqrt()[:, None], sigma[:, None]
        angles = sigma.log()[:, None] * self.frequencies
        noise = self.embed(torch.cat([angles.sin(), angles.cos()], 1))
        h = self.enter(noisy / norm)
        for block in self.blocks:
            h = block(h, noise)
        return noisy / norm**2 + self.leave(self.norm(h)).float() * spread / norm


class Flow:
    """New latents, and latents at another smile: as `Latent`'s `draw` and `at`, but among faces."""

    def __init__(self, net: Denoiser, latent: Latent) -> None:
        self.net, self.latent, self.dimensions = net, latent, latent.dimensions
        self.readout = latent.readout @ latent.factor  # W' (A, Z)
        self.direction = torch.linalg.solve_triangular(latent.factor, latent.direction, upper=False)  # G' (Z, A)
        self.levels = noise_levels().to(latent.mean.device)

    @torch.inference_mode()
    def draw(self, noise: Tensor) -> Tensor:
        """noise (N, Z) ~ N(0, 1) -> z (N, Z)."""
        start = noise * (self.levels[0] ** 2 + 1).sqrt()
        return self.latent.draw(torch.cat([self._found(some) for some in start.split(TOGETHER)]))

    @torch.inference_mode()
    def at(self, z: Tensor, smile: Tensor | float) -> Tensor:
        """z (N, Z) moved to the smile read-out `smile`, a number or (N,); the other read-outs stay."""
        smile = torch.as_tensor(smile, dtype=z.dtype, device=z.device).expand(len(z))
        moved = []
        for x, there in zip(self.latent.whitened(z).split(TOGETHER), smile.split(TOGETHER), strict=True):
            own = x @ self.readout.T  # (B, A)
            asked = torch.cat([(there - self.latent.offset[0])[:, None], own[:, 1:]], 1)
            moved.append(self._found(self._path(x, self.levels.flip(0), own), asked))
        return self.latent.draw(torch.cat(moved))

    def _found(self, noisy: Tensor, y: Tensor | None = None) -> Tensor:
        """From most noise to none."""
        return self._clean(self._path(noisy, self.levels, y), self.levels[-1], y)

    def _path(self, x: Tensor, levels: Tensor, y: Tensor | None) -> Tensor:
        """x (B, Z) at the first of `levels` -> at the last, by Heun's method (Karras et al., 2022, algorithm 1)."""
        for now, then in pairwise(levels):
            slope = (x - self._clean(x, now, y)) / now
            ahead = x + (then - now) * slope
            x = x + (then - now) * (slope + (ahead - self._clean(ahead, then, y)) / then) / 2
        return x

    def _clean(self, x: Tensor, sigma: Tensor, y: Tensor | None) -> Tensor:
        """D, kept to the read-outs y (B, A)."""
        found: Tensor = self.net(x, sigma.expand(len(x)))
        return found if y is None else found + (y - found @ self.readout.T) @ self.direction.T


def noise_levels(steps: int = STEPS) -> Tensor:
    """(steps,) from `MOST` to `LEAST` (Karras et al., 2022, eq. 5)."""
    return torch.linspace(MOST ** (1 / CURVE), LEAST ** (1 / CURVE), steps) ** CURVE


def drawn_levels(count: int, generator: torch.Generator) -> Tensor:
    """(count,) noise to learn by: log-normal around what hides half of x (Karras et al., 2022, table 1)."""
    return (-0.4 + 1.2 * torch.randn(count, generator=generator)).exp()
