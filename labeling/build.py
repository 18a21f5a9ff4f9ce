"""Session files become labels: one smile degree per face, with its uncertainty.

python -m labeling.build                     # sessions/ -> data/faces/labels.csv
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import shell
from shell import UserError

if TYPE_CHECKING:
    import pandas as pd

    from labeling.labels import Assessment


@dataclass(frozen=True)
class Settings:
    """Make the labels of an image set from what was recorded on it."""

    data: Path = Path("data/faces")
    """The image set."""
    sessions: Path = Path("sessions")
    """Where the session files lie."""
    method: Literal["evidence", "majority", "mean-vote", "inverse-rt", "linear-rt", "diffusion"] = "evidence"
    """How votes and response times become a degree; see labeling/scores.py and labeling/diffusion.py."""
    skip_bad: bool = False
    """Leave out files that cannot be read, with a note on each, instead of stopping."""


def main(settings: Settings) -> None:
    from labeling.labels import assess

    trials = read_trials(settings)
    assessment = assess(trials, settings.method)
    print_summary(trials, assessment)
    path = settings.data / "labels.csv"
    with shell.whole_file(path) as aside:
        assessment.labels.to_csv(aside, index=False, lineterminator="\n")
    labels = assessment.labels
    print(
        f"\n{len(labels)} faces labelled by {labels['votes'].sum()} votes ({settings.method}); "
        f"standard error {labels['smile_se'].median():.2f} (median)."
    )
    print(path)
    print("Next: python -m model.train" + (f" --data {settings.data}" if settings.data != Settings.data else ""))


def read_trials(settings: Settings) -> "pd.DataFrame":
    """The trials recorded on the set that count, pictures that are there no more left out with a word.

    Raises
    ------
    UserError
        There is no such image set, or nothing is recorded on it.
    """
    import data
    import sessions

    image_set = settings.data.resolve().name
    trials = sessions.read(
        settings.sessions, image_set, images=settings.data / "images", skip_bad=settings.skip_bad, tell=print
    )
    if trials.empty and settings.data == Settings.data:  # the annotator makes the default set itself
        raise UserError(
            f"{settings.sessions}: nothing is recorded on {image_set}; python -m annotator --subject me records some."
        )
    names = data.open_set(settings.data).names
    if trials.empty:
        raise UserError(
            f"{settings.sessions}: nothing is recorded on {image_set}; "
            f"python -m annotator --subject me --data {settings.data} records some."
        )
    here = trials["image"].isin(names)
    if not here.all():
        print(f"{(~here).sum()} trials are left out, because their pictures are not in {settings.data / 'images'}.")
        trials = trials[here]
    counted = trials[trials["trial_type"] != "practice"]
    if counted["response"].notna().sum() == 0:
        raise UserError(
            f"{settings.sessions}: no answered trial on {image_set}, {len(trials)} practice trials or misses."
        )
    return trials


def print_summary(trials: "pd.DataFrame", assessment: "Assessment") -> None:
    """Per subject: trials read, what of them became votes, and what the method found; then its decisions."""
    practice = trials["trial_type"] == "practice"
    by_subject = trials["subject"]
    table = assessment.subjects.assign(
        trials=by_subject.value_counts(),
        practice=practice.groupby(by_subject).sum(),
        missed=(trials["response"].isna() & ~practice).groupby(by_subject).sum(),
    )
    found = [column for column in table.columns if column in ("accuracy", "rt_use")]
    columns = ["trials", "practice", "missed", "dropped", "votes", *found]
    table["votes"] -= table["dropped"]
    print(table[columns].round(2).rename_axis(None).to_string())
    if table["dropped"].any():
        print(f"dropped: {assessment.why_dropped}.")
    for note in assessment.notes:
        print(note)


if __name__ == "__main__":
    shell.run(main, Settings)
