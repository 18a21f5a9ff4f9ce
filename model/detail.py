"""Teach a finished model the detail that its decoder leaves out; degrees and latent space stay.

python -m model.detail                         # the newest run -> a run beside it
python -m model.detail --run runs/utkface --out runs/detailed
python -m model.detail --run runs/utkface --resume
"""

from dataclasses import dataclass
from pathlib import Path

import shell


@dataclass(frozen=True)
class Settings:
    """Teach a finished model the detail that its decoder leaves out."""

    run: Path | None = None
    """The run; by default the newest finished CVAE in runs/, else the model in model/pretrained/."""
    out: Path | None = None
    """Folder of the run with detail; by default RUN-detail."""
    steps: int = 15_000
    """Training steps; with the other defaults an hour on two cores."""
    batch: int = 32
    """Faces per step."""
    lr: float = 5e-4
    """Highest learning rate."""
    ema: float = 0.9995
    """Decay of the moving average of the weights."""
    seed: int = 0
    """Of weights, order, noise, everything."""
    log_every: int = 100
    """Steps between rows of detail.csv."""
    save_every: int = 500
    """Steps between validations and checkpoints."""
    resume: bool = False
    """Go on from the last checkpoint, with the settings that it began with."""
    force: bool = False
    """Replace a folder that exists."""


def main(settings: Settings) -> None:
    from model.detailing import learn_detail

    out = shell.typed(learn_detail(settings))
    print(f"Run: {out}\nNext: python -m model.sample --smile -3 --run {out}")


if __name__ == "__main__":
    shell.run(main, Settings)
