"""The decoded pictures of a set as one memory-mapped uint8 array per size, rebuilt when a picture changes."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data.decoding import BadPicture, decode
from data.sources import name_left_out
from shell import UserError, progress, whole_file, write_text

if TYPE_CHECKING:
    from data.images import ImageSet


def pictures(images: "ImageSet", size: int) -> tuple[NDArray[np.uint8], list[str]]:
    """All readable pictures of `images` as (N, size, size, 3) uint8, memory-mapped read-only, and their N names.

    Unreadable pictures are named on the terminal and left out. The arrays lie in the set's cache/.

    Raises
    ------
    UserError
        No picture of the set can be read.
    """
    array_path = images.folder / "cache" / f"{size}.npy"
    index_path = array_path.with_suffix(".json")
    state = _state(images)
    made = index_path.exists() and array_path.exists()
    if not made or (index := json.loads(index_path.read_text(encoding="utf-8")))["state"] != state:
        index_path.unlink(missing_ok=True)  # first, so that a killed rebuild leaves no index for the wrong array
        index = {"state": state, **_build(images, size, array_path)}
        write_text(index_path, json.dumps(index))
        name_left_out({str(images.path(name)): reason for name, reason in index["left_out"].items()})
    if not index["names"]:
        raise UserError(f"{images.folder / 'images'}: none of the {len(images.names)} pictures can be read.")
    return np.load(array_path, mmap_mode="r")[: len(index["names"])], index["names"]


def _state(images: "ImageSet") -> str:
    """A hash of all names, sizes and modification times: changes when any picture does."""
    with os.scandir(images.folder / "images") as entries:
        stats = {e.name: ((stat := e.stat()).st_size, stat.st_mtime_ns) for e in entries}
    lines = ("\t".join(map(str, (name, *stats[name]))) for name in images.names if name in stats)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _build(images: "ImageSet", size: int, array_path: os.PathLike[str]) -> dict[str, object]:
    def decode_one(name: str) -> NDArray[np.uint8] | str:
        try:
            return np.asarray(decode(images.path(name), size))
        except BadPicture as error:
            return str(error)

    parts = (images.names[i : i + 1024] for i in range(0, len(images.names), 1024))
    names: list[str] = []
    left_out: dict[str, str] = {}
    with whole_file(array_path) as aside, ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes outside the GIL
        array = np.lib.format.open_memmap(aside, "w+", np.uint8, (len(images.names), size, size, 3))
        decoded = (picture for some in parts for picture in pool.map(decode_one, some))  # not all wait in memory
        shown = progress(decoded, "decoding", len(images.names), "picture")
        try:
            for name, picture in zip(images.names, shown, strict=True):
                if isinstance(picture, str):
                    left_out[name] = picture
                else:
                    array[len(names)] = picture
                    names.append(name)
        finally:  # or Windows could neither rename the file nor remove it
            array.flush()
            del array
    return {"names": names, "left_out": left_out}
