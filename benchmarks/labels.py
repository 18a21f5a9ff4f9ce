"""How well each score finds the true smile, by simulated observers: mean Spearman correlation over seeds.

python -m benchmarks.labels
python -m benchmarks.labels --coverage          # of the intervals too; long, for the sake of diffusion (--methods)
python -m benchmarks.labels --sparse --methods evidence     # the same where each judges a few faces, or faces are alike
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

import labeling
import shell
from sessions.observers import draw_observer, respond

OTHERS = 300
GROUPED = 60  # subjects of each group size, in groups of their own


class Design(NamedTuple):
    """Who judges what."""

    subjects: int
    judged: int
    """Faces per subject, drawn anew for each."""
    images: int
    mostly: bool = False
    """Whether four in five faces smile."""
    spread: float = 1.0
    """Of the true smile, in standard deviations that the observers know."""
    criteria: float = 1.0
    """How far subjects differ in what they call a smile, as a multiple of what is usual."""

    def __str__(self) -> str:
        faces = f"{self.judged} of {self.images} faces" if self.judged < self.images else f"all of {self.images} faces"
        which = ", most smiling" if self.mostly else ", much alike" if self.spread < 1 else ""
        who = ", of wide criteria" if self.criteria > 1 else ""
        return f"{self.subjects} subjects, {faces} each{which}{who}"


SPARSE = (
    Design(100, 10, 186),
    Design(30, 20, 186),
    Design(30, 20, 186, mostly=True),
    Design(5, 40, 186),
    Design(10, 30, 30, spread=0.4),
    Design(10, 186, 186),
    Design(3, 186, 186, criteria=3.0),
    Design(10, 186, 186, criteria=3.0),
    Design(30, 186, 186, criteria=3.0),
)


@dataclass(frozen=True)
class Settings:
    """Compare the scores with the truth, for attentive and for odd observers."""

    seeds: int = 10
    """Sets of observers and images."""
    images: int = 200
    """Images per set, their true smile uniform in [-1, 1]."""
    subjects: tuple[int, ...] = (1, 3, 10)
    """Numbers of subjects."""
    methods: tuple[str, ...] = tuple(labeling.METHODS)
    """Scores to compare."""
    coverage: bool = False
    """Also how often the 90 % intervals hold what the same score gives from 300 other subjects."""
    sparse: bool = False
    """Nothing but that, where each subject judges a few of the faces, faces are much alike, or subjects differ."""


def draw_smile(seed: int, images: int, mostly: bool = False) -> np.ndarray:
    """(images,) true smiles of one set, uniform in [-1, 1], or four in five of them above 0.2."""
    rng = np.random.default_rng([seed, 1])
    smile = rng.uniform(-1, 1, images)
    if mostly:
        smile = np.where(rng.random(images) < 0.8, rng.uniform(0.2, 1, images), rng.uniform(-1, 0.2, images))
    return smile


def simulate(
    n_subjects: int,
    smile: np.ndarray,
    seed: int,
    random_subjects: int = 0,
    shuffled_times: bool = False,
    judged: int | None = None,
    spread: float = 1.0,
    criteria: float = 1.0,
) -> pd.DataFrame:
    """A table of trials: every subject judges every image, or `judged` of them; the first `random_subjects` press at
    random."""
    rng = np.random.default_rng(seed)
    standardised = spread * (smile - smile.mean()) / smile.std()
    images = np.array([f"{i:05d}.png" for i in range(len(smile))])
    tables = []
    for number in range(n_subjects):
        own = np.arange(len(smile)) if judged is None else rng.choice(len(smile), judged, replace=False)
        observer = draw_observer(rng)
        observer = replace(observer, drift_bias=criteria * observer.drift_bias)
        votes, response_time_s = respond(observer, standardised[own], rng)
        if number < random_subjects:
            votes = rng.choice([-1.0, 1.0], len(own))
        if shuffled_times:
            response_time_s = rng.permutation(response_time_s)
        columns = {"image": images[own], "response": votes, "response_time": response_time_s}
        tables.append(pd.DataFrame({"subject": f"s{number:03d}", **columns}))
    return pd.concat(tables, ignore_index=True)


def correlation(trials: pd.DataFrame, smile: np.ndarray, method: str) -> float:
    """Spearman correlation of the labels with the truth; an image without a label counts as 0."""
    labels = labeling.score(trials, method).set_index("image")["smile"]
    degrees = labels.reindex([f"{i:05d}.png" for i in range(len(smile))], fill_value=0.0)
    return float(spearmanr(degrees, smile).statistic)


def coverage(sizes: tuple[int, ...], smile: np.ndarray, seed: int, method: str) -> dict[int, float]:
    """Per number of subjects, the share of 90 % intervals that hold the label by OTHERS other subjects.

    Of each size there are several groups, each of subjects of its own, so that the label by many is computed once.
    """
    of_size = [n for n in sizes for _ in range(max(1, GROUPED // n))]
    trials = simulate(OTHERS + sum(of_size), smile, seed)
    number = trials["subject"].str[1:].astype(int)
    many = labeling.score(trials[number < OTHERS], method)
    held: dict[int, list[float]] = {n: [] for n in sizes}
    first = OTHERS
    for n in of_size:
        labels = labeling.score(trials[(number >= first) & (number < first + n)], method)
        held[n].append(share_held(labels, many))
        first += n
    return {n: float(np.mean(shares)) for n, shares in held.items()}


def sparse_coverage(design: Design, seed: int, method: str) -> float:
    """The share of 90 % intervals that hold the label by OTHERS other subjects, who judge all faces."""
    smile = draw_smile(seed, design.images, design.mostly)
    kind = {"spread": design.spread, "criteria": design.criteria}
    everybody = simulate(OTHERS, smile, 1000 + seed, **kind)
    trials = simulate(design.subjects, smile, seed, judged=design.judged, **kind)
    return share_held(labeling.score(trials, method), labeling.score(everybody, method))


def share_held(labels: pd.DataFrame, many: pd.DataFrame) -> float:
    """The share of the intervals of `labels` that hold the label of the same image in `many`."""
    labels = labels.set_index("image")
    target = many.set_index("image")["smile"].loc[labels.index]
    return float(target.between(labels["smile_low"], labels["smile_high"]).mean())


def mean_sparse_coverage(settings: Settings) -> pd.DataFrame:
    """Coverage per design and method, mean over seeds."""
    rows = {
        str(design): {
            method: np.mean([sparse_coverage(design, seed, method) for seed in range(settings.seeds)])
            for method in settings.methods
        }
        for design in shell.progress(SPARSE, "Designs", unit="design")
    }
    return pd.DataFrame(rows).T


def mean_coverage(settings: Settings) -> pd.DataFrame:
    """Coverage per number of subjects and method, mean over seeds."""
    found = [
        pd.DataFrame(
            {m: coverage(settings.subjects, draw_smile(seed, settings.images), seed, m) for m in settings.methods}
        )
        for seed in shell.progress(range(settings.seeds), "Intervals", unit="seed")
    ]
    return (sum(found[1:], found[0]) / len(found)).rename("{} subjects".format)


def main(settings: Settings) -> None:
    if settings.sparse:
        print(f"Share of 90 % intervals that hold the label by {OTHERS} other subjects, {settings.seeds} seeds:")
        print(mean_sparse_coverage(settings).round(3).to_string())
        return
    conditions: list[tuple[str, int, dict[str, Any]]] = [(f"{n} subjects", n, {}) for n in settings.subjects]
    conditions += [("3, one presses at random", 3, {"random_subjects": 1})]
    conditions += [(f"{n}, times shuffled", n, {"shuffled_times": True}) for n in (3, 10)]
    rows = {}
    for name, n_subjects, odd in conditions:
        found = []
        for seed in range(settings.seeds):
            smile = draw_smile(seed, settings.images)
            trials = simulate(n_subjects, smile, seed, **odd)
            found.append({method: correlation(trials, smile, method) for method in settings.methods})
        rows[name] = pd.DataFrame(found).mean()
    print(f"Mean Spearman correlation with the true smile, {settings.images} images, {settings.seeds} seeds:")
    print(pd.DataFrame(rows).T.round(3).to_string())
    if settings.coverage:
        print(f"Share of 90 % intervals that hold the label by {OTHERS} other subjects:")
        print(mean_coverage(settings).round(3).to_string())


if __name__ == "__main__":
    shell.run(main, Settings)
