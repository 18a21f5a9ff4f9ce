"""New faces at a degree of smile, by diffusion: whole faces, where a Gaussian of the same covariance mixes them.

The ex-post prior N(m, S) of `model.latent` knows how latents vary by pairs of dimensions, and no more: half a pair of
glasses is as likely as none, and all smiles are made along one line. Here a net learns the distribution itself, given
what is known of a face (latent diffusion: Vahdat et al., 2021): y, the smile that the smile reader sees in it, and the
linear read-outs of gender, age and race. Let x be a face, x = L^-1 (z - m) with S = L L', and n ~ N(0, I) noise. On the
quarter circle between them

    u = x cos t + n sin t,    du/dt = n cos t - x sin t

the net learns v(u, t, y), the mean of du/dt over all x and n that u may come from, by squared error (Salimans and Ho,
2022, appendix D). Following v from t = pi/2 to 0, noise becomes a face (Song et al., 2021). Where latents are Gaussian,
and y says nothing of them, v is 0 and noise n becomes m + L n, as in `Latent.draw`.

A person begins as noise and what is known of one training face, and is followed to t = pi/4, where there is as much of
a face as of noise: by then it is decided who that is. From there on the smile that is known may be any, and the face
becomes that person's at that degree (as in SDEdit: Meng et al., 2022, but without chance).

A net heeds what it knows, but not strictly. So the part of x that goes with the smile is held to its mean on the way:
where c is the smile, of mean 0 and variance 1, and w = cov(x, c), that part is w (w.x) / |w|^2, and its mean is c w.
"""

import math
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.devices import autocast, rounded
from model.latent import Latent

TO_PERSON, TO_FACE = 1, 2  # steps from noise to a person, and from there to a face
BLOCKS = 4
LEVELS = 16  # sines and cosines that tell the net how much noise there is
EMBEDDED = 64
LEAST, MOST = 0.02, 30.0  # noise over face that is told apart
LEAST_SPREAD = 0.01  # of what is known: what hardly varies says little
MANY = 32  # from here on bfloat16 is quicker, where it is multiplied in hardware


