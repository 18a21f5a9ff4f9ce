"""One view of a folder, a tar or a zip: its files, one after the other, each with a name and an open()."""

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from shell import UserError


@dataclass(frozen=True)
class Member:
    """One regular file; `open()` reads its bytes, and is valid until the next member is asked for."""

    name: str
    open: Callable[[], IO[bytes]]


def is_address(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def members(source: Path) -> Iterator[Member]:
    """The regular files of `source`, hidden ones left out.

    Raises
    ------
    UserError
        `source` is none of the three, is damaged, or has a member that would land outside of the folder.
    """
    try:
        if source.is_dir():
            found: Iterator[Member] = (Member(p.name, _opener(p)) for p in sorted(source.rglob("*")) if p.is_file())
        elif not source.exists():
            raise UserError(f"{source}: no such file or folder.")
        elif zipfile.is_zipfile(source):
            found = _zip_members(source)
        elif tarfile.is_tarfile(source):
            found = _tar_members(source)
        else:
            raise UserError(f"{source}: neither a folder nor a .tar, .tar.gz or .zip that can be read.")
        for member in found:
            path = PurePosixPath(member.name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
                raise UserError(f"{source}: the member {member.name!r} would land outside of the folder; refused.")
            if not path.name.startswith("."):
                yield member
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise UserError(f"{source}: the archive is damaged ({error}).") from error


def total(source: Path) -> int | None:
    """How many files `members` will give, where that is known without reading everything."""
    if source.is_dir():
        return sum(1 for p in source.rglob("*") if p.is_file())
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            return len(archive.infolist())
    return None


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _zip_members(source: Path) -> Iterator[Member]:
    with zipfile.ZipFile(source) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                yield Member(info.filename, lambda info=info: archive.open(info))  # type: ignore[misc]


def _tar_members(source: Path) -> Iterator[Member]:
    def opener(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], IO[bytes]]:
        def read() -> IO[bytes]:
            file = archive.extractfile(info)
            assert file is not None  # a regular file always has contents
            return file

        return read

    with tarfile.open(source) as archive:
        for info in archive:
            if info.isfile():
                yield Member(info.name, opener(archive, info))
