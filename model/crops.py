"""Faces that are given, as files or by an image set: as the model sees them, and refused where they show none."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

import shell
from data import is_validation, open_set
from data.decoding import SUFFIXES, BadPicture, decode
from model import framing
from model.framing import Floats, Frame, Picture
from model.pictures import to_tensor
from shell import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from model.smile_model import SmileModel

LEAST_EXPLAINED = 0.7  # share of a crop's variance that the model explains if it is a face: at least 0.78 in UTKFace


def picture_files(images: tuple[Path, ...]) -> list[Path]:
    """The picture files that are meant: files as they are named, and all pictures of the folders.

    Raises
    ------
    UserError
        Nothing is named, or a folder has no pictures.
    """
    if not images:
        raise UserError("no picture is named; expected picture files, or folders of them.")

    found: list[Path] = []
    for path in images:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        if not inside:
            raise UserError(f"{path}: no pictures in this folder.")
        found += inside
    return list(dict.fromkeys(found))


def seen(model: "SmileModel", crop: Floats) -> "Tensor":
    """A crop (n, n, 3) in [0, 1] as the model sees it, (1, 3, S, S)."""
    small = Image.fromarray(np.rint(crop * 255).astype(np.uint8)).resize((model.size,) * 2, Image.Resampling.LANCZOS)
    return to_tensor(np.asarray(small)[None])


def shows_face(model: "SmileModel", picture: Picture, frame: Frame) -> bool:
    """Whether the model explains a crop as well as it does faces."""
    return explained(model, picture, frame) >= LEAST_EXPLAINED


def explained(model: "SmileModel", picture: Picture, frame: Frame) -> float:
    """The share of a crop's variance that the model can express; 0 for a crop without contrast."""
    x = seen(model, framing.cut(picture, frame, frame.pixels).clip(0, 255) / 255)
    variance = float(x.var((2, 3)).mean())
    error = float((model.expressed(x)[1] - x).square().mean())
    return 1 - error / variance if variance > 1e-4 else 0.0


def given_faces(model: "SmileModel", images: tuple[Path, ...]) -> tuple["Tensor", list[str], list[str]]:
    """Crops from files (N, 3, S, S), their names, and the files that show no face, each with its reason.

    Raises
    ------
    UserError
        None of them does.
    """
    faces, names, left_out = [], [], []
    for path in picture_files(images):
        try:
            face = np.asarray(decode(path, model.size))
        except BadPicture as error:
            left_out.append(f"{path} ({error})")
            continue
        if not shows_face(model, face, framing.centred(*face.shape[:2])):
            left_out.append(f"{path} (no face that fills the picture)")
            continue
        faces.append(face)
        names.append(str(path))
    if not faces:
        tell_left_out(left_out)
    return to_tensor(np.stack(faces)), names, left_out


def validation_faces(model: "SmileModel", data: Path | None, count: int) -> tuple["Tensor", list[str]]:
    """Up to `count` faces (N, 3, S, S) of an image set that trained nothing, and their names.

    Raises
    ------
    UserError
        There is no such set, or it keeps no face for validation.
    """
    from model.faces import evenly  # with torch, which takes seconds: picture_files must not wait for it

    images = open_set(data or Path(model.config["data"]))
    faces, names = images.pictures(model.size)
    kept = evenly(np.flatnonzero([is_validation(name) for name in names]), count)
    if not len(kept):
        raise UserError(f"{images.folder}: none of its {len(names)} pictures is kept for validation; add some.")
    return to_tensor(faces[kept]), [names[i] for i in kept]


def tell_left_out(left_out: list[str]) -> None:
    """Raise a UserError that names the files that were left out, if there are any."""
    if left_out:
        raise UserError(f"left out {len(left_out)}: {shell.listed(left_out)}.")
