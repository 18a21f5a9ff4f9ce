"""What the evaluation finds of a model, by its judges and beside real faces: figures by group and name.

All samples are of the same identities at every degree. Intervals are over identities or faces of the model; the real
faces beside them stand fixed.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from model import measures
from model.judges import Judges
from model.judging import moved
from model.measures import Figure, Floats, interval
from model.pictures import Pictures, at_size, to_tensor, to_uint8
from model.reader import cross_validated
from model.smile_model import SmileModel
from shell import progress

if TYPE_CHECKING:
    from model.evaluation import Evaluation

INSIDE = tuple(np.linspace(-1, 1, 9).tolist())
DEGREES = (-3.0, -2.0, *INSIDE, 2.0, 3.0)
REALISM = (-1.0, -0.5, 0.0, 0.5, 1.0)
SWEEP = tuple(np.linspace(-1, 1, 13).tolist())
MOST_SPREAD = 500  # faces per degree among which distances are taken
SHIFT = 0.7
STILL = 10_000  # sweeps of faces that do not change
STRANGERS = 500_000  # seeds from here on drew nobody that the model was made with
SET = (-1.0, -0.5, 0.0, 0.5, 1.0)  # degrees that given faces are set to
Figures = dict[str, dict[str, Figure]]


@dataclass(frozen=True)
class Judged:
    """What is read in N faces."""

    smile: Floats
    descriptors: Floats
    attributes: dict[str, Floats]
    energy: Floats


@dataclass(frozen=True)
class Bench:
    """What every measure needs: the model, its judges, and real faces that trained neither."""

    model: SmileModel
    judges: Judges
    pictures: Pictures
    """(N, S, S, 3) of validation."""
    real: Judged
    gallery: NDArray[np.intp]
    """Those of the N that are edited and found again."""
    identities: int
    seed: int

    @property
    def device(self) -> torch.device:
        return self.model.latent.mean.device

    @cached_property
    def spread(self) -> float:
        """Mean distance between two real faces."""
        return measures.spread(measures.distances(self.real.descriptors))

    @cached_property
    def components(self) -> tuple[Floats, Floats]:
        """Mean and principal axes of the real descriptors."""
        return measures.principal_components(self.real.descriptors)

    @cached_property
    def distance_bounds(self) -> tuple[float, float]:
        """Distance of a picture of the gallery from itself moved by a pixel, and between two of its persons."""
        originals = self.real.descriptors[self.gallery]
        nudged = self.judges.describe(moved(self.pictures[self.gallery], 0, 1))
        floor = float(np.linalg.norm(nudged - originals, axis=1).mean())
        return floor, measures.spread(measures.distances(originals))


def judge(made: Judges, pictures: Pictures, smile: bool = True) -> Judged:
    return Judged(
        made.smile(pictures) if smile else np.full(len(pictures), np.nan),
        made.describe(pictures),
        made.attributes(pictures),
        measures.energy(at_64(pictures)),
    )


def at_64(pictures: Pictures) -> Pictures:
    """Pictures at 64 px, so that their sharpness can be compared."""
    if pictures.shape[1] == 64:
        return pictures
    return to_uint8(torch.cat([at_size(some, 64) for some in to_tensor(pictures).split(256)]))


# a CVAE: degrees asked for


def conditional(bench: Bench, found: "Evaluation") -> None:
    """All that has to do with a degree of smile."""
    faces, sweeps = judged_samples(bench)
    inside = np.stack([faces[c].smile[: bench.identities] for c in INSIDE], 1)  # (N, 9)
    found.figures["control"] = control(inside, sweeps, faces, bench)
    found.figures["calibration"] = calibration(inside, bench)
    found.by_degree.extend(degree_rows(faces, bench))
    found.figures["diversity"] = diversity(faces, found.by_degree)
    found.figures["realism"] = worst(found.by_degree)
    found.figures["edits"] = edits(bench)
    found.figures["leakage"] = leakage(faces, bench)
    found.curves["sweep_degrees"] = list(SWEEP)
    found.curves["sweeps"] = np.round(sweeps, 3).tolist()


def judged_samples(bench: Bench) -> tuple[dict[float, Judged], Floats]:
    """What is read in samples at `DEGREES`, and the smiles (N, 13) read in the identities along `SWEEP`.

    As many faces as there are real ones at the degrees of `REALISM`, fewer at the others.
    """
    most = len(bench.real.energy)
    people = bench.model.people(max(most, bench.identities), STRANGERS + bench.seed)
    faces: dict[float, Judged] = {}
    read: dict[float, Floats] = {}
    for c in progress(sorted({*DEGREES, *SWEEP}), "judging", unit="degree"):
        count = most if c in REALISM else min(most, MOST_SPREAD) if c in DEGREES else 0
        z = bench.model.latents(people[: max(count, bench.identities)], c)
        pictures = to_uint8(bench.model.picture(z))
        if count:
            faces[c] = judge(bench.judges, pictures)
            read[c] = faces[c].smile
        else:
            read[c] = bench.judges.smile(pictures)
    return faces, np.stack([read[c][: bench.identities] for c in SWEEP], 1)


def control(inside: Floats, sweeps: Floats, faces: dict[float, Judged], bench: Bench) -> dict[str, Figure]:
    """Whether the smile that is read follows the one asked for, over N identities.

    The ceiling of the rank correlation is a perfect model's, read with the judge's noise: the standard deviation of
    what it reads in one face moved by a pixel. A sweep counts as monotone if it never falls by more than 2 sqrt(2) of
    that noise: two standard deviations of a difference of two readings. The floor is that of faces that do not change,
    read with that noise; `least rise inside` is the least of any identity, from -1 to 1. The slope's interval holds
    what the scale of the labels leaves open.
    """
    count, degrees = len(inside), np.array(INSIDE)
    asked = np.broadcast_to(degrees, inside.shape)
    random = np.random.default_rng(0)
    noise = float(bench.judges.about["smile_noise"])
    perfect = measures.spearman(asked + random.normal(0, noise, asked.shape), asked)
    tolerance = 2 * math.sqrt(2) * noise
    still = random.normal(0, noise, (STILL, sweeps.shape[1]))
    rises = sweeps[:, -1] - sweeps[:, 0]
    scales = cycle(bench.judges.about.get("scales") or [1.0])  # of the map to labels, resampled, over the one taken
    one = {c: faces[c].smile[: bench.identities] for c in (-3.0, -2.0, -1.0, 1.0, 2.0, 3.0)}
    up, down = (np.stack([one[s * c] for c in (1.0, 2.0, 3.0)], 1) for s in (1, -1))
    outward = np.array([1.0, 2.0, 3.0])

    def outside(i: NDArray[np.intp]) -> float:
        return (measures.slope(up[i], outward) - measures.slope(down[i], outward)) / 2

    figures = {
        "rank correlation": Figure(
            measures.spearman(inside, asked),
            *interval(lambda i: measures.spearman(inside[i], asked[i]), count, 200),
            0,
            perfect,
        ),
        "slope inside": Figure(
            measures.slope(inside, degrees),
            *interval(lambda i: measures.slope(inside[i], degrees) / next(scales), count),
            0,
            1,
        ),
        "slope outside": resampled(outside, count, 0, 1),
        "largest step": resampled(lambda i: measures.largest_step(inside[i]), count, 1 / (len(INSIDE) - 1)),
        "monotone": share_figure(measures.falls(sweeps) <= tolerance, measures.monotone_share(still, tolerance)),
        "monotone, no fall at all": share_figure(measures.falls(sweeps) == 0, measures.monotone_share(still)),
        "least rise inside": Figure(float(rises.min()), None, None, 0, 2),
        "rise from 1 to 3": mean_figure(one[3.0] - one[1.0], 0),
        "fall from -1 to -3": mean_figure(one[-1.0] - one[-3.0], 0),
    }
    figures |= {f"read at {c:+.0f}": mean_figure(values) for c, values in one.items()}
    return {name: replace(figure, count=count) for name, figure in figures.items()}


def resampled(
    statistic: Callable[[NDArray[np.intp]], float],
    count: int,
    floor: float | None = None,
    ceiling: float | None = None,
    unit: str = "",
) -> Figure:
    """A statistic of `count` things, a function of which are taken."""
    return Figure(statistic(np.arange(count)), *interval(statistic, count), floor, ceiling, count, unit)


def mean_figure(values: Floats, floor: float | None = None, ceiling: float | None = None, unit: str = "") -> Figure:
    """The mean of values (N,)."""
    return resampled(lambda i: float(values[i].mean()), len(values), floor, ceiling, unit)


def share_figure(hits: NDArray[np.bool_], floor: float) -> Figure:
    """The share of hits (N,)."""
    low, high = measures.share_interval(int(hits.sum()), len(hits))
    return Figure(float(hits.mean()), low, high, floor, 1, len(hits))


def calibration(inside: Floats, bench: Bench) -> dict[str, Figure]:
    """Error of the mapped reading from the degree asked for; its floor is the judge's error on real faces."""
    errors = inside - np.array(INSIDE)
    return {
        "error inside, rms": resampled(lambda i: measures.rms(errors[i]), len(errors), bench.judges.smile_error),
        "mean error inside": mean_figure(errors.mean(1), 0, 0),
    }


