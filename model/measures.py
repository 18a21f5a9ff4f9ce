"""What is measured of a model, as functions of arrays: no nets, no files.

A *sweep* is one identity shown at degrees that rise. Readings are degrees that a judge reads in pictures, descriptors
are unit vectors that tell persons apart. `interval` gives every measure its 95 % bootstrap interval.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.pictures import needs_bytes

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

MOST_DIMENSIONS = 64


@dataclass(frozen=True)
class Figure:
    """A measure with what it is to be compared with; None where there is no such thing."""

    value: float
    low: float | None = None
    """Of the 95 % bootstrap interval."""
    high: float | None = None
    floor: float | None = None
    """What chance, or real against real, gives."""
    ceiling: float | None = None
    """What a perfect model would give; of a descriptor distance what two persons have."""
    count: int = 0
    """Faces or identities that it stands on."""
    unit: str = ""


def interval(
    statistic: Callable[[Indices], float], count: int, rounds: int = 400, centred: float | None = None
) -> tuple[float, float]:
    """95 % bootstrap interval of `statistic`, a function of which of `count` things are taken (Efron, 1979).

    Percentiles of the resampled statistic. Where resampling biases it (a thing drawn twice lies at distance 0 from
    itself), `centred` is its value on the things as they are, and the percentiles are moved to lie around that.
    """
    random = np.random.default_rng(0)
    drawn = np.array([statistic(random.integers(count, size=count)) for _ in range(rounds)])
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return float("nan"), float("nan")
    low, high = np.percentile(drawn, [2.5, 97.5])
    shift = 0.0 if centred is None else centred - np.median(drawn)
    return float(low + shift), float(high + shift)


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of a share, exact (Clopper and Pearson, 1934): resampling says nothing where all or none hit."""
    from scipy.stats import binomtest

    found = binomtest(hits, count).proportion_ci(0.95, "exact")
    return float(found.low), float(found.high)


def spearman(a: Floats, b: Floats) -> float:
    """Rank correlation of two arrays of one shape; 0 where one of them does not vary."""
    from scipy.stats import spearmanr

    return float(spearmanr(a.ravel(), b.ravel()).statistic) if np.ptp(a) and np.ptp(b) else 0.0


def slope(readings: Floats, degrees: Floats) -> float:
    """Least-squares slope of readings (N, K) of N sweeps on their K degrees."""
    centred = degrees - degrees.mean()
    return float((readings @ centred).mean() / (centred @ centred))


def largest_step(readings: Floats) -> float:
    """The largest step's share of the whole rise of the mean sweep: (N, K) -> 1 / (K - 1) for a straight line."""
    mean = readings.mean(0)
    rise = mean[-1] - mean[0]
    return float(np.diff(mean).max() / rise) if rise > 0 else float("nan")


def monotone_share(readings: Floats, tolerance: float = 0.0) -> float:
    """Share of the sweeps (N, K) in which no reading lies more than `tolerance` below an earlier one."""
    return float(np.mean(falls(readings) <= tolerance))


def falls(readings: Floats) -> Floats:
    """By how much each sweep (N, K) falls at most below what it had reached before: (N,), 0 where it never falls."""
    fall: Floats = (np.maximum.accumulate(readings, axis=1) - readings).max(1)
    return fall


