"""The end of a training: latent space and degrees are fitted, the model is saved and its pictures drawn."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model import curves, pictures, runs, smile_model
from model.cvae import CVAE
from model.devices import autocast
from model.faces import READER, Faces, evenly, in_batches
from model.flow import Flow
from model.focus import focus_amount
from model.latent import Latent, fit_latent, with_readout
from model.reader import Floats, Student, read_drawn
from model.snapshots import save_comparison
from model.state import State
from model.way import STRAIGHT, even_way

PER_DIMENSION = 32  # faces that are drawn to fit the smile's read-out, for each latent dimension
ALONG = 256  # faces that are drawn at each place to see how the smile rises
PLACES = np.linspace(-1, 1, 41)  # where that is seen
FITTED = 100_000  # training faces to which the latent space is fitted; a million more say nothing new of a covariance
COMPARED = 1024  # faces whose detail is compared with what is drawn of them


def finish(run: Path, state: State, faces: Faces, shown: Tensor, device: torch.device) -> None:
    """Fit the latent space, save the model, draw what a reader of the run wants to see, and call the run finished."""
    network, rows = state.averaged.eval(), state.rows
    config = runs.read_config(run)
    attributes = faces.attributes if config["kind"] == "cvae" else faces.attributes[:, :0]
    latent = fit_latent(encode_training_faces(network, faces, attributes, device))
    focus, way = 0.0, STRAIGHT
    if config.get("refine"):
        focus, latent, way = refine(network, latent, way, faces, reader_of(run), config["seed"], device)
    smile_model.save_model(run, network, latent)
    runs.write_metrics(run, rows)
    frames = sorted((run / "frames").glob("*.png"))
    pictures.save_animation(frames, run / "training.gif")
    curves.save_curves(rows, run / "loss.png")
    save_comparison(network, shown, run, device, focus)
    best = rows[state.best_row]
    found = {"finished": True, "focus": focus, "way": way, "faces": len(faces.training), "figures": best}
    runs.write_config(run, config | found)
    print(f"{state.step:,} steps in {state.seconds / 60:.1f} minutes; kept are the weights of step {best['step']:,}")
    for name in ("reconstructions.png", "training.gif", "loss.png", "metrics.csv"):
        print(f"wrote {run / name}")


def refine(
    network: CVAE,
    latent: Latent,
    way: tuple[float, ...],
    faces: Faces,
    student: Student | None,
    seed: int,
    device: torch.device,
) -> tuple[float, Latent, tuple[float, ...]]:
    """What fits degrees to the faces that the decoder draws: focus, latent space and way.

    Where there is no smile reader the latter two stay as they were.
    """
    focus = find_focus(network, faces, device)
    if student is None:
        return focus, latent, way
    z = latent.draw(new_people(latent, PER_DIMENSION * latent.dimensions, seed))
    latent = with_readout(latent, z, read_decoded(network, student, z, device))
    return focus, latent, find_way(latent, network, student, seed, device)


def reader_of(run: Path) -> Student | None:
    """The run's smile reader, if it has one."""
    if not (run / READER).exists():
        return None
    student = Student()
    try:
        student.load_state_dict(runs.read_tensors(run / READER, "cpu"))
    except RuntimeError as error:
        raise runs.does_not_fit(run / READER, error) from error
    return student.eval()


@torch.inference_mode()
def find_focus(network: CVAE, faces: Faces, device: torch.device) -> float:
    """How far the fine detail of what is drawn has to be raised to be that of the training faces."""
    batches = (faces.batch(some, device)[0] for some in in_batches(evenly(faces.training, COMPARED), 128))
    return focus_amount((x, network.decoder(network.encoder(x)[0])) for x in batches)


def find_way(
    space: Latent | Flow, network: CVAE, student: Student, seed: int, device: torch.device
) -> tuple[float, ...]:
    """The places of degrees, such that the smile that the reader sees in faces drawn there rises evenly."""
    people = new_people(space, ALONG, seed)
    seen = [read_decoded(network, student, space.draw(people, float(at)), device).mean().item() for at in PLACES]
    return even_way(PLACES, np.array(seen), *space.smiles)


def new_people(space: Latent | Flow, count: int, seed: int) -> Tensor:
    """`count` people who do not exist, one a row."""
    return space.people(torch.randn(count, space.dimensions, generator=torch.Generator().manual_seed(seed)))


@torch.inference_mode()
def read_decoded(network: CVAE, student: Student, z: Tensor, device: torch.device) -> Tensor:
    """What the smile reader sees in the faces that are drawn of z (N, Z): (N,)."""
    return torch.cat([read_drawn(student, network.decoder(some.to(device)).cpu()) for some in z.split(256)])


def encode_training_faces(
    network: CVAE, faces: Faces, attributes: Floats, device: torch.device
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Mean and variance (B, Z) that the encoder gives training faces, and their attributes (B, A), in parts."""
    for some in in_batches(evenly(faces.training, FITTED), 256):
        x, _ = faces.batch(some, device)
        with torch.inference_mode(), autocast(device):
            mu, variance = network.posterior(x)
        yield mu.cpu(), variance.cpu(), torch.from_numpy(attributes[some])
