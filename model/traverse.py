"""Walk through the latent space: each dimension or principal axis a row, the most active first, the smile on top.

python -m model.traverse                        # the 12 most active dimensions, at the mean face
python -m model.traverse --pca                  # principal axes instead
python -m model.traverse --axis 5               # one dimension; --axis all: every one
python -m model.traverse --image face.jpg       # at a given face (a crop)

Steps are standard deviations of z over the training faces, whose covariance the run holds. Beside the walk comes a
figure of the latent space: how active each dimension is, how much of the variance the principal axes explain, how the
dimensions are distributed against the prior, and, where the run recorded it, how activity came about in the training.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import shell
from shell import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from model.pictures import Pictures
    from model.smile_model import SmileModel

ROWS = 12  # shown by default
FACES = 2048  # of the image set, for the figure


@dataclass(frozen=True)
class Settings:
    """Walk through the latent space."""

    axis: str = ""
    """Number of one dimension, or with --pca of one axis, counted from 0; or `all`. By default the 12 most active."""
    pca: bool = False
    """Principal axes instead of single dimensions."""
    image: Path | None = None
    """A crop in the training's framing to walk from. None: the mean face."""
    reach: float = 3.0
    """Standard deviations to either side."""
    steps: int = 9
    """Faces per row."""
    data: Path | None = None
    """The image set of the figure; by default the one that the run was trained on."""
    run: Path | None = None
    """Folder of the run; by default the newest finished CVAE in runs/, else the model in model/pretrained/."""
    out: Path | None = None
    """Folder for the pictures; by default RUN/views."""


class Axis(NamedTuple):
    """A direction to walk in."""

    name: str
    """`z 17` or `axis 3`."""
    step: "Tensor"
    """(Z,) one standard deviation."""


def main(settings: Settings) -> None:
    if settings.steps < 2 or not 0 < settings.reach < 100:
        raise UserError(
            f"--steps {settings.steps} --reach {settings.reach}: expected at least 2, and above 0 to below 100."
        )
    import torch

    from model import pictures, smile_model
    from model.crops import given_faces, tell_left_out

    model = smile_model.load(settings.run)
    print(f"model: {model.title}")
    walked = chosen(axes(model, settings.pca), settings.axis)
    if settings.image is None:
        at = model.identities(1, truncation=0)[0]  # the mean of latents, or of faces where a flow knows these
    else:
        x, _, left_out = given_faces(model, (settings.image,))
        tell_left_out(left_out)
        at = model.encode(x)[0]
    stops = torch.linspace(-settings.reach, settings.reach, settings.steps)
    rows, names = [walk(model, at, axis.step, stops) for axis in walked], [axis.name for axis in walked]
    if model.kind == "cvae":
        rows.insert(0, walk_smile(model, at, stops))
        names.insert(0, "smile")
    else:
        print(f"note: a run of kind {model.kind} knows no smile; its row is left out.")
    title = f"standard deviations from {'the mean face' if settings.image is None else settings.image.name}"
    sheet = pictures.strip(rows, [f"{stop:+g}" if stop else "0" for stop in stops.tolist()], title, names)
    out = settings.out or model.results / "views"
    name = "axes" if settings.pca else "dimensions"
    if settings.image is not None:
        name += f"_{settings.image.stem}"
    print(f"wrote {pictures.save(sheet, out / f'traverse_{name}.png')}")
    if settings.data is None and not (Path(model.config["data"]) / "images").is_dir():
        print(f"note: {model.config['data']} is not here; --data draws the faces of another set in the latent space.")
    else:
        print(f"wrote {save_figure(model, settings.data, out / 'latent.png')}")
    run = shell.flags(settings, "run")
    print(f"Next: python -m model.interpolate --identities 0 1{run} goes from one face to another.")


def axes(model: "SmileModel", pca: bool) -> list[Axis]:
    """The principal axes of S, largest first, or all dimensions of z, those first whose step changes the face most."""
    import torch

    covariance = model.latent.factor @ model.latent.factor.T
    if pca:
        variances, vectors = torch.linalg.eigh(covariance.double())
        steps = (vectors * variances.clamp(min=0).sqrt()).T.flip(0).float()
        return [Axis(f"axis {i}", step) for i, step in enumerate(steps)]
    deviations = covariance.diagonal().sqrt()
    moved = model.latent.mean + deviations.diag()
    away = (model.decode(moved) - model.decode(model.latent.mean[None])).square().mean((1, 2, 3))
    return [
        Axis(f"z {i}", deviations[i] * torch.eye(len(deviations))[i]) for i in away.argsort(descending=True).tolist()
    ]


def chosen(found: list[Axis], axis: str) -> list[Axis]:
    """The axes that were asked for.

    Raises
    ------
    UserError
        There is no axis of that number.
    """
    if axis == "all":
        return found
    if not axis:
        return found[:ROWS]
    one = [a for a in found if a.name.split()[1] == axis]
    if not one:
        raise UserError(f"--axis {axis}: expected all, or a number from 0 to {len(found) - 1}.")
    return one


def walk(model: "SmileModel", at: "Tensor", step: "Tensor", stops: "Tensor") -> "Pictures":
    """The faces at `at` + stop * `step`, (Z,) each, for every stop (C,): (C, S, S, 3)."""
    from model import pictures

    return pictures.to_uint8(model.decode(at + stops[:, None] * step))


def walk_smile(model: "SmileModel", at: "Tensor", stops: "Tensor") -> "Pictures":
    """The face `at` (Z,) with its smile moved by each stop (C,) in standard deviations of the read-out."""
    from model import pictures

    _, deviation = model.latent.smiles
    return pictures.to_uint8(model.decode(model.latent.move(at.expand(len(stops), -1), stops * deviation)))


def save_figure(model: "SmileModel", data: Path | None, path: Path) -> Path:
    """Draw what `Settings` calls the figure of the latent space; returns its path."""
    import torch

    from data.tables import read_csv
    from model import curves
    from model.crops import validation_faces

    x, _ = validation_faces(model, data, FACES)
    with torch.no_grad():
        parts = [model.network.posterior(some) for some in x.split(256)]
    mu, variance = (torch.cat(column) for column in zip(*parts, strict=True))
    course = model.folder / "latent_activity.csv"
    recorded = read_csv(course).set_index("step") if course.exists() else None
    variances = torch.linalg.eigvalsh(model.latent.factor @ model.latent.factor.T).flip(0)
    return curves.save_latent(
        path,
        activity=mu.var(0, correction=0).numpy(),
        noise=variance.mean(0).numpy(),
        explained=(variances.cumsum(0) / variances.sum()).numpy(),
        mu=mu.numpy(),
        recorded=recorded,
    )


if __name__ == "__main__":
    shell.run(main, Settings)
