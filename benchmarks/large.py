"""A set that does not fit into memory: anonymous memory and throughput of training on a million pictures.

python -m benchmarks.large          # Linux; 13 GB of disk in a temporary folder, --folder names another place

The large set is made by repeating drawn faces: links to their files, and the memory-mapped array that data/cache.py
would have made of them. The same training runs on the small set of which it was made, which lies in memory as a whole.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

import shell
from benchmarks.first_face import link

ROOT = Path(__file__).parent.parent
SIZE = 64


@dataclass(frozen=True)
class Settings:
    """Train on a small and on a very large set of pictures of 64 px."""

    images: int = 1_000_000
    """Pictures in the large set."""
    few: int = 1000
    """Pictures in the small set, of which the large one is made."""
    steps: int = 100
    """Training steps."""
    kind: Literal["vae", "cvae"] = "cvae"
    """A cvae has its smile reader read every picture first, which takes many minutes for a million."""
    folder: Path | None = None
    """Where to make the sets; by default the system's temporary folder."""


def main(settings: Settings) -> None:
    from data.drawn.source import prepare_drawn
    from data.prepare import Drawn

    with tempfile.TemporaryDirectory(dir=settings.folder) as name:
        folder = Path(name)
        few, many = folder / "few", folder / "many"
        prepare_drawn(Drawn(count=settings.few, size=SIZE, data=few))
        label(few)
        repeat(few, many, settings.images)
        measured = {data: train(folder, data, settings) for data in (few, many)}
    print(f"{'pictures':>12} {'anonymous memory':>18} {'pictures/s':>11}")
    for data, (peak_gb, rate) in measured.items():
        print(f"{settings.few if data == few else settings.images:12,} {peak_gb:15.2f} GB {rate:11.0f}")
    (few_gb, few_rate), (many_gb, many_rate) = measured.values()
    print(f"{many_gb - few_gb:.2f} GB more, {many_rate / few_rate:.1%} of the throughput")


def label(folder: Path) -> None:
    """The true smile of every face becomes its label."""
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["image"], row["true_smile"]) for row in csv.DictReader(file)]
    shell.write_text(folder / "labels.csv", "image,smile\n" + "".join(f"{image},{smile}\n" for image, smile in rows))


def repeat(few: Path, many: Path, count: int) -> None:
    """The set `many`: `count` links to the pictures of `few`, its labels under the new names, and its cache."""
    from data import open_set
    from data.cache import _state

    link(few / "images", many / "images", count)
    labels = (few / "labels.csv").read_text(encoding="utf-8").splitlines()
    renamed = [f"{i:07d}.png,{line.split(',')[1]}" for i, line in enumerate(labels[1:])]
    shell.write_text(many / "labels.csv", "\n".join([labels[0], *renamed]) + "\n")
    pictures, _ = open_set(few).pictures(SIZE)
    (many / "cache").mkdir()
    path = many / "cache" / f"{SIZE}.npy"
    array = np.lib.format.open_memmap(path, "w+", np.uint8, (count, SIZE, SIZE, 3))
    for start in shell.progress(range(0, count, len(pictures)), "repeating", unit="part"):
        array[start : start + len(pictures)] = pictures[: count - start]
    array.flush()
    del array
    images = open_set(many)
    index = {"state": _state(images), "names": images.names, "left_out": {}}
    shell.write_text(path.with_suffix(".json"), json.dumps(index))


def train(folder: Path, data: Path, settings: Settings) -> tuple[float, float]:
    """Peak of the anonymous memory in GB, and pictures per second in the second half of the training."""
    run = folder / f"run_{data.name}"
    flags = ["--data", data, "--run", run, "--kind", settings.kind, "--steps", settings.steps]
    flags += ["--log-every", settings.steps // 2, "--save-every", settings.steps // 2 * 2]
    flags += ["--reader-rounds", 1, "--reader-steps", 100]
    program = subprocess.Popen(
        [sys.executable, "-m", "model.train", *map(str, flags)], env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    peak_kb = 0
    while program.poll() is None:
        status = Path(f"/proc/{program.pid}/status").read_text()
        peak_kb = max([peak_kb, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))])
        time.sleep(0.05)
    if program.returncode:
        raise shell.UserError(f"{data}: the training ended with exit code {program.returncode}.")
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as file:
        *_, last = csv.DictReader(file)
    return peak_kb * 1024 / 1e9, float(last["rate"])


if __name__ == "__main__":
    shell.run(main, Settings)
