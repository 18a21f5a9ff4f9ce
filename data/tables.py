"""A set's two tables, read strictly: labels.csv (or the published SmileCVAE labels) and metadata.csv."""

import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from shell import UserError

DEGREES = {"smile": (-1, 1), "smile_low": (-1, 1), "smile_high": (-1, 1), "smile_se": (0, 2)}  # from, to
PUBLISHED = {"stimulus_filename": "image", "avg_encode": "smile"}  # the columns of the published SmileCVAE labels


def read_labels(path: Path) -> pd.DataFrame:
    """A label table with at least `image` (file name) and `smile` (float in [-1, 1]), one row per image.

    Raises
    ------
    UserError
        A column is missing, a degree or its error is no number in its range, or an image stands twice; with file and
        row.
    """
    table = _read(path)
    table = table.rename(columns={theirs: ours for theirs, ours in PUBLISHED.items() if ours not in table.columns})
    table = table.drop(columns=[c for c in table.columns if str(c).startswith("Unnamed")])  # a nameless index column
    for column in ("image", "smile"):
        if column not in table.columns:
            raise UserError(
                f"{path}: no column '{column}'; expected 'image, smile' or 'stimulus_filename, avg_encode', "
                f"found {', '.join(map(str, table.columns))}."
            )
    degrees = {}
    for column in table.columns.intersection(list(DEGREES)):
        low, high = DEGREES[column]
        numbers = pd.to_numeric(table[column], errors="coerce").astype(float)
        bad = np.flatnonzero(~numbers.between(low, high))  # NaN is not between either
        if len(bad):
            raise UserError(
                f"{path}, row {table.index[bad[0]] + 2}: {column} is {str(table[column].iloc[bad[0]])!r}, "
                f"expected a number in [{low}, {high}]."
            )
        degrees[column] = numbers
    return _unique(table.assign(**degrees), path).reset_index(drop=True)


def read_metadata(path: Path) -> pd.DataFrame:
    """metadata.csv as it is: a column `image`, one row per image; only that column, without rows, where no file is."""
    if not path.exists():
        return pd.DataFrame({"image": pd.Series(dtype=str)})
    table = _read(path)
    if "image" not in table.columns:
        raise UserError(f"{path}: no column 'image', found {', '.join(map(str, table.columns))}.")
    return _unique(table, path).reset_index(drop=True)


def in_words(metadata: pd.DataFrame, levels: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """The table with words for the codes of its columns; `levels` has, per column, the word of each code as text.

    1, 1.0 and "1" are one code. A code without a word stays, as text.
    """
    words = {}
    for column in metadata.columns.intersection(list(levels)):
        codes = metadata[column].map(_code, na_action="ignore")
        words[column] = codes.map({code: str(levels[column].get(code, code)) for code in codes.dropna().unique()})
    return metadata.assign(**words)


def _code(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def read_csv(path: Path) -> pd.DataFrame:
    """A comma-separated UTF-8 table with a header; whatever is wrong with it becomes one sentence."""
    return _read(path).reset_index(drop=True)


def _read(path: Path) -> pd.DataFrame:
    """The table without its empty rows, which its index counts all the same, as an editor counts lines."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            dtype = {"image": str, "stimulus_filename": str}
            with path.open(encoding="utf-8-sig") as file:
                head = next((row for row, line in enumerate(file) if line.strip()), 0)
            how = {"encoding": "utf-8-sig", "dtype": dtype, "index_col": False, "header": head}
            table = pd.read_csv(path, **how, skip_blank_lines=False)
            rows = table.index + head
            first = table.iloc[:, 0]
            empty = table.iloc[:, 1:].isna().all(axis=1) & (first.isna() | (first.astype(str).str.strip() == ""))
            if empty.any():  # read again, for beside an empty row whole numbers became floats
                skip = rows[empty] + 1
                table, rows = pd.read_csv(path, **how, skip_blank_lines=False, skiprows=skip), rows[~empty]
            return table.set_axis(rows)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file.") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a comma-separated table in UTF-8 ({what_is_wrong(path, error)}).") from error


def what_is_wrong(path: Path, error: Exception) -> str:
    """In a few words, why `error` came of reading a comma-separated table."""
    with suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8-sig") as file:
        header = file.readline(10_000)
        if ";" in header and "," not in header:
            return "semicolons stand between its columns"
    reason = str(error).strip()
    return reason.splitlines()[0][:200] if reason else type(error).__name__


def _unique(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    for column, problem in (("isna", "has no image"), ("duplicated", "names an image that stands in a row above")):
        bad = np.flatnonzero(getattr(table["image"], column)())
        if len(bad):
            raise UserError(f"{path}, row {table.index[bad[0]] + 2}: {problem} ({table['image'].iloc[bad[0]]}).")
    return table
