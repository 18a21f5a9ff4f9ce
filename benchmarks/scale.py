"""Time and memory of the default score on very many trials, against a pandas mean and crowd-kit's majority vote.

python -m benchmarks.scale          # 10 million trials; needs `pip install crowd-kit` for the last comparison

The peak memory is left out on Windows, which does not tell it in this way.
"""

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import labeling
import shell
from benchmarks.clock import best


@dataclass(frozen=True)
class Settings:
    """Score a large table of trials from Parquet and print what it takes."""

    subjects: int = 1000
    """Each judges as many images as make up the trials."""
    images: int = 100_000
    """Of which each subject judges a part."""
    trials: int = 10_000_000
    """In all."""


def make_trials(settings: Settings) -> pd.DataFrame:
    """Subjects of differing gain judge random images; the further a face is from the middle, the faster."""
    rng = np.random.default_rng(0)
    each = settings.trials // settings.subjects
    subject = np.repeat(np.arange(settings.subjects), each)
    image = np.concatenate([rng.permutation(settings.images)[:each] for _ in range(settings.subjects)])
    strength = rng.lognormal(0.3, 0.3, settings.subjects)[subject] * rng.standard_normal(settings.images)[image]
    return pd.DataFrame(
        {
            "subject": np.char.mod("s%05d", np.arange(settings.subjects))[subject],
            "image": np.char.mod("%06d.png", np.arange(settings.images))[image],
            "response": np.where(rng.random(len(subject)) < 1 / (1 + np.exp(-1.5 * strength)), 1.0, -1.0),
            "response_time": 0.35 + rng.lognormal(-0.9, 0.4, len(subject)) / (1 + 0.3 * np.abs(strength)),
        }
    )


def peak_gb() -> float:
    """The most memory that this process has held so far, NaN where the system does not tell."""
    if sys.platform == "win32":
        return float("nan")
    import resource

    unit = 1e9 if sys.platform == "darwin" else 1e6  # bytes, elsewhere kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trials.parquet"
        make_trials(settings).to_parquet(path)
        trials = pd.read_parquet(path)
    coded = trials.astype({"subject": "category", "image": "category"})  # as labeling.build reads Parquet
    before_gb = peak_gb()
    mean_s = best(lambda: trials.groupby("image")["response"].mean(), 3)
    score_s = best(lambda: labeling.score(trials), 3)
    coded_s = best(lambda: labeling.score(coded), 3)
    print(f"pandas groupby mean  {mean_s:7.2f} s")
    print(f"evidence             {score_s:7.2f} s, {score_s / mean_s:.1f} times as long")
    print(f"  names as categories{coded_s:7.2f} s, {coded_s / mean_s:.1f} times as long")
    print(f"peak memory          {peak_gb():7.2f} GB ({before_gb:.2f} GB before, with the making of the table)")
    if hasattr(os, "getloadavg"):
        print(f"load                 {os.getloadavg()[0]:7.2f} processes in the last minute, on {os.cpu_count()} cores")
    try:
        from crowdkit.aggregation import MajorityVote
    except ImportError:
        return
    named = trials.rename(columns={"subject": "worker", "image": "task", "response": "label"})
    majority_s = best(lambda: MajorityVote().fit_predict(named[["worker", "task", "label"]]), 3)
    print(
        f"crowd-kit majority   {majority_s:7.2f} s, {majority_s / score_s:.1f} times as long as evidence, "
        f"{majority_s / coded_s:.1f} times with names as categories"
    )


if __name__ == "__main__":
    shell.run(main, Settings)
