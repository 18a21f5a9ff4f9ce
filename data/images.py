"""An image set on disk: data/<set>/ with images/, labels.csv, metadata.csv and set.json."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.decoding import SUFFIXES
from shell import UserError, whole_file, write_text

if TYPE_CHECKING:  # the annotator lists and shows pictures without waiting for pandas
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

DEFAULT = Path("data/faces")
LABEL_FILES = ("labels.csv", "labels_published.csv")  # our own labels come before imported ones


def is_validation(name: str) -> bool:
    """Whether the image called `name` is kept for validation: one in ten, by a hash, so the same on every machine.

    The hash is salted, so that the split has nothing to do with which images are shown first (which is by hash too).
    """
    digest = hashlib.sha256(f"validation {name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 10 == 0


@dataclass(frozen=True)
class ImageSet:
    """A folder of pictures with its tables. Make one with `open_set`."""

    folder: Path
    names: tuple[str, ...]
    """File names in images/, sorted."""

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    def path(self, name: str) -> Path:
        return self.folder / "images" / name

    def about(self) -> dict[str, Any]:
        """What set.json says: name, source, licence. Empty where there is none."""
        return read_about(self.folder)

    def labels(self) -> "pd.DataFrame":
        """The label table, columns at least `image` and `smile` (in [-1, 1]); no rows where the set has no labels."""
        from data.tables import read_labels

        for file in LABEL_FILES:
            if (self.folder / file).exists():
                return read_labels(self.folder / file)
        import pandas as pd

        return pd.DataFrame({"image": pd.Series(dtype=str), "smile": pd.Series(dtype=float)})

    def metadata(self) -> "pd.DataFrame":
        """metadata.csv: one row per image, column `image` and whatever else is known (age, gender, true_smile, ...)."""
        from data.tables import read_metadata

        return read_metadata(self.folder / "metadata.csv")

    def metadata_in_words(self) -> "pd.DataFrame":
        """The metadata for people to read: words in place of the codes that set.json explains.

        Its `levels` say what the codes of a column mean, as in a BIDS sidecar: {"gender": {"0": "male", ...}, ...}.
        """
        from data.tables import in_words

        levels = self.about().get("levels", {})
        if not isinstance(levels, dict) or not all(isinstance(words, dict) for words in levels.values()):
            raise UserError(f"{self.folder / 'set.json'}: levels: expected one object of code: word per column.")
        return in_words(self.metadata(), levels)

    def pictures(self, size: int) -> "tuple[NDArray[np.uint8], list[str]]":
        """All readable pictures, (N, size, size, 3) uint8 memory-mapped, and their N file names. See `data.cache`."""
        from data.cache import pictures

        return pictures(self, size)


def open_set(folder: str | os.PathLike[str]) -> ImageSet:
    """The image set in `folder`.

    Raises
    ------
    UserError
        There is no such folder or no picture in it; the message names the command that makes one.
    """
    folder = Path(folder)
    images = folder / "images"
    if not images.is_dir():
        raise UserError(f"{folder}: no image set here (expected a folder {images}); {_how_to_make(folder)}")
    with os.scandir(images) as entries:
        found = [e.name for e in entries if not e.name.startswith(".") and Path(e.name).suffix.lower() in SUFFIXES]
    names = sorted(name for name in found if name.isprintable())  # a table must be able to hold them
    if len(names) < len(found):
        print(f"left out {len(found) - len(names)} pictures of {images}: their names are not plain text")
    if not names:
        raise UserError(f"{images}: no pictures here; {_how_to_make(folder)}")
    return ImageSet(folder, tuple(names))


def _how_to_make(folder: Path) -> str:
    if folder == DEFAULT:
        return "python -m data.prepare drawn makes them."
    return "python -m data.prepare --help lists the ways to make one."


def read_about(folder: Path) -> dict[str, Any]:
    """set.json of the set in `folder`; empty where there is none, because the set is unfinished or made by hand."""
    path = folder / "set.json"
    if not path.exists():
        return {}
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error}).") from error
    if not isinstance(about, dict):
        raise UserError(f"{path}: expected a JSON object.")
    return about


def describe(folder: Path, metadata: "pd.DataFrame", about: Mapping[str, Any]) -> None:
    """Write a set's metadata.csv and set.json: the last step of every source, so a set without them is unfinished."""
    with whole_file(folder / "metadata.csv") as aside:
        metadata.to_csv(aside, index=False, lineterminator="\n")
    write_text(folder / "set.json", json.dumps(about, indent=2) + "\n")
