"""The writer of one run: every trial is on the disk before the next face is shown."""

import math
import os
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sessions import files, participants, schema
from shell import UserError, locked, write_text

Value = str | float | bool | None


class RunWriter:
    """Records one run of one subject, as a context manager.

    Entering takes the subject's lock, the next free run number and writes a header; nothing is ever overwritten.
    Leaving keeps the file as it is, also after an error; a run without a single trial leaves no file, and
    a subject without any no folder and nothing of what they told in participants.tsv.

    Parameters
    ----------
    folder : the dataset's folder, made where it is not there.
    subject : letters and digits; differs from all other subjects in more than case.
    image_set : name of the image set that is shown.
    sidecar : what belongs to the run as a whole (Seed, KeyMap, ImageSHA256, RefreshRate, ...). Simulated is false
        unless given.
    columns : extra columns beside those of `schema.COLUMNS`, described like them (Description, Units, Levels).

    Raises
    ------
    UserError
        The subject's id will not do, or another process is recording this subject.
    """

    path: Path
    number: int

    def __init__(
        self,
        folder: str | os.PathLike[str],
        subject: str,
        image_set: str,
        sidecar: Mapping[str, Any] | None = None,
        columns: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.subject = subject
        descriptions = {name: dict(about) for name, about in (columns or {}).items()}
        self.columns = (*schema.COLUMNS, *descriptions)
        self.sidecar: dict[str, Any] = {
            "TaskName": schema.TASK,
            "ImageSet": image_set,
            "Simulated": False,
            **(sidecar or {}),
            **descriptions,
        }
        if clash := descriptions.keys() & (schema.COLUMNS.keys() | (sidecar or {}).keys()):
            raise ValueError(f"not free for an extra column: {sorted(clash)}")

    def __enter__(self) -> Self:
        files.check_subject(self.folder, self.subject)
        home = self.folder / f"sub-{self.subject}"
        with ExitStack() as undo:
            with locked(self.folder / ".lock"):  # without it, `forget` may remove the folder that we wait in
                undo.enter_context(
                    locked(home / ".lock", f"subject {self.subject!r} is being recorded by another process.")
                )
                _describe_dataset(self.folder, self.subject)
            self.number = 1 + max((_run_number(path) for path in (home / "beh").glob("*_run-*")), default=0)
            self.path = home / "beh" / f"sub-{self.subject}_task-{schema.TASK}_run-{self.number:02d}_beh.tsv"
            self.update()  # the sidecar first, so that there is no moment in which rows lie there unexplained
            header = "\t".join(self.columns) + "\n"
            write_text(self.path, header)
            self._file = undo.enter_context(self.path.open("r+b", buffering=0))
            self._empty = self._whole = len(header.encode())
            self._trials: set[Value] = set()
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._undo:
            if self._whole == self._empty:
                self._file.close()
                self.path.unlink()
                self.path.with_suffix(".json").unlink()
        if self._whole == self._empty:
            forget(self.folder, self.subject)  # after the lock is released: Windows removes no open file

    def write(self, **row: Value) -> None:
        """Append one trial and return when it is on the disk. Columns that are not given are written as n/a.

        Raises
        ------
        ValueError
            An unknown column, or a value that no reader would take.
        UserError
            A text has a character that a table cannot hold, such as a tab in a file's name.
        OSError
            The disk is full or gone. The file is left with whole rows; calling again tries again.
        """
        self.write_all([row])

    def write_all(self, rows: Iterable[Mapping[str, Value]]) -> None:
        """Append several trials, all or none, as `write` does one."""
        rows = list(rows)
        text = "".join("\t".join(map(_to_text, self._checked(row))) + "\n" for row in rows)
        trials = [*self._trials, *(row["trial"] for row in rows)]
        if len(set(trials)) < len(trials):
            raise ValueError("a trial's number stands in a row above")
        rest = memoryview(text.encode())
        if os.fstat(self._file.fileno()).st_nlink == 0:
            self._restore()
        try:
            self._file.truncate(self._whole)  # what an earlier failure may have left
            self._file.seek(self._whole)
            while rest:
                rest = rest[self._file.write(rest) :]
            flush_to_disk(self._file.fileno())
        except OSError:
            self._file.truncate(self._whole)
            raise
        self._whole = self._file.tell()
        self._trials = set(trials)

    def _restore(self) -> None:
        """Make the run anew after somebody removed it: its rows are still there for us who hold the file open."""
        self._file.seek(0)
        rows = self._file.read(self._whole)
        self.update()
        write_text(self.path, rows.decode())
        self._file = self._undo.enter_context(self.path.open("r+b", buffering=0))

    def update(self, **sidecar: Any) -> None:
        """Add to the run's sidecar what is measured while it runs; the file is replaced as a whole."""
        self.sidecar.update(sidecar)
        write_text(self.path.with_suffix(".json"), schema.to_json(self.sidecar))

    def _checked(self, row: Mapping[str, Value]) -> Iterable[Value]:
        if unknown := row.keys() - set(self.columns):
            raise ValueError(f"no such columns: {sorted(unknown)}")
        if row.get("trial_type") not in schema.TRIAL_TYPES:
            raise ValueError(f"trial_type is {row.get('trial_type')!r}, expected one of {schema.TRIAL_TYPES}")
        response, response_time = row.get("response"), row.get("response_time")
        if response is not None and response not in schema.RESPONSES:
            raise ValueError(f"response is {response!r}, expected one of {tuple(schema.RESPONSES)} or None")
        if (response is None) != (response_time is None):
            raise ValueError("response and response_time are there together or not at all")
        image = row.get("image")
        if not isinstance(image, str) or not re.fullmatch(schema.PICTURE, image):
            raise ValueError(f"image is {image!r}, expected the name of a picture")
        if row.get("trial") is None:
            raise ValueError("a row needs its trial number")
        for column, (holds, expected) in schema.NUMBERS.items():
            value = row.get(column)
            if value is not None and (isinstance(value, str | bool) or not math.isfinite(value) or not holds(value)):
                raise ValueError(f"{column} is {value!r}, expected {expected}")
        return (row.get(column) for column in self.columns)


def forget(folder: Path, subject: str) -> None:
    """Nothing says any more that somebody was here, if no run of theirs has a row: what they told goes, too."""
    home = folder / f"sub-{subject}"
    with suppress(OSError, UserError), locked(folder / ".lock"):  # a tidy dataset is no reason to fail
        with locked(home / ".lock", f"subject {subject!r} is being recorded by another process."):
            if files.has_rows(folder, subject):
                return
            for path in files.run_paths(folder, subject):  # of a program that was killed before the first face
                path.unlink()
                path.with_suffix(".json").unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            (home / "beh").rmdir()
        (home / ".lock").unlink()  # released by now: Windows removes no open file
        home.rmdir()
        participants.forget(folder, subject)  # last: BIDS wants a row for every folder, and a folder for every row


def flush_to_disk(descriptor: int) -> None:
    """Return when what was written is on the disk itself."""
    if sys.platform == "darwin":  # whose fsync leaves it in the drive's cache
        import fcntl

        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
        except OSError:
            pass  # a network drive may know fsync only
    os.fsync(descriptor)


def _to_text(value: Value) -> str:
    if value is None:
        return schema.MISSING
    if isinstance(value, str):
        if not set(value).isdisjoint("\t\n\r\0"):
            raise UserError(f"{value!r} has a character that a table cannot hold: rename the file.")
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError(f"{value} is no finite number")
    return str(value)  # of a float: the shortest text that reads back as the same number


def _run_number(path: Path) -> int:
    digits = path.name.partition("_run-")[2].partition("_")[0]
    return int(digits) if digits.isdecimal() else 0


def _describe_dataset(folder: Path, subject: str) -> None:
    """The files that make `folder` a BIDS dataset, where they are missing, and all subjects in participants.tsv.

    What people have changed in them stays: rows and columns (age, sex, ...) are only added to. The caller holds the
    dataset's lock.
    """
    for name, text in (
        ("dataset_description.json", schema.to_json(schema.DATASET_DESCRIPTION)),
        ("participants.json", schema.to_json(schema.PARTICIPANTS_SIDECAR)),
        (f"task-{schema.TASK}_beh.json", schema.to_json(schema.TASK_SIDECAR)),
        ("README", schema.README),
        (".bidsignore", schema.BIDSIGNORE),
    ):
        if not (folder / name).exists():
            write_text(folder / name, text)
    recorded = {one for one in files.subjects(folder) if (folder / f"sub-{one}" / "beh").is_dir()}
    participants.add(folder, sorted(recorded | {subject}))
