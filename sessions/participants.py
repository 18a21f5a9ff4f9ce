"""participants.tsv: one row per subject, with what a subject told about themselves."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sessions import files, schema
from shell import UserError, locked, write_text

COLUMNS: dict[str, dict[str, Any]] = {
    "age": {"Description": "Age in years.", "Units": "year"},
    "sex": {"Description": "Sex.", "Levels": {"F": "female", "M": "male", "O": "other"}},
    "handedness": {"Description": "The hand they write with.", "Levels": {"L": "left", "R": "right", "A": "both"}},
}


def read(folder: str | os.PathLike[str], subject: str) -> dict[str, str]:
    """The row of `subject` without what is n/a; empty where there is none."""
    return rows(folder).get(subject, {})


def rows(folder: str | os.PathLike[str]) -> dict[str, dict[str, str]]:
    """The row of each subject without what is n/a."""
    header, table = _table(Path(folder) / "participants.tsv")
    found: dict[str, dict[str, str]] = {}
    for row in table:
        cells = {column: value for column, value in zip(header, row, strict=False) if value != schema.MISSING}
        found.setdefault(cells.get("participant_id", "").removeprefix("sub-"), cells)
    return found


def add(folder: Path, subjects: Iterable[str]) -> None:
    """A row for each of `subjects` that has none, below what people wrote. The caller holds the dataset's lock."""
    path = folder / "participants.tsv"
    header, rows = _table(path)
    known = {cell for row in rows for cell in row[header.index("participant_id") :][:1]}
    new = [f"sub-{subject}" for subject in subjects if f"sub-{subject}" not in known]
    if new:
        blank = dict.fromkeys(header, schema.MISSING)
        rows += [list((blank | {"participant_id": name}).values()) for name in new]
        _write(path, header, rows)


def forget(folder: Path, subject: str) -> None:
    """Take out what `subject` told, and the row if it holds nothing else. The caller holds the dataset's lock."""
    path = folder / "participants.tsv"
    header, rows = _table(path)
    name = f"sub-{subject}"
    kept = []
    for row in rows:
        cells = dict(zip(header, row, strict=False))
        if cells.get("participant_id") == name:
            cells |= dict.fromkeys(COLUMNS.keys() & cells.keys(), schema.MISSING)
            row = list(cells.values())
            if not set(row) - {name, schema.MISSING}:
                continue
        kept.append(row)
    if kept != rows:
        _write(path, header, kept)


def describe(folder: str | os.PathLike[str], subject: str, answers: Mapping[str, str | int | None]) -> None:
    """Fill in `answers` (of `COLUMNS`; None is n/a) in the row of `subject`, and describe their columns."""
    folder = Path(folder)
    path = folder / "participants.tsv"
    with locked(folder / ".lock"):
        header, rows = _table(path)
        sidecar = path.with_suffix(".json")
        known = files.read_json(sidecar) if sidecar.exists() else {}
        wide = [*header, *(column for column in answers if column not in header)]
        table = [dict.fromkeys(wide, schema.MISSING) | dict(zip(header, row, strict=False)) for row in rows]
        for cells in table:
            if cells["participant_id"] == f"sub-{subject}":
                cells |= {column: schema.MISSING if value is None else str(value) for column, value in answers.items()}
        _write(path, wide, [list(cells.values()) for cells in table])
        missing = {column: COLUMNS[column] for column in answers if column not in known}
        if missing:
            write_text(sidecar, schema.to_json(known | missing))


def _write(path: Path, header: list[str], rows: list[list[str]]) -> None:
    write_text(path, "".join("\t".join(row) + "\n" for row in (header, *rows)))


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows; those of a table without subjects where the file is missing or empty."""
    try:
        text = path.read_text(encoding=files.ENCODING) if path.exists() else ""
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text ({error}).") from error
    lines = [line for line in text.split("\n") if line] or ["participant_id"]  # other line ends may be within a cell
    header, *rows = [line.split("\t") for line in lines]
    if "participant_id" not in header:
        raise UserError(f"{path}: no column 'participant_id', found {', '.join(header)}.")
    return header, rows
