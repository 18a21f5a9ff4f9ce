"""The end of a training: the latent space is fitted, the model saved, and its pictures drawn."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model import pictures, runs
from model.cvae import CVAE
from model.devices import autocast
from model.faces import Faces, evenly
from model.latent import fit_latent
from model.state import State

SHOWN = 32  # faces whose reconstructions are followed


def finish(run: Path, state: State, faces: Faces, shown: Tensor, device: torch.device) -> None:
    """Fit the latent space, save the model, draw what a reader of the run wants to see, and call the run finished."""
    network, rows = state.averaged.eval(), state.rows
    config = runs.read_config(run)
    mu, variance = encode_training_faces(network, faces, device)
    attributes = torch.tensor(faces.attributes[faces.train])
    latent = fit_latent(mu, variance, attributes if config["kind"] == "cvae" else attributes[:, :0])
    runs.save_model(run, network, latent)
    runs.write_metrics(run, rows)
    frames = sorted((run / "frames").glob("*.png"))
    pictures.save_animation(frames, run / "training.gif")
    pictures.save_curves(rows, run / "loss.png")
    originals = pictures.grid(pictures.to_uint8(shown), title="originals")
    reconstructions = pictures.grid(reconstruct(network, shown, device), title="reconstructions")
    pictures.save(pictures.side_by_side(originals, reconstructions), run / "reconstructions.png")
    best = rows[state.best_row]
    runs.write_config(run, config | {"finished": True, "faces": int(faces.train.sum()), "figures": best})
    print(f"{state.step:,} steps in {state.seconds / 60:.1f} minutes; kept are the weights of step {best['step']:,}")
    for name in ("reconstructions.png", "training.gif", "loss.png", "metrics.csv"):
        print(f"wrote {run / name}")


@torch.inference_mode()
def encode_training_faces(network: CVAE, faces: Faces, device: torch.device) -> tuple[Tensor, Tensor]:
    """The encoder's mean and variance (N, Z) of every training face, on the CPU."""
    parts = []
    where = np.flatnonzero(faces.train)
    for some in np.array_split(where, -(-len(where) // 256)):
        x, _ = faces.batch(some, device)
        with autocast(device):
            mu, log_var = network.encoder(x)
        parts.append((mu.cpu(), log_var.exp().cpu()))
    means, variances = zip(*parts, strict=True)
    return torch.cat(means), torch.cat(variances)


def shown_faces(faces: Faces) -> Tensor:
    """The faces whose reconstructions are followed: of validation, filled up with training ones where those are few."""
    kept = evenly(np.flatnonzero(~faces.train), SHOWN)
    more = evenly(np.flatnonzero(faces.train), SHOWN - len(kept))
    return faces.batch(np.concatenate([kept, more]), torch.device("cpu"))[0]


@torch.inference_mode()
def reconstruct(network: CVAE, x: Tensor, device: torch.device) -> pictures.Pictures:
    """Pictures x (N, 3, S, S) through the mean of their latents and back: (N, S, S, 3) uint8."""
    mu, _ = network.encoder(x.to(device))
    return pictures.to_uint8(network.decoder(mu).cpu())


def save_reconstructions(state: State, shown: Tensor, run: Path, device: torch.device) -> None:
    """One frame of the training's animation."""
    sheet = pictures.grid(reconstruct(state.averaged, shown, device), title=f"step {state.step:,}")
    pictures.save(sheet, run / "frames" / f"{state.step:07d}.png")
