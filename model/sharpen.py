"""Sharpen the decoder of a finished CVAE: it learns to draw what a critic takes for faces; the latent space stays.

python -m model.sharpen                        # the newest run -> a run beside it
python -m model.sharpen --run runs/whole --out runs/sharp
python -m model.sharpen --run runs/whole --resume

After `model.prior`, if that is at work at all, for then the faces are sharpened that it draws. In a run of
`model.train --refine` degrees and fine detail are fitted anew to the faces that are now drawn.
"""

from dataclasses import dataclass

import shell
from model import lesson_settings


@dataclass(frozen=True)
class Settings(lesson_settings.Settings):
    """Sharpen the decoder of a finished CVAE by a critic."""

    steps: int = 3500
    """Training steps; with the other defaults three quarters of an hour on two cores."""
    batch: int = 32
    """Faces per step; as many new ones are drawn."""
    lr: float = 3e-4
    """Highest learning rate of decoder and critic."""
    ema: float = 0.998
    """Decay of the moving average of the weights."""
    adversarial: float = 0.1
    """Weight of what the critic has against a picture."""
    share: float = 0.7
    """How far the decoder goes, in the end, from its old weights to those that it learned."""


def main(settings: Settings) -> None:
    from model.lessons import learn
    from model.sharpen_lesson import SharpenLesson

    learn(settings, SharpenLesson)


if __name__ == "__main__":
    shell.run(main, Settings)
