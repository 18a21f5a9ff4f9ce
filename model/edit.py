"""Change the smile of given faces; the person, the hair and the background stay.

python -m model.edit --image face.jpg --smile 0.8           # set the degree
python -m model.edit --image faces/ --shift +0.7            # add to it, in every picture of a folder
python -m model.edit --image face.jpg --smile -1 0 1        # several degrees, and a strip of them

A picture is a *crop* if its one face fills it as faces fill the pictures of the training (UTKFace: eyes at 40 % of the
height, chin at the lower edge); of one that is not square the largest centred square counts. Anything else
is a *photograph*: its faces are found, framed, edited, and put back at full resolution. Finding needs dlib
(`pip install dlib-bin`); without it every picture is taken for a crop, and refused if the model sees no face in it.
"""

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import shell
from model.degrees import check_degrees, signed
from shell import UserError

if TYPE_CHECKING:
    from PIL import Image

    from model.framing import Floats, Frame, Picture
    from model.smile_model import SmileModel

LEAST_SIDE = 16  # pixels of a face; a smaller one has no mouth
MISFIT = (8.0, 3.0)  # weights of the error (its log) and of the squared distance to the mean face, found by trial
STRIP_PIXELS = 200  # height of a face in a strip


@dataclass(frozen=True)
class Settings:
    """Change the smile of given faces."""

    image: tuple[Path, ...]
    """Pictures, and folders of pictures."""
    smile: tuple[float, ...] = ()
    """Degrees to set: -1 (stern) to 1 (laughing), of which some 0.6 is reached; beyond, the change levels off."""
    shift: tuple[float, ...] = ()
    """Or changes to add to the degree that each face has."""
    framing: Literal["auto", "crop", "photograph"] = "auto"
    """Whether a picture is one face in the training's framing, or holds faces to be found; auto looks."""
    face: int | None = None
    """Of a photograph, only the face of this number, counted from 1 at the left. None: all."""
    run: Path | None = None
    """Folder of the run; by default the newest finished CVAE in runs/, else the model in model/pretrained/."""
    out: Path | None = None
    """Folder for the pictures; by default RUN/edits."""


class Row(NamedTuple):
    """A row of manifest.csv: one face in one picture that was written."""

    file: str
    source: str
    face: int
    """Counted from 1 at the left."""
    smile_before: float
    """What the model read in it."""
    asked_smile: float
    model: str
    """Hash of the model."""


def main(settings: Settings) -> None:
    check(settings)
    from model.crops import picture_files

    sources = picture_files(settings.image)
    import pandas as pd

    from model import pictures, smile_model

    model = smile_model.load(settings.run)
    model.needs_condition("change a smile")
    print(f"model: {model.title}")
    if settings.framing == "photograph":
        from model import framing

        if not framing.detector_present():
            raise UserError(
                "--framing photograph finds faces by dlib, which is missing: pip install dlib-bin brings it."
            )
    if any(abs(smile) > 1 for smile in settings.smile):
        print("note: degrees outside [-1, 1] go beyond what people's labels cover; the model levels off there.")
    out = settings.out or model.results / "edits"
    rows: list[Row] = []
    left_out: list[str] = []
    given = set(map(Path.resolve, sources))
    for source, name in shell.progress(list(zip(sources, names(sources), strict=True)), "edited", unit="picture"):
        try:
            rows += edit_file(model, source, name, out, settings, given)
        except CannotEdit as error:
            left_out.append(f"{source} ({error})")
    if rows:
        print(f"wrote {pictures.save_manifest(pd.DataFrame(rows), out)}")
    if left_out:
        done = f"; the others are in {out}" if rows else ""
        raise UserError(f"left out {len(left_out)} of {len(sources)} pictures: {shell.listed(left_out)}{done}.")
    print(f"Next: python -m model.traverse{shell.flags(settings, 'run')} shows what else the model knows of faces.")


class CannotEdit(Exception):
    """A picture that cannot be edited; the message says why in a few words."""


