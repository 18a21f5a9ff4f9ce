"""From a picture file to RGB pixels, safely: every unusable file is named with its reason, none is a crash."""

import os
import warnings
from pathlib import Path

from PIL import Image, ImageOps

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")  # those of SUFFIXES; else Pillow hands PostScript to Ghostscript
MAX_PIXELS = 50_000_000  # an honest camera picture is smaller; a decompression bomb is not


# Pillow's remarks on odd EXIF blocks and large pictures, which we check ourselves. Once, for all threads: the filters
# that `warnings.catch_warnings` sets are those of the whole process.
warnings.filterwarnings("ignore", module=r"PIL\.")


class BadPicture(Exception):
    """A file that is no usable picture; the message says why in a few words."""


def decode(path: str | os.PathLike[str], size: int | None = None, behind: int = 255) -> Image.Image:
    """The picture in `path` as mode RGB, upright by its EXIF orientation.

    With `size`, the largest centred square is scaled to (size, size). Transparent parts show the grey level
    `behind` them (255 is white), 16-bit grey is scaled to 8 bits.

    Raises
    ------
    BadPicture
        The file is empty, cut short, no picture, larger than `MAX_PIXELS`, or its pixels are fractions (float TIFF).
    """
    path = Path(path)
    try:
        if path.stat().st_size == 0:
            raise BadPicture("the file is empty")
        with Image.open(path, formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise BadPicture(f"{picture.width} x {picture.height} pixels are more than {MAX_PIXELS:,}")
            if size is not None:
                picture.draft("RGB", (size, size))  # lets JPEG decode at a fraction of its size, never below `size`
            upright = ImageOps.exif_transpose(picture)
        rgb = _to_rgb(upright, behind)
    except BadPicture:
        raise
    except FileNotFoundError:
        raise BadPicture("the file is not there") from None
    except Exception as error:  # Pillow's decoders raise nearly every built-in type on hostile bytes
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadPicture("not a readable picture" if "cannot identify" in reason else reason) from error
    made = rgb if size is None else ImageOps.fit(rgb, (size, size), Image.Resampling.LANCZOS)
    made.info.clear()  # Pillow writes a JPEG's comment into every JPEG made of it
    return made


def size_in_file(path: Path) -> tuple[int, int] | None:
    """Width and height in pixels as the file says, before EXIF turns it, without decoding it; None of no picture."""
    try:
        with Image.open(path, formats=FORMATS) as picture:
            return picture.size
    except Exception:  # as in `decode`, which says why when the picture is to be shown
        return None


def _to_rgb(picture: Image.Image, behind: int) -> Image.Image:
    if picture.mode == "F":
        raise BadPicture("its pixels are fractions, whose range no format says; save it with whole numbers")
    if picture.mode.startswith("I;16") or picture.mode == "I":
        return picture.convert("I").point(lambda value: value / 257).convert("L").convert("RGB")
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (behind, behind, behind, 255)), rgba).convert("RGB")
    return picture.convert("RGB")
