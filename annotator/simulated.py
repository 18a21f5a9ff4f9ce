"""A simulated observer in front of the same screen: for demos, tests, and to see what a study would find."""

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from annotator.subjects import Person
from annotator.trial import Press
from sessions.observers import draw_observer, respond

if TYPE_CHECKING:
    from annotator.page import Page
    from annotator.screen import Screen

READING_S = 0.4  # how long a simulated subject looks at a page
HOLDING_S = 0.08  # how long it holds a key


class SimulatedSubject(Person):
    """A drift-diffusion observer (see `sessions.observers`). Keys of the keyboard count too, so that Esc still stops.

    Parameters
    ----------
    smile : image to true smile, standardised to mean 0 and sd 1; other images are taken as average.
    truth : the column of metadata.csv that these are from.
    responses : key name to response.
    """

    def __init__(
        self, screen: "Screen", smile: Mapping[str, float], truth: str, responses: Mapping[str, str], seed: int
    ) -> None:
        super().__init__(screen)
        self.truth = truth
        self.rng = np.random.default_rng(seed)
        self.observer = draw_observer(self.rng)
        self.smile = smile
        self.keys = {response: key for key, response in responses.items()}
        self._coming: deque[Press] = deque()

    def describe(self) -> dict[str, Any]:
        return {"SimulatedObserver": asdict(self.observer), "SimulatedTruth": self.truth}

    def reads(self, page: "Page", now_s: float) -> None:
        self._press(page.actions[0].name, now_s + READING_S)

    def sees(self, image: str, onset_s: float) -> None:
        votes, response_time_s = respond(self.observer, np.array([self.smile.get(image, 0.0)]), self.rng)
        self._press(self.keys["smiley" if votes[0] > 0 else "not-smiley"], onset_s + float(response_time_s[0]))

    def wait_for_press(self, deadline_s: float) -> Press | None:
        due_s = self._coming[0].time_s if self._coming else deadline_s
        press = self.screen.wait_for_press(min(deadline_s, due_s))
        if press is None and self._coming and due_s <= deadline_s:
            return self._coming.popleft()
        return press

    def _press(self, key: str, time_s: float) -> None:
        self._coming = deque(
            Press(key, moment_s, "simulation", down) for moment_s, down in ((time_s, True), (time_s + HOLDING_S, False))
        )
