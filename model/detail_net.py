"""What the decoder leaves out, drawn by diffusion: sharp faces instead of the mean of all that a latent may stand for.

A decoder that learns by squared error draws y, the mean of the faces x that share a latent. What it leaves out,
u = x - y, is fine detail, and it has a distribution given y: a second, small net learns it (DiffuseVAE, Pandey et al.,
2022). `Detail` takes noise away from u + sigma n, for any sigma (Karras et al., 2022, table 1, where the data are u, of
standard deviation `LEFT_OUT`), and `draw` follows the path on which noise becomes detail, from much noise to none,
by Heun's method (the same, algorithm 1).

The noise that it starts from is no chance of the moment. It is a fixed random projection of what in a latent is not
smile: so a face keeps its detail at every degree (nearly, where `model.flow` draws it), latents near each other have
noise near each other, and whatever is drawn is a function of the latent alone.
"""

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.latent import Latent
from model.networks import GroupNorm

LEFT_OUT = 0.045  # standard deviation of u, pictures being in [0, 1]
MOST, LEAST = 0.12, 0.002  # noise at the first and the last step, as standard deviations
CURVE = 5.0  # how far the steps crowd at little noise
STEPS = 5
WIDTHS = (64, 128, 128)
LEVELS = 16  # sines and cosines that tell the net how much noise there is
EMBEDDED = 128


class Block(nn.Module):
    """x + conv(silu(scale norm(conv(silu(norm(x)))) + shift)), scale and shift by how much noise there is."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = GroupNorm(8, before), GroupNorm(8, after)
        self.conv_1, self.conv_2 = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
        self.noise = nn.Linear(EMBEDDED, 2 * after)
        self.way = nn.Conv2d(before, after, 1) if before != after else nn.Identity()
        nn.init.zeros_(self.conv_2.weight)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:  # (B, C, H, W), (B, E) -> (B, C', H, W)
        scale, shift = self.noise(noise)[:, :, None, None].chunk(2, 1)
        h = self.norm_2(self.conv_1(F.silu(self.norm_1(x))))
        return self.way(x) + self.conv_2(F.silu(h * (1 + scale) + shift))


class Detail(nn.Module):
    """p(u|y): a U-net over 2 x 2 pixels at a time. Shapes trail the lines, S pixels."""

    frequencies: Tensor

    def __init__(self) -> None:
        super().__init__()
        one, two, three = WIDTHS
        self.embed = nn.Sequential(nn.Linear(2 * LEVELS, EMBEDDED), nn.SiLU(), nn.Linear(EMBEDDED, EMBEDDED), nn.SiLU())
        self.enter = nn.Conv2d(2 * 12, one, 3, padding=1)
        self.down_1, self.halve_1 = Block(one, one), nn.Conv2d(one, two, 3, 2, 1)
        self.down_2, self.halve_2 = Block(two, two), nn.Conv2d(two, three, 3, 2, 1)
        self.middle_1, self.middle_2 = Block(three, three), Block(three, three)
        self.double_2, self.up_2 = nn.Conv2d(three, two, 3, padding=1), Block(2 * two, two)
        self.double_1, self.up_1 = nn.Conv2d(two, one, 3, padding=1), Block(2 * one, one)
        self.norm, self.leave = GroupNorm(8, one), nn.Conv2d(one, 12, 3, padding=1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)
        frequencies = torch.exp(torch.linspace(math.log(0.125), math.log(10), LEVELS))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, noisy: Tensor, y: Tensor, sigma: Tensor) -> Tensor:
        """u + sigma n (B, 3, S, S), y (B, 3, S, S) in [0, 1], sigma (B,) -> the mean of all u that it may be."""
        norm = (sigma**2 + LEFT_OUT**2).sqrt()[:, None, None, None]
        spread = sigma[:, None, None, None]
        found = self.net(noisy / norm, 4 * y - 2, sigma.log()).float()
        return noisy * (LEFT_OUT / norm) ** 2 + found * spread * LEFT_OUT / norm

    def net(self, noisy: Tensor, y: Tensor, log_sigma: Tensor) -> Tensor:
        angles = log_sigma[:, None] * self.frequencies
        noise = self.embed(torch.cat([angles.sin(), angles.cos()], 1))
        one = self.down_1(self.enter(F.pixel_unshuffle(torch.cat([noisy, y], 1), 2)), noise)  # (B, 64, S/2, S/2)
        two = self.down_2(self.halve_1(one), noise)  # (B, 128, S/4, S/4)
        h = self.middle_2(self.middle_1(self.halve_2(two), noise), noise)  # (B, 128, S/8, S/8)
        h = self.up_2(torch.cat([self.double_2(doubled(h)), two], 1), noise)
        h = self.up_1(torch.cat([self.double_1(doubled(h)), one], 1), noise)
        return F.pixel_shuffle(self.leave(F.silu(self.norm(h))), 2)  # (B, 3, S, S)

    def draw(self, y: Tensor, noise: Tensor, steps: int = STEPS) -> Tensor:
        """What is left out of y (B, 3, S, S), from `noise` (B, 3, S, S) ~ N(0, 1): (B, 3, S, S)."""
        sigmas = noise_levels(steps).to(y.device)
        u = noise * sigmas[0]
        for now, then in pairwise(sigmas):
            slope = (u - self(u, y, now.expand(len(y)))) / now
            ahead = u + (then - now) * slope
            if then > 0:
                slope = (slope + (ahead - self(ahead, y, then.expand(len(y)))) / then) / 2
            u = u + (then - now) * slope
        return u


def doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0)


def noise_levels(steps: int) -> Tensor:
    """(steps + 1,) from `MOST` to `LEAST`, then 0 (Karras et al., 2022, eq. 5)."""
    high, low = MOST ** (1 / CURVE), LEAST ** (1 / CURVE)
    return torch.cat([torch.linspace(high, low, steps) ** CURVE, torch.zeros(1)])


def drawn_levels(count: int, generator: torch.Generator) -> Tensor:
    """(count,) noise to learn by: log-normal around a bit less than `LEFT_OUT` (Karras et al., 2022, table 1)."""
    return (math.log(0.6 * LEFT_OUT) + 1.2 * torch.randn(count, generator=generator)).exp().clamp(LEAST / 4, 2 * MOST)


def noise_of(z: Tensor, latent: Latent, size: int) -> Tensor:
    """The noise that faces z (N, Z) are drawn from: (N, 3, size, size) ~ N(0, 1), the same at every degree of smile."""
    white = latent.whitened(z)
    if latent.direction.shape[1]:
        smile = torch.linalg.solve_triangular(latent.factor, latent.direction[:, :1], upper=False)[:, 0]
        smile = smile / smile.norm()
        white = white - (white @ smile)[:, None] * smile
    white = F.normalize(white, dim=1)
    noise = white @ projection(z.shape[1], 3 * size * size).to(z.device)
    return noise.reshape(-1, 3, size, size).contiguous(memory_format=torch.channels_last)


@lru_cache(maxsize=1)
def projection(dimensions: int, values: int) -> Tensor:
    """(Z, values) ~ N(0, 1), always the same."""
    return torch.from_numpy(np.random.default_rng(0).standard_normal((dimensions, values), dtype=np.float32))
