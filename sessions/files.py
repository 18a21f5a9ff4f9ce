"""Where runs lie: subjects' folders, run numbers, sidecars, and what a subject has done so far. Needs no pandas."""

import codecs
import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sessions.schema import TASK
from shell import UserError

RUN_NAME = re.compile(rf"sub-(?P<subject>[A-Za-z0-9]+)_task-{TASK}_run-(?P<run>[0-9]{{1,9}})_beh\.tsv")
ENCODING = "utf-8-sig"  # UTF-8; a byte order mark, as spreadsheets leave it, is no part of the text


@dataclass(frozen=True)
class Run:
    """One recording of one subject: the table `path` and the sidecar beside it."""

    path: Path
    subject: str
    number: int
    sidecar: dict[str, Any]

    def rows(self) -> list[dict[str, str]]:
        """The whole rows as text, one dictionary per trial; a last row cut by a killed writer is left out.

        Raises UserError where they are not UTF-8, or a row has not as many cells as the header.
        """
        content, _ = whole_lines(self.path)
        try:
            header, *lines = content.decode().rstrip("\n").split("\n")
        except UnicodeDecodeError as error:
            raise UserError(f"{self.path}: not UTF-8 text ({error}).") from error
        columns = header.split("\t")
        rows = [line.split("\t") for line in lines]
        for number, row in enumerate(rows, 2):
            if len(row) != len(columns):
                raise UserError(f"{self.path}, row {number}: {len(row)} cells, expected {len(columns)}.")
        return [dict(zip(columns, row, strict=True)) for row in rows]


def whole_lines(path: Path) -> tuple[bytes, bytes]:
    """What a table holds up to its last line end, line ends as \\n, and the tail that a killed writer left after it.

    The tail may be anything: half a letter, or null bytes after a power cut.
    """
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n")
    head, end, tail = content.rpartition(b"\n")
    return head + end, tail


def check_subject(folder: str | os.PathLike[str], subject: str) -> None:
    """Raise UserError unless `subject` is letters and digits and differs from other subjects in more than case."""
    if not re.fullmatch(r"[A-Za-z0-9]+", subject):
        raise UserError(f"subject {subject!r}: expected letters A-Z, a-z and digits only, such as alice or p07.")
    for other in subjects(folder):
        if other != subject and other.lower() == subject.lower():
            raise UserError(
                f"subject {subject!r}: {folder} has a subject {other!r}; ids must differ in more than case."
            )


def subjects(folder: str | os.PathLike[str]) -> list[str]:
    """The ids of all subjects who have a folder, sorted."""
    return sorted(path.name.removeprefix("sub-") for path in Path(folder).glob("sub-*") if path.is_dir())


def run_paths(folder: str | os.PathLike[str], subject: str = "*", suffix: str = ".tsv") -> list[Path]:
    """The tables, or sidecars, of all runs of one subject, or of all, sorted; none that macOS keeps beside them."""
    found = Path(folder).glob(f"sub-{subject}/beh/*_task-{TASK}_*beh{suffix}")
    return sorted(path for path in found if not path.name.startswith("."))


def has_rows(folder: str | os.PathLike[str], subject: str) -> bool:
    """Whether `subject` has answered anything: a row, be it cut short, follows the header of one of the tables."""
    contents = map(whole_lines, run_paths(folder, subject))
    return any(whole.count(b"\n") > 1 or bool(tail) for whole, tail in contents)


def read_run(path: Path) -> Run:
    """The run whose table is `path`, with its sidecar but without its rows.

    Raises
    ------
    UserError
        The name is not that of a run, or the sidecar is missing, no JSON object, or without ImageSet and Simulated.
    """
    match = RUN_NAME.fullmatch(path.name)
    if match is None or path.parent.parent.name != f"sub-{match['subject']}":
        raise UserError(f"{path}: not the name of a run, expected sub-ID/beh/sub-ID_task-{TASK}_run-01_beh.tsv.")
    return Run(path, match["subject"], int(match["run"]), _read_sidecar(path.with_suffix(".json")))


def read_runs(paths: Iterable[Path], bad: list[UserError]) -> list[Run]:
    """The runs whose tables are `paths`, by subject and number; why others cannot be read goes to `bad`."""
    found = []
    for path in paths:
        try:
            found.append(read_run(path))
        except UserError as error:
            bad.append(error)
    return sorted(found, key=lambda run: (run.subject, run.number))


def runs(folder: str | os.PathLike[str], subject: str, image_set: str) -> list[Run]:
    """What `subject` has recorded on `image_set`, in the order of the run numbers: for a recording that goes on."""
    of_subject = [read_run(path) for path in run_paths(folder, subject)]
    return sorted((run for run in of_subject if run.sidecar["ImageSet"] == image_set), key=lambda run: run.number)


def content_hash(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a picture file, as a run's sidecar keeps it in ImageSHA256."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; UserError where it holds anything else, FileNotFoundError where there is none."""
    try:
        found = json.loads(path.read_text(encoding=ENCODING))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not a JSON file ({error}).") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: expected a JSON object.")
    return found


def _read_sidecar(path: Path) -> dict[str, Any]:
    try:
        sidecar = read_json(path)
    except FileNotFoundError:
        raise UserError(f"{path}: the sidecar of this run is missing.") from None
    hashes = sidecar.get("ImageSHA256", {})
    for key, value, kind in (
        ("ImageSet", sidecar.get("ImageSet"), str),
        ("Simulated", sidecar.get("Simulated"), bool),
        ("ImageSHA256", hashes, dict),
    ):
        if not isinstance(value, kind):
            raise UserError(f"{path}: {key} is {value!r}, expected a {kind.__name__}.")
    if not set(map(type, hashes.values())) <= {str}:
        raise UserError(f"{path}: ImageSHA256 has a value that is no text, expected a hash per image.")
    return sidecar
