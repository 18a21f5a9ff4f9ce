"""Show what the model can express of a face: originals beside their reconstructions.

python -m model.reconstruct                       # 16 faces of the run's image set that trained nothing
python -m model.reconstruct --images a.jpg faces/ # given crops
"""

import math
from dataclasses import dataclass
from pathlib import Path

import shell
from shell import UserError

COLUMNS = 8


@dataclass(frozen=True)
class Settings:
    """Show what the model can express of a face."""

    images: tuple[Path, ...] = ()
    """Crops in the training's framing, and folders of them; by default validation faces of the run's image set."""
    count: int = 16
    """Faces of the image set, evenly spread over it."""
    data: Path | None = None
    """The image set; by default the one that the run was trained on."""
    run: Path | None = None
    """Folder of the run; by default the newest finished CVAE in runs/, else the model in model/pretrained/."""
    out: Path | None = None
    """The picture to write; by default RUN/views/reconstructions.png."""


def main(settings: Settings) -> None:
    if settings.count < 1:
        raise UserError(f"--count {settings.count}: expected at least 1.")
    check_picture_name(settings.out)
    import numpy as np

    from model import measures, pictures, smile_model
    from model.crops import given_faces, tell_left_out, validation_faces

    model = smile_model.load(settings.run)
    print(f"model: {model.title}")
    if settings.images:
        x, names, left_out = given_faces(model, settings.images)
    else:
        x, names, left_out = *validation_faces(model, settings.data, settings.count), []
    originals, decoded = pictures.to_uint8(x), pictures.to_uint8(model.decode(model.encode(x)))
    values = measures.psnr(originals, decoded)
    for name, value in zip(names, values, strict=True):
        print(f"{value:6.2f} dB  {name}")
    mean = -10 * math.log10(np.mean(10 ** (-values / 10)))
    print(f"{mean:6.2f} dB  all {len(names)} together")
    columns = min(COLUMNS, len(names))
    sheet = pictures.side_by_side(
        pictures.grid(originals, columns, "originals"),
        pictures.grid(decoded, columns, f"reconstructions, {mean:.1f} dB"),
    )
    print(f"wrote {pictures.save(sheet, settings.out or model.results / 'views' / 'reconstructions.png')}")
    tell_left_out(left_out)
    print(f"Next: python -m model.traverse{shell.flags(settings, 'run')} shows what each latent dimension does.")


def check_picture_name(out: Path | None) -> None:
    """Raise a UserError for a file name that is no picture's, before any work is done."""
    from PIL import Image

    formats = Image.registered_extensions()
    if out is not None and (out.is_dir() or formats.get(out.suffix.lower()) not in Image.SAVE):
        name = out / "picture.png" if out.is_dir() else out.with_suffix(".png")  # a folder such as . has no name
        raise UserError(f"--out {out}: expected a picture's name, such as {name}.")


if __name__ == "__main__":
    shell.run(main, Settings)
