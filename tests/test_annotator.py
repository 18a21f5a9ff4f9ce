"""The real program in a real window on a virtual desktop, its keys pressed from outside by XTEST."""

import json
import os
import random
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from desktop import Desktop, draw_faces, finish, open_desktop, wait_for_line

import sessions
from annotator.texts import ENGLISH
from sessions import participants
from shell import version

pytestmark = pytest.mark.window

QUICK = ("--subject", "alice", "--fixation-s", "0.1", "0.15", "--practice", "0", "--repeats", "0", "--no-questions")

# announces each trial before it begins, by which time the one before must be on the disk, and each face and page shown
ANNOUNCING = """
import runpy
import time
from annotator import slide
from annotator.subjects import Person
original_show, original_sees = slide.show, Person.sees
def show(screen, subject, image, *rest):
    print(image, flush=True)
    return original_show(screen, subject, image, *rest)
def sees(*arguments):
    print("face", flush=True)
    original_sees(*arguments)
def reads(self, page, now_s):
    time.sleep(0.2)  # sooner the page is not turned
    print(page.title, *page.paragraphs, sep="\\n", flush=True)
slide.show, Person.sees, Person.reads = show, sees, reads
runpy.run_module("annotator", run_name="__main__")
"""

# SIGUSR1 makes the program fail wherever it waits for a key
FAILING = """
import signal
from annotator.screen import Screen
signals, next_event = [], Screen._next_event
def fail(self, wait_s):
    event = next_event(self, wait_s)
    if signals:
        signals.clear()
        raise ZeroDivisionError
    return event
signal.signal(signal.SIGUSR1, lambda *_: signals.append(1))
Screen._next_event = fail
"""


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    with open_desktop(1024, 768) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw_faces(tmp_path)
    return tmp_path


def rows(folder: Path) -> list[dict[str, str]]:
    return [row for run in sessions.runs(folder / "sessions", "alice", "faces") for row in run.rows()]


def wait_for_face(desktop: Desktop, program: subprocess.Popen[str]) -> list[str]:
    """Turn pages until the program, started with ANNOUNCING, shows a face, and return the trials begun until then."""
    with desktop.pressing("space"):
        return trials_begun(wait_for_line(program, "face"))


def trials_begun(lines: list[str]) -> list[str]:
    return [line for line in lines if line.endswith(".png")]


def test_a_session_has_one_row_per_face_and_says_where_it_lies(desktop: Desktop, folder: Path) -> None:
    program = desktop.start(folder, *QUICK)
    desktop.answer_everything(program)
    output = finish(program)
    assert program.returncode == 0, output
    assert sorted(row["image"] for row in rows(folder)) == [f"{i:03d}.png" for i in range(6)]
    assert "sessions/sub-alice/beh/sub-alice_task-smile_run-01_beh.tsv" in output
    assert "python -m labeling.build" in output
    assert len(sessions.read(folder / "sessions", "faces")) == 6


def test_recorded_times_are_those_of_the_keys(desktop: Desktop, folder: Path) -> None:
    desktop.pressed_s.clear()
    program = desktop.start(folder, *QUICK)
    desktop.answer_everything(program)
    finish(program)
    run = sessions.runs(folder / "sessions", "alice", "faces")[0]
    start_s = run.sidecar["StartClock"]
    answered_s = [start_s + float(row["face_onset"]) + float(row["response_time"]) for row in run.rows()]
    errors_s = [min((at - pressed for pressed in desktop.pressed_s), key=abs) for at in answered_s]
    assert abs(statistics.median(errors_s)) < 0.003
    assert {row["key_source"] for row in run.rows()} == {run.sidecar["KeyTimeSource"]} == {"x-server"}


def test_the_default_faces_are_drawn_where_there_are_none(desktop: Desktop, tmp_path: Path) -> None:
    few = "from data.prepare import Drawn\nDrawn.__init__.__defaults__ = (3, *Drawn.__init__.__defaults__[1:])\n"
    program = desktop.start(tmp_path, *QUICK, "--simulate", code=few + ANNOUNCING)
    output = finish(program)
    assert program.returncode == 0, output
    assert "data/faces is not there yet: drawing its faces first, once.\n" in output
    assert len(rows(tmp_path)) == 3


