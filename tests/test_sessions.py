"""Session files: what is written is read back, nothing is lost or overwritten, and whatever is wrong is named."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import EXAMPLES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sessions
from sessions import observers, schema, simulate, writer
from shell import UserError

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def record(subject: str = "alice", n: int = 3, image_set: str = "faces", **sidecar: object) -> Path:
    with sessions.RunWriter("sessions", subject, image_set, sidecar) as run:
        for trial in range(1, n + 1):
            answer = {"response": "smiley" if trial % 2 else "not-smiley", "response_time": 0.5 + trial / 7}
            run.write(trial=trial, trial_type="main", image=f"{trial}.png", face_onset=2.0 * trial, **answer)
    return run.path


def inside(path: Path) -> str:
    """A file's name in notes: from sub-ID on."""
    return str(path.relative_to("sessions"))


def row(**cells: str) -> str:
    cells = {
        "trial": "9",
        "trial_type": "main",
        "image": "x.png",
        "response": "smiley",
        "response_time": "0.5",
        "early_press": "n/a",
        "face_onset": "1.0",
        **cells,
    }
    return "\t".join(cells[column] for column in schema.COLUMNS) + "\n"


def test_a_copy_of_a_run_is_no_second_run() -> None:
    path = record()
    for suffix in (".tsv", ".json"):
        copy = path.with_name(path.name.replace("run-01", "run-02")).with_suffix(suffix)
        copy.write_bytes(path.with_suffix(suffix).read_bytes())
    with pytest.raises(UserError, match=r"run-02_beh.tsv: the same rows as \S+run-01_beh.tsv, so it is a copy"):
        sessions.read()
    assert len(sessions.read(skip_bad=True, tell=lambda note: None)) == 3


def test_what_macos_keeps_beside_a_run_is_no_run() -> None:
    path = record()
    path.with_name(f"._{path.name}").write_bytes(b"\0\5\26\7")
    assert len(sessions.read()) == 3 and len(sessions.runs("sessions", "alice", "faces")) == 1


# ---- writer


def test_what_is_written_is_read_back_to_the_last_bit() -> None:
    late = {"Description": "How late the flip was.", "Units": "s"}
    with sessions.RunWriter("sessions", "alice", "faces", columns={"late_s": late}) as run:
        run.write(
            trial=1,
            trial_type="main",
            image="a b ü.png",
            response="smiley",
            response_time=np.float64(0.1) + 0.2,
            late_s=0.25,
        )
        run.write(trial=2, trial_type="repeat", image="b.png", early_press=-0.125, face_onset=3)
    table = sessions.read()
    assert table["image"].tolist() == ["a b ü.png", "b.png"]
    assert table["response"].tolist()[0] == 1.0 and np.isnan(table["response"][1])
    assert table["response_time"][0] == 0.1 + 0.2
    assert table["early_press"][1] == -0.125
    assert table["late_s"].tolist()[0] == "0.25" and pd.isna(table["late_s"][1])
    assert json.loads(run.path.with_suffix(".json").read_text())["late_s"] == late


def test_each_trial_is_in_the_file_before_write_returns() -> None:
    with sessions.RunWriter("sessions", "alice", "faces") as run:
        for trial in (1, 2):
            run.write(trial=trial, trial_type="main", image="x.png")
            assert len(run.path.read_text().splitlines()) == 1 + trial


def test_runs_are_numbered_on_and_never_overwritten() -> None:
    first = record(image_set="faces")
    before = first.read_bytes()
    assert record(image_set="other").name == "sub-alice_task-smile_run-02_beh.tsv"
    assert first.read_bytes() == before
    assert [run.number for run in sessions.runs("sessions", "alice", "other")] == [2]


def test_a_run_without_a_trial_leaves_no_file() -> None:
    record(n=0)
    assert sessions.runs("sessions", "alice", "faces") == []
    assert not Path("sessions/sub-alice/beh").exists()


def test_an_error_in_the_recording_keeps_its_trials() -> None:
    with pytest.raises(ZeroDivisionError), sessions.RunWriter("sessions", "alice", "faces") as run:
        run.write(trial=1, trial_type="main", image="x.png")
        raise ZeroDivisionError
    assert len(sessions.read()) == 1


def test_a_full_disk_leaves_whole_rows_and_the_trial_can_be_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with sessions.RunWriter("sessions", "alice", "faces") as run:
        run.write(trial=1, trial_type="main", image="x.png")
        before = run.path.read_bytes()
        with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
            patch.setattr(writer, "flush_to_disk", fail)
            run.write(trial=2, trial_type="main", image="y.png")
        assert run.path.read_bytes() == before
        run.write(trial=2, trial_type="main", image="y.png")
    assert sessions.read()["image"].tolist() == ["x.png", "y.png"]


