"""Source: a folder of the user's own pictures."""

import os
import shutil
from typing import TYPE_CHECKING

import pandas as pd

from data.decoding import SUFFIXES, BadPicture, decode
from data.images import describe
from data.sources import name_left_out, new_pictures, set_folder
from shell import UserError, progress

UNREAD = {".avif", ".cr2", ".dng", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jxl", ".nef", ".psd", ".tga"}
"""Pictures of kinds that are not read: no surprise if they are named."""

if TYPE_CHECKING:
    from pathlib import Path

    from data.prepare import Folder


def prepare_folder(settings: "Folder") -> "Path":
    """Copy every readable picture below `settings.source` into data/<name>/images; returns data/<name>.

    A picture in a subfolder gets the subfolder's name in front (`a/b.png` -> `a_b.png`).
    """
    folder, source = set_folder(settings.name), settings.source
    if not source.is_dir():
        raise UserError(f"{source}: no such folder; --source names a folder with pictures.")
    found = sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES | UNREAD and p.is_file())
    left_out: dict[str, str] = {}
    names: dict[str, Path] = {}
    with new_pictures(folder, settings.force) as images:
        for path in progress(found, "copying", len(found), "picture"):
            parts = path.relative_to(source).parts
            if any(part.startswith(".") for part in parts):
                continue
            name = os.fsencode("_".join(parts)).decode("utf-8", "replace")
            if path.suffix.lower() in UNREAD:
                left_out[os.fspath(path)] = f"{path.suffix} is not read; expected {', '.join(sorted(SUFFIXES))}"
                continue
            if not name.isprintable():  # a table must be able to hold it
                left_out[ascii(os.fspath(path))] = "its name is not plain text"
                continue
            try:
                decode(path)
            except BadPicture as error:
                left_out[os.fspath(path)] = str(error)
                continue
            if name.lower() in names:  # two files must not become one on a file system that ignores case
                left_out[os.fspath(path)] = f"its name {name} is that of {names[name.lower()]} too"
                continue
            shutil.copyfile(path, images / name)
            names[name.lower()] = path
        if not names:
            name_left_out(left_out)
            raise UserError(
                f"{source}: no readable picture ({len(left_out)} left out); expected {', '.join(sorted(SUFFIXES))}."
            )
        made = sorted(p.name for p in images.iterdir())
    name_left_out(left_out)
    print(f"{len(made):,} pictures, {len(left_out):,} left out")
    describe(
        folder,
        pd.DataFrame({"image": made}),
        {"name": settings.name, "source": "a folder of pictures", "licence": settings.licence, "count": len(made)},
    )
    return folder
