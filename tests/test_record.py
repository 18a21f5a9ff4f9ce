"""From the screen to the file: whatever happens to subject, window, disk and program, a shown face has one row."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from desktop import draw_faces
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import sessions
from annotator.course import settle
from annotator.experiment import Experiment
from annotator.host import Host
from annotator.record import COLUMNS, Record
from annotator.screen import Screen, WindowClosed
from annotator.settings import Settings
from annotator.sidecar import describe_course
from annotator.subjects import Person
from annotator.texts import open_texts
from annotator.trial import Press
from data.images import ImageSet, open_set

SETTINGS = Settings(limit=6, repeats=0.0, practice=1, block=2, questions=False, fixation_s=(0.1, 0.2), seed=5)
TEXTS = open_texts("en")


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


DILIGENT = [Event(key, 0.2, down) for key in ("space", "f") for down in (True, False)]
EVENTS = st.builds(
    Event,
    st.sampled_from([*"ffjj", "space", "space", "space", "escape", "close", "fail", "fill"]),
    st.sampled_from([0.0, 0.05, 0.3, 1.0, 4.0]),
    st.booleans(),
    st.sampled_from([0.0, 0.0, -0.2, 0.2]),
)


class FakeScreen:
    """Nobody sees it, and its time is made by those who wait."""

    size = (160, 120)
    monitor_width = 160
    grey = 40
    refresh_s = float("nan")

    def __init__(self, events: Iterable[Event]) -> None:
        self.events: Iterator[Event] = iter(events)
        self.now_s = 100.0
        self.refusals = 0
        self.coming: Event | None = None
        self.due_s = 0.0

    def load(self, picture: Image.Image) -> Image.Image:
        return picture

    def draw(self, picture: Image.Image | None = None) -> None:
        pass

    def settle(self, due_s: float) -> None:
        pass

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


class Watched(Person):
    """We know which faces were seen."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self.seen: list[str] = []

    def sees(self, image: str, onset_s: float) -> None:
        self.seen.append(image)


class Writer(sessions.RunWriter):
    """Refuses rows while the disk is said to be full."""

    screen: FakeScreen
    refused = False
    """The last row that was to be written."""

    def write(self, **row: str | float | None) -> None:
        self.refused = self.screen.refusals > 0
        if self.refused:
            self.screen.refusals -= 1
            raise OSError(28, "No space left on device")
        super().write(**row)


def sit(folder: Path, images: ImageSet, events: Iterable[Event]) -> tuple[list[str], list[dict[str, str]]]:
    """One session: the faces that were seen, without one whose row the disk refused to the end, and its rows."""
    earlier = sessions.runs(folder, "alice", images.name)
    course = settle(SETTINGS, "alice", images, earlier, [])
    screen = FakeScreen(events)
    person = Watched(cast(Screen, screen))
    host = Host(cast(Screen, screen), person, TEXTS)
    host.artist.page = lambda page: Image.new("RGB", screen.size)  # nobody sees it
    with Writer(folder, "alice", images.name, describe_course(course, earlier, TEXTS), COLUMNS) as run:
        run.screen = screen
        record = Record(run, host)
        with suppress(WindowClosed, Failure):
            Experiment(course, host, record).run()
        record.finish()
    rows = [row for one in sessions.runs(folder, "alice", images.name)[len(earlier) :] for row in one.rows()]
    return person.seen[:-1] if run.refused else person.seen, rows


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    folder = tmp_path_factory.mktemp("six")
    draw_faces(folder)
    return open_set(folder / "data" / "faces")


@pytest.fixture(scope="module", autouse=True)
def nothing_that_takes_long() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        patch.setattr("annotator.course.PRACTICE_SIZE", 16)
        yield


def check(rows: list[dict[str, str]]) -> None:
    assert [row["trial"] for row in rows] == [str(i + 1) for i in range(len(rows))]
    assert all(float(a["face_onset"]) < float(b["face_onset"]) for a, b in pairwise(rows))
    for row in rows:
        answered = row["response"] != "n/a"
        assert answered == (row["response_time"] != "n/a") == (row["ended_by"] == "press")
        assert not answered or 0 < float(row["response_time"]) <= SETTINGS.timeout_s
        assert row["early_press"] == "n/a" or float(row["early_press"]) < 0


@settings(max_examples=40)
@given(sittings=st.lists(st.lists(EVENTS, max_size=40), max_size=3))
def test_each_shown_face_has_exactly_one_row_and_a_last_session_completes_the_order(
    images: ImageSet, sittings: list[list[Event]]
) -> None:
    with TemporaryDirectory() as name:
        planned = settle(SETTINGS, "alice", images, [], []).trials
        judged: list[str] = []
        for events in [*([*DILIGENT[:2] * 3, *events] for events in sittings), cycle(DILIGENT)]:
            if len(judged) == len(planned):
                break
            seen, rows = sit(Path(name), images, events)
            assert [row["image"] for row in rows] == seen
            check(rows)
            judged += [row["image"] for row in rows if row["trial_type"] == "main"]
        assert judged == [trial.image for trial in planned]
