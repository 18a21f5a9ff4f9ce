"""The real program in a real window on a virtual desktop, its keys pressed from outside by XTEST."""

import os
import random
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from desktop import Desktop, draw_faces, open_desktop

import sessions

pytestmark = pytest.mark.window

QUICK = ("--subject", "alice", "--fixation-s", "0.1", "0.15", "--practice", "0", "--repeats", "0", "--no-questions")

# announces each trial before it begins, by which time the one before must be on the disk
ANNOUNCING = """
import runpy
from annotator import slide
original = slide.show
def show(screen, subject, image, *rest):
    print(image, flush=True)
    return original(screen, subject, image, *rest)
slide.show = show
runpy.run_module("annotator", run_name="__main__")
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


def finish(program: subprocess.Popen[str]) -> str:
    output, _ = program.communicate(timeout=20)
    return output


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
    assert "has seen all 6 faces" in finish(desktop.start(folder, *QUICK))


def test_no_finished_trial_is_lost_when_the_program_is_killed(desktop: Desktop, tmp_path: Path) -> None:
    draw_faces(tmp_path, count=40)
    rng = random.Random(1)
    for _ in range(int(os.environ.get("KILLS", "3"))):
        before = len(rows(tmp_path))
        program = desktop.start(tmp_path, *QUICK, code=ANNOUNCING)
        end_s = time.perf_counter() + rng.uniform(0.8, 3.0)
        while time.perf_counter() < end_s and program.poll() is None:
            desktop.press(rng.choice(["space", "f", "j"]))
            time.sleep(rng.uniform(0.02, 0.1))
        program.kill()
        begun = [line for line in finish(program).splitlines() if line.endswith(".png")]
        recorded = [row["image"] for row in rows(tmp_path)[before:]]
        assert recorded in (begun, begun[:-1])
    program = desktop.start(tmp_path, *QUICK)
    desktop.answer_everything(program)
    finish(program)
    assert sorted(row["image"] for row in rows(tmp_path)) == [f"{i:03d}.png" for i in range(40)]