def check(settings: Settings) -> None:
    """Raise a UserError unless exactly one of smile and shift is asked for, in finite numbers."""
    if bool(settings.smile) == bool(settings.shift):
        raise UserError("Give either --smile, the degree to set, or --shift, the change to add.")
    check_degrees("--smile", settings.smile)
    check_degrees("--shift", settings.shift)
    if settings.face is not None and settings.face < 1:
        raise UserError(f"--face {settings.face}: faces are counted from 1.")


def names(sources: list[Path]) -> list[str]:
    """A name for each file, without suffix, no two alike: its own, numbered where several share one."""
    stems = {source.stem for source in sources}
    taken: set[str] = set()
    given = []
    for source in sources:
        numbered = (f"{source.stem}_{n}" for n in count(2))
        name = source.stem
        while name in taken or (name != source.stem and name in stems):
            name = next(numbered)
        taken.add(name)
        given.append(name)
    return given


def edit_file(
    model: "SmileModel", source: Path, name: str, out: Path, settings: Settings, inputs: set[Path]
) -> list[Row]:
    """Edit one file to all degrees; returns its rows of the manifest.

    Raises
    ------
    CannotEdit
        It is no readable picture, no face is found in it, or its place is that of a picture that was given.
    """
    from model import pictures

    picture, alpha = read(source)
    faces = framed(model, picture, settings)
    wishes = tuple(dict.fromkeys(settings.smile or settings.shift))
    files = [f"{name}_{'smile' if settings.smile else 'shift'}_{signed(wish)}.png" for wish in wishes]
    strip_file = f"{name}_strip.png"
    for file in [*files, strip_file] if len(wishes) > 1 else files:
        if (out / file).resolve() in inputs:
            raise CannotEdit(f"{out / file} would replace a picture that was given")
    rows, edits = [], [picture]
    for wish, file in zip(wishes, files, strict=True):
        changed = picture
        for number, frame in faces.items():
            changed, before, asked = edit_face(model, picture, changed, frame, wish, settings.smile != ())
            rows.append(Row(file, source.as_posix(), number, before, asked, model.hash))
        print(f"wrote {pictures.save(as_it_came(changed, alpha, source), out / file)}")
        edits.append(changed)
    if len(wishes) > 1:
        strip = pictures.strip(
            [faces_of(edits, frame) for frame in faces.values()],
            ["original", *(("" if settings.smile else "shift ") + signed(wish) for wish in wishes)],
        )
        print(f"wrote {pictures.save(strip, out / strip_file)}")
    return rows


def read(source: Path) -> tuple["Picture", "Image.Image | None"]:
    """The pixels of a file (H, W, 3), upright, and its alpha channel if it has one."""
    import numpy as np
    from PIL import Image, ImageOps

    from data.decoding import BadPicture, decode

    alpha = None
    try:
        rgb = decode(source)
        with Image.open(source) as file:
            if file.has_transparency_data:  # the colours as they stand in the file, not on white
                rgba = ImageOps.exif_transpose(file).convert("RGBA")
                rgb, alpha = rgba.convert("RGB"), rgba.getchannel("A")
    except BadPicture as error:
        raise CannotEdit(str(error)) from error
    if min(rgb.size) < LEAST_SIDE:
        raise CannotEdit(f"{rgb.width} x {rgb.height} pixels, at least {LEAST_SIDE} x {LEAST_SIDE} are needed")
    return np.asarray(rgb), alpha


def as_it_came(picture: "Picture", alpha: "Image.Image | None", source: Path) -> "Image.Image":
    """The pixels as a picture of the source's kind: with its alpha channel and colour profile, and grey if it was."""
    from PIL import Image

    made = Image.fromarray(picture)
    with Image.open(source) as file:
        if file.mode in ("L", "LA", "1", "I") or file.mode.startswith("I;16"):
            made = made.convert("L")
        elif file.mode in ("RGB", "RGBA", "P") and (profile := file.info.get("icc_profile")):  # another's is not of RGB
            made.info["icc_profile"] = profile
    if alpha is not None:
        made.putalpha(alpha)
    return made


