"""Which latents are faces, learned by diffusion: whole faces, where a Gaussian of the same covariance mixes them.

The ex-post prior N(m, S) of `model.latent` knows how latents vary by pairs of dimensions, and no more: half a pair of
glasses is as likely as none. Here a net learns the distribution itself (latent diffusion: Vahdat et al., 2021). Be x a
face, x = L^-1 (z - m) with S = L L', and n ~ N(0, I) noise. On the quarter circle between them

    u = x cos t + n sin t,    du/dt = n cos t - x sin t

the net learns v(u, t), the mean of du/dt over all x and n that u may come from, by squared error (Salimans and Ho,
2022, appendix D). Following v from t = pi/2 to 0, noise becomes a face, and from 0 to pi/2 a face its noise: both ways,
without chance (Song et al., 2021). Where latents are Gaussian, v is 0 and noise n becomes m + L n, as in `Latent.draw`.

A degree of smile is a condition on the way. With y = W' x, W' = W L the read-outs of x, and G' = L^-1 G, the part
G' W' x = G' y of a face is known and the rest is free (G' W' is a projection, and a symmetric one). `at` follows the
rest of a face to its noise while the known part is that of its own read-outs, and back while it is that of another
smile's. Gender, age and race have the same read-outs as before. Where latents are Gaussian the rest stays, and this is
z + d g, the straight line of `Latent.at`; where they are not it bends, and stays among faces.
"""

import math
from contextlib import nullcontext
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.devices import autocast
from model.latent import Latent

STEPS = 5
BLOCKS = 4
LEVELS = 16  # sines and cosines that tell the net how much noise there is
EMBEDDED = 64
LEAST, MOST = 0.02, 30.0  # noise over face that is told apart
TOGETHER = 1024  # latents at a time: twice as quick as 256
MANY = 32  # from here on rounding the weights to bfloat16 is quicker than using them as they are


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


class Velocity(nn.Module):
    """v. Untaught, it is that of a Gaussian."""

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

    def forward(self, u: Tensor, t: Tensor) -> Tensor:
        """u (B, Z), t (B,) or (1,) for all of them -> v (B, Z)."""
        angles = t.tan().clamp(LEAST, MOST).log()[:, None] * self.frequencies
        noise = self.embed(torch.cat([angles.sin(), angles.cos()], 1))
        h = self.enter(u)
        for block in self.blocks:
            h = block(h, noise)
        v: Tensor = self.leave(self.norm(h)).float()
        return v


class Flow:
    """New latents, and latents at another smile: as `Latent`'s `draw` and `at`, but among faces."""

    def __init__(self, net: Velocity, latent: Latent) -> None:
        self.net, self.latent, self.dimensions = net, latent, latent.dimensions
        self.readout = latent.readout @ latent.factor  # W' (A, Z)
        self.direction = torch.linalg.solve_triangular(latent.factor, latent.direction, upper=False)  # G' (Z, A)
        self.times = torch.linspace(0, math.pi / 2, STEPS + 1, device=latent.mean.device)
        self.noise_of: tuple[Tensor, Tensor] | None = None  # the latents that were moved last, and their noise

    @torch.inference_mode()
    def draw(self, noise: Tensor) -> Tensor:
        """noise (N, Z) ~ N(0, 1) -> z (N, Z)."""
        return self.latent.draw(torch.cat([self._follow(some, self.times.flip(0)) for some in noise.split(TOGETHER)]))

    @torch.inference_mode()
    def at(self, z: Tensor, smile: Tensor | float) -> Tensor:
        """z (N, Z) moved to the smile read-out `smile`, a number or (N,); the other read-outs stay.

        The same z at one smile after the other is followed to its noise once.
        """
        x = self.latent.whitened(z)
        own = x @ self.readout.T  # (N, A)
        if self.noise_of is None or not torch.equal(self.noise_of[0], z):
            self.noise_of = z.clone(), self._known(x, own, self.times)
        smile = torch.as_tensor(smile, dtype=z.dtype, device=z.device).expand(len(z))
        asked = torch.cat([(smile - self.latent.offset[0])[:, None], own[:, 1:]], 1)
        return self.latent.draw(self._known(self.noise_of[1], asked, self.times.flip(0)))

    def _known(self, u: Tensor, y: Tensor, times: Tensor) -> Tensor:
        """`_follow` while the read-outs of the face are y (N, A)."""
        known = y @ self.direction.T  # (N, Z)
        parts = zip(u.split(TOGETHER), known.split(TOGETHER), strict=True)
        return torch.cat([self._follow(some, times, face) for some, face in parts])

    def _follow(self, u: Tensor, times: Tensor, known: Tensor | None = None) -> Tensor:
        """u (B, Z) at the first of `times` -> at the last, by the midpoint method; where a part is `known`, with it."""
        for now, then in pairwise(times):
            half = (now + then) / 2
            middle = self._with(u + (half - now) * self._velocity(self._with(u, known, now), now), known, half)
            u = u + (then - now) * self._velocity(middle, half)
        return self._with(u, known, times[-1])

    def _with(self, u: Tensor, known: Tensor | None, t: Tensor) -> Tensor:
        """u with the part that the read-outs see put to that of a face that is known, without noise."""
        return u if known is None else u - u @ self.readout.T @ self.direction.T + t.cos() * known

    def _velocity(self, u: Tensor, t: Tensor) -> Tensor:
        with autocast(u.device) if len(u) >= MANY else nullcontext():
            v: Tensor = self.net(u, t[None])
        return v


def drawn_times(count: int, generator: torch.Generator) -> Tensor:
    """(count,) times to learn at: noise over face, tan t, is log-normal around 0.67 (Karras et al., 2022, table 1)."""
    return (-0.4 + 1.2 * torch.randn(count, generator=generator)).exp().atan()
