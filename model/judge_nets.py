"""The evaluation's own nets: a trunk that tells persons apart and knows age, gender and race, and what reads smiles.

The trunk is a small residual net on RGB pictures of 64 px (the smile reader, which it must not resemble, sees grey
mouths). It learns two things at once, from training faces alone:

- that two distorted views of one picture are one person and all other pictures of the batch are others, by the
  normalised, temperature-scaled cross-entropy (NT-Xent; SimCLR, Chen et al., 2020, eq. 1);
- the free labels of metadata.csv: age, gender, race, where the set knows them.

Its 128 outputs, at unit length, are the descriptor of a person. The smile is read by a ridge regression on what the
trunk sees in the lower half of the face: stable with few labels, exact with many.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from model.devices import autocast
from model.measures import Floats
from model.pictures import at_size, to_tensor
from shell import progress

SIZE = 64
WIDTHS = (32, 64, 96, 192)
DESCRIPTOR = 128
TEMPERATURE = 0.2
BATCH = 96
COLUMNS = ("age", "gender", "race")
QUANTITIES = ("age",)
FEMALE = ("female", "f", "woman")  # how sets write it


@dataclass(frozen=True)
class Attribute:
    """A column of metadata.csv that the trunk learns: a quantity with its mean and deviation, or categories."""

    name: str
    mean: float = 0.0
    deviation: float = 1.0
    categories: tuple[str, ...] = ()

    @property
    def outputs(self) -> int:
        return len(self.categories) or 1

    def targets(self, column: "pd.Series[object]") -> Tensor:
        """(N,) standardised and NaN where unknown, or the category's number and -100 where unknown."""
        if not self.categories:
            values = pd.to_numeric(column, errors="coerce").to_numpy(float)
            return torch.tensor((values - self.mean) / self.deviation, dtype=torch.float32)
        numbers = {category: i for i, category in enumerate(self.categories)}
        return torch.tensor([numbers.get(written(value), -100) for value in column])

    def loss(self, said: Tensor, targets: Tensor) -> Tensor:
        if self.categories:
            known = targets >= 0
            return F.cross_entropy(said[known], targets[known]) if known.any() else said.sum() * 0
        known = targets.isfinite()
        return F.smooth_l1_loss(said[known, 0], targets[known]) if known.any() else said.sum() * 0

    def reading(self, said: Tensor) -> dict[str, Floats]:
        """Outputs (N, K) -> years or probabilities, each (N,); of two genders one, the female one if that is known."""
        if not self.categories:
            return {self.name: said[:, 0].double().numpy() * self.deviation + self.mean}
        shares = said.double().softmax(1).numpy()
        if self.name == "gender" and len(self.categories) == 2:
            if (female := female_among(self.categories)) is not None:
                return {"p(female)": shares[:, self.categories.index(female)]}
            return {f"p({self.categories[1]})": shares[:, 1]}
        return {f"p({self.name} {category})": shares[:, i] for i, category in enumerate(self.categories)}


def female_among(categories: Iterable[str]) -> str | None:
    """How female is written where these are the genders; 1 means it beside 0 alone, not beside 2 (ISO/IEC 5218)."""
    known = list(categories)
    if set(known) == {"0", "1"}:
        return "1"
    return next((category for category in known if category.lower() in FEMALE), None)


def written(value: object) -> str:
    """A category as text: 1, 1.0 and "1" are one; "" where unknown."""
    if pd.isna(value):
        return ""
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)


def known_attributes(metadata: pd.DataFrame) -> tuple[Attribute, ...]:
    """Those of `COLUMNS` that the set knows and that vary."""
    found = []
    for name in COLUMNS:
        if name not in metadata.columns or metadata[name].nunique() < 2:
            continue
        if name in QUANTITIES:
            values = pd.to_numeric(metadata[name], errors="coerce")
            if values.nunique() < 2:  # bands such as 20-29, say
                continue
            found.append(Attribute(name, float(values.mean()), float(values.std())))
        else:
            found.append(Attribute(name, categories=tuple(sorted({written(v) for v in metadata[name]} - {""}))))
    return tuple(found)


class Head(nn.Linear):
    """A linear layer that may have no outputs, for a set that knows no attributes."""

    def reset_parameters(self) -> None:
        if self.out_features:
            super().reset_parameters()