def test_where_the_system_hands_on_no_times_the_moment_of_waking_up_is_taken_and_said(
    desktop: Desktop, folder: Path
) -> None:
    without = "from annotator import screen\ndef none(library): raise OSError\nscreen.Sdl = none\n"
    program = desktop.start(folder, *QUICK, code=without + ANNOUNCING)
    desktop.answer_everything(program)
    output = finish(program)
    assert program.returncode == 0, output
    assert "note: this system does not tell when a key was pressed" in output
    (run,) = sessions.runs(folder / "sessions", "alice", "faces")
    assert {row["key_source"] for row in run.rows()} == {run.sidecar["KeyTimeSource"]} == {"wake-up"}


def test_where_flips_cannot_wait_for_the_display_they_do_without(desktop: Desktop, folder: Path) -> None:
    pretend = """
import pygame
pygame.display.get_desktop_refresh_rates = lambda: [60]
set_mode = pygame.display.set_mode
def refuse(size, flags=0, **others):
    if others.get("vsync"):
        raise pygame.error("no renderer")
    return set_mode(size, flags, **others)
pygame.display.set_mode = refuse
"""
    program = desktop.start(folder, *QUICK, "--limit", "2", "--simulate", code=pretend + ANNOUNCING)
    output = finish(program)
    assert program.returncode == 0, output
    sidecar = sessions.runs(folder / "sessions", "alice", "faces")[0].sidecar
    assert (sidecar["VSync"], sidecar["RefreshRate"], sidecar["FullScreen"]) == (False, None, True)


def test_the_same_subject_goes_on_where_it_stopped(desktop: Desktop, folder: Path) -> None:
    program = desktop.start(folder, *QUICK, "--limit", "2")
    desktop.answer_everything(program)
    finish(program)
    program = desktop.start(folder, *QUICK)
    desktop.answer_everything(program)
    finish(program)
    first, second = sessions.runs(folder / "sessions", "alice", "faces")
    assert [len(first.rows()), len(second.rows())] == [2, 4]
    assert len({row["image"] for row in rows(folder)}) == 6
    assert second.sidecar["Continues"] == first.path.name
    assert second.sidecar["Seed"] == first.sidecar["Seed"]
    assert "alice has seen everything: 6 faces.\n" in finish(desktop.start(folder, *QUICK))
    assert "everything: 5 faces; a larger --limit adds some" in finish(desktop.start(folder, *QUICK, "--limit", "5"))


def test_no_finished_trial_is_lost_when_the_program_is_killed_closed_or_fails(desktop: Desktop, tmp_path: Path) -> None:
    kills = int(os.environ.get("KILLS", "10"))
    draw_faces(tmp_path, count=4 * kills)
    flags = (*QUICK, "--limit", str(4 * kills))
    rng = random.Random(1)
    for _ in range(kills):
        before = len(rows(tmp_path))
        program = desktop.start(tmp_path, *flags, code=FAILING + ANNOUNCING)
        begun = wait_for_face(desktop, program)
        assert len(begun) == 1
        end_s = time.perf_counter() + rng.uniform(0, 0.5)
        while time.perf_counter() < end_s:
            desktop.press(rng.choice("fj"))
            time.sleep(rng.uniform(0.02, 0.1))
        sign = rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1, None])
        if sign is None:
            desktop.close_windows()
        else:
            program.send_signal(sign)
        begun += trials_begun(finish(program).splitlines())
        recorded = [row["image"] for row in rows(tmp_path)[before:]]
        assert recorded in (begun, begun[:-1])
    program = desktop.start(tmp_path, *flags)
    desktop.answer_everything(program, until_s=120 + kills)
    finish(program)
    assert sorted(row["image"] for row in rows(tmp_path)) == sorted(f"{i:03d}.png" for i in range(4 * kills))


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_program_that_is_told_to_end_closes_its_file(desktop: Desktop, folder: Path, sign: signal.Signals) -> None:
    program = desktop.start(folder, *QUICK, code=ANNOUNCING)
    wait_for_face(desktop, program)
    program.send_signal(sign)
    output = finish(program)
    assert program.returncode == 0, output
    assert "The window was closed" in output
    assert [row["ended_by"] for row in rows(folder)] == ["interruption"]
    assert "EndTime" in sessions.runs(folder / "sessions", "alice", "faces")[0].sidecar


