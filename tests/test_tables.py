"""Trials of somebody else's experiment go in as they are, or one sentence says why not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import labeling
from labeling.tables import read_trials
from shell import UserError

OURS = "subject,image,response,response_time\na,x.png,1,0.5\na,y.png,-1,0.75\nb,x.png,,\n"


def written(tmp_path: Path, text: str, name: str = "trials.csv", encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding=encoding)
    return path


def test_a_csv_a_tsv_and_a_parquet_file_say_the_same(tmp_path: Path) -> None:
    expected = read_trials(written(tmp_path, OURS))
    assert expected["response"].tolist()[:2] == [1.0, -1.0] and np.isnan(expected["response"][2])
    pd.testing.assert_frame_equal(read_trials(written(tmp_path, OURS.replace(",", "\t"), "t.tsv")), expected)
    pd.testing.assert_frame_equal(read_trials(written(tmp_path, OURS, encoding="utf-8-sig")), expected)
    pd.testing.assert_frame_equal(read_trials(written(tmp_path, OURS.replace("\n", "\r\n"))), expected)
    pytest.importorskip("pyarrow")
    expected.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(read_trials(tmp_path / "t.parquet"), expected)


def test_a_jspsych_file_goes_in(tmp_path: Path) -> None:
    text = (
        '"rt","stimulus","response","trial_index","participant"\n'
        '"612","faces/x.png","yes","0","p1"\n"null","faces/y.png","null","1","p1"\n'
    )
    names = ("participant=subject", "stimulus=image", "rt=response_time_ms")
    trials = read_trials(written(tmp_path, text), names)
    assert trials["response_time"][0] == 0.612 and np.isnan(trials["response_time"][1])
    assert labeling.score(trials, "mean-vote")[["image", "smile"]].values.tolist() == [["x.png", 1.0]]


def test_a_psychopy_file_goes_in(tmp_path: Path) -> None:
    head = "participant,imageFile,key_resp.keys,key_resp.rt,date\n"
    text = head + "p1,x.png,yes,0.5,d\np1,y.png,None,,d\np1,z.png,no,0.7,d\n"
    names = ("participant=subject", "imageFile=image", "key_resp.keys=response", "key_resp.rt=response_time")
    assert read_trials(written(tmp_path, text), names)["response"].dropna().tolist() == [1.0, -1.0]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("a,x.png,maybe,0.5", "response is 'maybe'"),
        ("a,x.png,2,0.5", "response is '2'"),
        ("a,x.png,1,abc", "response_time is 'abc'"),
        ("a,x.png,1,-0.5", "response_time is '-0.5'"),
        ("a,x.png,1,inf", "response_time is 'inf'"),
        (",x.png,1,0.5", "subject is 'nan'"),
        ("a,,1,0.5", "image is 'nan'"),
    ],
)
def test_a_bad_row_is_named_and_can_be_skipped(tmp_path: Path, cells: str, reason: str) -> None:
    path = written(tmp_path, OURS + cells + "\n")
    with pytest.raises(UserError) as error:
        read_trials(path)
    assert str(error.value).startswith(f"{path}, row 5: {reason}")
    notes: list[str] = []
    assert len(read_trials(path, skip_bad=True, tell=notes.append)) == 3
    assert "1 of 4 rows" in notes[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a table"),
        ("participant,image,response,response_time\n", "--rename THEIRS=subject"),
        (OURS + "a,b,c,d,e,f,g\n", "not a table"),
    ],
)
def test_a_file_that_is_no_table_of_trials_is_named(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        read_trials(written(tmp_path, text))


def test_latin_1_no_file_and_wrong_names_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="UTF-8"):
        read_trials(written(tmp_path, OURS + "é,x,1,1\n", encoding="latin-1"))
    with pytest.raises(UserError, match="no such file"):
        read_trials(tmp_path / "none.csv")
    for name in ("nonsense", "who=subject", "subject=participant"):
        with pytest.raises(UserError, match="THEIRS=OURS"):
            read_trials(written(tmp_path, OURS), (name,))


def test_minus_one_and_zero_in_one_column_cannot_both_mean_no(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="both -1 and 0"):
        read_trials(written(tmp_path, OURS + "c,x.png,0,0.5\n"))
