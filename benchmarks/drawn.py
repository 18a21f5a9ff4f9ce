"""How many default faces are drawn per second, by one process on one core?

python -m benchmarks.drawn
"""

import os
import time
from dataclasses import dataclass

import shell


@dataclass(frozen=True)
class Settings:
    """Draw faces for a while, each of another person."""

    sizes: tuple[int, ...] = (64, 128, 256)
    """Widths and heights in pixels."""
    measured_s: float = 10.0
    """Seconds per size."""


def main(settings: Settings) -> None:
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[threads] = "1"  # one core, before numpy is there
    from data.drawn import draw, faces

    for size in settings.sizes:
        drawn, start_s = 0, time.perf_counter()
        for face in faces(1_000_000, seed=0):
            draw(face.identity, face.true_smile, size)
            drawn += 1
            if (spent_s := time.perf_counter() - start_s) > settings.measured_s:
                break
        print(f"{size:4} px {drawn / spent_s:8.1f} faces per second and core")


if __name__ == "__main__":
    shell.run(main, Settings)