def degree_rows(faces: dict[float, Judged], bench: Bench) -> list[dict[str, Figure]]:
    """What depends on the degree, a row each."""
    rows = []
    for c, judged in progress(sorted(faces.items()), "measuring", unit="degree"):
        row = {"degree": Figure(c), "read": mean_figure(judged.smile[: bench.identities])}
        row |= {"spread": share(judged, bench), "energy": sharpness(judged, bench)}
        rows.append(row | realism(judged, bench) if c in REALISM else row)
    return rows


def share(judged: Judged, bench: Bench) -> Figure:
    """Mean distance between two faces as a share of real faces'."""
    apart = measures.distances(judged.descriptors[:MOST_SPREAD])
    value = measures.spread(apart)
    low, high = interval(lambda i: measures.spread(apart, i), len(apart), centred=value)
    return Figure(value / bench.spread, low / bench.spread, high / bench.spread, None, 1, len(apart))


def sharpness(judged: Judged, bench: Bench) -> Figure:
    """High-frequency energy as a share of real faces'."""
    return mean_figure(judged.energy / bench.real.energy.mean(), None, 1)


def realism(judged: Judged, bench: Bench) -> dict[str, Figure]:
    """Frechet distance to as many real faces, on principal components of the real descriptors, and over its floor."""
    mean, axes = bench.components
    made = judged.descriptors[: len(bench.real.descriptors)]  # there may be more identities than real faces
    real, made = (bench.real.descriptors - mean) @ axes, (made - mean) @ axes
    value = measures.frechet(made, real)
    floor = measures.frechet_floor(real, len(made))
    low, high = interval(lambda i: measures.frechet(made[i], real), len(made), 100, centred=value)
    return {
        "frechet": Figure(value, low, high, floor, None, len(made)),
        "frechet / floor": Figure(value / floor, low / floor, high / floor, 1, None, len(made)),
    }


