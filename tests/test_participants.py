"""participants.tsv: what subjects told about themselves."""

import json
from pathlib import Path

import pytest

from sessions import RunWriter, files, participants
from shell import UserError


def test_answers_stand_in_the_subjects_row_and_are_described(tmp_path: Path) -> None:
    for subject in ("alice", "bob"):
        with RunWriter(tmp_path, subject, "faces") as run:
            run.write(trial=1, trial_type="main", image="a.png")
    participants.describe(tmp_path, "bob", {"age": 33, "sex": None, "handedness": "L"})
    assert (tmp_path / "participants.tsv").read_text() == (
        "participant_id\tage\tsex\thandedness\nsub-alice\tn/a\tn/a\tn/a\nsub-bob\t33\tn/a\tL\n"
    )
    assert participants.read(tmp_path, "bob") == {"participant_id": "sub-bob", "age": "33", "handedness": "L"}
    assert participants.read(tmp_path, "alice") == {"participant_id": "sub-alice"}
    assert set(json.loads((tmp_path / "participants.json").read_text())) == {
        "participant_id",
        "age",
        "sex",
        "handedness",
    }


def test_who_left_without_a_trial_leaves_no_trace(tmp_path: Path) -> None:
    with RunWriter(tmp_path, "alice", "faces") as run:
        run.write(trial=1, trial_type="main", image="a.png")
    with RunWriter(tmp_path, "alice", "faces"), RunWriter(tmp_path, "bob", "faces"):
        pass
    with RunWriter(tmp_path, "carol", "faces"):
        participants.describe(tmp_path, "carol", {"age": 40})
    with RunWriter(tmp_path, "dave", "faces"):
        assert participants.read(tmp_path, "dave")
    assert (tmp_path / "participants.tsv").read_text() == "participant_id\tage\nsub-alice\tn/a\n"
    assert files.subjects(tmp_path) == ["alice"]  # as in participants.tsv


def killed(folder: Path, subject: str, tail: str = "") -> Path:
    """The table of a run that was killed before its first row, or in the middle of it."""
    with RunWriter(folder, subject, "faces") as run:
        participants.describe(folder, subject, {"age": 33, "sex": "F"})
        run.write(trial=1, trial_type="main", image="a.png")
    header = run.path.read_text().splitlines()[0] + "\n"
    run.path.write_text(header + tail)
    return run.path


def test_who_comes_back_after_a_kill_and_declines_leaves_no_trace_either(tmp_path: Path) -> None:
    path = killed(tmp_path, "alice")
    assert participants.read(tmp_path, "alice") == {"participant_id": "sub-alice", "age": "33", "sex": "F"}
    with RunWriter(tmp_path, "alice", "faces"):
        pass
    assert not path.exists() and files.subjects(tmp_path) == []
    assert (tmp_path / "participants.tsv").read_text() == "participant_id\tage\tsex\n"


@pytest.mark.parametrize("tail", ["1\tmain\ta.p", "1\tpractice\ta.png\tn/a\tn/a\tn/a\tn/a\n"])
def test_who_has_a_row_keeps_what_was_told(tmp_path: Path, tail: str) -> None:
    path = killed(tmp_path, "alice", tail)
    with RunWriter(tmp_path, "alice", "other"):
        pass
    assert path.exists() and path.with_suffix(".json").exists()
    assert participants.read(tmp_path, "alice")["age"] == "33"


def test_what_the_laboratory_wrote_of_who_left_stays(tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_text("participant_id\tgroup\nsub-alice\tcontrol\n")
    with RunWriter(tmp_path, "alice", "faces"):
        participants.describe(tmp_path, "alice", {"age": 40})
    assert (tmp_path / "participants.tsv").read_text() == "participant_id\tgroup\tage\nsub-alice\tcontrol\tn/a\n"
    assert files.subjects(tmp_path) == []


def test_what_people_wrote_into_the_table_stays(tmp_path: Path) -> None:
    with RunWriter(tmp_path, "alice", "faces") as run:
        run.write(trial=1, trial_type="main", image="a.png")
    (tmp_path / "participants.tsv").write_text("participant_id\tgroup\nsub-alice\tcontrol\n")
    participants.describe(tmp_path, "alice", {"age": 40})
    assert participants.read(tmp_path, "alice") == {"participant_id": "sub-alice", "group": "control", "age": "40"}


def test_an_empty_table_is_filled_and_one_without_ids_is_one_sentence(tmp_path: Path) -> None:
    with RunWriter(tmp_path, "alice", "faces") as run:
        run.write(trial=1, trial_type="main", image="a.png")
    path = tmp_path / "participants.tsv"
    path.write_text("")
    participants.describe(tmp_path, "alice", {"age": 40})
    assert participants.read(tmp_path, "alice") == {}
    participants.add(tmp_path, ["alice"])
    assert participants.read(tmp_path, "alice") == {"participant_id": "sub-alice"}
    path.write_text("name\nalice\n")
    with pytest.raises(UserError, match="no column 'participant_id', found name"):
        participants.read(tmp_path, "alice")


def test_an_unknown_subject_has_told_nothing(tmp_path: Path) -> None:
    assert participants.read(tmp_path, "nobody") == {}


@pytest.mark.parametrize(
    ("content", "reason"), [(b"{", "not a JSON file"), (b"\xff", "not a JSON file"), (b"[]", "expected a JSON object")]
)
def test_a_broken_description_is_one_sentence_and_changes_nothing(tmp_path: Path, content: bytes, reason: str) -> None:
    with RunWriter(tmp_path, "alice", "faces") as run:
        run.write(trial=1, trial_type="main", image="a.png")
    (tmp_path / "participants.json").write_bytes(content)
    before = (tmp_path / "participants.tsv").read_bytes()
    with pytest.raises(UserError, match=f"participants.json: {reason}"):
        participants.describe(tmp_path, "alice", {"age": 40})
    assert (tmp_path / "participants.tsv").read_bytes() == before


def test_a_table_in_another_encoding_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_bytes("participant_id\tnom\nsub-a\tRené\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"participants\.tsv: not UTF-8 text"):
        participants.read(tmp_path, "a")


def test_where_a_folder_cannot_go_its_row_stays(tmp_path: Path) -> None:
    with RunWriter(tmp_path, "alice", "faces"):
        (tmp_path / "sub-alice" / "anat").mkdir()
    assert participants.read(tmp_path, "alice") and files.subjects(tmp_path) == ["alice"]


def test_blank_lines_are_no_subjects_and_strange_line_ends_are_text(tmp_path: Path) -> None:
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id\tnote\nsub-alice\tx\u2028y\n\nsub-bob\tn/a\n", encoding="utf-8")
    participants.describe(tmp_path, "bob", {"age": 3})
    assert path.read_text(encoding="utf-8") == "participant_id\tnote\tage\nsub-alice\tx\u2028y\tn/a\nsub-bob\tn/a\t3\n"
