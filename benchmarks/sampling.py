"""How long do faces take: from a cold start, one at a time, and thousands at once?

python -m benchmarks.sampling --run runs/cvae
"""

import math
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import shell
from benchmarks.clock import best, timed

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Settings:
    """Time `python -m model.sample` and `SmileModel.sample` against what they cannot be faster than."""

    run: Path | None = None
    """Folder of the run; by default what `model.sample` takes."""
    starts: int = 9
    """Cold starts of each command; the median counts."""
    faces: int = 4096
    """Decoded in one call."""
    turns: int = 5
    """Of many faces and of the decoder alone; the median counts."""
    threads: int | None = None
    """Of torch; by default as many as it likes."""


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as out:
        sample = [sys.executable, "-m", "model.sample", "--smile", "-3", "--out", out]
        sample += [] if settings.run is None else ["--run", str(settings.run)]
        bare = [sys.executable, "-c", "import torch"]
        # in turn, so that a machine that gets busy is busy for both
        times_s = [(seconds(bare), seconds(sample)) for _ in range(settings.starts)]
    import_s, sample_s = map(statistics.median, zip(*times_s, strict=True))
    print(f"import torch                  {import_s:8.2f} s")
    print(
        f"model.sample --smile -3       {sample_s:8.2f} s, {sample_s - import_s:.2f} s more, "
        f"{sample_s / import_s:.2f} times as long"
    )
    warm(settings)


def seconds(command: list[str]) -> float:
    """How long a process takes, from its start to its end."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return timed(lambda: subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True))


def warm(settings: Settings) -> None:
    """One face, and many, against the decoder alone on latents that are there already, in its own chunks."""
    import torch

    from model import load
    from model.devices import autocast
    from model.smile_model import DECODED

    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    model = load(settings.run)
    smile = -3.0 if model.kind == "cvae" else None
    model.sample(smile, 1)
    print(f"one face, warm                {1e3 * best(lambda: model.sample(smile, 1), 50):8.2f} ms")
    chunk = model.identities(DECODED)

    @torch.inference_mode()
    def floor() -> None:
        with autocast(chunk.device):
            for _ in range(math.ceil(settings.faces / DECODED)):
                model.decoder(chunk)

    def many() -> None:
        model.sample(smile, settings.faces)

    floor()
    times_s = [(timed(floor), timed(many)) for _ in range(settings.turns)]  # in turn, as the cold starts
    floor_s, many_s = map(statistics.median, zip(*times_s, strict=True))
    share = statistics.median(alone_s / whole_s for alone_s, whole_s in times_s)
    print(f"{settings.faces:,} faces, the decoder alone {settings.faces / floor_s:8.0f} faces/s")
    print(f"{settings.faces:,} faces                    {settings.faces / many_s:8.0f} faces/s")
    print(f"share of the decoder alone    {share:8.0%}, median of {settings.turns} turns")


if __name__ == "__main__":
    shell.run(main, Settings)
