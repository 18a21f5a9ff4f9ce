"""Session files of simulated observers, for an image set whose metadata.csv holds the true or asked degree of smile.

    python -m sessions.simulate --subjects 3

The observers are those of `sessions.observers`. Their runs are marked (Simulated is true), and the reader leaves them
out as soon as people have judged the set.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import shell
from sessions import RunWriter, content_hash, runs, shown_first
from sessions.files import subjects as all_subjects
from sessions.writer import forget
from shell import UserError

if TYPE_CHECKING:
    import pandas as pd

TRUTHS = ("true_smile", "asked_smile")  # a face made by a model has only the degree that was asked for


@dataclass(frozen=True)
class Settings:
    """Record session files of simulated observers."""

    subjects: int = 3
    """How many observers, called sim01, sim02, ..."""
    truth: str | None = None
    """The column of metadata.csv with the smile that they see; without this true_smile, or else asked_smile."""
    data: Path = Path("data/faces")
    """The image set."""
    limit: int = 200
    """Images per observer: the first ones of a list that is the same for all subjects."""
    seed: int = 0
    """Other seeds give other observers."""
    sessions: Path = Path("sessions")
    """Where the session files lie."""
    force: bool = False
    """Remove all runs that were simulated on this set before."""


def main(settings: Settings) -> None:
    import numpy as np

    from sessions.observers import draw_observer, respond

    if settings.subjects < 1 or settings.limit < 1:
        raise UserError(f"--subjects {settings.subjects} --limit {settings.limit}: expected at least 1 of each.")
    if settings.seed < 0:
        raise UserError(f"--seed {settings.seed}: expected 0 or more.")
    smile = standardised_truth(settings.data, settings.truth)
    images = shown_first(smile.index, settings.limit)
    hashes = {image: content_hash(settings.data / "images" / image) for image in images}
    image_set = settings.data.resolve().name
    subjects = [f"sim{number:02d}" for number in range(1, settings.subjects + 1)]
    make_room(settings, subjects, image_set)
    for number, subject in enumerate(subjects, start=1):
        rng = np.random.default_rng([settings.seed, number])  # sim01 stays sim01 however many there are
        observer = draw_observer(rng)
        order = rng.permutation(len(images))
        shown = [images[i] for i in order]
        votes, response_time_s = respond(observer, smile.loc[shown].to_numpy(), rng)
        sidecar = {
            "Simulated": True,
            "SimulatedObserver": asdict(observer),
            "SimulatedTruth": smile.name,
            "Instructions": "None: simulated observers do not read.",
            "Seed": settings.seed,
            "ImageSHA256": hashes,
        }
        onset_s = 1.0 + np.concatenate([[0.0], np.cumsum(response_time_s[:-1] + 1.0)])  # a second between faces
        with RunWriter(settings.sessions, subject, image_set, sidecar) as run:
            run.write_all(
                {
                    "trial": trial,
                    "trial_type": "main",
                    "image": image,
                    "response": "smiley" if vote > 0 else "not-smiley",
                    "response_time": float(response_time),
                    "face_onset": float(onset),
                }
                for trial, (image, vote, response_time, onset) in enumerate(
                    zip(shown, votes, response_time_s, onset_s, strict=True), start=1
                )
            )
        print(run.path)
    print(f"{len(subjects)} simulated subjects judged {len(images)} faces of {settings.data} each.")
    print(f"Next: python -m labeling.build{shell.flags(settings, 'data', 'sessions')}")


def standardised_truth(data: Path, column: str | None = None) -> "pd.Series[float]":
    """`read_truth` with mean 0 and sd 1, as `sessions.observers` take it."""
    truth = read_truth(data, column)
    return (truth - truth.mean()) / truth.std(ddof=0)


def read_truth(data: Path, column: str | None = None) -> "pd.Series[float]":
    """The true degree of smile per image, for images that have one and a picture, named by its column.

    Without `column` it is in the first of `TRUTHS` that metadata.csv has.

    Raises
    ------
    UserError
        There is no metadata.csv, no such column, fewer than two different degrees in it, or an image without a name or
        named twice.
    """
    import pandas as pd

    path = data / "metadata.csv"
    if not path.exists():
        how = "python -m data.prepare drawn makes it" if data == Settings.data else "simulation needs the true smile"
        raise UserError(f"{path}: no such file; {how}.")
    try:
        table = pd.read_csv(path, encoding="utf-8-sig", index_col=False, dtype={"image": str})
    except (ValueError, pd.errors.ParserError) as error:
        raise UserError(f"{path}: not a comma-separated table in UTF-8 ({error}).") from error
    for wanted in (("image",), TRUTHS if column is None else (column,)):
        if not set(wanted) & set(table.columns):
            names = " or ".join(map(repr, wanted))
            raise UserError(f"{path}: no column {names}, found {', '.join(map(str, table.columns))}.")
    column = column or next(name for name in TRUTHS if name in table.columns)
    for bad, problem in (
        (table["image"].isna(), "has no image"),
        (table["image"].duplicated(), "an image for a second time"),
    ):
        if bad.any():
            raise UserError(f"{path}, row {int(bad.argmax()) + 2}: {problem}, expected one row per image.")
    truth = pd.to_numeric(table.set_index("image", drop=False)[column], errors="coerce").dropna()
    # as in data.open_set: a table cannot hold a name that is not plain text
    truth = truth[[image.isprintable() and (data / "images" / image).exists() for image in truth.index]]
    endless = truth.abs() == float("inf")
    if endless.any():
        raise UserError(f"{path}: {column} of {truth.index[endless][0]} is not finite.")
    if truth.nunique() < 2:
        raise UserError(
            f"{path}: {column!r} has fewer than two different numbers for the pictures in {data / 'images'}."
        )
    return truth


def make_room(settings: Settings, subjects: list[str], image_set: str) -> None:
    """With --force, remove what was ever simulated on this set; else refuse where one of `subjects` has judged it."""
    simulated = []
    for subject in all_subjects(settings.sessions):
        for run in runs(settings.sessions, subject, image_set):
            if run.sidecar["Simulated"]:
                simulated.append(run)
            elif subject in subjects:
                raise UserError(
                    f"{run.path}: a person recorded this; ids such as {subject} are for simulated subjects."
                )
    if not settings.force:
        for run in simulated:
            if run.subject in subjects:
                raise UserError(f"{run.path}: {run.subject} has judged {image_set} already; --force starts again.")
        return
    for run in simulated:
        run.path.unlink()
        run.path.with_suffix(".json").unlink()
    for subject in sorted({run.subject for run in simulated}):
        forget(settings.sessions, subject)


if __name__ == "__main__":
    shell.run(main, Settings)
