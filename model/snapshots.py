"""Pictures of a training, on the way and at the end: reconstructions, and how active the latent space is."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from model import pictures
from model.cvae import CVAE
from model.faces import Faces, evenly, in_batches
from model.focus import focused
from model.state import State
from shell import whole_file

FOLLOWED = 512  # faces whose spread in the latent space is followed
SHOWN = 32  # faces whose reconstructions are followed


def shown_faces(faces: Faces) -> Tensor:
    """The faces whose reconstructions are followed: of validation, filled up with training ones where those are few."""
    kept = evenly(faces.validation, SHOWN)
    more = evenly(faces.training, SHOWN - len(kept))
    return faces.batch(np.concatenate([kept, more]), torch.device("cpu"))[0]


@torch.inference_mode()
def reconstruct(network: CVAE, x: Tensor, device: torch.device, focus: float = 0.0) -> pictures.Pictures:
    """Pictures x (N, 3, S, S) through the mean of their latents and back: (N, S, S, 3) uint8."""
    mu, _ = network.encoder(x.to(device))
    return pictures.to_uint8(focused(network.decoder(mu), focus))


def save_comparison(network: CVAE, shown: Tensor, run: Path, device: torch.device, focus: float = 0.0) -> None:
    """reconstructions.png: faces, and what the model makes of them."""
    originals = pictures.grid(pictures.to_uint8(shown), title="originals")
    reconstructions = pictures.grid(reconstruct(network, shown, device, focus), title="reconstructions")
    pictures.save(pictures.side_by_side(originals, reconstructions), run / "reconstructions.png")


@torch.inference_mode()
def save_activity(state: State, faces: Faces, run: Path, device: torch.device) -> None:
    """Add a row to latent_activity.csv: the variance of each latent dimension's mean over faces that train nothing."""
    path, kept = run / "latent_activity.csv", evenly(faces.validation, FOLLOWED)
    if not len(kept):
        return
    means = [state.averaged.encoder(faces.batch(some, device)[0])[0] for some in in_batches(kept, 64)]
    row = dict(enumerate(torch.cat(means).var(0, correction=0).tolist()))
    table = pd.DataFrame([{"step": state.step} | {f"z{i}": value for i, value in row.items()}])
    if path.exists():  # after --resume, rows that are made again are replaced
        before = pd.read_csv(path)
        table = pd.concat([before[before["step"] < state.step], table])
    with whole_file(path) as aside:
        table.to_csv(aside, index=False, lineterminator="\n")


def save_reconstructions(state: State, shown: Tensor, run: Path, device: torch.device) -> None:
    """One frame of the training's animation."""
    sheet = pictures.grid(reconstruct(state.averaged, shown, device), title=f"step {state.step:,}")
    pictures.save(sheet, run / "frames" / f"{state.step:07d}.png")
