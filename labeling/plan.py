"""How many subjects, and votes per face, a wanted reliability takes: by simulation from a pilot's fitted observers.

python -m labeling.plan --reliability 0.9
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import shell
from labeling import build
from shell import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from labeling.reliability import Reliability
    from labeling.scores import Terms
    from labeling.votes import Votes


LEAST_SHARED = 3


@dataclass(frozen=True)
class Settings:
    """Say how many subjects the labels of a set still need."""

    data: Path = Path("data/faces")
    """The image set."""
    sessions: Path = Path("sessions")
    """The pilot: session files of at least two subjects."""
    trials: Path | None = None
    """Instead of session files: one .csv, .tsv or .parquet table."""
    rename: tuple[str, ...] = ()
    """For --trials: THEIRS=OURS for columns with other names."""
    responses: tuple[str, ...] = ()
    """For --trials: VALUE=smiley or VALUE=not-smiley for each answer, such as f=smiley j=not-smiley."""
    exclude: tuple[str, ...] = ()
    """Subjects of the pilot who do not count."""
    skip_bad: bool = False
    """Leave out files (of --trials: rows) that cannot be read, with a note on each, instead of stopping."""
    reliability: float = 0.9
    """Wanted correlation of the labels with labels by as many other subjects."""
    subjects: tuple[int, ...] = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50)
    """Numbers of subjects to try; each judges every face once."""
    method: build.Method = "evidence"
    """How votes become labels."""
    repeats: int = 5
    """Simulations per number of subjects."""
    seed: int = 0
    """Of the simulations."""


def main(settings: Settings) -> None:
    from labeling.diffusion import diffusion
    from labeling.reliability import split_half
    from labeling.votes import from_trials

    if not 0 < settings.reliability < 1:
        raise UserError(f"--reliability {settings.reliability}: expected a number between 0 and 1.")
    if settings.repeats < 1 or not settings.subjects or min(settings.subjects) < 1:
        raise UserError("--subjects, --repeats: expected numbers of at least 1.")
    if settings.seed < 0:
        raise UserError(f"--seed {settings.seed}: expected 0 or more.")
    source = build.Settings(
        data=settings.data,
        sessions=settings.sessions,
        trials=settings.trials,
        rename=settings.rename,
        responses=settings.responses,
        exclude=settings.exclude,
        skip_bad=settings.skip_bad,
    )
    trials = build.read_trials(source, print)
    simulated = "simulated" in trials.columns and bool(trials["simulated"].all())
    if simulated:
        print("The subjects of the pilot are simulated: this plan says nothing about people.")
    votes = from_trials(trials)
    shared = check_pilot(votes)
    print(f"Fitting {len(votes.subjects)} subjects of the pilot ...")
    fitted = diffusion(votes)
    print(*fitted.notes, own_reliability(split_half(trials, settings.method), shared), sep="\n")
    table = simulate(votes, fitted, settings)
    print(table.to_string(index=False, float_format="{:.2f}".format))
    path = settings.data / "plan.png"
    plot(table, settings.reliability, path, simulated)
    enough = table[table["reliability"] >= settings.reliability]
    if len(enough):
        subjects = shell.counted(enough["subjects"].iloc[0], "subject")
        in_parts = people(votes, int(enough["subjects"].iloc[0]))
        print(f"{subjects}, as many votes per face: a reliability of {settings.reliability}{in_parts}.")
    else:
        print(f"No number of subjects tried reaches {settings.reliability}; --subjects tries others.")
    print(path)
    print(f"Next: python -m annotator --subject me{shell.flags(settings, 'data', 'sessions')}")


def people(votes: "Votes", n_subjects: int) -> str:
    """How many people that takes where each judges a part of the faces, as the pilot's subjects do; "" if all do."""
    n_images = len(votes.images)
    each = votes.first.sum() / len(votes.subjects)
    if each > 0.95 * n_images:
        return ""
    whole = math.ceil(n_subjects * n_images / each)
    return f"; {whole} if each judges {each:.0f} of {n_images} faces, as in the pilot"


def check_pilot(votes: "Votes") -> int:
    """How many images two subjects or more have judged.

    Refuses a pilot that does not show how far subjects differ, or whose times are in another unit.
    """
    import numpy as np

    from labeling.subjects import MILLISECONDS_FROM_S

    if len(votes.subjects) < 2:
        raise UserError("a plan needs a pilot of at least two subjects, whose votes show how far subjects differ.")
    shared = int((votes.per_image(votes.first) > 1).sum())
    if shared < LEAST_SHARED:
        raise UserError(
            f"a plan needs a pilot whose subjects judge at least {LEAST_SHARED} of the same faces: {shared}."
        )
    medians = votes.medians(votes.response_time_s)
    if np.isnan(medians).any():
        untimed = votes.subjects[np.isnan(medians)][0]
        raise UserError(f"subject {untimed}: no response times; a plan needs a pilot that has them, in seconds.")
    odd = votes.subjects[medians > MILLISECONDS_FROM_S]
    if len(odd):
        raise UserError(
            f"subject {odd[0]}: the response times look like milliseconds; --rename THEIRS=response_time_ms says so."
        )
    return shared


