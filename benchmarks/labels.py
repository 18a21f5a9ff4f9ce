"""How well each score finds the true smile, by simulated observers: mean Spearman correlation over seeds.

python -m benchmarks.labels
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

import labeling
import shell
from sessions.observers import draw_observer, respond


@dataclass(frozen=True)
class Settings:
    """Compare the scores with the truth, for attentive and for odd observers."""

    seeds: int = 10
    """Sets of observers and images."""
    images: int = 200
    """Images per set, their true smile uniform in [-1, 1]."""
    subjects: tuple[int, ...] = (1, 3, 10)
    """Numbers of subjects."""


def simulate(
    n_subjects: int, smile: np.ndarray, seed: int, random_subjects: int = 0, shuffled_times: bool = False
) -> pd.DataFrame:
    """A table of trials: every subject judges every image; the first `random_subjects` press at random."""
    rng = np.random.default_rng(seed)
    standardised = (smile - smile.mean()) / smile.std()
    images = [f"{i:05d}.png" for i in range(len(smile))]
    tables = []
    for number in range(n_subjects):
        votes, response_time_s = respond(draw_observer(rng), standardised, rng)
        if number < random_subjects:
            votes = rng.choice([-1.0, 1.0], len(smile))
        if shuffled_times:
            response_time_s = rng.permutation(response_time_s)
        columns = {"image": images, "response": votes, "response_time": response_time_s}
        tables.append(pd.DataFrame({"subject": f"s{number:03d}", **columns}))
    return pd.concat(tables, ignore_index=True)


def correlation(trials: pd.DataFrame, smile: np.ndarray, method: str) -> float:
    """Spearman correlation of the labels with the truth; an image without a label counts as 0."""
    labels = labeling.score(trials, method).set_index("image")["smile"]
    degrees = labels.reindex([f"{i:05d}.png" for i in range(len(smile))], fill_value=0.0)
    return float(spearmanr(degrees, smile).statistic)


def main(settings: Settings) -> None:
    conditions = [(f"{n} subjects", n, {}) for n in settings.subjects]
    conditions += [("3, one presses at random", 3, {"random_subjects": 1})]
    conditions += [(f"{n}, times shuffled", n, {"shuffled_times": True}) for n in (3, 10)]
    rows = {}
    for name, n_subjects, odd in conditions:
        found = []
        for seed in range(settings.seeds):
            smile = np.random.default_rng([seed, 1]).uniform(-1, 1, settings.images)
            trials = simulate(n_subjects, smile, seed, **odd)
            found.append({method: correlation(trials, smile, method) for method in labeling.METHODS})
        rows[name] = pd.DataFrame(found).mean()
    print(f"Mean Spearman correlation with the true smile, {settings.images} images, {settings.seeds} seeds:")
    print(pd.DataFrame(rows).T.round(3).to_string())


if __name__ == "__main__":
    shell.run(main, Settings)
