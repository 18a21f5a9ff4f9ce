"""What all sources of pictures share: a set's pictures are swapped in together, or not at all."""

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shell import UserError


@contextmanager
def new_pictures(folder: Path, force: bool) -> Iterator[Path]:
    """An empty folder to fill with pictures; on success it becomes `folder`/images, on failure it is removed.

    Labels and the like that `folder` holds stay.

    Raises
    ------
    UserError
        `folder` holds something already and `force` is off, or is a package of the project.
    """
    if (folder / "__init__.py").exists():
        raise UserError(f"{folder}: holds code of this project; choose another name for the set.")
    if (folder / "images").exists() and not force:
        raise UserError(f"{folder}: this image set exists; --force replaces its pictures.")
    made, old = folder / ".images.new", folder / ".images.old"
    for leftover in (made, old):  # of a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    made.mkdir(parents=True)
    try:
        yield made
        if (folder / "images").exists():
            (folder / "images").rename(old)
        (folder / "set.json").unlink(missing_ok=True)  # until `describe` the set is unfinished
        made.rename(folder / "images")
    finally:
        for leftover in (made, old):
            shutil.rmtree(leftover, ignore_errors=True)
        if not any(folder.iterdir()):
            folder.rmdir()


def set_folder(name: str) -> Path:
    """data/<name>, where `name` is a plain file name that no source file of ours has."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise UserError(f"--name {name!r}: expected letters, digits, '_', '-' and '.', a letter or digit first.")
    return Path("data") / name


def name_left_out(left_out: Mapping[str, str], most: int = 10) -> None:
    """Name what was left out and why; past `most` files only their number."""
    for name, reason in list(left_out.items())[:most]:
        print(f"left out {name}: {reason}")
    if len(left_out) > most:
        print(f"... and {len(left_out) - most} more")
