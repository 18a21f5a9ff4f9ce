"""A set's two tables, read strictly: labels.csv (or the published SmileCVAE labels) and metadata.csv."""

import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from shell import UserError

PUBLISHED = {"stimulus_filename": "image", "avg_encode": "smile"}  # the columns of the published SmileCVAE labels


def read_labels(path: Path) -> pd.DataFrame:
    """A label table with at least `image` (file name) and `smile` (float in [-1, 1]), one row per image.

    Raises
    ------
    UserError
        A column is missing, a degree is no number in [-1, 1], or an image stands twice; with file and row.
    """
    table = read_csv(path)
    table = table.rename(columns={theirs: ours for theirs, ours in PUBLISHED.items() if ours not in table.columns})
    table = table.drop(columns=[c for c in table.columns if str(c).startswith("Unnamed")])  # a nameless index column
    for column in ("image", "smile"):
        if column not in table.columns:
            raise UserError(
                f"{path}: no column '{column}'; expected 'image, smile' or 'stimulus_filename, avg_encode', "
                f"found {', '.join(map(str, table.columns))}."
            )
    smile = pd.to_numeric(table["smile"], errors="coerce")
    bad = ~smile.between(-1, 1)  # NaN is not between either
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise UserError(
            f"{path}, row {row + 2}: smile is {str(table['smile'].iloc[row])!r}, expected a number in [-1, 1]."
        )
    return _unique(table.assign(smile=smile.astype(float)), path)


def read_metadata(path: Path) -> pd.DataFrame:
    """metadata.csv as it is: a column `image`, one row per image; only that column, without rows, where no file is."""
    if not path.exists():
        return pd.DataFrame({"image": pd.Series(dtype=str)})
    table = read_csv(path)
    if "image" not in table.columns:
        raise UserError(f"{path}: no column 'image', found {', '.join(map(str, table.columns))}.")
    return _unique(table, path)


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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            dtype = {"image": str, "stimulus_filename": str}
            return pd.read_csv(path, encoding="utf-8-sig", dtype=dtype, index_col=False)
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
            raise UserError(f"{path}, row {bad[0] + 2}: {problem} ({table['image'].iloc[bad[0]]}).")
    return table
