"""Make new faces at any degree of smile.

python -m model.sample --smile -3              # a grid of 64 faces
python -m model.sample --smile -1 0 1          # a grid per degree, and a strip: one identity per row
python -m model.sample --smile 0.5 --separate  # also each face as a file, with a manifest
python -m model.sample --calibrated data/stimuli --smile 0.5   # a degree as people see it
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import shell
from data.calibration import ASKED, PERCEIVED, calibration_of, warn_of_simulation
from model.degrees import check_degrees, signed
from shell import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from model.pictures import Pictures

STRIP_ROWS = 8


@dataclass(frozen=True)
class Settings:
    """Make new faces at any degree of smile."""

    smile: tuple[float, ...] = ()
    """Degrees of smile: -1 (stern) to 1 (laughing) as in the labels, or up to ±3; by default as the faces come."""
    count: int = 64
    """Faces per degree."""
    seed: int = 0
    """Of the identities: face i of a seed is the same person at every degree and for every count."""
    run: Path | None = None
    """Folder of the run; by default the newest finished CVAE in runs/, else the model in model/pretrained/."""
    out: Path | None = None
    """Folder for the pictures; by default RUN/samples, with --calibrated RUN/samples/perceived."""
    calibrated: Path | None = None
    """A stimulus set of this model that people have judged: --smile is then a degree as people see it."""
    truncation: float = 1.0
    """Below 1, faces nearer to the mean face: more typical, less diverse."""
    exaggerate: bool = False
    """Beyond [-1, 1] go straight on; by default the way levels off where faces end."""
    separate: bool = False
    """Write each face as a file of its own, and manifest.csv, with the degree asked of the model (and, with
    --calibrated, the perceived one)."""


def main(settings: Settings) -> None:
    if settings.count < 1 or settings.seed < 0:
        raise UserError(f"--count {settings.count} --seed {settings.seed}: expected at least 1, and 0 or more.")
    if not 0 <= settings.truncation <= 1:
        raise UserError(f"--truncation {settings.truncation}: expected 0 to 1.")
    check_degrees("--smile", settings.smile)
    if settings.calibrated is not None and not settings.smile:
        raise UserError("--calibrated: expected --smile with the degrees that people are to see.")
    if settings.calibrated is not None and (settings.truncation != 1 or settings.exaggerate):
        raise UserError("--calibrated: people judged faces made without --truncation and --exaggerate; leave them out.")
    import numpy as np

    from model import pictures, smile_model

    model = smile_model.load(settings.run)
    print(f"model: {model.title}")
    degrees: tuple[float | None, ...] = tuple(dict.fromkeys(settings.smile)) or (None,)
    asked = {c: c for c in degrees}
    what, out = "smile", settings.out or model.results / "samples"
    if settings.calibrated is not None:
        calibration = calibration_of(settings.calibrated, model.hash)
        asked = {c: calibration.to_asked(c) for c in settings.smile}
        what, out = "perceived", settings.out or out / "perceived"
        print(f"asked of the model: {', '.join(f'{asked[c]:+.2f} for {signed(c)}' for c in settings.smile)}")
        warn_of_simulation(calibration)
    if any(c is not None and abs(c) > 1 for c in asked.values()):
        beyond = "extrapolates" if settings.exaggerate else "levels off there"
        print(f"note: degrees outside [-1, 1] go beyond what people's labels cover; the model {beyond}.")

    def made(c: float | None) -> "Pictures":
        truncation, exaggerate = settings.truncation, settings.exaggerate
        some = model.sample(c, settings.count, settings.seed, truncation=truncation, exaggerate=exaggerate)
        return pictures.to_uint8(some)

    faces = {c: made(asked[c]) for c in degrees}
    for smile, some in faces.items():
        name, title = ("faces", "") if smile is None else (f"smile_{signed(smile)}", f"{what} {signed(smile)}")
        print(f"wrote {pictures.save(pictures.grid(some, min(8, settings.count), title), out / f'{name}.png')}")
    if len(degrees) > 1:
        rows = [np.stack([faces[c][i] for c in degrees]) for i in range(min(STRIP_ROWS, settings.count))]
        sheet = pictures.strip(rows, [signed(c) for c in degrees if c is not None])
        print(f"wrote {pictures.save(sheet, out / 'strip.png')}")
    if settings.separate:
        how = {"truncation": settings.truncation} if settings.truncation != 1 else {}
        how |= {"exaggerate": 1.0} if settings.exaggerate else {}
        calibrated = settings.calibrated is not None
        print(f"wrote {write_separately(faces, asked, out, settings.seed, model.hash, how, calibrated)}")
    else:
        print("Next: the same with --separate writes each face as a file of its own, with a manifest.")


def write_separately(
    faces: "Mapping[float | None, Pictures]",
    asked: "Mapping[float | None, float | None]",
    out: Path,
    seed: int,
    model_hash: str,
    how: "Mapping[str, float]",
    calibrated: bool,
) -> Path:
    """Each face as OUT/smile_+0.50/0000.png, OUT/0000.png where no degree is asked for; returns the manifest.

    Its column `asked_smile` is what the model was asked for; where `calibrated`, the keys of `faces` are degrees as
    people see them, and `perceived_smile` has them. What else was asked for, and is no default, has columns of its own,
    named as in `how`.
    """
    from PIL import Image

    from model import pictures

    rows: list[tuple[str, float | None, int | str, int | None, str]] = []
    for smile, some in faces.items():
        folder = out if smile is None else out / f"smile_{signed(smile)}"
        for identity, face in enumerate(some):
            path = pictures.save(Image.fromarray(face), folder / f"{identity:04d}.png")
            rows.append((path.relative_to(out).as_posix(), asked[smile], identity, seed, model_hash))
    table = manifest(rows).assign(**how)
    if calibrated:
        table[PERCEIVED] = [smile for smile, some in faces.items() for _ in some]
    return pictures.save_manifest(table, out)


def manifest(rows: "Iterable[tuple[str, float | None, int | str, int | None, str]]") -> "pd.DataFrame":
    """What each file of synthetic faces shows: its name, degree, identity, seed, and the hash of the model."""
    import pandas as pd

    return pd.DataFrame(rows, columns=["file", ASKED, "identity", "seed", "model"])


if __name__ == "__main__":
    shell.run(main, Settings)