def diversity(faces: dict[float, Judged], rows: list[dict[str, Figure]]) -> dict[str, Figure]:
    """The least spread inside [-1, 1], and how much of it is left at +-3."""
    inside = [row["spread"] for row in rows if abs(row["degree"].value) <= 1]
    apart = {c: measures.distances(faces[c].descriptors[:MOST_SPREAD]) for c in (-3.0, -0.5, 0.5, 3.0)}

    def ratio(i: NDArray[np.intp] | None = None) -> float:
        spread = {c: measures.spread(d, i) for c, d in apart.items()}
        return (spread[-3.0] + spread[3.0]) / (spread[-0.5] + spread[0.5])

    count = len(apart[3.0])
    low, high = interval(ratio, count, centred=ratio())
    return {
        "least share of real inside": min(inside, key=lambda f: f.value),
        "spread at ±3 over at ±0.5": Figure(ratio(), low, high, None, 1, count),
    }


def worst(rows: list[dict[str, Figure]]) -> dict[str, Figure]:
    """The least real degrees inside [-1, 1]."""
    inside = [row for row in rows if abs(row["degree"].value) <= 1]
    energies = [row["energy"] for row in inside]
    multiples = [row["frechet / floor"] for row in inside if "frechet / floor" in row]
    frechets = [row["frechet"] for row in inside if "frechet" in row]
    return {
        "largest frechet inside": max(frechets, key=lambda f: f.value),
        "largest frechet / floor inside": max(multiples, key=lambda f: f.value),
        "least energy inside": min(energies, key=lambda f: f.value),
        "most energy inside": max(energies, key=lambda f: f.value),
    }


