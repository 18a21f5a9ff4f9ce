"""Teach a finished model the detail that its decoder leaves out; degrees and latent space stay.

python -m model.detail                         # the newest run -> a run beside it
python -m model.detail --run runs/utkface --out runs/detailed
python -m model.detail --run runs/utkface --resume
"""

from dataclasses import dataclass

import shell
from model import lesson_settings


@dataclass(frozen=True)
class Settings(lesson_settings.Settings):
    """Teach a finished model the detail that its decoder leaves out."""

    steps: int = 15_000
    """Training steps; with the other defaults an hour on two cores."""


def main(settings: Settings) -> None:
    from model.detail_lesson import DetailLesson
    from model.lessons import learn

    learn(settings, DetailLesson)


if __name__ == "__main__":
    shell.run(main, Settings)