def test_a_window_closed_in_the_middle_keeps_its_rows_and_the_subject_goes_on_after_them(
    desktop: Desktop, folder: Path
) -> None:
    program = desktop.start(folder, *QUICK, code=ANNOUNCING)
    first = wait_for_face(desktop, program)
    desktop.press("f")
    second = trials_begun(wait_for_line(program, "face"))
    desktop.close_windows()
    output = finish(program)
    assert program.returncode == 0, output
    assert "The window was closed." in output
    assert [(row["image"], row["ended_by"]) for row in rows(folder)] == [(*first, "press"), (*second, "interruption")]
    program = desktop.start(folder, *QUICK)
    desktop.answer_everything(program)
    assert "run-02_beh.tsv: 4 trials." in finish(program)
    assert len({row["image"] for row in rows(folder)}) == len(rows(folder)) == 6


def test_a_face_that_was_shown_is_recorded_even_when_the_program_fails(desktop: Desktop, folder: Path) -> None:
    failing = "from annotator.subjects import Person\nPerson.sees = lambda *_: 1 / 0\n" + ANNOUNCING
    program = desktop.start(folder, *QUICK, code=failing)
    wait_for_face(desktop, program)
    output = finish(program)
    assert program.returncode == 1
    assert "run-01_beh.tsv: 1 trial kept; the same command goes on from there." in output
    assert "ZeroDivisionError" in output
    assert [(row["response"], row["ended_by"]) for row in rows(folder)] == [("n/a", "interruption")]
    program = desktop.start(folder, *QUICK)
    desktop.answer_everything(program)
    assert "run-02_beh.tsv: 5 trials." in finish(program)


def test_escape_pauses_and_escape_again_leaves(desktop: Desktop, folder: Path) -> None:
    program = desktop.start(folder, *QUICK, code=ANNOUNCING)
    wait_for_face(desktop, program)
    desktop.press("Escape")
    wait_for_line(program, "Pause")
    wait_for_face(desktop, program)
    desktop.press("Escape")
    wait_for_line(program, "Pause")
    desktop.press("Escape")
    wait_for_line(program, "Goodbye")
    desktop.press("space")
    output = finish(program)
    assert program.returncode == 0, output
    assert [row["ended_by"] for row in rows(folder)] == ["interruption"] * 2


def test_one_subject_is_recorded_by_one_window(desktop: Desktop, folder: Path) -> None:
    first = desktop.start(folder, *QUICK, code=ANNOUNCING)
    wait_for_face(desktop, first)
    second = desktop.start(folder, *QUICK)
    assert "is being recorded by another process" in finish(second)
    assert second.returncode == 2
    first.terminate()
    finish(first)


def test_who_does_not_agree_is_told_that_no_answer_is_kept(desktop: Desktop, folder: Path) -> None:
    program = desktop.start(folder, *QUICK, code=ANNOUNCING)
    wait_for_line(program, "Welcome")
    desktop.press("Escape")
    wait_for_line(program, "Goodbye")
    wait_for_line(program, "You do not take part, and no answer is kept.")
    desktop.press("space")
    assert "No face was shown, so none is recorded." in finish(program)
    assert rows(folder) == []


@pytest.mark.parametrize(
    ("block", "words"),
    [("5", "From now on it counts. Faces between two breaks: 5."), ("6", "From now on it counts.")],
)
def test_a_break_is_announced_where_one_comes(desktop: Desktop, folder: Path, block: str, words: str) -> None:
    program = desktop.start(folder, *QUICK, "--block", block, code=ANNOUNCING)
    desktop.answer_everything(program)
    printed = finish(program).splitlines()
    assert words in printed
    assert ("Time for a break" in printed) == (block == "5")


def test_a_list_that_the_limit_cuts_is_no_surprise(desktop: Desktop, folder: Path) -> None:
    (folder / "list.txt").write_text("003.png\n001.png\n005.png\n")
    program = desktop.start(folder, *QUICK, "--images", "list.txt", "--limit", "2", "--simulate")
    assert "note: --limit 2 leaves out 1 face at the end of list.txt." in finish(program)
    assert sorted(row["image"] for row in rows(folder)) == ["001.png", "003.png"]