class Block(nn.Module):
    """Two convolutions with batch norm and a way around; halves the picture."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(before, after, 3, 2, 1, bias=False)
        self.conv_2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.way = nn.Conv2d(before, after, 1, bias=False)
        self.norm_1, self.norm_2 = nn.BatchNorm2d(after), nn.BatchNorm2d(after)
        nn.init.zeros_(self.norm_2.weight)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C', H/2, W/2)
        h = self.norm_2(self.conv_2(F.relu(self.norm_1(self.conv_1(x)))))
        return F.relu(h + self.way(F.avg_pool2d(x, 2)))


class Trunk(nn.Module):
    """Pictures -> maps of what is where, a descriptor, and the attributes."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, WIDTHS[0], 5, 2, 2, bias=False), nn.BatchNorm2d(WIDTHS[0]), nn.ReLU())
        self.blocks = nn.ModuleList(Block(a, b) for a, b in pairwise(WIDTHS))
        self.describe = nn.Linear(WIDTHS[-1], DESCRIPTOR)
        self.attributes = Head(DESCRIPTOR, outputs)

    def maps(self, x: Tensor) -> list[Tensor]:  # (B, 3, 64, 64) in [0, 1]
        found = [self.stem(4 * x - 2)]  # (B, 32, 32, 32)
        for block in self.blocks:
            found.append(block(found[-1]))  # (B, 64, 16, 16), (B, 96, 8, 8), (B, 192, 4, 4)
        return found

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """-> descriptors before they are brought to unit length (B, 128), attributes (B, A)."""
        h = self.describe(self.maps(x)[-1].mean((2, 3)))
        return h, self.attributes(F.relu(h))


def contrast(a: Tensor, b: Tensor) -> Tensor:
    """NT-Xent of two views (B, D) of the same B pictures, at unit length."""
    views = torch.cat([a, b])
    alike = views @ views.T / TEMPERATURE
    alike = alike.masked_fill(torch.eye(len(views), dtype=torch.bool, device=views.device), -torch.inf)
    return F.cross_entropy(alike, torch.arange(len(views), device=views.device).roll(len(a)))


def learn_persons(
    pictures: NDArray[np.uint8],
    train: NDArray[np.intp],
    metadata: pd.DataFrame,
    *,
    steps: int,
    seed: int,
    device: torch.device,
) -> Trunk:
    """A trunk, taught: see the head of this file.

    Of pictures (N, 64, 64, 3) those in `train` teach; `metadata` has one row for each of the N.
    """
    attributes = known_attributes(metadata)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        taught = Trunk(sum(a.outputs for a in attributes)).to(device).to(memory_format=torch.channels_last)
    targets = [attribute.targets(metadata[attribute.name]).to(device) for attribute in attributes]
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(taught.parameters(), weight_decay=5e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in progress(range(steps), "judges", steps, "step"):
        some = train[torch.randperm(len(train), generator=generator)[:BATCH].numpy()]
        x = as_seen(pictures[some], device)
        with autocast(device):
            h, said = taught(torch.cat([distort(x, generator), distort(x, generator)]))
        one, other = F.normalize(h.float(), dim=1).chunk(2)
        loss = contrast(one, other)
        parts = said.float().split([a.outputs for a in attributes], 1)
        for attribute, part, target in zip(attributes, parts, targets, strict=True):
            loss = loss + attribute.loss(part, target[some].repeat(2))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return taught.eval()


def as_seen(pictures: NDArray[np.uint8], device: torch.device) -> Tensor:
    """(N, S, S, 3) uint8 -> (N, 3, 64, 64) in [0, 1], channels last."""
    return at_size(to_tensor(pictures, device), SIZE).contiguous(memory_format=torch.channels_last)


def distort(x: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures (B, 3, S, S) mirrored, shifted, turned, scaled, lit and coloured otherwise, blurred and made noisy."""

    def uniform(low: float, high: float, channels: int = 1) -> Tensor:
        return (torch.rand(len(x), channels, 1, 1, generator=generator) * (high - low) + low).to(x.device)

    angle, scale = uniform(-0.2, 0.2), uniform(0.8, 1.05)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    rows = [mirror * scale * angle.cos(), -scale * angle.sin(), uniform(-0.12, 0.12)]
    rows += [mirror * scale * angle.sin(), scale * angle.cos(), uniform(-0.12, 0.12)]
    affine = torch.cat(rows, 1).reshape(-1, 2, 3)
    x = F.grid_sample(
        x, F.affine_grid(affine, list(x.shape), align_corners=False), padding_mode="border", align_corners=False
    )
    blur = (2 * uniform(0, 1) - 1).clamp(min=0)  # every second face stays sharp
    x = x + blur * (F.avg_pool2d(x, 3, 1, 1) - x)
    x = (x - 0.5) * uniform(0.7, 1.3) + 0.5 + uniform(-0.15, 0.15) + uniform(-0.06, 0.06, 3)
    noise = torch.randn(x.shape, generator=generator).to(x.device)
    return (x + 0.03 * uniform(0, 1) * noise).contiguous(memory_format=torch.channels_last)
