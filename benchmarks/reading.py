"""How long does it take to read all session files? Against a plain loop of pandas over the same files.

python -m benchmarks.reading          # 10,000 files of 200 rows, made in a temporary folder
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import sessions
import shell
from benchmarks.clock import timed


@dataclass(frozen=True)
class Settings:
    """Read many session files, strictly and plainly."""

    files: int = 10_000
    """One run each of as many subjects."""
    rows: int = 200
    """Per file."""
    repeats: int = 3
    """Of each reading, in turn; the shortest counts."""


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, settings)
        times_s = [(timed(lambda: plainly(folder)), timed(lambda: ours(folder))) for _ in range(settings.repeats)]
    plain_s, ours_s = np.min(times_s, axis=0)
    print(f"{settings.files:,} files of {settings.rows} rows")
    print(f"pandas.read_csv in a loop, unchecked  {plain_s:7.2f} s")
    print(f"sessions.read, every cell checked     {ours_s:7.2f} s, {ours_s / plain_s:.2f} times as long")


def make(folder: Path, settings: Settings) -> None:
    """Session files of the right shape; what people would have pressed does not matter here."""
    rng = np.random.default_rng(0)
    sidecar = json.dumps({"ImageSet": "faces", "Simulated": False})
    for number in shell.progress(range(settings.files), "writing", settings.files, "file"):
        beh = folder / f"sub-{number:05d}" / "beh"
        beh.mkdir(parents=True)
        table = pd.DataFrame(
            {
                "trial": np.arange(1, settings.rows + 1),
                "trial_type": "main",
                "image": [f"{i:05d}.png" for i in rng.permutation(settings.rows)],
                "response": rng.choice(["smiley", "not-smiley"], settings.rows),
                "response_time": rng.uniform(0.3, 2, settings.rows).round(6),
                "early_press": "n/a",
                "face_onset": np.arange(settings.rows) * 2.0,
            }
        )
        path = beh / f"sub-{number:05d}_task-smile_run-01_beh.tsv"
        path.write_text(table.to_csv(sep="\t", index=False, lineterminator="\n"), encoding="utf-8", newline="\n")
        path.with_suffix(".json").write_text(sidecar, encoding="utf-8")


def plainly(folder: Path) -> int:
    parts = []
    for path in sorted(folder.glob("sub-*/beh/*_beh.tsv")):
        table = pd.read_csv(path, sep="\t", na_values="n/a")
        parts.append(
            table.assign(
                subject=path.parent.parent.name, sidecar=bool(json.loads(path.with_suffix(".json").read_text()))
            )
        )
    return len(pd.concat(parts, ignore_index=True))


def ours(folder: Path) -> int:
    return len(sessions.read(folder))


if __name__ == "__main__":
    shell.run(main, Settings)