def test_the_size_of_the_faces_is_told_and_kept_in_degrees_where_the_lengths_are_given(
    desktop: Desktop, folder: Path
) -> None:
    lengths = ("--screen-width-cm", "34", "--distance-cm", "57.3")
    output = finish(desktop.start(folder, *QUICK, "--simulate", *lengths))
    assert "Faces are 384 pixels high, 12.7 degrees of visual angle.\n" in output
    sidecar = sessions.runs(folder / "sessions", "alice", "faces")[0].sidecar
    assert sidecar["FaceHeight"] == 384
    assert sidecar["FaceHeight_deg"] == pytest.approx(12.69, abs=0.01)  # 12.75 cm at 57.3 cm


def test_a_session_that_goes_on_otherwise_than_before_says_so(desktop: Desktop, folder: Path) -> None:
    output = finish(desktop.start(folder, *QUICK, "--simulate", "--limit", "2"))
    assert "note: not as in" not in output
    other = ("--timeout-s", "2", "--face-height", "0.25")
    output = finish(desktop.start(folder, *QUICK, "--simulate", "--limit", "4", *other))
    changed = "Timeout (--timeout-s) was 3.0 and is 2.0; FaceHeight (in pixels) was 384 and is 192."
    run = "sessions/sub-alice/beh/sub-alice_task-smile_run-01_beh.tsv"
    assert f"note: not as in {run}: {changed}\n" in output
    assert len(rows(folder)) == 4


def test_questions_are_asked_once_and_can_be_skipped(desktop: Desktop, folder: Path) -> None:
    flags = [flag for flag in QUICK if flag != "--no-questions"]
    program = desktop.start(folder, *flags, code=ANNOUNCING)
    wait_for_line(program, "Welcome")
    for key in ("space", "3", "3", "Return", "Return", "l"):  # consent; age 33, no sex, left
        desktop.press_and_see(key)
    wait_for_face(desktop, program)
    program.terminate()
    finish(program)
    assert participants.read(folder / "sessions", "alice") == {
        "participant_id": "sub-alice",
        "age": "33",
        "handedness": "L",
    }


def test_practice_has_feedback_and_rows_of_its_own(desktop: Desktop, folder: Path) -> None:
    flags = ["1" if before == "--practice" else flag for before, flag in pairwise(("", *QUICK))]
    program = desktop.start(folder, *flags, "--block", "3")
    desktop.answer_everything(program)
    output = finish(program)
    assert program.returncode == 0, output
    assert [row["trial_type"] for row in rows(folder)] == ["practice", *["main"] * 6]


def test_who_leaves_during_practice_has_given_no_answer(desktop: Desktop, folder: Path) -> None:
    flags = ["1" if before == "--practice" else flag for before, flag in pairwise(("", *QUICK))]
    program = desktop.start(folder, *flags, code=ANNOUNCING)
    wait_for_face(desktop, program)
    program.terminate()
    output = finish(program)
    assert ": 1 trial.\nThese are practice, not votes; the same command goes on." in output
    assert [row["trial_type"] for row in rows(folder)] == ["practice"]


def test_a_simulated_subject_goes_through_the_true_program(desktop: Desktop, folder: Path) -> None:
    program = desktop.start(folder, *QUICK, "--simulate")
    output = finish(program)
    assert program.returncode == 0, output
    table = sessions.read(folder / "sessions", "faces")
    assert len(table) == 6
    run = sessions.runs(folder / "sessions", "alice", "faces")[0]
    assert run.sidecar["Simulated"] is True
    assert {row["key_source"] for row in run.rows()} <= {"simulation", "n/a"}
    assert "a simulated observer recorded this" in finish(desktop.start(folder, *QUICK))


def test_a_study_of_made_faces_can_be_rehearsed(desktop: Desktop, folder: Path) -> None:
    metadata = folder / "data" / "faces" / "metadata.csv"
    metadata.write_text(metadata.read_text(encoding="utf-8").replace("true_smile", "asked_smile"), encoding="utf-8")
    output = finish(desktop.start(folder, *QUICK, "--simulate"))
    assert len(rows(folder)) == 6, output
    assert sessions.runs(folder / "sessions", "alice", "faces")[0].sidecar["SimulatedTruth"] == "asked_smile"


