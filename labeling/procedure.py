"""How the trials were recorded, in the words of a methods section: from the runs' sidecars and participants.tsv."""

import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from sessions import Run, files, participants
from shell import UserError, counted, percent

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 5  # of fewer people, figures tell of each

Sidecar = Mapping[str, Any]


def procedure(folder: str | os.PathLike[str], trials: "pd.DataFrame") -> dict[str, str]:
    """What is known of the recordings in `folder` that `trials`, of `sessions.read`, come from: facts by their names.

    A fact that is not the same in all runs is told with the number of runs for each.
    """
    shown = set(trials[["subject", "run"]].drop_duplicates().itertuples(index=False, name=None))
    paths = [path for subject in {subject for subject, _ in shown} for path in files.run_paths(folder, subject)]
    # `sessions.read` has told what cannot be read, and of runs of one number takes the first
    first = {(run.subject, run.number): run for run in reversed(files.read_runs(paths, []))}
    runs = [first[one] for one in sorted(shown & first.keys())]
    about = {"recorded": _when(runs)}
    with suppress(UserError):  # of a damaged participants.tsv, which the annotator tells: labels do not hang on it
        about |= _people(participants.rows(folder), {run.subject for run in runs})
    about |= {name: _by_runs(runs, fact) for name, fact in FACTS.items()}
    about["faces that came late"] = _late(runs)
    return {name: words for name, words in about.items() if words}


def _when(runs: Sequence[Run]) -> str:
    starts = [run.sidecar.get("StartTime") for run in runs]
    days = sorted({start[:10] for start in starts if isinstance(start, str)})
    span = days if len(days) < 2 else [f"{days[0]} to {days[-1]}"]
    return ", ".join([counted(len(runs), "run"), *span]) if runs else ""


def _people(rows: Mapping[str, Mapping[str, str]], subjects: set[str]) -> dict[str, str]:
    """Of `subjects`, what they told about themselves, where enough of them did."""
    told = [rows[subject] for subject in sorted(subjects & rows.keys())]
    ages = []
    for row in told:
        with suppress(KeyError, ValueError):
            ages.append(float(row["age"]))
    ages = [age for age in ages if math.isfinite(age)]
    found = {}
    if len(ages) >= FEWEST:
        spread = f"mean {mean(ages):.1f}, sd {stdev(ages):.1f}, {min(ages):g} to {max(ages):g}"
        found["age in years"] = f"{spread} (told by {len(ages)} of {len(subjects)})"
    for column in ("sex", "handedness"):
        words = participants.COLUMNS[column]["Levels"]
        counts = Counter(words.get(row[column], row[column]) for row in told if column in row)
        if counts.total() >= FEWEST:
            silent = len(subjects) - counts.total()
            parts = [f"{word} {count}" for word, count in counts.most_common()]
            found[column] = ", ".join(parts + [f"not told {silent}"] * bool(silent))
    return found


def _by_runs(runs: Sequence[Run], fact: Callable[[Sidecar], str]) -> str:
    """The fact, or each one that there is with the number of its runs, the most frequent first."""
    counts: Counter[str] = Counter()
    for run in runs:
        try:
            counts[fact(run.sidecar)] += 1
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):  # an older run, or one made elsewhere
            counts["not known"] += 1
    if set(counts) <= {"not known"}:
        return ""
    if len(counts) == 1:
        return next(iter(counts))
    return "; ".join(f"{words} ({counted(count, 'run')})" for words, count in counts.most_common())


def _late(runs: Sequence[Run]) -> str:
    flips = [(run.sidecar.get("LateFlips"), run.sidecar.get("FlipsOfFaces")) for run in runs]
    known = [(late, of) for late, of in flips if isinstance(late, int) and isinstance(of, int)]
    return f"{sum(late for late, _ in known):,} of {sum(of for _, of in known):,}" if known else ""


def _keys(sidecar: Sidecar) -> str:
    return ", ".join(f"{key} {response.replace('-', ' ')}" for key, response in sidecar["KeyMap"].items())


def _cross(sidecar: Sidecar) -> str:
    shortest_s, longest_s = sidecar["FixationDuration"]
    return f"{shortest_s:g} to {longest_s:g} s"


def _screen(sidecar: Sidecar) -> str:
    width, height = sidecar["ScreenSize"]
    rate = sidecar["RefreshRate"]
    parts = [f"{width} × {height} px", "whole screen" if sidecar["FullScreen"] else "window"]
    parts += [] if rate is None else [f"{rate:.0f} Hz"]
    return ", ".join([*parts, "flips wait for it" if sidecar["VSync"] else "flips do not wait for it"])


def _face(sidecar: Sidecar) -> str:
    degrees, distance_cm = sidecar["FaceHeight_deg"], sidecar["ViewingDistance_cm"]
    angle = "" if degrees is None else f", {degrees:.1f}° of visual angle from {distance_cm:g} cm"
    return f"{sidecar['FaceHeight']} px{angle}"


def _program(sidecar: Sidecar) -> str:
    versions = sidecar["SoftwareVersions"]
    return f"SmileCVAE {versions['SmileCVAE']}, {versions['System']}"


FACTS: dict[str, Callable[[Sidecar], str]] = {
    "observers": lambda sidecar: "simulated" if sidecar["Simulated"] else "people",
    "faces asked for": lambda sidecar: f"{sidecar['Limit']}, design {sidecar['Design']}",
    "shown twice": lambda sidecar: percent(sidecar["Repeats"]),
    "practice": lambda sidecar: counted(sidecar["PracticeTrials"], "face"),
    "between breaks": lambda sidecar: counted(sidecar["BlockLength"], "face"),
    "cross before a face": _cross,
    "time for an answer": lambda sidecar: f"{sidecar['Timeout']:g} s",
    "keys": _keys,
    "texts": lambda sidecar: str(sidecar["Texts"]),
    "screen": _screen,
    "height of a face": _face,
    "times of keys": lambda sidecar: str(sidecar["KeyTimeSource"]),
    "program": _program,
}
