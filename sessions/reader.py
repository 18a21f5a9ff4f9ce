"""The strict reader: all runs of an image set as one long table, or one sentence that names file and row.

All runs are parsed in one go by pandas' C parser and checked column by column; only what is wrong is looked at row by
row.
"""

import csv
import io
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from sessions import files, schema
from sessions.files import Run
from shell import UserError, counted, listed


class _RunError(Exception):
    """Why the run at a position of the list is no session file."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position


def to_stderr(note: str) -> None:
    print(note, file=sys.stderr)


def read(
    folder: str | os.PathLike[str] = "sessions",
    image_set: str | None = None,
    *,
    images: str | os.PathLike[str] | None = None,
    skip_bad: bool = False,
    exclude: Sequence[str] = (),
    tell: Callable[[str], object] = to_stderr,
) -> pd.DataFrame:
    """All trials that are recorded on an image set, in one long table.

    Parameters
    ----------
    folder : where the session files lie.
    image_set : name of the image set, such as "faces"; may be left out where only one set was shown.
    images : the folder of the set's pictures; where given, pictures that have changed since they were judged are named,
        and where runs were shown different pictures under one name, the rows on the present one are right.
    skip_bad : leave out runs that cannot be read, with a note on each, and rows on images that were not the same
        picture in all runs, instead of raising UserError.
    exclude : subjects whose files are left out before anything is said of them, such as that they cannot be read or
        are of other pictures. Simulated subjects do not take the place of people who are left out so.
    tell : called with one sentence on whatever was left out; files are named from sub-ID on, for reports are shared.

    Returns
    -------
    One row per shown face, in the order of subject, run and row: `subject`, `run`, `trial`, `trial_type`, `image`,
    `response` (+1 smiley, -1 not smiley, NaN no answer), `response_time` (s, > 0 or NaN), `early_press` (s, < 0 or
    NaN), `face_onset` (s), `simulated` (bool), then the files' extra columns as text (NaN where a run has none).
    No rows where nothing is recorded. Simulated subjects are in it until a person has answered a trial that counts.

    Raises
    ------
    UserError
        A run is no session file: which file, which row, what was found and what is expected. Or two runs judged
        different pictures under one name. Or a subject to `exclude` has recorded nothing on the set.
    """
    place = "" if Path(folder) == Path() else f"{Path(folder)}{os.sep}"

    def note(text: str) -> None:
        tell(text.replace(place, ""))

    bad: list[UserError] = []
    paths = files.run_paths(folder)
    runs = files.read_runs([path for path in paths if _subject(path) not in exclude], bad)
    left_out = [path for path in paths if _subject(path) in exclude]
    image_set = _only_set(runs + files.read_runs(left_out, []), folder) if image_set is None else image_set
    sets = sorted({run.sidecar["ImageSet"] for run in runs})
    if image_set not in sets and not bad and not left_out:
        note(f"{folder}: nothing is recorded" + (f" on {image_set}; recorded are {listed(sets)}." if sets else "."))
    runs = [run for run in runs if run.sidecar["ImageSet"] == image_set]
    people_left_out = _people_left_out(exclude, left_out, image_set, runs, folder)
    simulated = [run for run in runs if run.sidecar["Simulated"]]
    runs = _without_twins([run for run in runs if not run.sidecar["Simulated"]], bad)
    runs, table = _parse(runs, bad, note)
    answered = (table["trial_type"] != "practice") & table["response"].notna()
    if simulated and (people_left_out or answered.any()):
        subjects = len({run.subject for run in simulated})
        note(f"Simulated subjects left out, because people have judged {image_set} too: {subjects}.")
    elif simulated:
        runs = _without_twins(simulated, bad)
        runs, table = _parse(runs, bad, note)
    if bad and not skip_bad:
        more = f" (and {len(bad) - 1} more such files)" if len(bad) > 1 else ""
        raise UserError(f"{str(bad[0]).removesuffix('.')}{more}; --skip-bad leaves such files out.")
    for error in bad:
        note(f"skipped: {error}")
    _tell_losses(Path(folder), image_set, exclude, runs, table, note)
    present = {} if images is None else _present_hashes(runs, table, Path(images))
    table = _without_conflicts(runs, table, present, skip_bad, note)
    if images is not None:
        _tell_changed(runs, table, present, image_set, note)
    return table


def _subject(path: Path) -> str:
    """Whose folder a run lies in, even where nothing else can be read of it."""
    return path.parent.parent.name.removeprefix("sub-")


def _people_left_out(
    exclude: Sequence[str], paths: list[Path], image_set: str, runs: list[Run], folder: str | os.PathLike[str]
) -> bool:
    """Whether one of the subjects `exclude`, whose runs are at `paths`, is a person; one that cannot be read may be.

    Raises
    ------
    UserError
        One of them has recorded nothing on the set.
    """
    unread: list[UserError] = []
    left_out = files.read_runs(paths, unread)
    elsewhere = {run.path for run in left_out if run.sidecar["ImageSet"] != image_set}
    for subject in exclude:
        if subject not in {_subject(path) for path in paths if path not in elsewhere}:
            known = listed(sorted({run.subject for run in runs}))
            raise UserError(f"--exclude {subject}: no such subject in {folder}, expected one of {known}.")
    return bool(unread) or any(not run.sidecar["Simulated"] for run in left_out if run.path not in elsewhere)


def _only_set(runs: list[Run], folder: str | os.PathLike[str]) -> str:
    sets = sorted({run.sidecar["ImageSet"] for run in runs})
    if len(sets) > 1:
        raise UserError(f"{folder}: {len(sets)} image sets were shown ({', '.join(sets)}); say which one to read.")
    return sets[0] if sets else ""


def _without_twins(runs: list[Run], bad: list[UserError]) -> list[Run]:
    """The first run of each subject and number."""
    numbers: dict[tuple[str, int], Run] = {}
    bad += [
        UserError(f"{run.path}: the same run number as {twin.path}.")
        for run in runs
        if (twin := numbers.setdefault((run.subject, run.number), run)) is not run
    ]
    return list(numbers.values())


def _hashes(run: Run) -> dict[str, str]:
    hashes: dict[str, str] = run.sidecar.get("ImageSHA256", {})
    return hashes


def _pictures(runs: list[Run]) -> set[tuple[str, str]]:
    """Every image name with every content hash that a run knows of it."""
    return set().union(*(_hashes(run).items() for run in runs))


def _present_hashes(runs: list[Run], table: pd.DataFrame, images: Path) -> dict[str, str]:
    """Content hash of every picture in `images` that was judged and that a run knows one of."""
    names = {image for image, _ in _pictures(runs)}.intersection(table["image"].unique())
    return {name: files.content_hash(images / name) for name in sorted(names) if (images / name).is_file()}


def _judged(runs: list[Run], table: pd.DataFrame, names: set[str]) -> pd.DataFrame:
    """What was shown in the rows on `names`: `row` (its place in the table), `subject`, `run`, `image`, `digest`."""
    known = pd.DataFrame(
        [
            (run.subject, run.number, image, digest)
            for run in runs
            for image, digest in _hashes(run).items()
            if image in names
        ],
        columns=["subject", "run", "image", "digest"],
    )
    rows = table.loc[table["image"].isin(names), ["subject", "run", "image"]].rename_axis("row").reset_index()
    return rows.merge(known, on=["subject", "run", "image"])


def _without_conflicts(
    runs: list[Run], table: pd.DataFrame, present: dict[str, str], skip_bad: bool, tell: Callable[[str], object]
) -> pd.DataFrame:
    """The rows on images that were the same picture in every run that shows them.

    Of those that were not, the rows on the `present` picture are kept; where no run was shown that, none is.
    """
    times = Counter(image for image, _ in _pictures(runs))
    shown = _judged(runs, table, {image for image, count in times.items() if count > 1})
    shown = shown[shown.groupby("image")["digest"].transform("nunique") > 1]
    if shown.empty:
        return table
    wrong = shown[shown["digest"] != shown["image"].map(present)]
    later = wrong.iloc[-1]
    other = shown[(shown["image"] == later["image"]) & (shown["digest"] != later["digest"])].iloc[0]
    sidecars = {(run.subject, run.number): run.path.with_suffix(".json") for run in runs}
    one, two = (sidecars[row["subject"], row["run"]] for row in (later, other))
    images = sorted(wrong["image"].unique())
    if not skip_bad:
        more = f" (and so were {len(images) - 1} more)" if len(images) > 1 else ""
        raise UserError(
            f"{one}: {later['image']} was another picture in {two}{more}; --skip-bad leaves out the rows on it."
        )
    tell(
        f"skipped: {counted(len(wrong), 'row')} on {listed(images)}: not the same picture in all runs "
        f"({later['image']} in {one} and in {two})."
    )
    return table.drop(index=wrong["row"]).reset_index(drop=True)


def _parse(runs: list[Run], bad: list[UserError], tell: Callable[[str], object]) -> tuple[list[Run], pd.DataFrame]:
    """Those of `runs` that pass all checks and their table; of the others the reason goes to `bad`, one each."""
    contents: list[tuple[Run, bytes, bytes]] = []  # run, header, rows
    read: dict[tuple[str, bytes], Run] = {}
    for run in runs:
        try:
            header, rows, note = _whole_rows(run.path)
        except UserError as error:
            bad.append(error)
            continue
        if rows and (twin := read.setdefault((run.subject, rows), run)) is not run:
            bad.append(UserError(f"{run.path}: the same rows as {twin.path}, so it is a copy."))
            continue
        if note:
            tell(note)
        contents.append((run, header, rows))
    tables, good = [], []
    for header in dict.fromkeys(header for _, header, _ in contents):
        group = [(run, rows) for run, other, rows in contents if other == header]
        while group:
            try:
                tables.append(_parse_alike(header.decode(), group))
                good += [run for run, _ in group]
                break
            except _RunError as error:
                run, _ = group.pop(error.position)
                bad.append(UserError(f"{run.path}{error}"))
    if not tables:
        tables = [_typed(pd.DataFrame(columns=["subject", "run", *schema.COLUMNS, "simulated"]))]
    table = pd.concat(tables, ignore_index=True)
    extra = [c for c in table.columns if c not in schema.COLUMNS and c not in ("subject", "run", "simulated")]
    table = table.sort_values(["subject", "run"], kind="stable", ignore_index=True)
    return good, table[["subject", "run", *schema.COLUMNS, "simulated", *extra]]


def _whole_rows(path: Path) -> tuple[bytes, bytes, str]:
    """Header and rows of a file, line ends as \\n, and a note where the last row is cut."""
    whole, tail = files.whole_lines(path)
    content = whole or tail  # a header alone may lack its line end
    if not content:
        raise UserError(f"{path}: the file is empty, expected a header row.")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, row {row}: not UTF-8 text (byte 0x{content[error.start]:02x}).") from None
    for character, name in ((b"\0", "a null byte"), (b"\r", "a lone carriage return")):
        if (at := content.find(character)) >= 0:
            raise UserError(f"{path}, row {content.count(bytes([10]), 0, at) + 1}: {name} in the text.")
    header, _, rows = content.partition(b"\n")
    columns = header.decode().split("\t")
    missing = [column for column in schema.COLUMNS if column not in columns]
    if missing or len(set(columns)) < len(columns):
        problem = f"no column {missing[0]!r}" if missing else "a column name stands twice"
        raise UserError(f"{path}, row 1: {problem}, found {_short(', '.join(columns))}.")
    note = f"{path}: the last row is cut and left out (the recording was killed); all rows before it count."
    return header, rows, note if tail else ""


def _parse_alike(header: str, group: list[tuple[Run, bytes]]) -> pd.DataFrame:
    """One table of runs that share a header. Raises _RunError at the first run that breaks a rule."""
    columns = header.split("\t")
    lengths = np.array([rows.count(b"\n") for _, rows in group])
    for position, (_, rows) in enumerate(group):
        if rows.count(b"\t") != lengths[position] * (len(columns) - 1):
            _find_ragged_row(position, rows, len(columns))
    try:
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):  # cells that would be dropped
            table = pd.read_csv(
                io.BytesIO(b"".join(rows for _, rows in group)),
                sep="\t",
                names=columns,
                header=None,
                index_col=False,
                dtype={column: str for column in columns if column not in schema.NUMBERS},
                keep_default_na=False,
                na_values={column: [schema.MISSING] for column in columns if column != "image"},
                quoting=csv.QUOTE_NONE,
                skip_blank_lines=False,
                low_memory=False,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning):
        for position, (_, rows) in enumerate(group):
            _find_ragged_row(position, rows, len(columns))
        raise
    _check(table, np.repeat(np.arange(len(group)), lengths), np.cumsum(lengths) - lengths)
    table.insert(0, "subject", np.repeat(np.array([run.subject for run, _ in group], dtype=object), lengths))
    table.insert(1, "run", np.repeat(np.array([run.number for run, _ in group]), lengths))
    table["simulated"] = np.repeat(np.array([run.sidecar["Simulated"] for run, _ in group]), lengths)
    return _typed(table)


def _find_ragged_row(position: int, rows: bytes, expected: int) -> None:
    for number, line in enumerate(rows.split(b"\n")[:-1], start=2):
        if (found := line.count(b"\t") + 1) != expected:
            raise _RunError(position, f", row {number}: {found} cells, expected {expected}.")


def _check(table: pd.DataFrame, run_of_row: np.ndarray, first_row: np.ndarray) -> None:
    """Raise _RunError for the first row that breaks a rule of the schema."""

    def demand(column: str, ok: pd.Series, expected: str) -> None:
        broken = np.flatnonzero(~ok.to_numpy())
        if len(broken):
            at = broken[0]
            position = int(run_of_row[at])
            cell = "n/a" if pd.isna(found := table[column].iloc[at]) else found
            number = at - first_row[position] + 2
            raise _RunError(position, f", row {number}: {column} is {_short(str(cell))!r}, expected {expected}.")

    for column, (holds, expected) in schema.NUMBERS.items():
        numbers = pd.to_numeric(table[column], errors="coerce").astype(float)
        missing = table[column].isna()
        demand(column, numbers.notna() | missing, "a number")
        demand(column, ~np.isinf(numbers), "a finite number")
        demand(column, holds(numbers) | (missing & (column != "trial")), expected)
    demand("trial_type", table["trial_type"].isin(schema.TRIAL_TYPES), " or ".join(schema.TRIAL_TYPES))
    demand("image", table["image"].str.fullmatch(schema.PICTURE), "the name of a picture")
    response = table["response"]
    demand("response", response.isna() | response.isin(schema.RESPONSES), " or ".join((*schema.RESPONSES, "n/a")))
    paired = table["response_time"].isna() == response.isna()
    demand("response_time", paired, "a number if there is a response, else n/a")
    twice = pd.DataFrame({"run": run_of_row, "trial": table["trial"].astype(float)}).duplicated()
    demand("trial", ~twice, "a number that stands in no row above")


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    types = {
        "subject": str,
        "run": int,
        "trial": int,
        "response_time": float,
        "early_press": float,
        "face_onset": float,
    }
    response = table["response"].map(schema.RESPONSES).astype(float)
    return table.assign(response=response).astype({**types, "simulated": bool})


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text):,} characters)"


def _tell_losses(
    folder: Path,
    image_set: str,
    exclude: Sequence[str],
    runs: list[Run],
    table: pd.DataFrame,
    tell: Callable[[str], object],
) -> None:
    """Name what was recorded once and is not there; of a killed recording nobody wrote down how much it was."""
    tables = {path.stem for path in files.run_paths(folder)}
    for sidecar in files.run_paths(folder, suffix=".json"):
        if _subject(sidecar) not in exclude and sidecar.stem not in tables and _of_people(sidecar, image_set):
            tell(f"{sidecar}: there is no table beside it, so the answers of this run are lost.")
    rows = table.groupby(["subject", "run"]).size().to_dict()
    faces = table[table["trial_type"] != "practice"].groupby(["subject", "run"]).size().to_dict()
    for run in runs:
        before = run.sidecar.get("Continues")
        if isinstance(before, str) and Path(before).stem not in tables:
            tell(f"{run.path}: it goes on after {before}, which is not there.")
        shown = run.sidecar.get("FlipsOfFaces")
        counts = faces if "PracticeTrials" in run.sidecar else rows  # the first recordings counted practice, too
        found = counts.get((run.subject, run.number), 0)
        if isinstance(shown, int) and found < shown:
            tell(f"{run.path}: {shown - found} of {counted(shown, 'row')} lost since the recording ended.")


def _of_people(sidecar: Path, image_set: str) -> bool:
    """Whether people judged `image_set` in the run of `sidecar`, for all that can be read."""
    try:
        content = files.read_json(sidecar)
    except (UserError, OSError):
        return True
    return content.get("ImageSet") == image_set and not content.get("Simulated")


def _tell_changed(
    runs: list[Run], table: pd.DataFrame, present: dict[str, str], image_set: str, tell: Callable[[str], object]
) -> None:
    other = {image for image, digest in _pictures(runs) if present.get(image, digest) != digest}
    shown = _judged(runs, table, other)
    changed = sorted(shown["image"][shown["digest"] != shown["image"].map(present)].unique())
    if changed:
        tell(f"{image_set}: not the picture that was judged, it has changed since: {listed(changed)}.")