def test_a_picture_that_cannot_be_read_is_named_and_left_out(desktop: Desktop, folder: Path) -> None:
    (folder / "data" / "faces" / "images" / "003.png").write_bytes(b"no picture")
    program = desktop.start(folder, *QUICK)
    desktop.answer_everything(program)
    assert "left out 003.png" in finish(program)
    assert len(rows(folder)) == 5


# the disk is full as long as there is a file of this name
FILLING = """
import os
from pathlib import Path
from sessions.writer import RunWriter
write_row = RunWriter.write
def write(self, **row):
    if Path("full").exists():
        raise OSError(28, os.strerror(28))
    write_row(self, **row)
RunWriter.write = write
"""


def test_what_the_disk_does_not_take_is_said_and_tried_again(desktop: Desktop, folder: Path) -> None:
    (folder / "full").touch()
    program = desktop.start(folder, *QUICK, code=FILLING + ANNOUNCING)
    wait_for_face(desktop, program)
    desktop.press("f")
    wait_for_line(program, "Your answer could not be saved")
    assert rows(folder) == []
    (folder / "full").unlink()
    desktop.answer_everything(program)
    output = finish(program)
    assert program.returncode == 0, output
    assert len(rows(folder)) == 6


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 128 KiB; skips the test where none may be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system may be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_costs_no_answer(desktop: Desktop, tmp_path: Path, small_disk: Path) -> None:
    draw_faces(tmp_path, count=16)
    for image in (tmp_path / "data" / "faces" / "images").iterdir():  # long names, so that few rows need new room
        image.rename(image.with_stem(image.stem + "x" * 200))
    folder = small_disk / "sessions"
    program = desktop.start(tmp_path, *QUICK, "--sessions", str(folder), code=ANNOUNCING)
    begun = wait_for_face(desktop, program)
    with suppress(OSError), (small_disk / "filling").open("wb", buffering=0) as filling:
        while True:
            filling.write(bytes(1024))
    with desktop.pressing("f"):
        begun += trials_begun(wait_for_line(program, "Your answer could not be saved"))
    (run,) = sessions.runs(folder, "alice", "faces")
    assert [row["image"] for row in run.rows()] == begun[:-1]
    (small_disk / "filling").unlink()
    desktop.answer_everything(program)
    output = finish(program)
    assert program.returncode == 0, output
    assert [row["image"] for row in run.rows()] == begun + trials_begun(output.splitlines())
    assert len(run.rows()) == 16
    assert f"Next: python -m labeling.build --sessions {folder}\n" in output
    assert run.rows()[len(begun) - 1]["response"] in sessions.schema.RESPONSES


def test_a_subject_who_stops_because_of_the_disk_is_told_what_is_lost(desktop: Desktop, folder: Path) -> None:
    program = desktop.start(folder, *QUICK, code=FILLING + ANNOUNCING)
    wait_for_face(desktop, program)
    (folder / "full").touch()
    desktop.press("f")
    wait_for_line(program, "Your answer could not be saved")
    desktop.press("Escape")
    wait_for_line(program, "Goodbye")
    desktop.press("space")
    output = finish(program)
    assert program.returncode == 0, output
    assert "Your last answer could not be saved" in output
    assert "All that you answered is kept" not in output
    assert rows(folder) == []


def test_the_self_test_leaves_a_verdict_a_report_and_a_picture(desktop: Desktop, folder: Path) -> None:
    short = "import platform, runpy\nfrom annotator import timing\ntiming.FLIPS_S = 0.5\n"
    short += "platform.node = lambda: 'alices-laptop'\n"
    program = desktop.start(folder, "--timing", code=short + "runpy.run_module('annotator', run_name='__main__')")
    end_s = time.perf_counter() + 60
    while program.poll() is None and time.perf_counter() < end_s:
        desktop.press("f")
        time.sleep(0.1)
    output = finish(program)
    assert program.returncode == 0, output
    (report,) = (folder / "sessions" / "sourcedata").glob("timing_*.json")
    content = json.loads(report.read_text())
    assert content["key_sources"] == {"x-server": 20}
    assert content["versions"]["SmileCVAE"] == version()
    assert "alices-laptop" not in report.name + report.read_text()  # a dataset that is shared has it
    assert report.with_suffix(".png").stat().st_size > 1000
    assert "Keys: timed by the X server's stamp" in output
    assert "Next: python -m annotator --subject me\n" in output


