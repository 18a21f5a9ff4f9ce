"""Sharpen the decoder of a finished CVAE; the latent space stays.

python -m model.sharpen                        # the newest run -> a run beside it
python -m model.sharpen --run runs/utkface --out runs/sharp
python -m model.sharpen --run runs/utkface --resume
"""

from dataclasses import dataclass
from pathlib import Path

import shell


@dataclass(frozen=True)
class Settings:
    """Sharpen the decoder of a finished CVAE; the latent space stays."""

    run: Path | None = None
    """The run; by default the newest finished CVAE in runs/."""
    out: Path | None = None
    """Folder of the sharpened run; by default RUN-sharp."""
    steps: int = 2500
    """Training steps; with the other defaults an hour or less on two cores."""
    batch: int = 64
    """Real faces per step; half as many are made."""
    lr: float = 2e-4
    """Highest learning rate of decoder and discriminator."""
    perceptual: float = 1.0
    """Weight of the features of a reconstruction; 0 leaves the term out."""
    adversarial: float = 0.4
    """The discriminator's share of the gradient, of the one of the reconstruction terms."""
    farthest: float = 1.2
    """Made faces have degrees up to this, either way."""
    features_steps: int = 1000
    """Training steps of the net whose features are compared."""
    seed: int = 0
    """Of weights, order, noise, everything."""
    log_every: int = 50
    """Steps between rows of sharpening.csv."""
    save_every: int = 250
    """Steps between validations and checkpoints."""
    resume: bool = False
    """Go on from the last checkpoint, with the settings that it began with."""
    force: bool = False
    """Replace a folder that exists."""


def main(settings: Settings) -> None:
    from model.sharpening import sharpen

    out = sharpen(settings)
    print(f"Run: {out}\nNext: python -m model.sample --smile -3 --run {shell.typed(out)}")


if __name__ == "__main__":
    shell.run(main, Settings)
