"""The settings that `model.prior`, `model.sharpen` and `model.detail` share."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Teach a finished model something more."""

    run: Path | None = None
    """The run; by default the newest finished CVAE in runs/, else the model in model/pretrained/."""
    out: Path | None = None
    """Folder of the run that results; by default beside the run, and named after it and what it learned."""
    steps: int = 10_000
    """Training steps."""
    batch: int = 32
    """Faces per step."""
    lr: float = 5e-4
    """Highest learning rate."""
    ema: float = 0.9995
    """Decay of the moving average of the weights."""
    seed: int = 0
    """Of weights, order, noise, everything."""
    log_every: int = 100
    """Steps between rows of the table of losses."""
    save_every: int = 500
    """Steps between validations and checkpoints."""
    resume: bool = False
    """Go on from the last checkpoint, with the settings that it began with."""
    force: bool = False
    """Replace a folder that exists."""
