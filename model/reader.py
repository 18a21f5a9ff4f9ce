"""The smile reader: a degree of smile for every face, learned from the labels of a few.

Three steps, from little that is sure to much that is likely:

1. A ridge regression of the human labels on gradient histograms of the mouth region (Dalal and Triggs, 2005): stable
   with a hundred noisy labels. Its penalty is the one with the least leave-one-out error.
2. A small convolutional network, the student, learns the ridge's degrees of *all* training faces, under shifts,
   rotations, blur and noise, with human labels mixed into each batch (noisy student, Xie et al., 2020).
3. It teaches the next student, twice.

Degrees are not clipped: labels are nearly binary, the linear score carries the degree. The reader makes the training
degrees; it never judges a result.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from model.devices import autocast
from model.networks import GroupNorm
from model.pictures import at_size
from shell import progress

Floats = NDArray[np.float64]
Fit = Callable[[Floats, Floats], tuple[Floats, float, float]]
"""Features (n, F) and labels (n,) to weights (F,), offset and penalty."""

SIZE = 64  # the reader looks at 64 px whatever the model's size
MOUTH = (slice(26, 64), slice(8, 56))  # rows and columns of an aligned face that a smile changes
BLOCK, BINS = 8, 8  # pixels a side, directions
PENALTIES = np.geomspace(0.3, 300, 13)


def read_smiles(
    pictures: NDArray[np.uint8], labels: Floats, train: NDArray[np.bool_], *, rounds: int, steps: int, seed: int
) -> tuple[Floats, dict[str, float], "Student"]:
    """The degree of smile of N faces.

    Parameters
    ----------
    pictures : (N, 64, 64, 3) uint8
    labels : (N,) degrees in [-1, 1], NaN where unknown
    train : (N,) whether a face may teach the reader; the others are only read
    rounds, steps : students, and training steps of each
    seed : of the students' weights, batches and distortions

    Returns
    -------
    degrees : (N,) unclipped
    figures : how good it is: the ridge in 10-fold cross-validation, and the last student on labelled validation faces
    student : the last one
    """
    taught = train & np.isfinite(labels)
    features = gradient_histograms(pictures[taught])
    weights, offset, penalty = fit_ridge(features, labels[taught])
    figures = {"labels": float(taught.sum()), "ridge_penalty": penalty}
    figures |= agreement("ridge_cv", cross_validated(features, labels[taught]), labels[taught])
    parts = (gradient_histograms(pictures[i : i + 1000]) for i in range(0, len(pictures), 1000))
    degrees = np.concatenate([part @ weights + offset for part in parts])  # a million faces' features fill no memory
    for generation in range(rounds):
        student = train_student(
            pictures, degrees, labels, train, steps, seed + generation, f"reader {generation + 1}/{rounds}"
        )
        degrees = read_mouths(student, pictures)
    kept = ~train & np.isfinite(labels)
    return degrees, figures | agreement("validation", degrees[kept], labels[kept]), student


def gradient_histograms(pictures: NDArray[np.uint8]) -> Floats:
    """Histograms of gradient directions of the mouth region in half-overlapping blocks of `BLOCK` pixels a side.

    (N, 64, 64, 3) uint8 -> (N, F). A smile is a change of the directions of edges; light and skin tone are not.
    """
    parts = []
    for some in np.array_split(pictures, max(1, len(pictures) // 1000)):
        grey = mouths(some)
        right = grey[:, :, 1:-1, 2:] - grey[:, :, 1:-1, :-2]
        down = grey[:, :, 2:, 1:-1] - grey[:, :, :-2, 1:-1]
        strength = (right.square() + down.square()).sqrt()
        angle = torch.atan2(down, right).remainder(torch.pi) * (BINS / torch.pi)  # in bins; opposite directions are one
        low, share = angle.long() % BINS, angle.frac()
        histogram = torch.zeros(len(some), BINS, *strength.shape[2:])
        histogram.scatter_(1, low, strength * (1 - share))
        histogram.scatter_add_(1, (low + 1) % BINS, strength * share)
        blocks = F.avg_pool2d(histogram, BLOCK, BLOCK // 2)
        norm = (blocks.square().mean((1, 2, 3), keepdim=True) * BINS).sqrt()
        parts.append((blocks / norm.clamp(min=1e-6)).flatten(1))
    return torch.cat(parts).double().numpy()


def fit_ridge(features: Floats, labels: Floats) -> tuple[Floats, float, float]:
    """Weights (F,), offset and penalty of the ridge regression of labels (n,) on features (n, F).

    The penalty has the least leave-one-out error, in closed form: residual_i / (1 - H_ii) (Allen, 1974).
    """
    centre, mean = features.mean(0), labels.mean()
    left, singular, right = np.linalg.svd(features - centre, full_matrices=False)
    projected = left.T @ (labels - mean)

    def leave_one_out_error(penalty: float) -> float:
        shrink = singular**2 / (singular**2 + penalty)
        residual = labels - mean - left @ (shrink * projected)
        leverage = (left**2) @ shrink + 1 / len(labels)
        return float(np.mean((residual / (1 - leverage)) ** 2))

    penalty = float(min(PENALTIES, key=leave_one_out_error))
    weights = right.T @ (singular / (singular**2 + penalty) * projected)
    return weights, float(mean - centre @ weights), penalty


def cross_validated(features: Floats, labels: Floats, folds: int = 10, fit: Fit = fit_ridge) -> Floats:
    """What a `fit` to the other folds says of each face: (n, F), (n,) -> (n,)."""
    fold = np.random.default_rng(0).permutation(len(labels)) % folds
    said = np.empty(len(labels))
    for k in range(folds):
        weights, offset, _ = fit(features[fold != k], labels[fold != k])
        said[fold == k] = features[fold == k] @ weights + offset
    return said


def agreement(name: str, said: Floats, labels: Floats) -> dict[str, float]:
    """Pearson, Spearman and sign accuracy of what was said against the labels; nothing where they cannot tell."""
    from scipy.stats import pearsonr, spearmanr

    if len(labels) < 3 or not np.ptp(labels) or not np.ptp(said):
        return {}
    return {
        f"{name}_pearson": float(pearsonr(said, labels).statistic),
        f"{name}_spearman": float(spearmanr(said, labels).statistic),
        f"{name}_sign_accuracy": float(np.mean((said > 0) == (labels > 0))),
    }


class Student(nn.Sequential):
    """Mouth region (B, 1, 38, 48) -> degree (B, 1)."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for before, after in pairwise((1, 16, 32, 64, 64)):
            layers += [nn.Conv2d(before, after, 3, padding=1), GroupNorm(4, after), nn.SiLU(), nn.MaxPool2d(2)]
        super().__init__(*layers[:-1], nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 4 * 6, 1))
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        light = x.mean((2, 3), keepdim=True)
        contrast = x.std((2, 3), keepdim=True) + 0.05
        return super().forward((x - light) / contrast)  # type: ignore[no-untyped-call]


