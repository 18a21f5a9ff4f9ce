"""How the trials were recorded: what the sidecars and participants.tsv say, added up and no more than is known."""

from pathlib import Path
from typing import Any

import pandas as pd

import sessions
from labeling.procedure import procedure
from sessions import participants

SIDECAR: dict[str, Any] = {
    "Simulated": False,
    "StartTime": "2026-03-02T10:00:00+00:00",
    "Limit": 120,
    "Design": "balanced",
    "Repeats": 0.1,
    "FixationDuration": [0.5, 1.0],
    "Timeout": 3.0,
    "KeyMap": {"f": "not-smiley", "j": "smiley"},
    "ScreenSize": [1920, 1080],
    "FullScreen": True,
    "RefreshRate": 59.95,
    "VSync": True,
    "FlipsOfFaces": 1,
    "LateFlips": 0,
}


def record(subject: str, image_set: str = "faces", **changed: Any) -> None:
    with sessions.RunWriter("sessions", subject, image_set, SIDECAR | changed) as run:
        run.write(
            trial=1,
            trial_type="main",
            image="x.png",
            response="smiley",
            response_time=0.6,
            early_press=None,
            face_onset=1.0,
        )


def test_what_is_the_same_in_all_runs_is_told_once_and_what_is_not_with_its_counts(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    record("a01")
    record("a02", KeyMap={"f": "smiley", "j": "not-smiley"}, StartTime="2026-03-09T09:00:00+00:00", LateFlips=1)
    record("a03", RefreshRate=143.9)
    record("other", "houses", Timeout=9.0)  # on another set: no part of it
    about = procedure("sessions", sessions.read("sessions", "faces"))
    assert about["recorded"] == "3 runs, 2026-03-02 to 2026-03-09"
    assert about["time for an answer"] == "3 s" and about["cross before a face"] == "0.5 to 1 s"
    assert about["keys"] == "f not smiley, j smiley (2 runs); f smiley, j not smiley (1 run)"
    screen = "1920 × 1080 px, whole screen, {} Hz, flips wait for it"
    assert about["screen"] == f"{screen.format(60)} (2 runs); {screen.format(144)} (1 run)"
    assert about["faces that came late"] == "1 of 3"
    assert "practice" not in about  # of which no sidecar says anything


def test_a_sidecar_that_says_something_odd_is_not_known_and_no_error(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    record("a01")
    record("a02", FixationDuration="long", KeyMap=None, ScreenSize=[], LateFlips="none", StartTime=None, Timeout="3")
    about = procedure("sessions", sessions.read("sessions", "faces"))
    assert about["cross before a face"] == "0.5 to 1 s (1 run); not known (1 run)"
    assert about["faces that came late"] == "0 of 1" and about["recorded"] == "2 runs, 2026-03-02"


def test_what_subjects_told_of_themselves_is_told_of_five_or_more_only(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for number, age in enumerate((20, 22, 24, 26, None, None), start=1):
        record(f"a0{number}")
        participants.describe("sessions", f"a0{number}", {"age": age, "sex": "F" if number < 4 else "M"})
    about = procedure("sessions", sessions.read("sessions", "faces"))
    assert "age in years" not in about and about["sex"] == "female 3, male 3"
    participants.describe("sessions", "a05", {"age": 28, "sex": None})
    about = procedure("sessions", sessions.read("sessions", "faces"))
    assert about["age in years"] == "mean 24.0, sd 3.2, 20 to 28 (told by 5 of 6)"
    assert about["sex"] == "female 3, male 2, not told 1"


def test_a_damaged_table_of_participants_costs_what_it_tells_and_no_more(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    record("a01")
    Path("sessions/participants.tsv").write_text("participant_id,age\nsub-a01,20\n")
    assert procedure("sessions", sessions.read("sessions", "faces"))["recorded"] == "1 run, 2026-03-02"


def test_of_no_recordings_nothing_is_told(tmp_path: Path) -> None:
    assert procedure(tmp_path, pd.DataFrame({"subject": [], "run": []})) == {}