@pytest.mark.parametrize("close", [True, False])
def test_who_presses_no_key_in_the_self_test_may_skip_that_part_and_who_closes_it_keeps_nothing(
    desktop: Desktop, folder: Path, close: bool
) -> None:
    short = "import runpy\nfrom annotator import timing\ntiming.FLIPS_S = 0.1\n"
    announcing = (
        "from annotator.host import Host\nshow = Host.show\n"
        "Host.show = lambda *a: (show(*a), print('page', flush=True))[0]\n"
    )
    program = desktop.start(
        folder, "--timing", code=short + announcing + "runpy.run_module('annotator', run_name='__main__')"
    )
    for _ in ("display", "keys"):
        wait_for_line(program, "page")
    if close:
        desktop.close_windows()
    else:
        desktop.press("Escape")
    output = finish(program)
    assert program.returncode == 0, output
    assert ("The window was closed; nothing was kept." in output) == close
    assert ("no key was pressed" in output) == (not close)
    assert len(list((folder / "sessions").glob("sourcedata/timing_*"))) == (0 if close else 2)


def test_ctrl_c_while_the_window_opens_is_not_lost(desktop: Desktop, folder: Path) -> None:
    code = """
import os, runpy, signal
import pygame

opens = pygame.display.set_mode

def interrupted(*args, **options):
    os.kill(os.getpid(), signal.SIGINT)
    surface = opens(*args, **options)
    pygame.event.clear()
    return surface

pygame.display.set_mode = interrupted
runpy.run_module("annotator", run_name="__main__")
"""
    program = desktop.start(folder, *QUICK, code=code)
    assert "The window was closed." in finish(program)
    assert program.returncode == 0 and not rows(folder)


def test_the_verdict_of_the_self_test_is_told_even_where_no_file_can_be_written(desktop: Desktop, folder: Path) -> None:
    (folder / "taken").mkdir()
    (folder / "taken" / "sourcedata").write_text("a file, no folder")
    short = "import runpy\nfrom annotator import timing\ntiming.FLIPS_S, timing.PATIENCE_S = 0.5, 0.5\n"
    code = short + "runpy.run_module('annotator', run_name='__main__')"
    assert "Display: " in finish(desktop.start(folder, "--timing", "--sessions", "taken", code=code))
    program = desktop.start(folder, "--timing", "--sessions", "taken/sourcedata", code=code)
    assert "sourcedata: a file, expected a folder." in finish(program)  # before anything is measured


def test_where_flips_wait_for_the_display_its_refresh_is_measured_and_faces_fall_in_step(
    desktop: Desktop, folder: Path
) -> None:
    """The virtual display has no refresh; told that it has one, SDL waits in its place."""
    pretend = "import pygame\npygame.display.get_desktop_refresh_rates = lambda: [60]\n"
    program = desktop.start(folder, *QUICK, code=pretend + ANNOUNCING)
    desktop.answer_everything(program)
    output = finish(program)
    assert program.returncode == 0, output
    sidecar = sessions.runs(folder / "sessions", "alice", "faces")[0].sidecar
    assert sidecar["VSync"] is True
    assert sidecar["RefreshRate"] > 0
    assert sidecar["RefreshIntervalSD"] > 0
    assert len(rows(folder)) == 6


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "--subject ID is missing"),
        (("--subject", "../alice"), "expected letters"),
        (("--subject", "alice", "--limit", "0"), "--limit 0: expected at least 1"),
        (("--subject", "alice", "--face-degrees", "5"), "needs --screen-width-cm"),
        (
            ("--subject", "alice", "--face-degrees", "40", "--screen-width-cm", "34", "--distance-cm", "57.3"),
            "--face-degrees 40: a face would be 1256 pixels high, but there are 768",
        ),
        (("--subject", "alice", "--keys", "f", "nokey"), "no key is called so"),
        (("--subject", "alice", "--keys", "F", "J"), "--keys F: expected f,"),
        (("--subject", "alice", "--keys", "left", "[6]"), "--keys [6]: expected 6,"),
        (("--subject", "alice", "--keys", "f", "escape"), "--keys escape: expected another key"),
        (("--subject", "alice", "--monitor", "9"), "--monitor 9: expected 1 to 1"),
        (("--subject", "alice", "--data", "data/none"), "no image set here"),
    ],
)
def test_what_the_user_got_wrong_is_one_sentence(
    desktop: Desktop, folder: Path, flags: tuple[str, ...], message: str
) -> None:
    program = desktop.start(folder, *flags)
    output = finish(program)
    assert program.returncode == 2
    assert message in output
    assert "Traceback" not in output
    assert not (folder / "sessions").exists()


