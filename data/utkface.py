"""Source: UTKFace (Zhang, Song and Qi, CVPR 2017), the aligned and cropped pictures, as published.

A file name says age, gender and race, the latter two as codes that `LEVELS` explains:
`[age]_[gender]_[race]_[date&time].jpg.chip.jpg`. The pictures are for non-commercial research only.
"""

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from data.archives import is_address, members, total
from data.decoding import BadPicture, decode
from data.download import download
from data.images import describe
from data.sources import name_left_out, new_pictures
from data.tables import read_labels
from shell import UserError, progress, whole_file

if TYPE_CHECKING:
    from data.prepare import Utkface

NAME = re.compile(r"(?P<age>\d{1,3})_(?P<gender>[01])_(?P<race>[0-4])_\d{17}\.jpg(\.chip\.jpg)?")
OLDEST = 122  # nobody has become older
DOWNLOADED = ".download"  # of our own: no file of the user is taken for what came, or removed
DECODED = 64  # pixels: enough to see whether a picture is whole, and quick
LEVELS = {  # as the publishers name them
    "gender": {"0": "male", "1": "female"},
    "race": {"0": "White", "1": "Black", "2": "Asian", "3": "Indian", "4": "other"},
}
ABOUT = {
    "name": "UTKFace",
    "source": "Zhang, Song and Qi (2017), Age Progression/Regression by Conditional Adversarial Autoencoder, CVPR",
    "licence": "non-commercial research only; the pictures belong to their owners",
}


def prepare_utkface(settings: "Utkface") -> Path:
    """Make the set `settings.data`: pictures byte by byte, metadata.csv, labels_published.csv; returns its folder.

    Raises
    ------
    UserError
        The source is no such archive or folder, holds no picture of that name form, or has a member that would land
        outside of the folder; or the label table is wrong.
    """
    folder, far = settings.data, is_address(settings.source)
    labels = None if settings.labels is None else read_labels(settings.labels)  # a wrong table before a long copy
    rows: list[dict[str, str | int]] = []
    left_out: dict[str, str] = {}
    with new_pictures(folder, settings.force) as images:
        source = download(settings.source, folder / DOWNLOADED) if far else Path(settings.source)
        try:
            for name, content in progress(members(source), "copying", total(source), "file"):
                reason = _copy(Path(name).name, content, images, rows)
                if reason:
                    left_out[name if name.isprintable() else ascii(name)] = reason
            if not rows:
                name_left_out(left_out)
                raise UserError(f"{source}: no readable picture named like 20_1_0_20170116174525125.jpg.chip.jpg.")
        except UserError:
            if far:  # damaged, or another archive: not to be taken again
                shutil.rmtree(folder / DOWNLOADED)
            raise
    if far:
        shutil.rmtree(folder / DOWNLOADED)
    name_left_out(left_out)
    print(f"{len(rows):,} pictures, {len(left_out):,} left out")
    metadata = pd.DataFrame(rows).sort_values("image")
    describe(folder, metadata, {**ABOUT, "count": len(rows), "levels": LEVELS})
    if labels is not None:
        _import_labels(labels, set(metadata["image"]), folder / "labels_published.csv")
    return folder


def _copy(name: str, content: bytes, images: Path, rows: list[dict[str, str | int]]) -> str | None:
    """Copy one picture and note its row; returns why it was left out, or None."""
    match = NAME.fullmatch(name)
    if match is None:
        return "its name is not [age]_[gender]_[race]_[date&time].jpg.chip.jpg"
    if (images / name).exists():
        return "a picture of this name was copied before"
    if int(match["age"]) > OLDEST:
        return f"an age of {match['age']} years"
    (images / name).write_bytes(content)
    try:
        decode(images / name, DECODED)
    except BadPicture as error:
        (images / name).unlink()
        return str(error)
    rows.append({"image": name, **{key: int(value) for key, value in match.groupdict().items()}})
    return None


def _import_labels(labels: pd.DataFrame, names: set[str], path: Path) -> None:
    known = labels["image"].isin(names)
    name_left_out(dict.fromkeys(labels["image"][~known], "has a label but no picture"))
    if not known.any():
        print("note: no label is of a picture of this set, so none is imported.")
        return
    with whole_file(path) as aside:
        labels.loc[known, ["image", "smile"]].sort_values("image").to_csv(aside, index=False, lineterminator="\n")
    print(f"{known.sum():,} labels imported: {path}")