def edits(bench: Bench) -> dict[str, Figure]:
    """Real faces with their smile changed by +-0.7, and set to degrees: does it move so, and is it still that picture?

    A changed picture has hair, light and frame in common with the one that it was, by which it is found, too. What
    that is worth the floor says: the share still found when a face is changed half-way to the next one's.
    """
    pictures = to_tensor(bench.pictures[bench.gallery], bench.device)
    originals, before = bench.real.descriptors[bench.gallery], bench.real.smile[bench.gallery]
    moves, apart, found = [], [], []
    for shift in (SHIFT, -SHIFT):
        edited = to_uint8(bench.model.edit(pictures, shift=shift))
        descriptors = bench.judges.describe(edited)
        moves.append((bench.judges.smile(edited) - before) * np.sign(shift))
        apart.append(np.linalg.norm(descriptors - originals, axis=1))
        found.append(measures.top_1(descriptors, originals))
    move, distance, again = (np.stack(x, 1).astype(float) for x in (moves, apart, found))  # (N, 2)
    z = bench.model.encode(pictures)
    halfway = to_uint8(bench.model.changed(pictures, z, (z + z.roll(1, 0)) / 2))
    floor = float(measures.top_1(bench.judges.describe(halfway), originals).mean())
    degrees = np.array(SET)
    read = np.stack([bench.judges.smile(to_uint8(bench.model.edit(pictures, smile=c))) for c in SET], 1)
    asked = np.broadcast_to(degrees, read.shape)
    count = len(move)
    return {
        "right way": mean_figure((move > 0).mean(1), 0.5, 1),
        "median move": resampled(lambda i: float(np.median(move[i])), count, 0, SHIFT),
        "rank correlation, set": resampled(lambda i: measures.spearman(read[i], asked[i]), count, 0, 1),
        "slope, set": resampled(lambda i: measures.slope(read[i], degrees), count, 0, 1),
        "error, set, rms": resampled(lambda i: measures.rms(read[i] - degrees), count, bench.judges.smile_error),
        "descriptor distance": mean_figure(distance.mean(1), *bench.distance_bounds),
        "found again": mean_figure(again.mean(1), floor, 1),
    }


def leakage(faces: dict[float, Judged], bench: Bench) -> dict[str, Figure]:
    """What else changes with the smile, per degree of it inside [-1, 1], and the same slope over real faces.

    Real faces' slope is on the smile that is read in them. `smile told by mu`: R^2 of a cross-validated ridge
    regression of that smile on the encoder's mean; `by mu without it`: after it was moved to degree 0.
    """
    figures: dict[str, Figure] = {}
    degrees, real = np.array(INSIDE), bench.real
    for name, values in real.attributes.items():
        unit = "years per degree" if name == "age" else "per degree"
        said = np.stack([faces[c].attributes[name][: bench.identities] for c in INSIDE], 1)  # (N, 9)
        figures[name] = mean_figure((said - said.mean(1, keepdims=True)) @ degrees / (degrees @ degrees), 0, 0, unit)
        slope = partial(lambda v, i: slope_on(real.smile[i], v[i]), values)
        figures[f"{name}, real faces"] = resampled(slope, len(values), unit=unit)
    mu = torch.cat([bench.model.encode(x) for x in batches(bench)])
    for name, z in (("smile told by mu", mu), ("smile told by mu without it", bench.model.at(mu, 0.0))):
        said = cross_validated(z.cpu().double().numpy(), real.smile, folds=5)
        explained = partial(lambda s, i: measures.explained(s[i], real.smile[i]), said)
        figures[name] = resampled(explained, len(said), 0, 1, "R²")
    return figures


def slope_on(x: Floats, y: Floats) -> float:
    return float(np.cov(x, y)[0, 1] / x.var(ddof=1))


# every model


def reconstruction(bench: Bench, curves: dict[str, Any]) -> dict[str, Figure]:
    """Unseen faces through the model and back."""
    made = np.concatenate([to_uint8(bench.model.decode(bench.model.encode(x))) for x in batches(bench)])
    psnr = measures.psnr(made, bench.pictures)
    curves["psnr"] = np.round(psnr, 2).tolist()
    originals = bench.real.descriptors[bench.gallery]
    descriptors = bench.judges.describe(made[bench.gallery])
    apart = np.linalg.norm(descriptors - originals, axis=1)
    found = measures.top_1(descriptors, originals)
    return {
        "PSNR": mean_figure(psnr, unit="dB"),
        "SSIM": mean_figure(measures.ssim(made, bench.pictures), 0, 1),
        "descriptor distance": mean_figure(apart, *bench.distance_bounds),
        "found again": share_figure(found, 1 / len(found)),
    }


def batches(bench: Bench) -> Iterator[torch.Tensor]:
    return (to_tensor(bench.pictures[at : at + 256], bench.device) for at in range(0, len(bench.pictures), 256))
