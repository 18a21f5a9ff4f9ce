"""A screen that nobody sees, in front of which everything happens as a list of events says, in no time."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from PIL import Image

from annotator.screen import WindowClosed
from annotator.trial import Press


class Failure(Exception):
    """Something that nobody thought of."""


@dataclass(frozen=True)
class Event:
    """What happens next, to a program that waits for a key."""

    what: str
    """A key; or `close`, `fail`, `fill`: the window is closed, the program fails, the disk refuses the next row."""
    after_s: float
    """Since it began to wait."""
    down: bool = True
    off_s: float = 0.0
    """Of the key's time, from the clock's."""


class FakeScreen:
    """Nobody sees it, and its time is made by those who wait."""

    size = (160, 120)
    monitor_width = 160
    grey = 40
    refresh_s = float("nan")

    def __init__(self, events: Iterable[Event]) -> None:
        self.events: Iterator[Event] = iter(events)
        self.now_s = time.perf_counter() + 10  # after all that is told the real time
        self.refusals = 0
        self.coming: Event | None = None
        self.due_s = 0.0

    def load(self, picture: Image.Image) -> Image.Image:
        return picture

    def draw(self, picture: Image.Image | None = None) -> None:
        pass

    def settle(self, due_s: float) -> float:
        return due_s

    def flip(self, due_s: float = 0.0) -> float:
        self.now_s = max(self.now_s + 0.001, due_s)
        return self.now_s

    def wait_for_press(self, deadline_s: float) -> Press | None:
        while True:
            if self.coming is None:
                self.coming = next(self.events, Event("close", 0.0))
                self.due_s = self.now_s + self.coming.after_s
            if self.due_s > deadline_s:
                self.now_s = max(self.now_s, deadline_s)
                return None
            event, self.coming = self.coming, None
            self.now_s = max(self.now_s, self.due_s)
            if event.what == "close":
                raise WindowClosed
            if event.what == "fail":
                raise Failure
            if event.what != "fill":
                return Press(event.what, self.now_s + event.off_s, "test", event.down)
            self.refusals += 1
