"""From the screen to the file: whatever happens to subject, window, disk and program, a shown face has one row."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import cycle, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from desktop import draw_faces
from fake_screen import Event, Failure, FakeScreen
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import sessions
from annotator.course import settle
from annotator.experiment import Experiment
from annotator.host import Host
from annotator.page import Page
from annotator.record import COLUMNS, Record
from annotator.screen import Screen, WindowClosed
from annotator.settings import Settings
from annotator.sidecar import describe_course
from annotator.slide import AWAY
from annotator.subjects import Person
from annotator.texts import open_texts
from data.images import ImageSet, open_set
from sessions import participants
from shell import UserError

SETTINGS = Settings(limit=6, repeats=0.0, practice=1, block=2, questions=False, fixation_s=(0.1, 0.2), seed=5)
TEXTS = open_texts("en")

DILIGENT = [Event(key, 0.2, down) for key in ("space", "f") for down in (True, False)]
EVENTS = st.builds(
    Event,
    st.sampled_from([*"ffjj", "space", "space", "space", "escape", "close", "fail", "fill"]),
    st.sampled_from([0.0, 0.05, 0.3, 1.0, 4.0]),
    st.booleans(),
    st.sampled_from([0.0, 0.0, -0.2, 0.2]),
)


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


def sit(
    folder: Path, images: ImageSet, events: Iterable[Event], settings: Settings = SETTINGS
) -> tuple[list[str], list[dict[str, str]]]:
    """One session: the faces that were seen, without one whose row the disk refused to the end, and its rows."""
    earlier = sessions.runs(folder, "alice", images.name)
    course = settle(settings, "alice", images, earlier, [])
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


@pytest.mark.parametrize("dropped", [0, 1])
def test_a_single_dropped_frame_makes_a_face_late(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dropped: int
) -> None:
    refresh_s = 1 / 60

    def flip(screen: FakeScreen, due_s: float = 0.0) -> float:
        screen.now_s = max(screen.now_s + 0.001, due_s + dropped * refresh_s * (due_s > 0))
        return screen.now_s

    monkeypatch.setattr(FakeScreen, "refresh_s", refresh_s)
    monkeypatch.setattr(FakeScreen, "flip", flip)
    _, rows = sit(tmp_path, images, cycle(DILIGENT))
    (run,) = sessions.runs(tmp_path, "alice", images.name)
    faces = sum(row["trial_type"] == "main" for row in rows)
    assert faces == len(rows) - 1  # practice, which says nothing about the study
    assert (run.sidecar["FlipsOfFaces"], run.sidecar["LateFlips"]) == (faces, dropped * faces)


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


def test_practice_tells_who_takes_the_wrong_key(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: list[str] = []
    monkeypatch.setattr(Host, "say", lambda host, section, word, seconds: words.append(word))
    _, rows = sit(tmp_path, images, cycle(DILIGENT), replace(SETTINGS, practice=6))
    practice = [row for row in rows if row["trial_type"] == "practice"]
    right = [(row["response"] == "smiley") == ("smile+" in row["image"]) for row in practice]
    assert words == ["good" if fine else "wrong" for fine in right]
    assert sum(right) == 3  # who always presses the same key


def test_each_column_of_the_instrument_has_its_unit_or_its_levels(images: ImageSet, tmp_path: Path) -> None:
    _, rows = sit(tmp_path, images, cycle(DILIGENT))
    (run,) = sessions.runs(tmp_path, "alice", images.name)
    for column in COLUMNS:
        about, found = run.sidecar[column], {row[column] for row in rows} - {"n/a"}
        if "Units" in about:
            assert about["Units"] == "s" and all(float(cell) > -1 for cell in found)
        else:
            assert found - {"test"} <= about["Levels"].keys()  # keys of the screen that nobody sees


def pressed(*keys: str) -> list[Event]:
    return [Event(key, 0.2, down) for key in keys for down in (True, False)]


def test_each_answer_about_oneself_is_kept_when_the_next_question_comes_but_not_without_a_face(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, str]] = []
    choose = Host.choose

    def watched(host: Host, section: str, codes: Iterable[str]) -> str | None:
        told.append(participants.read(tmp_path, "alice"))
        return choose(host, section, codes)

    monkeypatch.setattr(Host, "choose", watched)
    asking = replace(SETTINGS, questions=True)
    leaving = pressed("space", "3", "0", "return", "f", "escape", "escape", "space")  # at the third question
    sit(tmp_path, images, leaving, asking)
    alice = {"participant_id": "sub-alice", "age": "30"}
    assert told == [alice, alice | {"sex": "F"}]
    assert participants.read(tmp_path, "alice") == {} and not (tmp_path / "sub-alice").exists()


def test_who_comes_back_is_asked_for_what_is_not_known_yet(images: ImageSet, tmp_path: Path) -> None:
    with sessions.RunWriter(tmp_path, "alice", images.name) as run:
        participants.describe(tmp_path, "alice", {"age": 30, "sex": "F"})
        run.write(trial=1, trial_type="practice", image="practice-01_smile+0.9")
    sit(tmp_path, images, pressed("space", "l", "escape", "escape", "space"), replace(SETTINGS, questions=True))
    assert participants.read(tmp_path, "alice") == {
        "participant_id": "sub-alice",
        "age": "30",
        "sex": "F",
        "handedness": "L",
    }


def test_what_a_laboratory_wrote_before_is_kept_and_not_asked_for(images: ImageSet, tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_text("participant_id\tage\tsex\tgroup\nsub-alice\t30\tF\tcontrol\n")
    asking = replace(SETTINGS, questions=True, practice=0)
    left_handed = pressed("space", "l", "space", "space")
    sit(tmp_path, images, [*left_handed, Event("f", 1.0)], asking)
    known = {"participant_id": "sub-alice", "age": "30", "sex": "F", "group": "control", "handedness": "L"}
    assert participants.read(tmp_path, "alice") == known


@pytest.mark.parametrize(("rows", "title"), [(0, "You do not take part"), (1, "All that you answered is kept")])
def test_who_declines_is_told_what_is_kept(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, title: str
) -> None:
    with sessions.RunWriter(tmp_path, "alice", images.name) as run:
        for trial in range(rows):
            run.write(trial=trial + 1, trial_type="practice", image="practice-01_smile+0.9")
    pages: list[Page] = []
    ask = Host.ask
    monkeypatch.setattr(Host, "ask", lambda host, page, *keys: pages.append(page) or ask(host, page, *keys))
    sit(tmp_path, images, pressed("escape", "space"))
    assert pages[-1].paragraphs[0].startswith(title)
    assert (tmp_path / "sub-alice").exists() == (rows > 0)


SHORT = replace(SETTINGS, practice=0)
TO_THE_FACES = [Event("space", 0.2) for _ in ("consent", "instructions", "ready")]


def test_a_window_closed_before_the_key_is_released_loses_no_answer(images: ImageSet, tmp_path: Path) -> None:
    _, rows = sit(tmp_path, images, [*TO_THE_FACES, Event("f", 1.0), Event("close", 0.1)], SHORT)
    assert [(row["ended_by"], row["press_duration"]) for row in rows] == [("press", "n/a")]


def test_a_key_held_when_the_subject_paused_at_the_cross_is_no_answer_to_the_face(
    images: ImageSet, tmp_path: Path
) -> None:
    pause = [Event("f", 0.01), Event("escape", 0.01), Event("space", 0.2)]
    _, rows = sit(tmp_path, images, [*TO_THE_FACES, *pause, Event("f", 1.0), Event("f", 0.1), Event("j", 0.1)], SHORT)
    assert rows[0]["response"] == settle(SHORT, "alice", images, [], []).responses["j"]


def test_who_turns_to_another_window_loses_one_face_not_all_that_follow(images: ImageSet, tmp_path: Path) -> None:
    away = [Event(AWAY, 1.0, down=False), Event("x", 100.0), Event("space", 0.2)]
    _, rows = sit(tmp_path, images, [*TO_THE_FACES, *away, Event("f", 1.0), Event("close", 0.1)], SHORT)
    assert [row["ended_by"] for row in rows] == ["interruption", "press"]


def test_pictures_that_cannot_be_read_are_kept_in_the_sidecar_and_not_counted(tmp_path: Path) -> None:
    draw_faces(tmp_path)
    for name in ("001.png", "004.png"):
        (tmp_path / "data" / "faces" / "images" / name).write_bytes(b"no picture")
    faces = open_set(tmp_path / "data" / "faces")
    seen, _ = sit(tmp_path, faces, cycle(DILIGENT), SHORT)
    assert sorted(seen) == ["000.png", "002.png", "003.png", "005.png"]
    assert sessions.runs(tmp_path, "alice", "faces")[0].sidecar["ImagesLeftOut"] == ["001.png", "004.png"]


def test_a_set_without_any_picture_that_can_be_read_is_no_finished_session(tmp_path: Path) -> None:
    draw_faces(tmp_path)
    for path in (tmp_path / "data" / "faces" / "images").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(UserError, match="none of the pictures to be shown can be read"):
        sit(tmp_path, open_set(tmp_path / "data" / "faces"), cycle(DILIGENT), SHORT)
    assert sessions.runs(tmp_path, "alice", "faces") == []


def fails_first(write: Callable[..., None], times: int) -> Callable[..., None]:
    """`write`, on a disk that is full for the first `times` calls."""
    full = iter([OSError(28, "No space left on device")] * times)

    def try_to_write(*args: object, **values: object) -> None:
        if error := next(full, None):
            raise error
        write(*args, **values)

    return try_to_write


FAST = [Event("f", 0.45), Event("f", 0.1, down=False)]
ASKING = replace(SHORT, questions=True)
THREE_ANSWERS = [Event(key, 0.2) for key in ("space", "4", "2", "return", "f", "r")]


def test_what_a_subject_told_is_saved_when_the_disk_has_room_again(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(participants, "describe", fails_first(participants.describe, times=2))
    tries = [Event("space", 0.2), Event("space", 0.2)]
    events = [*THREE_ANSWERS[:4], *tries, *THREE_ANSWERS[4:], *TO_THE_FACES[1:], Event("f", 1.0)]
    sit(tmp_path, images, events, ASKING)
    told = participants.read(tmp_path, "alice")
    assert (told["age"], told["sex"], told["handedness"]) == ("42", "F", "R")
    assert (
        capsys.readouterr().out.count("participants.tsv: No space left on device; not saved so far: {'age': 42}") == 2
    )


def test_a_subject_may_leave_when_what_was_told_cannot_be_saved(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(participants, "describe", fails_first(participants.describe, times=9))
    goodbye = [Event("escape", 0.2), Event("space", 0.2)]
    assert sit(tmp_path, images, [*THREE_ANSWERS, *goodbye, Event("fail", 0.2)], ASKING) == ([], [])


def test_a_disk_that_is_full_at_the_end_costs_the_last_remarks_and_no_row(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    finish = Record.finish
    monkeypatch.setattr(Record, "finish", lambda record: setattr(record.run, "update", full) or finish(record))
    _, rows = sit(tmp_path, images, cycle(DILIGENT), SHORT)
    assert len(rows) == 6
    assert "run-01_beh.json could not be completed: No space left on device." in capsys.readouterr().out


def test_a_disk_that_is_gone_at_the_end_does_not_take_the_last_page(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("annotator.experiment.runs", gone)
    pages: list[Page] = []
    monkeypatch.setattr(Host, "ask", lambda host, page, *keys: pages.append(page) or "space")
    sit(tmp_path, images, cycle(DILIGENT), SHORT)
    assert pages[-1].title == "Thank you" and not pages[-1].figures


def test_the_last_page_tells_median_consistency_and_misses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_faces(tmp_path, count=20)
    pages: list[Page] = []
    ask = Host.ask
    monkeypatch.setattr(Host, "ask", lambda host, page, *keys: pages.append(page) or ask(host, page, *keys))
    repeating = replace(SHORT, limit=20, repeats=0.1, block=50, fixation_s=(0.1, 0.1))
    _, rows = sit(tmp_path, open_set(tmp_path / "data" / "faces"), [*TO_THE_FACES, *FAST * 30], repeating)
    assert [row["trial_type"] for row in rows] == ["main"] * 20 + ["repeat"] * 2
    assert pages[-1].title == "Thank you"
    assert pages[-1].figures == (("0.35 s", "median time"), ("100\u00a0%", "same answer twice"), ("0", "missed"))
    assert not pages[-1].note  # where the file lies is the experimenter's business, and told on the terminal


def test_the_cross_stands_as_long_as_the_seed_says_and_the_row_tells(images: ImageSet, tmp_path: Path) -> None:
    one, two = (sit(tmp_path / name, images, cycle(DILIGENT), SHORT)[1] for name in "ab")
    stood = [float(row["fixation_duration"]) for row in one]
    assert all(0.1 <= s <= 0.2 + 1e-9 for s in stood) and len(set(stood)) == len(stood) == 6
    assert stood == [float(row["fixation_duration"]) for row in two]
    assert all(abs(float(row["onset_delay"])) < 1e-9 for row in one)
