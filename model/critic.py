"""The critic that a decoder is sharpened against: how real is a picture, as one of a face with these read-outs?

A residual net without norms (StyleGAN2, Karras et al., 2020), its answer given the condition by projection (Miyato and
Koyama, 2018), and the distortions under which it sees every picture, real or drawn, so that it does not learn the
training faces by heart (differentiable augmentation, Zhao et al., 2020).
"""

from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SHIFTED = 1 / 8  # of a picture's side, at most
CUT_OUT = 3 / 8  # the side of the square that is hidden
BRIGHTER, STRONGER = 0.2, 0.25  # at most


class Down(nn.Module):
    """Half as many pixels a side: two convolutions, and the picture itself beside them."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv_1, self.conv_2 = nn.Conv2d(before, before, 3, padding=1), nn.Conv2d(before, after, 3, padding=1)
        self.way = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C', H/2, W/2)
        h = F.leaky_relu(self.conv_1(F.leaky_relu(x, 0.2)), 0.2)
        return (F.avg_pool2d(self.conv_2(h), 2) + self.way(F.avg_pool2d(x, 2))) / sqrt(2)


class Critic(nn.Module):
    """Over 2 x 2 pixels at a time. Shapes trail the lines: B pictures of S pixels a side, A read-outs."""

    def __init__(self, size: int, attributes: int, width: int = 64) -> None:
        super().__init__()
        levels = size.bit_length() - 4
        widths = [width * min(2**i, 4) for i in range(levels + 1)]
        self.enter = nn.Conv2d(12, width, 3, padding=1)
        self.downs = nn.ModuleList(Down(before, after) for before, after in pairwise(widths))
        self.last = nn.Conv2d(widths[-1], widths[-1], 3, padding=1)
        self.flat = nn.Linear(16 * widths[-1], widths[-1])
        self.leave = nn.Linear(widths[-1], 1)
        self.condition = nn.Sequential(nn.Linear(attributes, width), nn.SiLU(), nn.Linear(width, widths[-1]))

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
        """x (B, 3, S, S) in [0, 1], read-outs y (B, A) -> how real (B,), what is seen at each size (B, C, H, W)."""
        h = self.enter(F.pixel_unshuffle(2 * x - 1, 2))  # (B, 64, S/2, S/2)
        maps = [h]
        for down in self.downs:
            h = down(h)
            maps.append(h)
        h = F.leaky_relu(self.last(F.leaky_relu(h, 0.2)), 0.2)  # (B, C, 4, 4)
        h = F.leaky_relu(self.flat(h.flatten(1)), 0.2)  # (B, C)
        return (self.leave(h)[:, 0] + (self.condition(y) * h).mean(1)).float(), maps


class Distortion:
    """Brightness, saturation, contrast, a shift, a hidden square: the same for a picture and what is drawn of it."""

    def __init__(self, count: int, device: torch.device) -> None:
        chance = torch.rand(7, count, device=device)
        self.brighter, self.saturated, self.stronger = (chance[i, :, None, None, None] for i in range(3))
        self.move, self.cut = chance[3:5].T, chance[5:7].T  # (B, 2)

    def __call__(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) -> the same, distorted."""
        x = x + BRIGHTER * (2 * self.brighter - 1)
        grey = x.mean(1, keepdim=True)
        x = grey + (x - grey) * 2 * self.saturated
        middle = x.mean((1, 2, 3), keepdim=True)
        x = middle + (x - middle) * (1 + STRONGER * (2 * self.stronger - 1))
        size, device = x.shape[-1], x.device
        most = round(SHIFTED * size)
        by = ((2 * most + 1) * self.move).long().clamp(max=2 * most)  # (B, 2)
        at = torch.arange(size, device=device)
        rows, columns = (by[:, i, None] + at for i in range(2))  # (B, S), in the padded picture
        x = F.pad(x, (most, most, most, most)).permute(0, 2, 3, 1)
        everyone = torch.arange(len(x), device=device)[:, None, None]
        x = x[everyone, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)  # channels last
        hidden = [(at - size * self.cut[:, i, None]).abs() < CUT_OUT * size / 2 for i in range(2)]
        return x * ~(hidden[0][:, :, None] & hidden[1][:, None, :])[:, None]