def framed(model: "SmileModel", picture: "Picture", settings: Settings) -> "dict[int, Frame]":
    """The faces of a picture that are to be edited, by their number from the left.

    Raises
    ------
    CannotEdit
        There is no face, or none of the number asked for.
    """
    from model import framing

    whole = framing.centred(*picture.shape[:2])
    found = located(model, picture, whole, settings.framing)
    faces = dict(enumerate(found or [whole], 1))
    if settings.face is not None:
        if settings.face not in faces:
            raise CannotEdit(f"it has {shell.counted(len(faces), 'face')}, no number {settings.face}")
        faces = {settings.face: faces[settings.face]}
    if not found:
        return faces
    return {n: framing.refined(picture, face, model.size, lambda x: misfit(model, x)) for n, face in faces.items()}


def located(model: "SmileModel", picture: "Picture", whole: "Frame", how: str) -> "list[Frame]":
    """The faces that were found in a picture, from the left; none where the `whole` of it is taken as one.

    Raises
    ------
    CannotEdit
        There is no face.
    """
    from model import framing
    from model.crops import shows_face

    if how == "crop":
        return []
    if not framing.detector_present():
        if not shows_face(model, picture, whole):
            wanted = "eyes at 40 % of its height, the chin at its lower edge"
            raise CannotEdit(
                f"no face that fills the picture, {wanted}; with pip install dlib-bin, faces are looked for"
            )
        return []
    found = framing.find_faces(picture)
    if not found:
        raise CannotEdit("no face found; --framing crop takes it as it is")
    return [] if how == "auto" and framing.is_framed(found, *picture.shape[:2]) else found


def edit_face(
    model: "SmileModel", original: "Picture", picture: "Picture", frame: "Frame", wish: float, is_degree: bool
) -> tuple["Picture", float, float]:
    """One face of the `original` edited in `picture`; returns it, the degree read before, and the one asked for."""
    import numpy as np

    from model import editing, framing
    from model.crops import seen

    crop = (framing.cut(original, frame, frame.pixels) / 255).clip(0, 1)
    z = model.encode(seen(model, crop))
    before = float(model.read(z))
    moved = model.turned(z, wish) if is_degree else model.shifted(z, wish)
    decoded = [x[0].permute(1, 2, 0).cpu().numpy() for x in (model.decode(z), model.decode(moved))]
    change = editing.edited(crop, *decoded) - crop
    changed = framing.put_back(picture, change.astype(np.float32), frame)
    return changed, before, wish if is_degree else before + wish


def misfit(model: "SmileModel", crops: "Floats") -> "Floats":
    """How badly the model explains crops (N, S, S, 3): the error within the oval and the distance of z to faces."""
    import torch

    from model.editing import oval

    x = torch.from_numpy(crops).permute(0, 3, 1, 2).clamp(0, 1)
    z, expressed = model.expressed(x)
    weight = torch.from_numpy(oval(model.size, model.size)).permute(2, 0, 1)
    error = ((expressed - x).square() * weight).mean((1, 2, 3))
    result: Floats = (MISFIT[0] * error.log() + MISFIT[1] * model.latent.whitened(z).square().mean(1)).cpu().numpy()
    return result


def faces_of(edits: "list[Picture]", frame: "Frame") -> "Picture":
    """One face in several pictures, for a strip: (C, STRIP_PIXELS, STRIP_PIXELS, 3)."""
    import numpy as np
    from PIL import Image

    from model import framing

    crops = [np.rint(framing.cut(edit, frame, frame.pixels).clip(0, 255)).astype(np.uint8) for edit in edits]
    size = (STRIP_PIXELS, STRIP_PIXELS)
    return np.stack([np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.LANCZOS)) for crop in crops])


if __name__ == "__main__":
    shell.run(main, Settings)
