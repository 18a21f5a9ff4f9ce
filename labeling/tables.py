"""Trials from where they lie: session files, or one table of somebody else's experiment."""

import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import shell
from data.tables import what_is_wrong
from sessions.schema import MAX_RESPONSE_TIME_S, RESPONSES
from shell import UserError

COLUMNS = ("subject", "image", "response", "response_time")
NOTHING = ("", "n/a", "nan", "na", "null", "none")  # in any case
WORDS = {
    **dict.fromkeys(("1", "1.0", "+1", "smiley", "yes", "true"), 1.0),
    **dict.fromkeys(("-1", "-1.0", "0", "0.0", "not-smiley", "no", "false"), -1.0),
}


def read_trials(
    path: str | os.PathLike[str],
    rename: tuple[str, ...] = (),
    responses: tuple[str, ...] = (),
    skip_bad: bool = False,
    tell: Callable[[str], object] = print,
) -> pd.DataFrame:
    """A table of trials from a .csv, .tsv or .parquet file, with the columns that `labeling.score` takes.

    Parameters
    ----------
    rename : "theirs=ours" for columns with other names, such as "participant=subject". Two of theirs may be given for
        one of ours, "a=image", "b=image": the first one that a row has counts.
    responses : "value=smiley" or "value=not-smiley" for each answer, such as "f=smiley"; then nothing else is one.
    skip_bad : leave out rows that break a rule, with a word on how many and why, instead of raising UserError.

    A picture's path is cut to its file name. A response may be +1, yes, true or smiley against -1, 0, no, false or
    not-smiley, in any case. Times in milliseconds are called so by the renaming: "rt=response_time_ms". Rows that show
    no picture (HTML, or nothing and no vote: instructions, a cross) are left out with a note.

    Raises
    ------
    UserError
        The file cannot be read, a column is missing, or a row breaks a rule: file, row, found, expected.
    """
    path = Path(path)
    names = ["subject", "image", *(pair.rpartition("=")[0] for pair in rename if pair.endswith(("=subject", "=image")))]
    table = _named(_read(path, names, skip_bad), rename, path)
    table["image"] = table["image"].mask(_says_nothing(table["image"]))
    words = _words(responses) if responses else WORDS
    response, understood = _votes(table["response"], words, path)
    times = table["response_time"]
    if not pd.api.types.is_numeric_dtype(times):
        times = times.mask(_says_nothing(times))
    response_time = pd.to_numeric(times, errors="coerce").astype(float)
    rules = {
        "subject": (table["subject"].notna(), "a name"),
        "image": (table["image"].notna(), "a file name"),
        "response": (
            understood,
            f"{', '.join(words)} or nothing"
            if responses
            else "+1 (yes, smiley), -1 (0, no, not-smiley) or nothing; --responses says what other answers mean",
        ),
        "response_time": (
            times.isna() | ((response_time > 0) & (response_time <= MAX_RESPONSE_TIME_S)),
            f"seconds above 0 and up to {MAX_RESPONSE_TIME_S:g} or nothing; milliseconds are renamed response_time_ms",
        ),
    }
    codes, names = pd.factorize(table["image"])
    html = np.array([*(str(name).lstrip().startswith("<") for name in names), False])[codes]
    faces = ~(html | table["image"].isna().to_numpy(dtype=bool) & np.isnan(response))
    if not faces.all():
        tell(f"Rows left out, because they show no picture (instructions and the like): {(~faces).sum()}.")
    good = faces.copy()
    for column, (ok, expected) in rules.items():
        bad = np.flatnonzero(good & ~ok.to_numpy(dtype=bool))
        if len(bad):
            found = str(table[column].iloc[bad[0]])[:60]
            reason = f"row {table.index[bad[0]] + 2}: {column} is {found!r}, expected {expected}."
            if not skip_bad:
                raise UserError(f"{path}, {reason}")
            tell(f"skipped: {path}: {len(bad)} of {len(good)} rows, the first: {reason}")
        good[bad] = False
    clean = table.assign(response=response, response_time=response_time)[good].reset_index(drop=True)
    twice = clean.duplicated(list(COLUMNS)) & clean["response_time"].notna()
    if twice.any():
        tell(f"note: {shell.counted(twice.sum(), 'row')} like a row above, response time included: entered twice?")
    for column, spell, said in (
        ("image", _file_name, "pictures in different folders have one name and count as one picture"),
        ("subject", _letters, "subjects whose names differ in case or spaces alone count as different ones"),
    ):
        alike = _alike(clean[column], spell)
        if alike:
            tell(f"note: {said}: {shell.listed(alike, 3)}.")
    return clean.assign(image=_categories(clean["image"], _file_name), subject=_categories(clean["subject"], str))


