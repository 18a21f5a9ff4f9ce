"""What the page of `model.explore` shows, without the page: pictures, manifest rows and their HTML.

A picture is (H, W, 3) uint8. The one face is the picture that `model.sample` writes for its seed and identity.
"""

import io
from base64 import b64encode
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.decoding import BadPicture, decode
from model import pictures, sample
from model.degrees import signed
from model.smile_model import SmileModel
from shell import UserError

Picture = NDArray[np.uint8]  # (H, W, 3)

WALL = 8  # rows and columns
IDENTITIES = WALL * WALL
MOST = 3.0
STEP = 0.05
SHOWN, WALL_SHOWN = 640, 1024  # pixels of the one face and of the wall as sent: sharp where a screen has many
FRAMING = "One face, upright, filling the picture from hairline to chin."


@dataclass(frozen=True)
class Upload:
    """A photograph that somebody chose."""

    name: str
    picture: Picture
    """(S, S, 3), as the model sees it."""
    smile: float
    """The degree that the model reads in it, unclipped."""


def face(model: SmileModel, seed: int, identity: int, smile: float) -> Picture:
    """Face number `identity` of `seed` at a degree -> (S, S, 3).

    Raises
    ------
    UserError
        The model has no condition.
    """
    z = model.latents(model.people([identity], seed), smile)
    picture: Picture = pictures.to_uint8(model.picture(z))[0]
    return picture


def wall(model: SmileModel, seed: int, smile: float) -> Picture:
    """The first 64 faces of `seed` at a degree in one picture -> (8 S, 8 S, 3).

    Without the detail of `model.detail`, which takes too long to follow a slider.
    """
    z = model.latents(model.people(IDENTITIES, seed), smile)
    faces = pictures.to_uint8(model.decode(z))  # (64, S, S, 3)
    side = WALL * model.size
    return faces.reshape(WALL, WALL, model.size, model.size, 3).swapaxes(1, 2).reshape(side, side, 3)


def open_upload(model: SmileModel, path: Path) -> Upload:
    """The photograph in `path`: its largest centred square.

    Raises
    ------
    UserError
        The file is no readable picture.
    """
    try:
        picture = np.asarray(decode(path, model.size))
    except BadPicture as error:
        raise UserError(f"{path.name}: {error}.") from error
    return Upload(path.name, picture, model.read(model.encode(pictures.to_tensor(picture[None]))).item())


def forced(model: SmileModel, upload: Upload, smile: float) -> Picture:
    """The photograph with its smile set to a degree -> (S, S, 3); at the degree read in it, as it was."""
    edited: Picture = pictures.to_uint8(model.edit(pictures.to_tensor(upload.picture[None]), smile=smile))[0]
    return edited


def start(upload: Upload) -> float:
    """Where the slider stands for a photograph as it is: the degree read in it, on the slider's scale."""
    return round(round(float(np.clip(upload.smile, -MOST, MOST)) / STEP) * STEP, 2)


def face_figure(picture: Picture, smile: float, identity: int | str, seed: int | None, model_hash: str) -> str:
    """One face, large, with its caption and two links: the picture in its own size, and its manifest row."""
    stem = Path(identity).stem if isinstance(identity, str) else f"seed{seed}_identity{identity:02d}"
    file = f"{stem}_smile_{signed(smile)}.png"
    row = sample.manifest([(file, smile, identity, seed, model_hash)]).to_csv(index=False)
    who = escape(identity) if isinstance(identity, str) else f"Identity {identity} of seed {seed}"
    note = " <em>extrapolated</em>" if abs(smile) > 1 else ""
    return f"""<figure class="face">
<img decoding="sync" alt="{who} at smile {signed(smile)}" src="{jpeg(picture, SHOWN)}">
<figcaption><span>{who} <b>{signed(smile)}</b>{note}</span>
<span class="links"><a download="{escape(file)}" href="{png(picture)}">Save picture</a>
<a download="{escape(Path(file).stem)}.csv" href="{_url("text/csv", row.encode())}">Save manifest row</a></span>
</figcaption></figure>"""


def wall_figure(picture: Picture, smile: float, chosen: int, seed: int) -> str:
    """The wall, with the chosen face marked."""
    row, column = divmod(chosen, WALL)
    note = " <em>extrapolated</em>" if abs(smile) > 1 else ""
    return f"""<figure class="wall"><div style="--row: {row}; --column: {column}">
<img decoding="sync" alt="64 faces of seed {seed} at smile {signed(smile)}" src="{jpeg(picture, WALL_SHOWN)}">
<i></i></div><figcaption><span>64 faces of seed {seed} <b>{signed(smile)}</b>{note}</span>
<span>Click a face to see it alone.</span></figcaption></figure>"""


def empty_figure(sentence: str) -> str:
    """The frame without a picture, saying what is wanted or what went wrong."""
    return f'<figure class="face empty"><div role="status"><p>{escape(sentence)}</p></div></figure>'


def png(picture: Picture) -> str:
    """A picture, exact, as an address that holds it."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return _url("image/png", file.getvalue())


def jpeg(picture: Picture, size: int) -> str:
    """A picture for the eye, smoothly scaled to (size, size), as an address that holds it."""
    file = io.BytesIO()
    Image.fromarray(picture).resize((size, size), Image.Resampling.LANCZOS).save(file, "JPEG", quality=90)
    return _url("image/jpeg", file.getvalue())


def _url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"