def mouths(pictures: NDArray[np.uint8]) -> Tensor:
    """The mouth regions of pictures (N, 64, 64, 3) in grey: (N, 1, 38, 48) in [0, 1]."""
    return torch.from_numpy(pictures[:, MOUTH[0], MOUTH[1]].mean(-1, dtype=np.float32))[:, None] / 255


def train_student(
    pictures: NDArray[np.uint8],
    degrees: Floats,
    labels: Floats,
    train: NDArray[np.bool_],
    steps: int,
    seed: int,
    title: str,
) -> Student:
    """A student of `degrees` (N,), with one human label to every eight degrees in its batches."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        student = Student()
        optimizer = torch.optim.AdamW(student.parameters(), weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
        everyone = torch.from_numpy(np.flatnonzero(train))
        labelled = torch.from_numpy(np.flatnonzero(train & np.isfinite(labels)))
        taught, told = torch.tensor(degrees).float(), torch.tensor(labels).float()
        for _ in progress(range(steps), title, steps):
            some = everyone[torch.randint(len(everyone), (128,), generator=generator)]
            sure = labelled[torch.randint(len(labelled), (16,), generator=generator)]
            x = distort(mouths(pictures[torch.cat([some, sure]).numpy()]), generator)
            with autocast(x.device):
                said = student(x)[:, 0]
            loss = (said.float() - torch.cat([taught[some], told[sure]])).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return student.eval()


def distort(x: Tensor, generator: torch.Generator) -> Tensor:
    """Mouths (B, 1, H, W) flipped, shifted, turned, scaled, blurred and made noisy at random: still the same smile."""

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(len(x), generator=generator) * (high - low) + low

    angle, wide, high = uniform(-0.15, 0.15), uniform(0.93, 1.07), uniform(0.93, 1.07)
    wide = torch.where(uniform(0, 1) < 0.5, -wide, wide)
    rows = [
        [wide * angle.cos(), -angle.sin(), uniform(-0.1, 0.1)],
        [wide * angle.sin(), high * angle.cos(), uniform(-0.1, 0.1)],
    ]
    affine = torch.stack([torch.stack(row, 1) for row in rows], 1)  # (B, 2, 3)
    grid = F.affine_grid(affine, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    blur = (2 * uniform(0, 1) - 1).clamp(min=0)[:, None, None, None]  # every second face stays sharp
    x = x + blur * (F.avg_pool2d(x, 3, 1, 1) - x)
    noise = 0.03 * uniform(0, 1)[:, None, None, None]
    return x + noise * torch.randn(x.shape, generator=generator)


@torch.no_grad()
def read_drawn(student: Student, x: Tensor) -> Tensor:
    """What the student says of pictures (N, 3, S, S) in [0, 1] and their mirror images, averaged: (N,)."""
    seen = at_size(x, SIZE)[:, :, MOUTH[0], MOUTH[1]].mean(1, keepdim=True)
    return both_ways(student, seen)


@torch.no_grad()
def read_mouths(student: Student, pictures: NDArray[np.uint8]) -> Floats:
    """What the student says of the mouth and of its mirror image, averaged: (N, 64, 64, 3) -> (N,)."""
    parts = (mouths(pictures[i : i + 512]) for i in range(0, len(pictures), 512))
    return torch.cat([both_ways(student, x) for x in parts]).double().numpy()


def both_ways(student: Student, mouths: Tensor) -> Tensor:
    """What the student says of mouths (N, 1, 38, 48) and of their mirror images, averaged: (N,)."""
    return (student(mouths) + student(mouths.flip(3)))[:, 0] / 2
