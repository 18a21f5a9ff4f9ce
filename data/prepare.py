"""Prepare an image set.

python -m data.prepare drawn                                       # our own parametric faces -> data/faces
python -m data.prepare folder --source my_pictures --name mine     # your pictures            -> data/mine
python -m data.prepare utkface --source UTKFace.tar.gz             # UTKFace, your own copy   -> data/utkface
"""

from dataclasses import dataclass
from pathlib import Path

import shell
from data.images import DEFAULT


@dataclass(frozen=True)
class Drawn:
    """Draw faces whose true smile is known: the default image set."""

    count: int = 1000
    """How many faces."""
    seed: int = 0
    """Seed of identities and smiles; face i of a seed is the same for every count."""
    size: int = 128
    """Width and height in pixels."""
    data: Path = DEFAULT
    """The image set to make."""
    force: bool = False
    """Replace the pictures of a set that exists. Recordings of the old pictures no longer fit the new ones."""


@dataclass(frozen=True)
class Folder:
    """Make an image set of pictures of your own. They are copied as they are; unusable ones are named and left out."""

    source: Path
    """Folder with pictures (and folders of pictures)."""
    name: str
    """Name of the set; it becomes data/NAME."""
    licence: str = "unknown"
    """Under what licence you may use the pictures; kept in set.json."""
    force: bool = False
    """Replace the pictures of a set that exists."""


@dataclass(frozen=True)
class Utkface:
    """Make an image set of your own copy of UTKFace, as published, with age, gender and race from the file names."""

    source: str
    """A folder, a .tar, .tar.gz or .zip, or an http(s) address of one."""
    labels: Path | None = None
    """A label table to import: image, smile, or the published stimulus_filename, avg_encode."""
    data: Path = Path("data/utkface")
    """The image set to make."""
    force: bool = False
    """Replace the pictures of a set that exists."""


def main(settings: Drawn | Folder | Utkface) -> None:
    match settings:
        case Drawn():
            from data.drawn.source import prepare_drawn

            folder = prepare_drawn(settings)
        case Folder():
            from data.folder import prepare_folder

            folder = prepare_folder(settings)
        case Utkface():
            from data.utkface import prepare_utkface

            folder = prepare_utkface(settings)
    option = "" if folder == DEFAULT else f" --data {shell.typed(folder)}"
    print(f"Image set: {folder}\nNext: python -m annotator --subject me{option}")


if __name__ == "__main__":
    shell.run(main, Drawn | Folder | Utkface)
