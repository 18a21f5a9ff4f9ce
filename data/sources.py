"""What all sources of pictures share: a set's pictures are swapped in together, or not at all."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from data import calibration
from shell import UserError

NAMED = 10  # files


@contextmanager
def new_pictures(folder: Path, force: bool) -> Iterator[Path]:
    """An empty folder to fill with pictures; on success it becomes `folder`/images, on failure it is removed.

    Labels that `folder` holds stay. What describes the old pictures is put aside: until `describe` the set is
    unfinished.

    Raises
    ------
    UserError
        `folder` holds pictures already and `force` is off, or it is a package of the project.
    """
    if (folder / "__init__.py").exists():
        raise UserError(f"{folder}: holds code of this project; choose another name for the set.")
    images, made, old = folder / "images", folder / ".images.new", folder / ".images.old"
    if old.exists() and not images.exists():  # killed in the middle of the swap
        old.rename(images)
    refuse_old_pictures(folder, force)
    for leftover in (made, old):
        shutil.rmtree(leftover, ignore_errors=True)
    made.mkdir(parents=True)
    try:
        yield made
        put_aside(folder / "metadata.csv", "metadata")  # to which people add columns, or which is not ours at all
        put_aside(folder / "set.json", "levels and licence")
        if images.exists():
            images.rename(old)
        try:
            made.rename(images)
        except OSError:
            old.rename(images)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(made, ignore_errors=True)
        if not any(folder.iterdir()):
            folder.rmdir()


def refuse_old_pictures(folder: Path, force: bool) -> None:
    """Raise UserError where `folder` holds pictures already and `force` is off."""
    if (folder / "images").exists() and not force:
        raise UserError(f"{folder}: this image set exists; --force replaces its pictures.")


def set_folder(name: str) -> Path:
    """data/<name>, where `name` is a plain file name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise UserError(f"--name {name!r}: expected letters, digits, '_', '-' and '.', a letter or digit first.")
    return Path("data") / name


def name_left_out(left_out: Mapping[str, str]) -> None:
    """Name what was left out and why; past `NAMED` files only their number."""
    for name, reason in islice(left_out.items(), NAMED):
        print(f"left out {name}: {reason}")
    if len(left_out) > NAMED:
        print(f"... and {len(left_out) - NAMED} more")


def put_labels_aside(folder: Path) -> None:
    """Rename what answers became: made faces always have the same names, and old labels would pass for new faces'."""
    put_aside(folder / "labels.csv", "labels")
    put_aside(folder / "labels.json", "account of the labels")
    put_aside(folder / "labels.html", "report")
    put_aside(folder / calibration.FILE, "calibration")


def put_aside(path: Path, what: str) -> None:
    """Rename a file of an image set that tells of its old pictures, if there is one, and say so."""
    if not path.exists():
        return
    stem, number = f"{path.stem}_of_old_pictures", 1
    aside = path.with_stem(stem)
    while aside.exists():
        number += 1
        aside = path.with_stem(f"{stem}_{number}")
    print(f"{path.parent}: {what} of the old pictures: now {path.rename(aside).name}")


def judged_by_people(folder: Path, sessions: Path) -> Path | None:
    """What shows that people, no simulation, have judged the set in `folder`: a recording, or a calibration by tables.

    None where nothing does. A calibration that cannot be read counts as theirs.
    """
    made = folder / calibration.FILE
    if made.exists():
        try:
            if not calibration.read_calibration(folder).simulated:
                return made
        except UserError:
            return made
    image_set = folder.resolve().name
    for path in sorted(sessions.glob("sub-*/beh/*_beh.json")):
        try:
            sidecar = json.loads(path.read_text(encoding="utf-8-sig"))
        except ValueError:
            continue
        if isinstance(sidecar, dict) and sidecar.get("ImageSet") == image_set and not sidecar.get("Simulated"):
            return path
    return None
