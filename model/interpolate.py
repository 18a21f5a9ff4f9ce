"""Go from one face to another on a straight line through the latent space.

python -m model.interpolate --images a.jpg b.jpg           # two crops
python -m model.interpolate --identities 3 8               # two faces of `model.sample`, by number
python -m model.interpolate --identities 3 8 --smile 0.5   # the same with the smile held

With z = u + s g, u being all that is not smile (`model.latent`), the line runs in u; the smile's read-out s goes evenly
from the first face's to the second's, or the degree is held.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import shell
from model.degrees import check_degrees, signed
from model.reconstruct import check_picture_name
from shell import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from model.smile_model import SmileModel


@dataclass(frozen=True)
class Settings:
    """Go from one face to another."""

    images: tuple[Path, ...] = ()
    """Two crops in the training's framing, or more for a line through all of them."""
    identities: tuple[int, ...] = ()
    """Or the numbers of two or more faces of a seed."""
    seed: int = 0
    """Of the identities."""
    smile: float | None = None
    """A degree that is held on the way. None: the smile goes along."""
    steps: int = 9
    """Faces from one to the next, both ends counted."""
    run: Path | None = None
    """Folder of the run; by default the newest finished CVAE in runs/, else the model in model/pretrained/."""
    out: Path | None = None
    """The picture to write; by default RUN/views/interpolation.png."""


def main(settings: Settings) -> None:
    check(settings)
    check_picture_name(settings.out)
    import torch

    from model import pictures, smile_model
    from model.crops import given_faces, tell_left_out

    model = smile_model.load(settings.run)
    print(f"model: {model.title}")
    if settings.images:
        x, names, left_out = given_faces(model, settings.images)
        tell_left_out(left_out)
        ends, held, drawn = model.encode(x), settings.smile, model.decode
        if len(names) < 2:
            raise UserError(f"--images {names[0]}: expected at least two faces.")
    else:
        people = model.people(settings.identities, settings.seed)
        ends, held, drawn = model.latents(people, settings.smile), None, model.picture  # as `model.sample` draws them
    rows = []
    for first, second in pairwise(ends):
        rows.append(pictures.to_uint8(drawn(line(model, first, second, settings.steps, held))))
    shares = [f"{100 * share:.3g} %" for share in torch.linspace(0, 1, settings.steps).tolist()]
    title = "" if settings.smile is None else f"smile {signed(settings.smile)}"
    sheet = pictures.strip(rows, shares, title)
    print(f"wrote {pictures.save(sheet, settings.out or model.results / 'views' / 'interpolation.png')}")
    print(f"Next: python -m model.traverse{shell.flags(settings, 'run')} shows what each latent dimension does.")


def check(settings: Settings) -> None:
    """Raise a UserError for settings that name no two faces, or no way between them."""
    if bool(settings.images) == bool(settings.identities):
        raise UserError("Give either --images, two or more crops, or --identities, two or more numbers.")
    if settings.identities and len(settings.identities) < 2:
        raise UserError(f"--identities {settings.identities[0]}: expected at least two numbers.")
    if min(settings.identities, default=0) < 0 or settings.seed < 0 or settings.steps < 2:
        raise UserError("--identities and --seed count from 0, --steps from 2.")
    if settings.smile is not None:
        check_degrees("--smile", [settings.smile])


def line(model: "SmileModel", first: "Tensor", second: "Tensor", steps: int, smile: float | None = None) -> "Tensor":
    """z (steps, Z) from `first` to `second`, (Z,) each, evenly spaced; all at degree `smile`, if one is given.

    The smile's read-out is linear in z, so on a straight line it goes evenly, too.
    """
    import torch

    share = torch.linspace(0, 1, steps, device=first.device)[:, None]
    z = first + share * (second - first)
    return z if smile is None else model.at(z, smile)


if __name__ == "__main__":
    shell.run(main, Settings)
