"""The flags of `python -m annotator`."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data.images import DEFAULT
from shell import UserError


@dataclass(frozen=True)
class Settings:
    """Show faces to one subject, who presses smiley or not smiley, and record every answer.

    The flags of a study can stand in a file: python -m annotator --subject alice @study.txt
    """

    subject: str | None = None
    """Who looks: letters and digits, such as alice or p07. The same subject goes on where the last run stopped."""
    data: Path = DEFAULT
    """The image set."""
    sessions: Path = Path("sessions")
    """Where the session files go."""
    limit: int = 200
    """How many faces: the first of a list that is the same for all subjects."""
    images: Path | None = None
    """A text file with one image name per line, in place of that list; --limit holds for it too."""
    design: Literal["fixed", "balanced"] = "fixed"
    """balanced takes the faces that were shown least often so far, of equals as many of each asked_smile."""
    repeats: float = 0.1
    """Share of the faces that is shown a second time, at least 20 faces later, to see how consistent the subject is."""
    questions: bool = True
    """Ask for age, sex and handedness, once; each can be skipped."""
    practice: int = 6
    """Practice trials, on faces of no set."""
    block: int = 50
    """Faces between two breaks."""
    keys: tuple[str, str] | None = None
    """The keys for not smiley and for smiley. Without this F and J, smiley on the side that fewer subjects have."""
    fixation_s: tuple[float, float] = (0.5, 1.0)
    """Shortest and longest time of the cross before a face."""
    timeout_s: float = 3.0
    """How long a face waits for an answer."""
    slow_s: float = 1.2
    """Practice answers that take longer are followed by "a little faster"."""
    face_height: float = 0.5
    """Height of a face: a share of the screen's."""
    face_degrees: float | None = None
    """Height of a face in degrees of visual angle instead; needs the next two."""
    screen_width_cm: float | None = None
    """Width of the picture on the monitor. With the next it tells the degrees of a --face-height."""
    distance_cm: float | None = None
    """From the eyes to the screen."""
    grey: int = 40
    """Grey of the background, 0 (black) to 255."""
    texts: str = "en"
    """The language of the texts, or a file with your own (annotator/languages/en.toml shows how)."""
    windowed: bool = False
    """Use a window, not the whole screen. For a look; timing is best on the whole screen."""
    monitor: int = 1
    """Which monitor."""
    seed: int | None = None
    """Of the order; drawn at random, recorded, and kept for the subject's next run."""
    simulate: bool = False
    """A simulated observer presses the keys; it sees the true_smile, or else asked_smile, of the set's metadata.csv."""
    timing: bool = False
    """Do not record: test how exactly this machine shows faces and times keys."""

    def check(self) -> None:
        """Raise UserError for values that cannot be meant."""
        shortest_s, longest_s = self.fixation_s
        degrees, width_cm, distance_cm = self.face_degrees, self.screen_width_cm, self.distance_cm
        for flag, value, fine, expected in (
            ("--limit", self.limit, self.limit >= 1, "at least 1"),
            ("--repeats", self.repeats, 0 <= self.repeats <= 1, "a share from 0 to 1"),
            ("--practice", self.practice, self.practice >= 0, "0 or more"),
            ("--block", self.block, self.block >= 1, "at least 1"),
            ("--fixation-s", self.fixation_s, 0.1 <= shortest_s <= longest_s <= 60, "two times in order, 0.1 to 60 s"),
            ("--timeout-s", self.timeout_s, 0.1 <= self.timeout_s <= 3600, "0.1 to 3600 s"),
            ("--slow-s", self.slow_s, 0 < self.slow_s <= 3600, "above 0, up to 3600 s"),
            ("--face-height", self.face_height, 0 < self.face_height <= 1, "a share of the screen above 0, up to 1"),
            ("--face-degrees", degrees, degrees is None or 0 < degrees <= 90, "above 0, up to 90"),
            ("--screen-width-cm", width_cm, width_cm is None or 0 < width_cm < math.inf, "above 0"),
            ("--distance-cm", distance_cm, distance_cm is None or 0 < distance_cm < math.inf, "above 0"),
            ("--grey", self.grey, 0 <= self.grey <= 255, "0 to 255"),
            ("--seed", self.seed, self.seed is None or self.seed >= 0, "0 or more"),
            ("--keys", self.keys, self.keys is None or self.keys[0] != self.keys[1], "two different keys"),
        ):
            if not fine:
                raise UserError(f"{flag} {value}: expected {expected}.")
        if degrees is not None and (width_cm is None or distance_cm is None):
            raise UserError("--face-degrees needs --screen-width-cm and --distance-cm.")
        if (width_cm is None) != (distance_cm is None):
            raise UserError("--screen-width-cm and --distance-cm belong together: a visual angle needs both.")