def rms(errors: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


def distances(descriptors: Floats) -> Floats:
    """Euclidean distances between all unit vectors (N, D): (N, N)."""
    apart: Floats = np.sqrt(np.maximum(2 - 2 * descriptors @ descriptors.T, 0))
    np.fill_diagonal(apart, 0)
    return apart


def spread(apart: Floats, where: Indices | None = None) -> float:
    """Mean distance between two different faces, of all faces or of those drawn in `where`, from distances (N, N)."""
    weights = np.ones(len(apart)) if where is None else np.bincount(where, minlength=len(apart)).astype(float)
    pairs = weights.sum() ** 2 - (weights**2).sum()
    return float(weights @ apart @ weights / pairs) if pairs else float("nan")


def principal_components(descriptors: Floats) -> tuple[Floats, Floats]:
    """Mean (D,) and the first principal axes (D, K), K at most 64 and at most a tenth of N."""
    mean = descriptors.mean(0)
    _, _, axes = np.linalg.svd(descriptors - mean, full_matrices=False)
    return mean, axes[: max(1, min(MOST_DIMENSIONS, len(descriptors) // 10))].T


def frechet(a: Floats, b: Floats) -> float:
    """Squared Frechet distance of the Gaussians fitted to a (N, K) and b (M, K).

    |mean_a - mean_b|^2 + tr(A + B - 2 (A B)^1/2), A and B the covariances (Dowson and Landau, 1982, eq. 16).
    """
    first, second = np.atleast_2d(np.cov(a.T)), np.atleast_2d(np.cov(b.T))
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    return float(np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(first) + np.trace(second) - 2 * cross)


def frechet_floor(real: Floats, count: int) -> float:
    """What `frechet` gives for `count` real faces against `count` others, from real (N, K) of which N may be fewer.

    The mean over random halves of real against the other half, times (N / 2) / count: between samples of one
    population the distance is all bias, which falls as one over their size (Chong and Forsyth, 2020).
    """
    random, half = np.random.default_rng(0), len(real) // 2
    found = []
    for _ in range(20):
        order = random.permutation(len(real))
        found.append(frechet(real[order[:half]], real[order[half : 2 * half]]))
    return float(np.mean(found)) * half / count


def energy(pictures: NDArray[np.uint8]) -> Floats:
    """High-frequency energy of pictures (N, S, S, 3): mean absolute difference of neighbours (N,), in [0, 1]."""
    needs_bytes(pictures)
    found = []
    for some in np.array_split(pictures, max(1, len(pictures) // 500)):
        x = some.astype(np.int16)
        down, right = np.abs(np.diff(x, axis=1)), np.abs(np.diff(x, axis=2))
        found.append((down.mean((1, 2, 3)) + right.mean((1, 2, 3))) / 2 / 255)
    return np.concatenate(found)


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Floats:
    """Peak signal-to-noise ratio of each pair of pictures (N, S, S, 3) in dB: (N,); at most 99 dB."""
    needs_bytes(a)
    needs_bytes(b)
    error = np.square(a.astype(float) - b).mean((1, 2, 3)) / 255**2
    return -10 * np.log10(np.maximum(error, 10**-9.9))


def ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Floats:
    """Structural similarity of each pair of pictures (N, S, S, 3): (N,), 1 where they are the same.

    Per colour channel, Gaussian window of sigma 1.5 cut to 11 pixels, k = 0.01 and 0.03 (Wang et al., 2004, eq. 13).
    """
    from scipy.ndimage import gaussian_filter1d

    needs_bytes(a)
    needs_bytes(b)

    def smooth(x: Floats) -> Floats:
        for axis in (1, 2):
            x = gaussian_filter1d(x, 1.5, axis, truncate=3.5)  # 3.5 x 1.5: five pixels to each side
        return x

    def similarity(x: Floats, y: Floats) -> Floats:
        mean_x, mean_y = smooth(x), smooth(y)
        var_x, var_y = smooth(x * x) - mean_x**2, smooth(y * y) - mean_y**2
        both = smooth(x * y) - mean_x * mean_y
        light = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
        edge = 5 if x.shape[1] > 10 else 0  # where the window leaves the picture nothing is counted
        inside = (slice(None), slice(edge, x.shape[1] - edge), slice(edge, x.shape[2] - edge))
        found: Floats = (light * (2 * both + 0.03**2) / (var_x + var_y + 0.03**2))[inside].mean((1, 2, 3))
        return found

    pairs = zip(*(np.array_split(p, max(1, len(p) // 200)) for p in (a, b)), strict=True)
    return np.concatenate([similarity(x / 255, y / 255) for x, y in pairs])


def top_1(queries: Floats, gallery: Floats) -> NDArray[np.bool_]:
    """Whether the nearest face of the gallery (N, D) to query i (N, D) is face i."""
    found: NDArray[np.bool_] = (queries @ gallery.T).argmax(1) == np.arange(len(queries))
    return found


def area_under_curve(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """Probability that a positive scores higher than a negative, ties counting half (Mann and Whitney, 1947)."""
    from scipy.stats import mannwhitneyu

    pairs = int(positive.sum()) * int((~positive).sum())
    return float(mannwhitneyu(scores[positive], scores[~positive]).statistic / pairs) if pairs else float("nan")


def calibration(readings: Floats, labels: Floats) -> tuple[float, float]:
    """a, b of the regression `reading = a + b label` (n,), (n,); (reading - a) / b is on the scale of the labels.

    Faces with label c then read c on average. (The regression of labels on readings would shrink them to the mean.)
    """
    b, a = np.polyfit(labels, readings, 1)
    return float(a), float(b)


def resampled_slopes(readings: Floats, labels: Floats) -> list[float]:
    """b of `calibration` to bootstrap samples of the faces; those without two different labels, or falling, not."""
    random = np.random.default_rng(0)
    drawn = (random.integers(len(labels), size=len(labels)) for _ in range(200))
    slopes = [calibration(readings[some], labels[some])[1] for some in drawn if np.ptp(labels[some])]
    return [b for b in slopes if b > 0]


def calibrated_error(readings: Floats, labels: Floats) -> float:
    """Standard deviation of the mapped reading from the label, each face mapped by the other 9 folds' `calibration`."""
    fold = np.random.default_rng(0).permutation(len(labels)) % 10
    errors = np.empty(len(labels))
    for k in range(10):
        here = fold == k
        if here.any():
            a, b = calibration(readings[~here], labels[~here])
            errors[here] = (readings[here] - a) / b - labels[here]
    return float(errors.std())


def explained(said: Floats, truth: Floats) -> float:
    """R^2 of predictions (N,): 1 - residual over total variance."""
    return float(1 - np.mean((said - truth) ** 2) / truth.var())
