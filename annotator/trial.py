"""One trial as a state machine: fixation, face, release, done. Fed with times and keys; knows no clock and no screen.

trial = Trial({"f": "not-smiley", "j": "smiley"}, timeout_s=3.0)
trial.press(...)                        # during the fixation: an early press
trial.show(onset_s)
trial.press(...) or trial.tick(now_s)   # until trial.phase is "done"
trial.outcome
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

RELEASE_S = 0.5  # a key held longer than this keeps nobody waiting; its press_duration is n/a


@dataclass(frozen=True)
class Press:
    """A key that went down, or up again."""

    key: str
    time_s: float
    """On the clock of the flips."""
    source: str
    """What took the time."""
    down: bool = True


@dataclass(frozen=True)
class Outcome:
    """What one shown face led to; all times in seconds."""

    response: str | None = None
    response_time_s: float | None = None
    """From the onset to the press, > 0."""
    early_press_s: float | None = None
    """The last press before the onset, relative to it, < 0."""
    press_duration_s: float | None = None
    """From the press to the release of the key, >= 0."""
    ended_by: str = "timeout"
    """press, timeout or interruption."""
    key_source: str | None = None
    """What took the time of the press."""


class Trial:
    """A face is shown once and answered at most once.

    Parameters
    ----------
    responses : key name to response; all other keys are ignored.
    timeout_s : from the onset; a press after it comes too late.
    held : keys that are down already; they answer only when pressed anew.
    """

    def __init__(self, responses: Mapping[str, str], timeout_s: float, held: Iterable[str] = ()) -> None:
        self.responses = responses
        self.timeout_s = timeout_s
        self.held = set(held)
        self.phase = "fixation"
        self.outcome = Outcome()
        self.onset_s = math.nan
        self._early_s: list[float] = []
        self._answer: Press | None = None

    @property
    def deadline_s(self) -> float:
        """When `tick` next changes something; infinite during the fixation."""
        if self.phase == "face":
            return self.onset_s + self.timeout_s
        if self._answer is not None and self.phase == "release":
            return self._answer.time_s + RELEASE_S
        return math.inf

    def show(self, onset_s: float) -> None:
        """The face stands on the screen since `onset_s`."""
        if self.phase != "fixation":
            raise ValueError(f"a face is shown once, and this trial is in its phase {self.phase!r}")
        self.onset_s = onset_s
        self.phase = "face"
        for time_s in self._early_s:
            self._note_early(time_s)

    def press(self, press: Press) -> None:
        """Take a key that went down or up. A key of which no release was seen is held, not pressed again."""
        if press.key not in self.responses:
            return
        if not press.down:
            self.held.discard(press.key)
            self._take_release(press)
        elif press.key not in self.held:
            self.held.add(press.key)
            self._take_press(press)

    def tick(self, time_s: float) -> None:
        """Nothing was pressed until `time_s`."""
        if time_s >= self.deadline_s:
            self.phase = "done"

    def interrupt(self) -> None:
        """End the trial now; an answer that was given stands."""
        if self.phase in ("fixation", "face"):
            self.outcome = replace(self.outcome, ended_by="interruption")
        self.phase = "done"

    def _take_press(self, press: Press) -> None:
        if self.phase == "fixation":
            self._early_s.append(press.time_s)
        elif self.phase == "face":
            if press.time_s <= self.onset_s:  # pressed before, delivered after
                self._note_early(press.time_s)
            elif press.time_s > self.deadline_s:
                self.phase = "done"
            else:
                self._answer = press
                self.phase = "release"
                self.outcome = replace(
                    self.outcome,
                    response=self.responses[press.key],
                    response_time_s=press.time_s - self.onset_s,
                    ended_by="press",
                    key_source=press.source,
                )

    def _take_release(self, release: Press) -> None:
        if self.phase == "release" and self._answer is not None and release.key == self._answer.key:
            duration_s = max(0.0, release.time_s - self._answer.time_s)
            self.outcome = replace(self.outcome, press_duration_s=duration_s)
            self.phase = "done"

    def _note_early(self, time_s: float) -> None:
        """A press that waited in the queue during the flip, stamped as it was taken out, was early all the same."""
        early_s = min(time_s, math.nextafter(self.onset_s, -math.inf)) - self.onset_s
        self.outcome = replace(self.outcome, early_press_s=early_s)
