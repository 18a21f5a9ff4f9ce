"""One view of a folder, a tar or a zip: its files, one after the other, each as a name and its bytes."""

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Self

from shell import UserError

MAX_BYTES = 100_000_000  # of one file; a picture is smaller, what a hostile archive unpacks to is not
MAX_HEADER = 1_000_000  # bytes of a name, or of what else a tar tells of a file; tarfile holds them in memory


def is_address(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def members(source: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each regular file of `source`; links and hidden files are left out.

    Raises
    ------
    UserError
        `source` is none of the three, is damaged, or has a member that would land outside of the folder.
    """
    if bare := source.is_dir():  # names without a path
        found = _folder_members(source)
    elif not source.exists():
        raise UserError(f"{source}: no such file or folder.")
    elif zipfile.is_zipfile(source):
        found = _zip_members(source)
    elif _is_tar(source):
        found = _tar_members(source)
    else:
        raise UserError(f"{source}: neither a folder nor a .tar, .tar.gz or .zip that can be read.")
    try:
        for name, content in found:
            path = PurePosixPath(name.replace("\\", "/"))
            if not bare and (path.is_absolute() or ".." in path.parts or ":" in name):
                raise UserError(f"{source}: the member {name!r} would land outside of the folder; refused.")
            if not path.name.startswith("."):
                yield name, content
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, RuntimeError, OSError) as error:
        raise UserError(f"{source}: the archive is damaged ({error}).") from error


def total(source: Path) -> int | None:
    """How many files `members` will give, where that is known without reading everything."""
    if source.is_dir():
        return sum(1 for path in source.rglob("*") if path.is_file())
    if zipfile.is_zipfile(source):
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(source) as archive:
            return len(archive.infolist())
    return None


def _folder_members(source: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(source.rglob("*")):
        if path.is_file() and not path.is_symlink():
            if path.stat().st_size <= MAX_BYTES:
                yield path.name, path.read_bytes()
            else:
                print(f"left out {path}: more than {MAX_BYTES:,} bytes")


def _zip_members(source: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(source) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                _check_size(source, info.filename, info.file_size)
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack without bounds
                    raise UserError(f"{source}: the member {info.filename!r} is neither stored nor deflated; refused.")
                with archive.open(info) as file:  # of which archive.read unpacks up to 2 GB, whatever the size told
                    yield info.filename, file.read(info.file_size)


def _tar_members(source: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(source, tarinfo=_Header) as archive:
        for info in archive:
            file = archive.extractfile(info) if info.isfile() else None
            if file is not None:
                _check_size(source, info.name, info.size)
                yield info.name, file.read()


def _is_tar(source: Path) -> bool:
    try:
        with tarfile.open(source, tarinfo=_Header):
            return True
    except tarfile.TarError:
        return False


class _Header(tarfile.TarInfo):
    """A member's header; one that is damaged is an error, where tarfile takes it for the end and says nothing."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if not any(buf):  # the end
                raise
            raise tarfile.ReadError(f"damaged header: {error}") from error
        if header.type not in tarfile.REGULAR_TYPES and header.size > MAX_HEADER:
            raise tarfile.ReadError(f"a header of {header.size:,} bytes")
        return header


def _check_size(source: Path, name: str, size: int) -> None:
    if size > MAX_BYTES:
        raise UserError(f"{source}: the member {name!r} is {size:,} bytes, at most {MAX_BYTES:,} are expected.")