@pytest.mark.parametrize("refused", [False, True])
def test_macos_is_asked_to_flush_the_drive_itself(monkeypatch: pytest.MonkeyPatch, refused: bool) -> None:
    fcntl = pytest.importorskip("fcntl")
    asked = []

    def full_sync(descriptor: int, command: int) -> None:
        asked.append(command)
        if refused:
            raise OSError(45, "Operation not supported")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", full_sync)
    monkeypatch.setattr(os, "fsync", lambda descriptor: asked.append(0))
    writer.flush_to_disk(1)
    assert asked == ([51, 0] if refused else [51])


def test_a_row_torn_by_a_failed_write_is_gone_before_the_next_one() -> None:
    with sessions.RunWriter("sessions", "alice", "faces") as run:
        run.write(trial=1, trial_type="main", image="x.png")
        with run.path.open("a") as other:
            other.write("2\tmain\ty.p")
        run.write(trial=2, trial_type="main", image="y.png")
    assert sessions.read()["image"].tolist() == ["x.png", "y.png"]


@pytest.mark.parametrize("subject", ["", "a b", "../bob", "a/b", "ä", "sub-1", "a\n", ".", "a_b"])
def test_ids_are_letters_and_digits(subject: str) -> None:
    with pytest.raises(UserError, match="letters"):
        record(subject)
    assert not Path("sessions").exists()


def test_ids_differ_in_more_than_case() -> None:
    record("alice")
    with pytest.raises(UserError, match="more than case"):
        record("Alice")


def test_one_subject_is_recorded_once_at_a_time_and_two_subjects_together() -> None:
    with sessions.RunWriter("sessions", "alice", "faces"):
        with pytest.raises(UserError, match="another process"):
            record("alice")
        record("bob")
    record("alice")


@pytest.mark.parametrize(
    "wrong",
    [
        {"response": "yes", "response_time": 0.5},
        {"response": "smiley"},
        {"response_time": 0.5},
        {"trial_type": "Main"},
        {"image": None},
        {"unknown": 1},
        {"face_onset": float("nan")},
        {"face_onset": -0.1},
        {"response": "smiley", "response_time": 0.0},
        {"response": "smiley", "response_time": 3601},
        {"response": "smiley", "response_time": "fast"},
        {"early_press": 0.1},
        {"trial": 0},
        {"trial": 1.5},
        {"trial": None},
        {"image": "images/x.png"},
        {"image": "n/a"},
    ],
)
def test_the_writer_refuses_what_no_reader_would_take(wrong: dict[str, object]) -> None:
    with sessions.RunWriter("sessions", "alice", "faces") as run, pytest.raises(ValueError, match=r"."):
        run.write(**{"trial": 1, "trial_type": "main", "image": "x.png", **wrong})  # type: ignore[arg-type]


def test_no_two_rows_of_a_run_have_one_number() -> None:
    rows = [{"trial": number, "trial_type": "main", "image": "x.png"} for number in (1, 2, 2)]
    with sessions.RunWriter("sessions", "alice", "faces") as run:
        with pytest.raises(ValueError, match="in a row above"):
            run.write_all(rows)
        run.write_all(rows[:2])
        with pytest.raises(ValueError, match="in a row above"):
            run.write(**rows[2])
    assert sessions.read()["trial"].tolist() == [1, 2]


def test_a_file_name_with_a_tab_is_refused() -> None:
    with sessions.RunWriter("sessions", "alice", "faces") as run, pytest.raises(UserError, match="rename the file"):
        run.write(trial=1, trial_type="main", image="x\ty.png")


def test_what_people_add_to_participants_stays() -> None:
    record("alice")
    path = Path("sessions/participants.tsv")
    path.write_text("participant_id\tage\nsub-alice\t31\n")
    record("bob")
    assert path.read_text() == "participant_id\tage\nsub-alice\t31\nsub-bob\tn/a\n"


@pytest.mark.parametrize("text", ["", "participant_id", "age\tparticipant_id\n31\n"])
def test_a_participants_file_that_people_have_broken_is_mended(text: str) -> None:
    Path("sessions").mkdir()
    Path("sessions/participants.tsv").write_text(text)
    record("bob")
    assert "sub-bob" in Path("sessions/participants.tsv").read_text().splitlines()[-1]