class Block(nn.Module):
    """h + gate linear(silu(scale norm(h) + shift)), twice linear; scale, shift and gate by noise and what is known."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.given = nn.Linear(EMBEDDED, 3 * width)
        self.linear_1, self.linear_2 = nn.Linear(width, width), nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.linear_2.weight)
        nn.init.zeros_(self.linear_2.bias)

    def forward(self, h: Tensor, given: Tensor) -> Tensor:  # (B, W), (B, E) -> (B, W)
        scale, shift, gate = self.given(given).chunk(3, 1)
        inner = F.silu(self.linear_1(torch.addcmul(shift, self.norm(h), 1 + scale)))
        return torch.addcmul(h, 1 + gate, self.linear_2(self.dropout(inner)))


class Velocity(nn.Module):
    """v. Untaught, it is that of a Gaussian."""

    frequencies: Tensor
    people: Tensor
    """(K, A): what is known of K training faces, the smile first. Without a condition A is 0."""
    centre: Tensor
    """(A,): the mean of that."""
    scale: Tensor
    """(A,): its standard deviation."""
    smile: Tensor
    """w (Z,)."""

    def __init__(self, width: int, people: Tensor, smile: Tensor, dropout: float = 0.0) -> None:
        super().__init__()
        known, dimensions = people.shape[1], len(smile)
        self.embed = nn.Sequential(
            nn.Linear(2 * LEVELS + known, EMBEDDED), nn.SiLU(), nn.Linear(EMBEDDED, EMBEDDED), nn.SiLU()
        )
        self.enter = nn.Linear(dimensions + known, width)
        self.blocks = nn.ModuleList(Block(width, dropout) for _ in range(BLOCKS))
        self.norm, self.leave = nn.LayerNorm(width), nn.Linear(width, dimensions)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        frequencies = torch.exp(torch.linspace(math.log(0.2), math.log(10), LEVELS))
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.register_buffer("people", people)
        self.register_buffer("centre", people.mean(0))
        self.register_buffer("scale", (people - self.centre).square().mean(0).sqrt().clamp(min=LEAST_SPREAD))
        self.register_buffer("smile", smile)

    def forward(self, u: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """u (B, Z), t (B,) or (1,) for all of them, standardised y (B, A) -> v (B, Z)."""
        ratio = (t.sin() / t.cos().clamp(min=1e-6)).clamp(LEAST, MOST)  # tan of a float32 pi / 2 is below 0
        angles = ratio.log()[:, None] * self.frequencies
        noise = torch.cat([angles.sin(), angles.cos()], 1).expand(len(u), -1)
        given = self.embed(torch.cat([noise, y], 1))
        h = self.enter(torch.cat([u, y], 1))
        for block in self.blocks:
            h = block(h, given)
        v: Tensor = self.leave(self.norm(h)).float()
        return v

    def standard(self, y: Tensor) -> Tensor:
        """y (N, A) with mean 0 and variance 1 over people."""
        return (y - self.centre) / self.scale


class Flow:
    """New latents at any degree: as `Latent`'s `people` and `draw`, but among faces."""

    def __init__(self, net: Velocity, latent: Latent) -> None:
        self.net, self.latent, self.dimensions = net, latent, latent.dimensions
        self.towards = F.normalize(net.smile, dim=0)  # w / |w|
        self.to_person = torch.linspace(math.pi / 2, math.pi / 4, TO_PERSON + 1, device=latent.mean.device)
        self.to_face = torch.linspace(math.pi / 4, 0, TO_FACE + 1, device=latent.mean.device)

    @property
    def width(self) -> int:
        """Z + A, numbers that make a person."""
        return self.dimensions + self.net.people.shape[1]

    @property
    def smiles(self) -> tuple[float, float]:
        """Mean and standard deviation of the smile over people."""
        return self.net.centre[0].item(), self.net.scale[0].item()

    @torch.no_grad()
    def people(self, noise: Tensor, truncation: float = 1.0) -> Tensor:
        """noise (N, Z) ~ N(0, 1) -> people (N, Z + A): half face and half noise, and what is known of each.

        That is what is known of training faces, which the noise chooses. A `truncation` below 1 takes both nearer to
        their means.
        """
        bank = self.net.people
        share = torch.special.ndtr(noise[:, 0].double())  # the same face on every machine
        chosen = (share * len(bank)).long().clamp(max=len(bank) - 1)
        y = truncation * self.net.standard(bank[chosen])
        return torch.cat([self._follow(truncation * noise, y, self.to_person), y], 1)

    @torch.no_grad()
    def draw(self, people: Tensor, smile: Tensor | float | None = None) -> Tensor:
        """People (N, Z + A) with a `smile` that the reader would see, a number or (N,), or their own -> z (N, Z)."""
        u, y = people[:, : self.dimensions], people[:, self.dimensions :]
        if smile is not None:
            smile = torch.as_tensor(smile, dtype=y.dtype, device=y.device).expand(len(y))
            y = torch.cat([(smile - self.net.centre[0])[:, None] / self.net.scale[0], y[:, 1:]], 1)
        return self.latent.draw(self._follow(u, y, self.to_face))

    def _follow(self, u: Tensor, y: Tensor, times: Tensor) -> Tensor:
        """u (N, Z) at the first of `times` -> at the last, while y (N, A) is known, by the midpoint method."""
        for now, then in pairwise(times):
            half = (now + then) / 2
            middle = self._held(u + (half - now) * self._velocity(self._held(u, now, y), now, y), half, y)
            u = u + (then - now) * self._velocity(middle, half, y)
        return self._held(u, times[-1], y)

    def _held(self, u: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """u with the part that goes with the smile put to its mean, without noise."""
        if not y.shape[1]:
            return u
        return u - (u @ self.towards)[:, None] * self.towards + t.cos() * y[:, :1] * self.net.smile

    def _velocity(self, u: Tensor, t: Tensor, y: Tensor) -> Tensor:
        if len(u) < MANY:
            return self.net(u, t[None], y)
        with autocast(u.device):
            return self._rounded(u, t[None], y)

    @cached_property
    def _rounded(self) -> Velocity:
        return rounded(self.net)


def drawn_times(count: int, generator: torch.Generator) -> Tensor:
    """(count,) times to learn at: noise over face, tan t, is log-normal around 0.67 (Karras et al., 2022, table 1)."""
    return (-0.4 + 1.2 * torch.randn(count, generator=generator)).exp().atan()
