"""Make new faces at any degree of smile.

python -m model.sample --smile -3              # a grid of 64 faces
python -m model.sample --smile -1 0 1          # a grid per degree, and a strip: one identity per row
python -m model.sample --smile 0.5 --separate  # also each face as a file, with a manifest
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import shell
from shell import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.pictures import Pictures
    from model.runs import SmileModel

STRIP_ROWS = 8


@dataclass(frozen=True)
class Settings:
    """Make new faces at any degree of smile."""

    smile: tuple[float, ...] = ()
    """Degrees of smile, -1 (stern) to 1 (laughing) as in the labels, -3 to 3 beyond them. None: as the faces come."""
    count: int = 64
    """Faces per degree."""
    seed: int = 0
    """Of the identities: face i of a seed is the same person at every degree and for every count."""
    run: Path | None = None
    """Folder of the run; by default the newest finished CVAE in runs/, else the model in model/pretrained/."""
    out: Path | None = None
    """Folder for the pictures; by default RUN/samples."""
    separate: bool = False
    """Write each face as a file of its own, and manifest.csv."""


def main(settings: Settings) -> None:
    if settings.count < 1 or settings.seed < 0:
        raise UserError(f"--count {settings.count} --seed {settings.seed}: expected at least 1, and 0 or more.")
    if not all(map(math.isfinite, settings.smile)):
        raise UserError(f"--smile {' '.join(map(str, settings.smile))}: expected finite numbers.")
    import numpy as np

    from model import pictures, runs

    model = runs.load(settings.run)
    print(f"model: {model.folder}")
    if any(abs(smile) > 1 for smile in settings.smile):
        print("note: degrees outside [-1, 1] go beyond what people's labels cover; the model extrapolates.")
    out = settings.out or default_out(model)
    degrees: tuple[float | None, ...] = tuple(dict.fromkeys(settings.smile)) or (None,)
    faces = {c: pictures.to_uint8(model.sample(c, settings.count, settings.seed)) for c in degrees}
    for smile, some in faces.items():
        name, title = ("faces", "") if smile is None else (folder_name(smile), f"smile {pictures.degree(smile)}")
        print(f"wrote {pictures.save(pictures.grid(some, title=title), out / f'{name}.png')}")
    if len(degrees) > 1:
        rows = [np.stack([faces[c][i] for c in degrees]) for i in range(min(STRIP_ROWS, settings.count))]
        sheet = pictures.strip(rows, [pictures.degree(c) for c in degrees if c is not None])
        print(f"wrote {pictures.save(sheet, out / 'strip.png')}")
    if settings.separate:
        print(f"wrote {write_separately(faces, out, settings.seed, model.hash)}")
    else:
        print("Next: the same with --separate writes each face as a file of its own, with a manifest.")


def folder_name(smile: float) -> str:
    """smile_0.50; more digits only where the degree has them, so that no two degrees share a name."""
    return f"smile_{smile:.2f}" if round(smile, 2) == smile else f"smile_{smile!r}"


def default_out(model: "SmileModel") -> Path:
    from model import runs

    return (runs.RUNS if model.folder == runs.PRETRAINED else model.folder) / "samples"


def write_separately(faces: "Mapping[float | None, Pictures]", out: Path, seed: int, model_hash: str) -> Path:
    """Each face as OUT/0000.png, or OUT/smile_0.50/0000.png where there are several degrees; returns the manifest."""
    import pandas as pd
    from PIL import Image

    from model import pictures

    rows = []
    for smile, some in faces.items():
        folder = out if len(faces) == 1 else out / folder_name(smile or 0.0)
        for identity, face in enumerate(some):
            path = pictures.save(Image.fromarray(face), folder / f"{identity:04d}.png")
            rows.append((path.relative_to(out).as_posix(), smile, identity, seed, model_hash))
    manifest = out / "manifest.csv"
    with shell.whole_file(manifest) as aside:
        pd.DataFrame(rows, columns=["file", "smile", "identity", "seed", "model"]).to_csv(aside, index=False)
    return manifest


if __name__ == "__main__":
    shell.run(main, Settings)
