"""From what happened on the screen to the session file."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from annotator.host import Host, Leave
from annotator.page import compose
from annotator.plan import Planned
from annotator.sidecar import now
from annotator.slide import ESCAPE, Slide
from sessions import RunWriter

LATE = 0.5  # refreshes after the one that was waited for: a frame was dropped
LATE_S = 0.025  # where flips do not wait for the display, after the planned time

COLUMNS: dict[str, dict[str, Any]] = {
    "fixation_duration": {"Description": "From the fixation cross to the face.", "Units": "s"},
    "onset_delay": {
        "Description": "How much later the face came than at the refresh of the display that was waited for; where "
        "flips do not wait for the display, than planned.",
        "Units": "s",
    },
    "press_duration": {
        "Description": "From the press of the answering key to its release; n/a where it was held for more than half "
        "a second.",
        "Units": "s",
    },
    "ended_by": {
        "Description": "What ended the trial.",
        "Levels": {
            "press": "One of the two keys was pressed.",
            "timeout": "The time for an answer ran out.",
            "interruption": "The subject paused, or the program was closed.",
        },
    },
    "key_source": {
        "Description": "What took the time of the press; n/a where there is none.",
        "Levels": {
            "x-server": "The stamp of the X server.",
            "wake-up": "The moment at which the program woke up for it.",
            "simulation": "A simulated observer.",
        },
    },
}


class NotSaved(Leave):
    """The subject stops because an answer cannot be saved."""


class Record:
    """The rows of one run, which starts now; what cannot be written is kept, shown and tried again."""

    def __init__(self, run: RunWriter, host: Host) -> None:
        self.run = run
        self.host = host
        self.start_s = time.perf_counter()
        self.rows: list[dict[str, str | float | None]] = []
        self.left_out: list[str] = []
        """Images that could not be shown."""

    def add(self, planned: Planned, slide: Slide) -> None:
        """Write one trial and return when it is on the disk.

        Raises
        ------
        NotSaved
            The disk does not take it and the subject gives up.
        """
        outcome = slide.outcome
        row: dict[str, str | float | None] = {
            "trial": len(self.rows) + 1,
            "trial_type": planned.trial_type,
            "image": planned.image,
            "response": outcome.response,
            "response_time": outcome.response_time_s,
            "early_press": outcome.early_press_s,
            "face_onset": slide.onset_s - self.start_s,
            "fixation_duration": slide.fixation_s,
            "onset_delay": slide.delay_s,
            "press_duration": outcome.press_duration_s,
            "ended_by": outcome.ended_by,
            "key_source": outcome.key_source,
        }
        self.save(lambda: self.run.write(**row), self.run.path, row)
        self.rows.append(row)

    def save(self, write: Callable[[], None], path: Path, answer: object) -> None:
        """`write` the subject's `answer` to `path`; as long as that fails, say so and, when asked to, try again.

        Raises
        ------
        NotSaved
            The subject gives up.
        """
        while True:
            try:
                return write()
            except OSError as error:
                problem = f"{path}: {error.strerror}"
                print(f"{problem}; not saved so far: {answer}")
                page = compose(self.host.texts, "cannot_write", note=problem)
                if self.host.ask(page) == ESCAPE:
                    raise NotSaved from error

    def finish(self) -> None:
        """Add to the sidecar what is known only at the end."""
        refresh_s = self.host.screen.refresh_s
        late_s = LATE * refresh_s if refresh_s > 0 else LATE_S
        faces = [row for row in self.rows if row["trial_type"] != "practice"]
        self.note(
            EndTime=now(),
            StartClock=self.start_s,
            FlipsOfFaces=len(faces),
            LateFlips=sum(float(row["onset_delay"] or 0) > late_s for row in faces),
            ImagesLeftOut=sorted(set(self.left_out)),
        )

    def note(self, **sidecar: object) -> None:
        """Add to the run's sidecar; a full disk is no reason to stop here, the rows will tell."""
        try:
            self.run.update(**sidecar)
        except OSError as error:
            print(f"note: {self.run.path.with_suffix('.json')} could not be completed: {error.strerror}.")