def _file_name(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def _letters(name: str) -> str:
    return "".join(name.split()).casefold()


def _alike(names: pd.Series, spell: Callable[[str], str]) -> list[str]:
    """Different names that `spell` makes one, as "'p1' and 'P1'"."""
    different = pd.Series(sorted(map(str, names.unique())), dtype=str)
    return [" and ".join(map(repr, same)) for _, same in different.groupby(different.map(spell)) if len(same) > 1]


def _says_nothing(column: pd.Series) -> NDArray[np.bool_]:
    """(T,) which cells are a word for nothing; few different cells are looked at."""
    codes, cells = pd.factorize(column)
    return np.array([*(str(cell).strip().lower() in NOTHING for cell in cells), False])[codes]


def _categories(names: pd.Series, spell: Callable[[str], str]) -> pd.Series:
    """(T,) names as categories, each spelled by `spell`: few different names are looked at, whatever the trials."""
    codes, found = pd.factorize(names)
    spelled, code_of = np.unique([spell(str(name)) for name in found], return_inverse=True)
    values = pd.Categorical.from_codes(code_of[codes], categories=pd.Index(spelled, dtype=str))
    return pd.Series(values, index=names.index, name=names.name)


def _words(responses: tuple[str, ...]) -> dict[str, float]:
    """What each answer means, from VALUE=smiley or VALUE=not-smiley."""
    words = {}
    for pair in responses:
        value, _, meaning = pair.rpartition("=")
        word = value.strip().lower()
        if not word or meaning not in RESPONSES or word in words:
            raise UserError(f"--responses {pair}: expected VALUE=smiley or VALUE=not-smiley, each VALUE once.")
        words[word] = RESPONSES[meaning]
    return words


def _votes(column: pd.Series, words: dict[str, float], path: Path) -> tuple[NDArray[np.float64], pd.Series]:
    """(T,) the votes that a column's cells mean, and whether they mean any; few different cells are looked at."""
    codes, cells = pd.factorize(column)
    found = [str(cell).strip().lower() for cell in cells]
    if words is WORDS and {"0", "0.0"} & set(found) and {"-1", "-1.0"} & set(found):
        raise UserError(f"{path}: the responses are both -1 and 0, and either could mean not smiley.")
    known = {**dict.fromkeys(NOTHING, np.nan), **words}
    meanings = np.array([*(known.get(cell, np.nan) for cell in found), np.nan])
    understood = np.array([*(cell in known for cell in found), True])
    return meanings[codes], pd.Series(understood[codes], index=column.index)


def _read(path: Path, names: list[str], skip_bad: bool) -> pd.DataFrame:
    """The table in a file; of Parquet the columns `names` as categories, where the file keeps their dictionary.

    With `skip_bad` a row of more cells than the header has says so in each of them, and so breaks a rule.
    """
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            table = pd.read_parquet(path, engine="pyarrow", read_dictionary=names)  # as the file keeps them
            return table.reset_index(drop=True)  # by which rows are counted
        separator = "\t" if path.suffix.lower() in (".tsv", ".tab") else ","
        how: dict[str, Any] = {
            "sep": separator,
            "encoding": "utf-8-sig",
            "dtype": str,
            "index_col": False,
            "keep_default_na": False,  # a subject may be called NA
            "na_values": [""],
            "skip_blank_lines": False,  # rows are counted as an editor does
        }
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            try:
                table = pd.read_csv(path, **how)
            except (pd.errors.ParserError, pd.errors.ParserWarning):
                if not skip_bad:
                    raise
                width = len(pd.read_csv(path, **how, nrows=0).columns)
                table = pd.read_csv(
                    path,
                    **how,
                    engine="python",
                    on_bad_lines=lambda cells: [f"{len(cells)} cells in a row of {width}"] * width,
                )
        table = table[table.notna().any(axis=1)]
        return table[[column for column in table if not str(column).startswith("Unnamed: ")]]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file.") from None
    except (ValueError, pd.errors.ParserError, pd.errors.ParserWarning, OSError) as error:
        reason = what_is_wrong(path, error)
        raise UserError(f"{path}: not a table of comma-separated values in UTF-8, nor Parquet ({reason}).") from error


def _seconds(times_ms: pd.Series) -> pd.Series:
    """Milliseconds in seconds; what is no number stays, to be refused like any other."""
    numbers = pd.to_numeric(times_ms, errors="coerce")
    return (numbers / 1000).astype(object).where(numbers.notna(), times_ms)


def _first_known(first: pd.Series, second: pd.Series, may_be_na: bool) -> pd.Series:
    """The cells of `first`, of `second` where it has none, or a word for nothing, unless one `may_be_na`."""
    if isinstance(first.dtype, pd.CategoricalDtype) or isinstance(second.dtype, pd.CategoricalDtype):
        first, second = first.astype(object), second.astype(object)
    return (first if may_be_na else first.mask(_says_nothing(first))).combine_first(second)


def _named(table: pd.DataFrame, rename: tuple[str, ...], path: Path) -> pd.DataFrame:
    """The table with our names for its columns, times in seconds."""
    found: dict[str, pd.Series] = {str(column): table[column] for column in table.columns}
    if len(found) == 1 and re.search("[;\t]", next(iter(found))):
        only = next(iter(found))
        raise UserError(f"{path}: one column only, {only!r}; expected commas between columns, or tabs in a .tsv file.")
    renamed: dict[str, pd.Series] = {}
    for pair in rename:
        theirs, equals, ours = pair.partition("=")
        if not equals or theirs not in found or ours not in (*COLUMNS, "response_time_ms", "trial_type"):
            raise UserError(
                f"--rename {pair}: expected THEIRS=OURS, THEIRS one of {', '.join(found)} and OURS one of "
                f"{', '.join(COLUMNS)}, response_time_ms, trial_type."
            )
        column = found[theirs]
        if ours == "response_time_ms":
            ours, column = "response_time", _seconds(column)
        renamed[ours] = _first_known(renamed[ours], column, ours == "subject") if ours in renamed else column
    kept = {name: column for name, column in found.items() if name in (*COLUMNS, "trial_type")}
    named = pd.DataFrame({**kept, **renamed})
    for column in COLUMNS:
        if column not in named.columns:
            raise UserError(
                f"{path}: no column {column!r}, found {', '.join(found)}; "
                f"--rename THEIRS={column} says which one it is."
            )
    return named
