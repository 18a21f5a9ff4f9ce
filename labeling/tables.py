"""Trials from where they lie: session files, or one table of somebody else's experiment."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shell import UserError

COLUMNS = ("subject", "image", "response", "response_time")
NOTHING = ("", "n/a", "nan", "na", "NaN", "NA", "null", "None")
WORDS = {
    **dict.fromkeys(("1", "1.0", "+1", "smiley", "yes", "true"), 1.0),
    **dict.fromkeys(("-1", "-1.0", "0", "0.0", "not-smiley", "no", "false"), -1.0),
    **dict.fromkeys(map(str.lower, NOTHING), np.nan),
}


def read_trials(
    path: Path, rename: tuple[str, ...] = (), skip_bad: bool = False, tell: Callable[[str], object] = print
) -> pd.DataFrame:
    """A table of trials from a .csv, .tsv or .parquet file, with the columns that `labeling.score` takes.

    Parameters
    ----------
    rename : "theirs=ours" for columns with other names, such as "participant=subject". Two of theirs may be given for
        one of ours, "a=image", "b=image": the first one that a row has counts.
    skip_bad : leave out rows that break a rule, with a word on how many, instead of raising UserError.

    A picture's path is cut to its file name. A response may be +1, yes, true or smiley against -1, 0, no, false or
    not-smiley, in any case. Times in milliseconds are called so by the renaming: "rt=response_time_ms".

    Raises
    ------
    UserError
        The file cannot be read, a column is missing, or a row breaks a rule: file, row, found, expected.
    """
    table = _named(_read(path), rename, path)
    response, understood = _votes(table["response"], path)
    times = table["response_time"]
    if not pd.api.types.is_numeric_dtype(times):
        times = times.replace(dict.fromkeys(NOTHING, np.nan))
    response_time = pd.to_numeric(times, errors="coerce").astype(float)
    rules = {
        "subject": (table["subject"].notna(), "a name"),
        "image": (table["image"].notna(), "a file name"),
        "response": (understood, "+1 (yes, smiley), -1 (0, no, not-smiley) or nothing"),
        "response_time": (
            times.isna() | ((response_time > 0) & np.isfinite(response_time)),
            "seconds above 0 or nothing",
        ),
    }
    good = np.ones(len(table), dtype=bool)
    for column, (ok, expected) in rules.items():
        bad = np.flatnonzero(~ok.to_numpy(dtype=bool))
        if len(bad) and not skip_bad:
            found = str(table[column].iloc[bad[0]])[:60]
            raise UserError(f"{path}, row {bad[0] + 2}: {column} is {found!r}, expected {expected}.")
        good[bad] = False
    if not good.all():
        tell(f"skipped: {path}: {(~good).sum()} of {len(good)} rows break a rule.")
    clean = table.assign(response=response, response_time=response_time)[good].reset_index(drop=True)
    file_name = clean["image"].astype(str).str.replace(r"^.*[/\\]", "", regex=True)
    return clean.assign(image=file_name, subject=clean["subject"].astype(str))


def _votes(column: pd.Series, path: Path) -> tuple[NDArray[np.float64], pd.Series]:
    """(T,) the votes that a column's cells mean, and whether they mean any; few different cells are looked at."""
    codes, cells = pd.factorize(column)
    words = [str(cell).strip().lower() for cell in cells]
    if {"0", "0.0"} & set(words) and {"-1", "-1.0"} & set(words):
        raise UserError(f"{path}: the responses are both -1 and 0, and either could mean not smiley.")
    meanings = np.array([*(WORDS.get(word, np.nan) for word in words), np.nan])
    understood = np.array([*(word in WORDS for word in words), True])
    return meanings[codes], pd.Series(understood[codes], index=column.index)


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pd.read_parquet(path)
        separator = "\t" if path.suffix.lower() in (".tsv", ".tab") else ","
        return pd.read_csv(path, sep=separator, encoding="utf-8-sig", dtype=str)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file.") from None
    except (ValueError, pd.errors.ParserError, pd.errors.EmptyDataError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"{path}: not a table of comma-separated values in UTF-8, nor Parquet ({reason[:200]})."
        ) from error


def _named(table: pd.DataFrame, rename: tuple[str, ...], path: Path) -> pd.DataFrame:
    """The table with our names for its columns, times in seconds."""
    found: dict[str, pd.Series] = {str(column): table[column] for column in table.columns}
    renamed: dict[str, pd.Series] = {}
    for pair in rename:
        theirs, equals, ours = pair.partition("=")
        if not equals or theirs not in found or ours not in (*COLUMNS, "response_time_ms", "trial_type"):
            raise UserError(
                f"--rename {pair}: expected THEIRS=OURS, THEIRS one of {', '.join(found)} and OURS one of "
                f"{', '.join(COLUMNS)}, response_time_ms."
            )
        column = found[theirs]
        if ours == "response_time_ms":
            ours, column = "response_time", pd.to_numeric(column, errors="coerce") / 1000
        renamed[ours] = renamed[ours].combine_first(column) if ours in renamed else column
    kept = {name: column for name, column in found.items() if name in (*COLUMNS, "trial_type")}
    named = pd.DataFrame({**kept, **renamed})
    for column in COLUMNS:
        if column not in named.columns:
            raise UserError(
                f"{path}: no column {column!r}, found {', '.join(found)}; "
                f"--rename THEIRS={column} says which one it is."
            )
    return named
