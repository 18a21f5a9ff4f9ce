"""Teach a finished model which of its latents are faces, by diffusion: it draws whole ones, a person at any degree.

python -m model.prior                          # the newest run -> a run beside it
python -m model.prior --run runs/utkface --out runs/whole
python -m model.prior --run runs/utkface --resume

Pictures of given faces, their reconstructions and edits, stay as they are. In a run of `model.train --refine` degrees
of new faces are laid in even steps.
"""

from dataclasses import dataclass

import shell
from model import lesson_settings


@dataclass(frozen=True)
class Settings(lesson_settings.Settings):
    """Teach a finished model which of its latents are faces."""

    steps: int = 16_000
    """Training steps; with the other defaults a quarter of an hour on two cores."""
    batch: int = 512
    """Faces per step."""
    lr: float = 1e-3
    """Highest learning rate."""
    ema: float = 0.999
    """Decay of the moving average of the weights."""
    width: int = 448
    """Width of the net."""
    dropout: float = 0.1
    """Share of the units that are left out in each step, against learning faces by heart."""


def main(settings: Settings) -> None:
    from model.lessons import learn
    from model.prior_lesson import PriorLesson

    learn(settings, PriorLesson)


if __name__ == "__main__":
    shell.run(main, Settings)