def own_reliability(pilot: "Reliability | None", shared: int) -> str:
    """What the pilot's own labels are worth; a warning where that cannot be told from chance.

    Observers fitted to votes that agree by chance still seem to see a little, so their plan is too hopeful.
    """
    if pilot is not None and not pilot.by_chance:
        return (
            f"The pilot's own labels have a reliability of {pilot.full:.2f} (split-half, {pilot.n_subjects} subjects)."
        )
    agree, faces = (0.0, shared) if pilot is None else (pilot.split_half, pilot.n_images)
    return (
        f"note: halves of the pilot agree by {agree:.2f} on {faces:.0f} faces, as they may by chance. The plan takes "
        "for granted that subjects see something in common: it is too hopeful if they do not. A larger pilot tells."
    )


def simulate(votes: "Votes", fitted: "Terms", settings: Settings) -> "pd.DataFrame":
    """Per number of subjects: reliability (correlation of the labels by two such groups), its sd, and standard error.

    Subjects are drawn, with replacement, from those fitted; images have drifts N(0, 1), as many as the pilot has. The
    subjects that are drawn make no lapses, which are in the fit to keep odd trials from bending it: with lapses the
    plan came out too pessimistic where the truth was known.
    """
    import numpy as np
    import pandas as pd

    from labeling.labels import score
    from sessions.observers import first_passage

    rng = np.random.default_rng(settings.seed)
    images = np.char.mod("%06d", np.arange(len(votes.images)))

    def group(n_subjects: int, drift: "NDArray[np.float64]") -> pd.DataFrame:
        tables = []
        for number, subject in enumerate(rng.integers(len(votes.subjects), size=n_subjects)):
            own = {name: values[subject] for name, values in fitted.subjects.items()}
            seen = own["gain"] * drift + own["drift_bias"] + own["drift_noise"] * rng.standard_normal(len(drift))
            smiley, decision_s = first_passage(seen, own["boundary"], own["start"], rng)
            columns = {"image": images, "response": np.where(smiley, 1.0, -1.0)}
            rt = decision_s + own["non_decision_s"]
            tables.append(pd.DataFrame({"subject": str(number), **columns, "response_time": rt}))
        return score(pd.concat(tables), settings.method)

    rows = []
    tasks = np.repeat(sorted(set(settings.subjects)), settings.repeats).tolist()
    for n_subjects in shell.progress(tasks, "Simulating", unit="study"):
        drift = rng.standard_normal(len(images))
        labels = [group(n_subjects, drift).set_index("image") for _ in range(2)]
        smile = [table["smile"].reindex(images, fill_value=0.0) for table in labels]
        alike = min(values.std() for values in smile) == 0
        rows.append((n_subjects, 0.0 if alike else np.corrcoef(*smile)[0, 1], labels[0]["smile_se"].median()))
    studies = pd.DataFrame(rows, columns=["subjects", "reliability", "standard_error"]).groupby("subjects")
    table = studies.mean()
    table.insert(1, "sd", studies["reliability"].std(ddof=0))
    return table.reset_index()


def plot(table: "pd.DataFrame", wanted: float, path: Path, simulated: bool) -> None:
    """Reliability against the number of subjects, as a picture; it says so where the pilot was `simulated`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.errorbar(table["subjects"], table["reliability"], table["sd"], color="#2f6f8f", marker="o", capsize=3)
    axes.axhline(wanted, color="#a4420c", linewidth=1, linestyle="--")
    at = table["subjects"].iloc[0]
    axes.annotate(f"wanted: {wanted:g}", (at, wanted), (0, 3), textcoords="offset points", color="#a4420c", fontsize=9)
    axes.set(
        xlabel="subjects (votes per face)",
        ylabel="reliability (bars: ± 1 sd of studies)",
        title="after a simulated pilot" if simulated else "",
        xscale="log",
        ylim=(0, 1),
    )
    axes.set_xticks(table["subjects"], [str(n) for n in table["subjects"]], minor=False)
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    with shell.whole_file(path) as aside:
        figure.savefig(aside, dpi=150)


if __name__ == "__main__":
    shell.run(main, Settings)