def test_the_sidecar_says_what_was_measured_later() -> None:
    with sessions.RunWriter("sessions", "alice", "faces", {"Seed": 7}) as run:
        run.write(trial=1, trial_type="main", image="x.png")
        run.update(RefreshRate=59.94)
    sidecar = json.loads(run.path.with_suffix(".json").read_text())
    assert sidecar == {"TaskName": "smile", "ImageSet": "faces", "Simulated": False, "Seed": 7, "RefreshRate": 59.94}


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_a_killed_recording_keeps_its_trials_and_frees_the_subject() -> None:
    program = """
        import os, sessions
        with sessions.RunWriter("sessions", "alice", "faces") as run:
            for trial in (1, 2, 3):
                run.write(trial=trial, trial_type="main", image=f"{trial}.png")
            os.kill(os.getpid(), 9)
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    (run,) = sessions.runs("sessions", "alice", "faces")
    assert [row["image"] for row in run.rows()] == ["1.png", "2.png", "3.png"]
    record("alice")
    assert sessions.read().groupby("run").size().tolist() == [3, 3]


# ---- reader


def test_nothing_recorded_is_an_empty_table() -> None:
    assert list(sessions.read("nowhere", "faces").columns) == ["subject", "run", *schema.COLUMNS, "simulated"]
    assert sessions.read("nowhere")["response"].dtype == float


def test_where_nothing_is_recorded_the_reader_says_so() -> None:
    notes: list[object] = []
    sessions.read("nowhere", tell=notes.append)
    record("alice", image_set="faces")
    assert sessions.read("sessions", "data/faces", tell=notes.append).empty
    assert notes == [
        "nowhere: nothing is recorded.",
        "sessions: nothing is recorded on data/faces; recorded are faces.",
    ]


def test_image_sets_are_kept_apart() -> None:
    record("alice", image_set="faces")
    record("bob", image_set="other")
    assert set(sessions.read(image_set="other")["subject"]) == {"bob"}
    with pytest.raises(UserError, match="faces, other"):
        sessions.read()


def test_runs_with_other_columns_are_read_together_in_order() -> None:
    with sessions.RunWriter("sessions", "bob", "faces", columns={"extra": {"Description": "x"}}) as run:
        run.write(trial=1, trial_type="main", image="x.png", extra="e")
    record("carl")
    record("alice")
    table = sessions.read()
    assert table["subject"].unique().tolist() == ["alice", "bob", "carl"]
    assert table["extra"].dropna().tolist() == ["e"]


def test_a_row_cut_by_a_killed_writer_is_dropped_with_a_note() -> None:
    path = record(n=3)
    content = path.read_bytes()
    for kept in range(content.rfind(b"\n", 0, -1) + 2, len(content)):
        path.write_bytes(content[:kept])
        notes: list[str] = []
        assert sessions.read(tell=notes.append)["trial"].tolist() == [1, 2]
        assert len(notes) == 1 and "cut" in notes[0] and notes[0].startswith(inside(path))
        (run,) = sessions.runs("sessions", "alice", "faces")
        assert len(run.rows()) == 2


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_row_may_be_cut_at_any_byte_even_within_a_letter(newline: str) -> None:
    path = record(n=2)
    whole = path.read_text().replace("\n", newline).encode()
    last = row(image="é.png").replace("\n", newline).encode()
    for kept in range(1, len(last)):
        path.write_bytes(whole + last[:kept])
        notes: list[str] = []
        assert sessions.read(tell=notes.append)["trial"].tolist() == [1, 2]
        assert len(notes) == 1 and "cut" in notes[0]
        (run,) = sessions.runs("sessions", "alice", "faces")
        assert [cells["trial"] for cells in run.rows()] == ["1", "2"]


def test_null_bytes_after_a_power_cut_cost_one_row() -> None:
    path = record(n=2)
    for tail in (b"\0" * 40, b"3\tmain\tx.p" + b"\0" * 40):
        path.write_bytes(path.read_bytes().rpartition(b"\n")[0] + b"\n" + tail)
        notes: list[str] = []
        assert sessions.read(tell=notes.append)["trial"].tolist() == [1, 2]
        assert len(notes) == 1 and "cut" in notes[0]
        (run,) = sessions.runs("sessions", "alice", "faces")
        assert len(run.rows()) == 2


def test_rows_of_another_encoding_are_one_sentence_for_the_annotator_too() -> None:
    path = record(n=1)
    with path.open("ab") as file:
        file.write(row(image="é.png").encode("latin-1"))
    (run,) = sessions.runs("sessions", "alice", "faces")
    with pytest.raises(UserError, match=r"sub-alice.*not UTF-8"):
        run.rows()


def test_a_byte_order_mark_and_crlf_change_nothing() -> None:
    path = record()
    expected = sessions.read()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    pd.testing.assert_frame_equal(sessions.read(), expected)
    assert sessions.runs("sessions", "alice", "faces")[0].rows()[2]["face_onset"] == "6.0"


HUGE = "x" * 1_000_000
BAD_ROWS = {
    "response_time abc": (row(response_time="abc"), "response_time is 'abc'"),
    "response_time negative": (row(response_time="-0.5"), "response_time is '-0.5'"),
    "response_time zero": (row(response_time="0"), "response_time is '0.0'"),
    "response_time inf": (row(response_time="inf"), "response_time is 'inf'"),
    "response_time nan": (row(response_time="nan"), "response_time is 'nan'"),
    "response_time empty": (row(response_time=""), "response_time is ''"),
    "response_time 1e9": (row(response_time="1e9"), "response_time is '1000000000.0'"),
    "response_time missing": (row(response_time="n/a"), "response_time is 'n/a'"),
    "response unknown": (row(response="maybe"), "response is 'maybe'"),
    "response missing": (row(response="n/a"), "response_time is '0.5'"),
    "trial type unknown": (row(trial_type="test"), "trial_type is 'test'"),
    "trial zero": (row(trial="0"), "trial is '0'"),
    "trial half": (row(trial="1.5"), "trial is '1.5'"),
    "trial beyond integers": (row(trial="99999999999999999999999"), "expected 1, 2, ..."),
    "trial 1e300": (row(trial="1e300"), "trial is '1e+300', expected 1, 2, ..."),
    "trial missing": (row(trial="n/a"), "trial is 'n/a'"),
    "trial twice": (row(trial="2"), "trial is '2', expected a number that stands in no row above"),
    "image empty": (row(image=""), "image is ''"),
    "image elsewhere": (row(image="../x.png"), "image is '../x.png'"),
    "early press positive": (row(early_press="0.1"), "early_press is '0.1'"),
    "a cell too many": (row(face_onset="1.0\t7"), "8 cells, expected 7"),
    "a cell too few": (row(face_onset="1.0").rpartition("\t")[0] + "\n", "6 cells, expected 7"),
    "a cell moved a row down": (
        row(face_onset="1.0").rpartition("\t")[0] + "\n" + row(trial="3", face_onset="1.0\t7"),
        "6 cells, expected 7",
    ),
    "a cell moved a row up": (
        row(face_onset="1.0\t7") + row(trial="3").rpartition("\t")[0] + "\n",
        "8 cells, expected 7",
    ),
    "a blank line": ("\n", "1 cells, expected 7"),
    "a huge cell": (row(response_time=HUGE), "1,000,000 characters"),
    "a null byte": (row(image="x\0.png"), "null byte"),
    "a lone carriage return": (row(image="x\r.png"), "carriage return"),
    "latin-1": (row(image="é.png"), "not UTF-8"),
}


@pytest.mark.parametrize(("text", "reason"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_is_named_with_file_row_and_reason(text: str, reason: str) -> None:
    path = record("bob", n=2)
    record("alice")
    record("carl")
    with path.open("ab") as file:
        file.write(text.encode("latin-1"))
    with pytest.raises(UserError) as error:
        sessions.read()
    assert str(error.value).startswith(f"{path}, row 4: ")
    assert reason in str(error.value)
    assert len(str(error.value)) < 400
    notes: list[str] = []
    assert set(sessions.read(skip_bad=True, tell=notes.append)["subject"]) == {"alice", "carl"}
    assert notes[0].startswith(f"skipped: {inside(path)}, row 4: ") and len(notes) == 1


def test_a_huge_picture_name_is_no_reason_to_fail() -> None:
    path = record(n=1)
    with path.open("a") as file:
        file.write(row(image=HUGE))
    assert sessions.read()["image"].str.len().tolist() == [5, 1_000_000]


BAD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "the file is empty"),
    "no header": (lambda path: path.write_text(row()), "no column 'trial'"),
    "a column twice": (lambda path: path.write_text("\t".join([*schema.COLUMNS, "trial"]) + "\n"), "stands twice"),
    "UTF-16": (lambda path: path.write_text("trial\n", encoding="utf-16"), "not UTF-8"),
    "no sidecar": (lambda path: path.with_suffix(".json").unlink(), "sidecar of this run is missing"),
    "sidecar cut": (lambda path: path.with_suffix(".json").write_text('{"ImageSet": "fa'), "not a JSON file"),
    "sidecar a list": (lambda path: path.with_suffix(".json").write_text("[]"), "expected a JSON object"),
    "a hash that is none": (
        lambda path: path.with_suffix(".json").write_text(
            '{"ImageSet": "faces", "Simulated": false, "ImageSHA256": {"1.png": []}}'
        ),
        "expected a hash per image",
    ),
    "sidecar without image set": (lambda path: path.with_suffix(".json").write_text("{}"), "ImageSet is None"),
    "a huge run number": (
        lambda path: path.rename(path.with_name(path.name.replace("01", "9" * 30))),
        "not the name of a run",
    ),
    "another name": (lambda path: path.rename(path.with_name("sub-x_task-smile_beh.tsv")), "not the name of a run"),
}


@pytest.mark.parametrize(("harm", "reason"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_named_with_its_reason(harm: Callable[[Path], object], reason: str) -> None:
    path = record("bob")
    record("alice")
    harm(path)
    with pytest.raises(UserError, match="sub-bob") as error:
        sessions.read(image_set="faces")
    assert reason in str(error.value)
    notes: list[str] = []
    assert set(sessions.read(image_set="faces", skip_bad=True, tell=notes.append)["subject"]) == {"alice"}
    assert len([note for note in notes if note.startswith("skipped: ")]) == 1


def test_runs_that_judged_different_pictures_under_one_name_conflict() -> None:
    record("alice", ImageSHA256={"1.png": "a", "2.png": "same", "3.png": "same"})
    record("bob", ImageSHA256={"1.png": "b", "2.png": "same", "3.png": "same"})
    record("carl", ImageSHA256={})
    with pytest.raises(
        UserError, match=r"sub-bob\S+json: 1\.png was another picture in \S*sub-alice\S+json; --skip-bad"
    ):
        sessions.read()
    notes: list[str] = []
    table = sessions.read(skip_bad=True, tell=notes.append)
    assert {subject: list(rows["image"]) for subject, rows in table.groupby("subject")} == {
        "alice": ["2.png", "3.png"],
        "bob": ["2.png", "3.png"],
        "carl": ["1.png", "2.png", "3.png"],  # who was shown which is not known
    }
    assert len(notes) == 1 and notes[0].startswith("skipped: 2 rows on 1.png: ")
    assert "sub-alice" in notes[0] and "sub-bob" in notes[0]


def test_a_changed_picture_that_a_run_did_not_come_to_is_no_conflict() -> None:
    images = Path("images")
    images.mkdir()
    (images / "4.png").write_bytes(b"redrawn")
    record("alice", n=3, ImageSHA256={"1.png": "a", "4.png": "as it was"})  # left before the fourth face
    record("bob", n=4, ImageSHA256={"1.png": "a", "4.png": sessions.content_hash(images / "4.png")})
    record("carl", n=3, ImageSHA256={"4.png": "as it was"})
    notes: list[str] = []
    assert len(sessions.read(images=images, tell=notes.append)) == 10
    assert notes == []


def test_rows_on_the_present_picture_are_right() -> None:
    images = Path("images")
    images.mkdir()
    (images / "1.png").write_bytes(b"redrawn")
    now = sessions.content_hash(images / "1.png")
    record("alice", ImageSHA256={"1.png": "as it was"})
    for subject in ("bob", "carl", "dave"):
        record(subject, ImageSHA256={"1.png": now})
    with pytest.raises(UserError, match=r"sub-alice.*1\.png was another picture in .*sub-bob"):
        sessions.read(images=images)
    notes: list[str] = []
    table = sessions.read(images=images, skip_bad=True, tell=notes.append)
    assert table.loc[table["image"] == "1.png", "subject"].tolist() == ["bob", "carl", "dave"]
    assert len(table) == 11
    assert len(notes) == 1 and notes[0].startswith("skipped: 1 row on 1.png: ") and "sub-alice" in notes[0]


def test_who_is_excluded_conflicts_with_nobody_and_nothing_is_said_of_them() -> None:
    record("alice", ImageSHA256={"1.png": "a"})
    record("bob", ImageSHA256={"1.png": "b"})
    record("carl").with_suffix(".json").unlink()
    record("dave", FlipsOfFaces=9).unlink()
    notes: list[str] = []
    with pytest.raises(UserError, match="the sidecar of this run is missing"):
        sessions.read()
    table = sessions.read(exclude=("bob", "carl"), tell=notes.append)
    assert set(table["subject"]) == {"alice"}
    assert len(notes) == 1 and "sub-dave" in notes[0]
    sessions.read(exclude=("alice", "carl"), tell=notes.append)
    with pytest.raises(UserError, match=r"--exclude dora: no such subject in sessions, expected one of alice, bob\."):
        sessions.read(exclude=("carl", "dora"))
    record("erik", image_set="others")
    with pytest.raises(UserError, match=r"--exclude erik: no such subject"):
        sessions.read(image_set="faces", exclude=("bob", "carl", "erik"))


def test_simulated_subjects_do_not_take_the_place_of_excluded_people() -> None:
    record("alice")
    record("sim01", Simulated=True)
    record("sim02", Simulated=True)
    notes: list[str] = []
    assert sessions.read(exclude=["alice"], tell=notes.append).empty
    assert notes == ["Simulated subjects left out, because people have judged faces too: 2."]
    assert set(sessions.read(exclude=["sim01"], tell=notes.append)["subject"]) == {"alice"}
    shutil.rmtree("sessions/sub-alice")
    assert set(sessions.read(exclude=["sim01"])["subject"]) == {"sim02"}


def test_a_subject_is_a_person_or_a_simulation() -> None:
    record("alice", Simulated=False)
    record("alice", Simulated=True)
    assert len(sessions.read(tell=lambda note: None)) == 3  # the simulated run is left out in any case


def test_simulated_runs_count_until_people_have_judged_the_set() -> None:
    record("sim01", Simulated=True)
    assert sessions.read()["simulated"].all()
    record("alice")
    notes: list[str] = []
    assert set(sessions.read(tell=notes.append)["subject"]) == {"alice"}
    assert len(notes) == 1 and "Simulated subjects left out" in notes[0]


@pytest.mark.parametrize("trial_type", ["practice", "main", None])
def test_a_person_without_an_answer_that_counts_leaves_the_simulated_ones_in(trial_type: str | None) -> None:
    record("sim01", Simulated=True)
    with sessions.RunWriter("sessions", "alice", "faces") as run:
        run.write(trial=1, trial_type=trial_type or "main", image="1.png")
        if trial_type == "practice":
            run.write(trial=2, trial_type="practice", image="1.png", response="smiley", response_time=0.5)
    if trial_type is None:  # killed on the first page
        run.path.write_text(run.path.read_text().splitlines(keepends=True)[0])
    notes: list[str] = []
    assert set(sessions.read(tell=notes.append)["subject"]) == {"sim01"}
    assert notes == []


def test_a_picture_that_has_changed_since_it_was_judged_is_named() -> None:
    images = Path("images")
    images.mkdir()
    for name in ("1.png", "2.png"):
        (images / name).write_bytes(b"as judged")
    digest = sessions.content_hash(images / "1.png")
    record(n=2, ImageSHA256={"1.png": digest, "2.png": digest, "gone.png": digest})
    (images / "2.png").write_bytes(b"redrawn")
    notes: list[str] = []
    sessions.read(images=images, tell=notes.append)
    assert len(notes) == 1 and notes[0].endswith(": 2.png.")


def rows_cut(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2]))


LOSSES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no table": (Path.unlink, "there is no table beside it"),
    "neither": (lambda path: (path.unlink(), path.with_suffix(".json").unlink()), "run-01_beh.tsv, which is not there"),
    "rows cut": (rows_cut, "2 of 3 rows lost"),
    "all rows cut": (lambda path: path.write_text("\t".join(schema.COLUMNS) + "\n"), "3 of 3 rows lost"),
}


@pytest.mark.parametrize(("harm", "reason"), LOSSES.values(), ids=LOSSES)
def test_what_was_lost_since_it_was_recorded_is_named(harm: Callable[[Path], object], reason: str) -> None:
    path = record(PracticeTrials=0, FlipsOfFaces=3)
    record(n=2, Continues=path.name)  # killed: nobody knows how many faces it was
    record("bob", image_set="other", FlipsOfFaces=9)
    notes: list[str] = []
    sessions.read(image_set="faces", tell=notes.append)
    assert notes == []
    harm(path)
    sessions.read(image_set="faces", tell=notes.append)
    assert any(note.startswith("sub-alice") and reason in note for note in notes)
    notes.clear()
    sessions.read(image_set="other", tell=notes.append)
    assert len(notes) == 1 and "6 of 9 rows lost" in notes[0]


def test_practice_is_no_face_of_those_that_a_run_says_it_showed() -> None:
    notes: list[str] = []
    for subject, sidecar in (("a", {"PracticeTrials": 1}), ("b", {})):  # b: as the first version counted
        with sessions.RunWriter("sessions", subject, "faces", {"FlipsOfFaces": 2, **sidecar}) as run:
            for trial, trial_type in ((1, "practice"), (2, "main")):
                run.write(trial=trial, trial_type=trial_type, image="x.png")
    sessions.read(tell=notes.append)
    assert len(notes) == 1 and "sub-a_task" in notes[0] and "1 of 2 rows lost" in notes[0]


def test_no_note_says_where_the_dataset_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "1.png").write_bytes(b"redrawn")
    for subject in ("alice", "bob"):  # the same rows twice each, so the second runs are copies
        record(subject, ImageSHA256={"1.png": subject, "3.png": subject})
        record(subject)
    with record("carl").open("a") as file:
        file.write("4\tmain")
    record("dave").with_suffix(".json").write_text("{")
    for folder in (tmp_path / "sessions", Path("sessions"), Path()):
        monkeypatch.chdir(tmp_path / "sessions" if folder == Path() else tmp_path)
        notes: list[str] = []
        sessions.read(folder, "faces", images=images, skip_bad=True, tell=notes.append)
        assert len(notes) == 5 and sum("sub-" in note for note in notes) == 5
        assert not any(str(tmp_path) in note or "sessions" in note for note in notes)


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.integers(0, 400), st.booleans())
def test_any_bytes_end_in_a_table_or_in_one_sentence(noise: bytes, at: int, insert: bool) -> None:
    path = Path("sessions/sub-alice/beh/sub-alice_task-smile_run-01_beh.tsv")
    if not path.exists():
        record()
    whole = ("\t".join(schema.COLUMNS) + "\n" + row(trial="1") + row(trial="2")).encode()
    path.write_bytes(whole[:at] + noise + (whole[at:] if insert else whole[at + len(noise) :]))
    try:
        table = sessions.read(tell=lambda note: None)
    except UserError as error:
        assert "\n" not in str(error).strip()
        assert str(path) in str(error)
    else:
        assert table["response_time"].dropna().between(0, schema.MAX_RESPONSE_TIME_S).all()
        assert (table["response"].isna() == table["response_time"].isna()).all()


# ---- which faces


def test_all_subjects_see_the_same_first_faces_and_a_larger_limit_adds_to_them() -> None:
    names = [f"{i:04d}.png" for i in range(1000)]
    first = sessions.shown_first(names, 200)
    assert len(set(first)) == 200
    assert sessions.shown_first(reversed(names), 300)[:200] == first
    assert first != names[:200]
    assert sessions.shown_first(names[:5], 200) == sessions.shown_first(names[:5], 5)


# ---- simulated observers


@pytest.mark.parametrize(
    ("drift", "boundary", "start"), [(0, 1.5, 0.35), (1, 1.5, 0.5), (-2.3, 1.2, 0.6), (6, 2, 0.3), (0.4, 0.8, 0.7)]
)
def test_first_passage_has_the_choice_probability_and_mean_time_of_the_closed_forms(
    drift: float, boundary: float, start: float
) -> None:
    n = 100_000
    upper, time_s = observers.first_passage(np.full(n, float(drift)), boundary, start, np.random.default_rng(0))
    x = start * boundary
    if drift == 0:
        p, mean_s = start, x * (boundary - x)
    else:  # Cox and Miller (1965), and Wald's identity
        p = (1 - np.exp(-2 * drift * x)) / (1 - np.exp(-2 * drift * boundary))
        mean_s = (p * boundary - x) / drift
    assert abs(upper.mean() - p) < 4.5 * np.sqrt(p * (1 - p) / n) + 1e-4
    assert abs(time_s.mean() - mean_s) < 4.5 * time_s.std() / np.sqrt(n)


def test_first_passage_has_the_known_spread_of_times() -> None:
    _, time_s = observers.first_passage(np.zeros(200_000), 2.0, 0.5, np.random.default_rng(0))
    assert abs(time_s.var() - 2 / 3) < 0.02  # exit of [-1, 1]: E T = 1, var T = 2/3
    assert abs(np.mean(time_s > 1) - 0.3704) < 0.005  # 4 / pi exp(-pi^2 / 8) - 4 / (3 pi) exp(-9 pi^2 / 8)


def test_observers_answer_as_described() -> None:
    rng = np.random.default_rng(0)
    observer = observers.Observer(boundary=1.5, start=0.5, non_decision_s=0.4, gain=1.8, drift_bias=0.0)
    smile = rng.standard_normal(200_000)
    votes, response_time_s = observers.respond(observer, smile, rng)
    assert set(votes) == {-1.0, 1.0}
    assert abs(np.mean(response_time_s < 0.2) - observers.FAST_GUESSES) < 0.002
    assert response_time_s.min() > 0.08 - 1e-9
    sure = np.abs(smile) > 2.5
    assert np.mean(votes[sure] == np.sign(smile[sure])) > 0.95


# ---- sessions.simulate


@pytest.fixture
def faces() -> Path:
    folder = Path("data/faces")
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"image": [f"{i:03d}.png" for i in range(60)], "true_smile": rng.uniform(-1, 1, 60)})
    table.to_csv(folder / "metadata.csv", index=False)
    for name in table["image"]:
        (folder / "images" / name).write_bytes(name.encode())
    return folder


def test_simulated_subjects_judge_the_same_faces_in_their_own_order(faces: Path) -> None:
    simulate.main(simulate.Settings(limit=40))
    table = sessions.read(images=faces / "images")
    assert table["simulated"].all()
    assert table.groupby("subject")["image"].agg(frozenset).nunique() == 1
    assert table.groupby("subject")["image"].agg(tuple).nunique() == 3
    truth = pd.read_csv(faces / "metadata.csv").set_index("image")["true_smile"]
    votes = table.groupby("image")["response"].mean()
    assert votes.corr(truth.loc[votes.index], method="spearman") > 0.5
    smaller = sessions.read(image_set="faces").query("subject == 'sim01'")
    simulate.main(simulate.Settings(subjects=1, limit=40, sessions=Path("again")))
    pd.testing.assert_frame_equal(sessions.read("again"), smaller)


def test_a_second_simulation_is_refused_unless_forced(faces: Path) -> None:
    simulate.main(simulate.Settings(limit=5))
    with pytest.raises(UserError, match="--force"):
        simulate.main(simulate.Settings(limit=5))
    simulate.main(simulate.Settings(limit=5, subjects=2, force=True))
    assert sessions.read()["subject"].unique().tolist() == ["sim01", "sim02"]
    assert "sub-sim03" not in Path("sessions/participants.tsv").read_text()
    assert not Path("sessions/sub-sim03").exists()


def test_a_persons_recording_is_never_replaced_by_a_simulation(faces: Path) -> None:
    record("sim01")
    with pytest.raises(UserError, match="a person recorded this"):
        simulate.main(simulate.Settings(limit=5, force=True))


def test_where_no_smile_is_true_the_asked_one_is_seen(faces: Path) -> None:
    metadata = pd.read_csv(faces / "metadata.csv")
    metadata.assign(asked_smile=0.0).to_csv(faces / "metadata.csv", index=False)
    true = simulate.read_truth(faces)
    assert true.name == "true_smile"
    metadata.rename(columns={"true_smile": "asked_smile"}).to_csv(faces / "metadata.csv", index=False)
    asked = simulate.read_truth(faces)
    pd.testing.assert_series_equal(asked, true, check_names=False)
    simulate.main(simulate.Settings(subjects=1, limit=5))
    assert sessions.runs("sessions", "sim01", "faces")[0].sidecar["SimulatedTruth"] == asked.name == "asked_smile"
    metadata.drop(columns="true_smile").to_csv(faces / "metadata.csv", index=False)
    with pytest.raises(UserError, match=r"metadata\.csv: no column 'true_smile' or 'asked_smile', found image\."):
        simulate.read_truth(faces)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": Path("data/none")}, "no such file"),
        ({"truth": "age"}, "no column 'age'"),
        ({"truth": "image"}, "fewer than two different numbers"),
        ({"subjects": 0}, "at least 1"),
        ({"seed": -1}, "--seed -1: expected 0 or more"),
    ],
)
def test_what_simulation_lacks_is_one_sentence(faces: Path, changes: dict[str, object], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        simulate.main(simulate.Settings(**changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(("cells", "reason"), [("000.png,0.5", "second time"), (",0.5", "no image")])
def test_metadata_that_names_an_image_twice_or_not_is_one_sentence(faces: Path, cells: str, reason: str) -> None:
    with (faces / "metadata.csv").open("a") as file:
        file.write(cells + "\n")
    with pytest.raises(UserError, match=rf"metadata\.csv, row 62: .*{reason}"):
        simulate.main(simulate.Settings(limit=5))


def test_a_name_that_no_table_can_hold_is_not_simulated(faces: Path) -> None:
    (faces / "images" / "a\tb.png").write_bytes(b"a")
    with (faces / "metadata.csv").open("a") as file:
        file.write("a\tb.png,0.5\n")
    simulate.main(simulate.Settings(limit=100))
    assert sessions.read().groupby("subject")["image"].nunique().tolist() == [60, 60, 60]


def test_the_truth_of_simulated_subjects_is_standardised(faces: Path) -> None:
    truth = simulate.standardised_truth(faces, "true_smile")
    raw = simulate.read_truth(faces, "true_smile")
    assert abs(truth.mean()) < 1e-12 and truth.std(ddof=0) == pytest.approx(1)
    assert truth.corr(raw) == pytest.approx(1)


def test_the_recorded_folder_passes_the_bids_validator(faces: Path) -> None:
    validator = Path(sys.executable).with_name("bids-validator-deno")
    if not validator.exists():
        pytest.skip("bids-validator-deno is not installed")
    simulate.main(simulate.Settings(limit=5))
    record("alice", Instructions="Does the face smile?")
    Path("sessions/reader.py").write_text("")
    done = subprocess.run([validator, "sessions", "--json"], capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    # what only the laboratory knows, or what there is none of; docs/annotator.md says where to fill it in
    assert {issue.get("subCode", issue["code"]) for issue in issues} <= {
        *("TOO_FEW_AUTHORS", "Authors", "License", "SourceDatasets", "HEDVersion"),
        *("InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName", "CogAtlasID", "CogPOID"),
    }
    assert done.returncode == 0


def test_observers_answer_as_often_and_as_fast_as_theory_says() -> None:
    observer = observers.Observer(boundary=1.5, start=0.4, non_decision_s=0.3, gain=2.0, drift_bias=0.5)
    n = 200_000
    votes, rt = observers.respond(observer, np.full(n, 0.25), np.random.default_rng(0))
    drift = 1.0 + 0.7 * np.random.default_rng(1).standard_normal(1_000_000)  # gain 0.25 + bias, and its noise
    p = (1 - np.exp(-2 * drift * 0.6)) / (1 - np.exp(-2 * drift * 1.5))  # starts at 0.6 of 1.5
    decision_s = (p * 1.5 - 0.6) / drift
    assert np.mean(votes > 0) == pytest.approx(0.96 * p.mean() + 0.04 / 2, abs=0.005)
    assert rt.mean() == pytest.approx(0.96 * (decision_s.mean() + 0.3) + 0.02 * 0.14 + 0.02 * 1.65, abs=0.006)


def test_of_two_runs_with_one_number_one_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record()
    second = record(n=2)
    for suffix in (".tsv", ".json"):
        second.with_suffix(suffix).rename(second.with_name(second.name.replace("run-02", "run-1")).with_suffix(suffix))
    with pytest.raises(UserError, match=r"run-1_beh\.tsv: the same run number as \S+run-01_beh\.tsv"):
        sessions.read()
    assert len(sessions.read(skip_bad=True, tell=lambda note: None)) == 3