def test_words_that_no_type_is_small_enough_for_are_told_before_anything_is_shown(
    desktop: Desktop, folder: Path
) -> None:
    english, start = ENGLISH.read_text(encoding="utf-8"), "You will see faces"
    assert start in english
    (folder / "own.toml").write_text(english.replace(start, "word " * 1500 + start), encoding="utf-8")
    program = desktop.start(folder, *QUICK, "--texts", "own.toml", code=ANNOUNCING)
    assert finish(program) == (
        "error: own.toml, [consent]: its text does not fit on this screen of 1024 x 768 pixels "
        "even at the smallest type; shorten it.\n"
    )
    assert program.returncode == 2
    assert not (folder / "sessions" / "sub-alice").exists()


def test_a_key_that_may_be_asked_for_is_called_so_when_it_is_pressed(desktop: Desktop, folder: Path) -> None:
    code = """
from annotator.screen import Screen
with Screen(windowed=True) as screen:
    for asked, name in (
        ("[", "["), ("]", "]"), ("left", "left"), ("4", "4"), ("[4]", "4"), ("F", "f"), ("ö", "ö"), ("enter", "return")
    ):
        screen.post_press(asked)
        assert screen.wait_for_press().key == name, name
        if name != "ö":
            screen.check_keys([name])
    try:
        screen.check_keys(["ö"])
    except Exception as error:
        print(error)
print("all")
"""
    lacking = "--keys ö: no key of this keyboard writes it; expected another one, or a layout."
    assert finish(desktop.start(folder, code=code)).splitlines()[-2:] == [lacking, "all"]


def test_a_subject_who_turns_to_another_window_pauses(desktop: Desktop, folder: Path) -> None:
    program = desktop.start(folder, *QUICK, code=ANNOUNCING)
    wait_for_face(desktop, program)
    desktop.open_window()
    wait_for_line(program, "Pause")
    program.terminate()
    finish(program)
    assert [row["ended_by"] for row in rows(folder)] == ["interruption"]


def test_what_was_drawn_last_stands_in_the_middle_and_nothing_of_what_stood_before(
    desktop: Desktop, folder: Path
) -> None:
    code = """
from PIL import Image
from annotator.screen import Screen
with Screen(grey=40) as screen:
    for picture in Image.new("L", (1024, 768), 200), Image.new("RGB", (300, 100), "red"), None:
        screen.draw(picture and screen.load(picture))
        screen.flip()
        print("shown", flush=True)
        input()
"""
    program = desktop.start(folder, code=code)
    assert program.stdin is not None
    everything = (0, 0, 1024, 768)
    for covered, inside, outside in (
        (everything, (200, 200, 200), None),
        ((362, 334, 662, 434), (255, 0, 0), (40, 40, 40)),
        (None, None, (40, 40, 40)),
    ):
        wait_for_line(program, "shown")
        seen = desktop.screenshot()
        if covered is not None:
            assert seen.crop(covered).getcolors() == [((covered[2] - covered[0]) * (covered[3] - covered[1]), inside)]
            seen.paste((40, 40, 40), covered)
        assert outside is None or seen.getcolors() == [(1024 * 768, outside)]
        program.stdin.write("\n")
        program.stdin.flush()
    finish(program)
    assert program.returncode == 0


@pytest.mark.parametrize("without", ["del os.environ['DISPLAY']", "os.environ['SDL_VIDEODRIVER'] = 'dummy'"])
def test_without_a_display_it_is_one_sentence(desktop: Desktop, folder: Path, without: str) -> None:
    program = desktop.start(folder, *QUICK, code=f"import os; {without}\n" + ANNOUNCING)
    output = finish(program)
    assert program.returncode == 2
    assert "no window can be opened here" in output
    assert not (folder / "sessions" / "sub-alice").exists()
