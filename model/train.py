"""Train an AE, VAE or CVAE on an image set.

python -m model.train                                # data/faces -> runs/cvae
python -m model.train --data data/utkface --run runs/utkface
python -m model.train --resume                       # go on after Ctrl-C, a power cut, a kill
torchrun --nproc-per-node=2 -m -- model.train        # two processes or GPUs: the same model
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import shell
from data.images import DEFAULT


@dataclass(frozen=True)
class Settings:
    """Train an AE, VAE or CVAE on an image set."""

    data: Path = DEFAULT
    """The image set. A CVAE needs labels in it; unlabelled pictures are used too."""
    run: Path | None = None
    """Folder of the run; by default runs/KIND."""
    kind: Literal["cvae", "vae", "ae"] = "cvae"
    """Conditional variational, variational, or plain autoencoder."""
    size: int = 64
    """Width and height of the pictures in pixels, a power of two of at least 8."""
    latent: int = 128
    """Dimensions of the latent space."""
    width: int = 32
    """Channels of the first layer; the others follow."""
    steps: int = 5000
    """Training steps at most; with the other defaults 45 minutes or less on two cores."""
    batch: int | Literal["auto"] = 128
    """Pictures per step, over all processes; auto: what is fastest on this machine, found within 20 seconds."""
    lr: float = 1e-3
    """Highest learning rate, after a warm-up and before a cosine decay."""
    ema: float = 0.998
    """Decay of the moving average of the weights that is kept."""
    hold: tuple[str, ...] = ("gender", "age", "race")
    """Columns of metadata.csv that a change of the smile leaves as they are, where the set has them."""
    reader_rounds: int = 3
    """Students of the smile reader, each taught by the one before."""
    reader_steps: int = 700
    """Training steps of each student."""
    spare_labels: bool = False
    """Leave two of five labels to the judge of `model.evaluate`: for measuring, not for the best model."""
    refine: bool = False
    """At the end, fit the smile's read-out and even steps of it to drawn faces and raise their fine detail; for a model
    that draws well."""
    seed: int = 0
    """Of weights, order, noise, everything."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the arithmetic; auto: bf16 where the hardware multiplies it faster, else fp32."""
    log_every: int = 50
    """Steps between rows of metrics.csv."""
    save_every: int = 500
    """Steps between validations, checkpoints and pictures."""
    patience: int = 5
    """Validations in a row without a lower loss after which training ends; the best weights are kept."""
    resume: bool = False
    """Go on with the run from its last checkpoint, with the settings that it began with."""
    force: bool = False
    """Replace a run that exists."""


def main(settings: Settings) -> None:
    from model.runs import read_config
    from model.training import train

    run = train(settings)
    print(f"Run: {run}\nNext: " + next_command(read_config(run)["kind"], run))


def next_command(kind: str, run: Path) -> str:
    smile = " --smile -3" if kind == "cvae" else ""
    return f"python -m model.sample{smile}" + ("" if run == Path("runs/cvae") else f" --run {shell.typed(run)}")


if __name__ == "__main__":
    shell.run(main, Settings)
