"""Session files become labels: one smile degree per face, with its uncertainty.

    python -m labeling.build                     # sessions/ -> data/faces/labels.csv and labels.html
    python -m labeling.build --trials mine.csv --rename participant=subject rt=response_time_ms \\
        --responses f=smiley j=not-smiley

labels.csv is what the model trains on; labels.json says how it was made; labels.html is the report for people
(`labeling.report`). Where metadata.csv has the column asked_smile, as in the sets of `model.stimuli`, calibration.json
tells what people see at each asked degree.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import shell
from shell import UserError

if TYPE_CHECKING:
    import pandas as pd

    from data import ImageSet
    from labeling.labels import Assessment

Method = Literal["evidence", "majority", "mean-vote", "inverse-rt", "linear-rt", "diffusion"]


@dataclass(frozen=True)
class Settings:
    """Make the labels of an image set from what was recorded on it."""

    data: Path = Path("data/faces")
    """The image set."""
    sessions: Path = Path("sessions")
    """Where the session files lie."""
    method: Method = "evidence"
    """How votes and response times become a degree; see labeling/scores.py and labeling/diffusion.py."""
    trials: Path | None = None
    """Instead of session files: one .csv, .tsv or .parquet table with subject, image, response, response_time (s)."""
    rename: tuple[str, ...] = ()
    """For --trials: THEIRS=OURS for columns with other names; response_time_ms for times in milliseconds."""
    responses: tuple[str, ...] = ()
    """For --trials: VALUE=smiley or VALUE=not-smiley for each answer, such as f=smiley j=not-smiley."""
    exclude: tuple[str, ...] = ()
    """Subjects whose votes do not count, by rules that were settled beforehand."""
    fix_swapped: bool = False
    """Turn round the votes of subjects who have plainly swapped the keys."""
    skip_bad: bool = False
    """Leave out files (of --trials: rows) that cannot be read, with a note on each, instead of stopping."""


def main(settings: Settings) -> None:
    import data
    from labeling.confounds import rank_correlations_with_truth
    from labeling.labels import assess
    from labeling.procedure import procedure
    from labeling.reliability import split_half
    from labeling.report import Recorded, write_report
    from labeling.sidecar import write_sidecar
    from labeling.subjects import OPPOSITE, describe, fix_swapped, krippendorff_alpha, silent
    from labeling.votes import from_trials

    notes: list[str] = []
    trials = read_trials(settings, notes.append)
    simulated = "simulated" in trials.columns and bool(trials["simulated"].all())
    if simulated:
        notes.append("The subjects are simulated: these labels say nothing about people.")
    subjects = describe(trials)
    nothing = [f"{name} ({shell.counted(n, 'face')} missed)" for name, n in silent(trials).items()]
    if nothing:
        notes.append(f"Without a single answer: {shell.listed(nothing)}.")
    if settings.fix_swapped:
        trials, turned = fix_swapped(trials)
        nobody = "nobody has swapped the keys" if len(subjects) > 2 else "none; it takes three subjects to tell who did"
        if len(subjects) > 2 and subjects["flags"].str.contains(OPPOSITE).any():
            nobody = "none; too many are against the others to tell who has swapped the keys"
        notes.append(f"Votes turned round: {', '.join(turned) or nobody}.")
    assessment = assess(trials, settings.method)
    if assessment.subjects["dropped"].any():
        notes.append(f"Votes that do not count: {assessment.subjects['dropped'].sum()} ({assessment.why_dropped}).")
    if assessment.labels.empty:
        raise UserError(f"no vote counts with --method {settings.method}: {assessment.why_dropped}.")
    notes += assessment.notes
    images = data.open_set(settings.data)
    labels = assessment.labels
    for column, r in rank_correlations_with_truth(labels, images.metadata()).items():
        notes.append(f"The rank correlation of the labels with {column}, which they never saw, is {r:.2f}.")
    calibration, said = calibrated(images, assessment, simulated, notes.append)
    print_summary(trials, assessment, subjects)
    print(*notes, *said, sep="\n")

    path = settings.data / "labels.csv"
    with shell.whole_file(path) as aside:
        labels.to_csv(aside, index=False, lineterminator="\n")
    reliability = split_half(trials, settings.method)
    alpha = krippendorff_alpha(from_trials(trials))
    how = procedure(settings.sessions, trials) if settings.trials is None else {}
    recorded = Recorded(trials, subjects, settings.method, notes, reliability, alpha, how)
    about = write_sidecar(path, recorded, asked(settings))
    report = write_report(images, labels, recorded)
    print(
        f"\n{shell.counted(len(labels), 'face')} labelled by {shell.counted(labels['votes'].sum(), 'vote')} "
        f"({settings.method}); "
        f"standard error {labels['smile_se'].median():.2f} (median)"
        + (f", reliability {reliability.full:.2f}." if reliability else ".")
    )
    if reliability is not None and reliability.by_chance:
        print(f"Beware: {reliability.doubt}.")
    print(path, about, report, sep="\n")
    if calibration is None:
        print(f"Next: python -m model.train{shell.flags(settings, 'data')}")
    else:
        print(calibration)
        print(f"Next: python -m model.sample --calibrated {shell.typed(settings.data)} --smile 0.5")


def asked(settings: Settings) -> dict[str, object]:
    """The flags that decide what labels come out, without the folders of this machine."""
    found: dict[str, object] = {"method": settings.method, "exclude": list(settings.exclude)}
    found |= {"fix_swapped": settings.fix_swapped, "skip_bad": settings.skip_bad}
    if settings.trials is not None:
        found |= {"trials": settings.trials.name, "rename": settings.rename, "responses": settings.responses}
    return found


def calibrated(
    images: "ImageSet", assessment: "Assessment", simulated: bool, tell: Callable[[str], object]
) -> tuple[Path | None, list[str]]:
    """Write calibration.json of a stimulus set, and say what was found; nothing where the set is none.

    `tell` is called with a sentence on faces that were made to be seen at a degree.
    """
    from data.calibration import ASKED, FILE, Calibration, write_calibration
    from labeling.calibration import calibrate
    from labeling.calibration_section import aims, findings

    (images.folder / FILE).unlink(missing_ok=True)  # it must never be of other answers than the labels
    metadata = images.metadata()
    if ASKED not in metadata:
        return None, []
    found = calibrate(assessment, metadata, simulated)
    if not isinstance(found, Calibration):
        return None, [found]
    for sentence in aims(found, metadata):
        tell(sentence)
    return write_calibration(images.folder, found), findings(found)


def read_trials(settings: Settings, tell: Callable[[str], object]) -> "pd.DataFrame":
    """The trials on pictures of the set; `tell` is called with a sentence on what was left out.

    Raises
    ------
    UserError
        There is no such image set, or no answered trial on it.
    """
    import data
    from labeling.votes import is_practice, is_vote

    if settings.trials is None and (settings.rename or settings.responses):
        raise UserError("--rename and --responses say how to read a table; --trials names it.")
    if settings.trials is not None and settings.sessions != Settings.sessions:
        raise UserError(f"--sessions {settings.sessions} and --trials {settings.trials}: expected one of them.")
    if settings.trials is not None:
        from labeling.tables import read_trials as read_table

        source = settings.trials

        def tell_name(note: str) -> None:  # without its folders, for the report is shared
            tell(note.replace(str(settings.trials), source.name))

        trials = read_table(settings.trials, settings.rename, settings.responses, settings.skip_bad, tell_name)
        excluded = list(settings.exclude)
        trials = without(trials, excluded, source)
    else:
        import sessions

        source = settings.sessions
        excluded = [name.removeprefix("sub-") for name in settings.exclude]
        trials = sessions.read(
            settings.sessions,
            settings.data.resolve().name,
            images=settings.data / "images",
            skip_bad=settings.skip_bad,
            exclude=excluded,
            tell=tell,
        )
        if trials.empty and excluded:
            raise UserError(f"--exclude leaves nobody of {source}.")
        where = shell.flags(settings, "data")
        if trials.empty and not where:  # the annotator makes the default set itself
            raise nothing_recorded(settings)
    names = data.open_set(settings.data).names
    if settings.trials is None and trials.empty:
        raise nothing_recorded(settings)
    here = trials["image"].isin(names)
    here |= is_practice(trials)  # which has pictures of its own
    if not here.all():
        where = f"{settings.data.resolve().name}/images"
        tell(f"Trials left out, because their pictures are not in {where}: {(~here).sum()}.")
        trials = trials[here].reset_index(drop=True)
    if excluded:
        tell(f"Subjects left out by --exclude: {', '.join(excluded)}.")
    if not is_vote(trials).any():
        raise UserError(f"{source}: no answered trial on a picture of {settings.data} ({len(here)} trials read).")
    return trials


def without(trials: "pd.DataFrame", excluded: list[str], source: Path) -> "pd.DataFrame":
    """The trials of a table without those of the subjects `excluded`, each of whom has to be in it."""
    subject = trials["subject"].astype(str)
    for name in excluded:
        if not (subject == name).any():
            known = shell.listed(sorted(set(subject)))
            raise UserError(f"--exclude {name}: no such subject in {source}, expected one of {known}.")
    trials = trials[~subject.isin(excluded)].reset_index(drop=True)
    if trials.empty and excluded:
        raise UserError(f"--exclude leaves nobody of {source}.")
    return trials


def nothing_recorded(settings: Settings) -> UserError:
    """That there is no recording of the set, and what else is recorded: sets are renamed."""
    from sessions.files import read_runs, run_paths

    others = {run.sidecar["ImageSet"] for run in read_runs(run_paths(settings.sessions), [])}
    where = f"python -m annotator --subject me{shell.flags(settings, 'data', 'sessions')} records some"
    if others:
        where = f"recorded are {shell.listed(sorted(others))}; a set that was renamed needs its old name"
    return UserError(f"{settings.sessions}: nothing is recorded on {settings.data}; {where}.")


def print_summary(trials: "pd.DataFrame", assessment: "Assessment", subjects: "pd.DataFrame") -> None:
    """Per subject: trials read, what of them became votes, what they are worth."""
    from labeling.votes import is_practice

    names = trials["subject"].astype(str)
    dropped = assessment.subjects["dropped"]
    table = subjects.assign(
        trials=names.value_counts(),
        practice=names[is_practice(trials)].value_counts().reindex(subjects.index, fill_value=0),
        dropped=dropped,
        votes=subjects["votes"] - dropped,
        rt_use=assessment.subjects.get("rt_use", float("nan")),
    )
    columns = [
        "trials",
        "practice",
        "missed",
        "dropped",
        "votes",
        "median_rt_s",
        "agreement",
        "accuracy",
        "rt_use",
        "flags",
    ]
    shown = table[columns].dropna(axis="columns", how="all").round(2)
    print(shown.rename_axis(None).to_string(max_rows=40))


if __name__ == "__main__":
    shell.run(main, Settings)
