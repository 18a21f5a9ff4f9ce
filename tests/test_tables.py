"""Trials of somebody else's experiment go in as they are, or one sentence says why not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import labeling
from data.tables import read_labels, read_metadata
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
    theirs = expected.astype({"image": str, "subject": str}).rename(columns={"subject": "who", "image": "face"})
    theirs = theirs.assign(
        other=theirs["face"].where(theirs["who"] == "b"), face=theirs["face"].where(theirs["who"] == "a")
    )
    theirs.to_parquet(tmp_path / "theirs.parquet")
    renamed = read_trials(tmp_path / "theirs.parquet", ("who=subject", "face=image", "other=image"))
    pd.testing.assert_frame_equal(renamed[expected.columns], expected)


@pytest.mark.parametrize("nothing", ["null", "None", "n/a", "NAN", "NaN ", ""])
def test_of_two_columns_for_one_the_first_that_says_something_counts(tmp_path: Path, nothing: str) -> None:
    path = written(
        tmp_path,
        "subject,face,other,key_1,key_2,rt,other_rt\n"
        f"NA,x.png,{nothing},{nothing},yes,{nothing},500\n"
        f"NA,{nothing},y.png,no,{nothing},700,{nothing}\n",
    )
    rename = ("face=image", "other=image", "key_1=response", "key_2=response")
    trials = read_trials(path, (*rename, "rt=response_time_ms", "other_rt=response_time_ms"))
    assert trials["image"].tolist() == ["x.png", "y.png"]
    assert trials["response"].tolist() == [1.0, -1.0]
    assert trials["response_time"].tolist() == [0.5, 0.7]


@pytest.mark.parametrize("index", [["a", "b", "c"], [0, 4, 9]])
def test_rows_of_a_parquet_file_are_counted_whatever_its_index_is(tmp_path: Path, index: list[object]) -> None:
    pytest.importorskip("pyarrow")
    table = pd.read_csv(written(tmp_path, OURS)).assign(response=["yes", "no", "maybe"])
    table.set_axis(index).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(UserError, match="row 4: response is 'maybe'"):
        read_trials(tmp_path / "t.parquet")


def test_a_subject_may_be_called_na_and_a_picture_may_not(tmp_path: Path) -> None:
    trials = read_trials(written(tmp_path, OURS.replace("a,", "NA,") + "b,NA,,\n"), tell=lambda note: None)
    assert trials["subject"].tolist() == ["NA", "NA", "b"]


def test_a_table_with_semicolons_and_decimal_commas_is_told_apart(tmp_path: Path) -> None:
    path = written(tmp_path, OURS.replace(",", ";").replace(".5", ",5"))
    with pytest.raises(UserError, match="semicolons stand between its columns"):
        read_trials(path)


def test_rows_are_counted_as_an_editor_counts_lines(tmp_path: Path) -> None:
    notes: list[str] = []
    path = written(tmp_path, OURS.replace("a,y", "\n\na,y") + "\n")
    assert len(read_trials(path, tell=notes.append)) == 3 and not notes
    with pytest.raises(UserError, match="row 5: response is 'maybe'"):
        read_trials(written(tmp_path, path.read_text().replace("-1", "maybe")))


def test_rows_that_were_entered_twice_are_noticed(tmp_path: Path) -> None:
    notes: list[str] = []
    read_trials(written(tmp_path, OURS + "a,x.png,1,0.5\n"), tell=notes.append)
    assert notes == ["note: 1 row like a row above, response time included: entered twice?"]


def test_pictures_of_one_name_and_subjects_spelled_in_two_ways_are_noticed(tmp_path: Path) -> None:
    notes: list[str] = []
    text = OURS.replace("a,x", "a,m/x").replace("b,x", "b,w\\x") + "A ,y.png,1,0.5\nc,m/x.png,NAN,NAN\n"
    trials = read_trials(written(tmp_path, text), tell=notes.append)
    assert trials["image"].tolist() == ["x.png", "y.png", "x.png", "y.png", "x.png"]
    assert notes == [
        "note: pictures in different folders have one name and count as one picture: 'm/x.png' and 'w\\\\x.png'.",
        "note: subjects whose names differ in case or spaces alone count as different ones: 'A ' and 'a'.",
    ]
    assert trials["response"].isna().tolist() == [False, False, True, False, True]


@pytest.mark.parametrize("word", ["practice", "Practice "])
def test_practice_is_left_out_however_it_is_written(tmp_path: Path, word: str) -> None:
    text = f"subject,image,response,response_time,trial_type\na,x.png,1,0.5,{word}\na,x.png,-1,0.5,main\n"
    assert labeling.score(read_trials(written(tmp_path, text)), "mean-vote")["smile"].tolist() == [-1.0]


def test_own_columns_go_before_the_published_ones(tmp_path: Path) -> None:
    text = "image,smile,stimulus_filename,avg_encode\na.png,0.5,b.png,1\n"
    assert read_labels(written(tmp_path, text))[["image", "smile"]].values.tolist() == [["a.png", 0.5]]


JSPSYCH = """\
"rt","stimulus","response","trial_type","trial_index","plugin_version","time_elapsed","participant"
"2304","<p>Does this face smile?</p><p>F: smiley, J: not</p>"," ","html-keyboard-response","0","2.1.0","2310","p1"
"null","<div style=""font-size:60px;"">+</div>","null","html-keyboard-response","1","2.1.0","2812","p1"
"612.5","img/x.png","f","image-keyboard-response","2","2.1.0","3425","p1"
"null","<div style=""font-size:60px;"">+</div>","null","html-keyboard-response","3","2.1.0","3927","p1"
"null","img/y.png","null","image-keyboard-response","4","2.1.0","5929","p1"
"481","img/z.png","j","image-keyboard-response","5","2.1.0","6412","p1"
"1207","<p>Thank you.</p>","enter","html-keyboard-response","6","2.1.0","7620","p1"
"""
FROM_JSPSYCH = ("participant=subject", "stimulus=image", "rt=response_time_ms")


def test_a_jspsych_file_goes_in(tmp_path: Path) -> None:
    notes: list[str] = []
    path = written(tmp_path, JSPSYCH)
    trials = read_trials(path, FROM_JSPSYCH, ("f=smiley", "j=not-smiley"), tell=notes.append)
    assert trials["image"].tolist() == ["x.png", "y.png", "z.png"]
    assert trials["response_time"].tolist()[::2] == [0.6125, 0.481] and np.isnan(trials["response_time"][1])
    assert labeling.score(trials, "mean-vote")[["image", "smile"]].values.tolist() == [["x.png", 1.0], ["z.png", -1.0]]
    assert notes == ["Rows left out, because they show no picture (instructions and the like): 4."]
    with pytest.raises(UserError, match=r"row 4: response is 'f'.*--responses"):
        read_trials(path, FROM_JSPSYCH)
    with pytest.raises(UserError, match="row 7: response is 'j', expected f or nothing"):
        read_trials(path, FROM_JSPSYCH, ("f=smiley",))


def test_the_index_of_a_button_means_what_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, OURS.replace(",1,", ",0,").replace(",-1,", ",1,"))
    trials = read_trials(path, responses=("0=smiley", "1=not-smiley"))
    assert trials["response"].tolist()[:2] == [1.0, -1.0]


@pytest.mark.parametrize("responses", [("f",), ("f=yes",), ("=smiley",), ("f=smiley", "F=not-smiley")])
def test_a_response_that_is_no_answer_is_one_sentence(tmp_path: Path, responses: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="expected VALUE=smiley or VALUE=not-smiley"):
        read_trials(written(tmp_path, OURS), responses=responses)


PSYCHOPY = """\
trials.thisRepN,trials.thisN,imageFile,instructions.started,key_resp.keys,key_resp.rt,participant,date,frameRate,
,,,1.02,,,p1,2026-11-20_10h01.22.310,60.0,
0,0,faces/x.png,,left,0.5123,p1,2026-11-20_10h01.22.310,60.0,
0,1,faces/y.png,,None,,p1,2026-11-20_10h01.22.310,60.0,
0,2,faces/z.png,,right,0.7,p1,2026-11-20_10h01.22.310,60.0,
"""


def test_a_psychopy_file_goes_in(tmp_path: Path) -> None:
    names = ("participant=subject", "imageFile=image", "key_resp.keys=response", "key_resp.rt=response_time")
    notes: list[str] = []
    path = written(tmp_path, PSYCHOPY)
    trials = read_trials(path, names, ("left=smiley", "right=not-smiley"), tell=notes.append)
    assert trials["image"].tolist() == ["x.png", "y.png", "z.png"]
    assert trials["response"].dropna().tolist() == [1.0, -1.0]
    assert trials["response_time"].dropna().tolist() == [0.5123, 0.7]
    assert len(notes) == 1 and notes[0].endswith(": 1.")


@pytest.mark.parametrize("cell", ["abc", "-"])
def test_a_time_in_milliseconds_is_a_number_or_nothing(tmp_path: Path, cell: str) -> None:
    path = written(tmp_path, OURS.replace("response_time", "rt").replace("0.75", cell))
    with pytest.raises(UserError, match=f"row 3: response_time is '{cell}', expected seconds"):
        read_trials(path, ("rt=response_time_ms",))


def test_a_comma_after_every_row_shifts_no_column(tmp_path: Path) -> None:
    head, *rows = OURS.splitlines()
    trailing = "\n".join([head, *(f"{row}," for row in rows)])
    pd.testing.assert_frame_equal(
        read_trials(written(tmp_path, trailing)), read_trials(written(tmp_path, OURS, "ours.csv"))
    )
    with pytest.raises(UserError, match="not a table"):
        read_trials(written(tmp_path, "\n".join([head, *(f"{row},extra" for row in rows)])))


def test_a_comma_after_every_row_of_labels_or_metadata_shifts_no_column(tmp_path: Path) -> None:
    path = written(tmp_path, "image,smile\nx.png,0.5,\ny.png,-0.25,\n")
    assert (
        read_labels(path).values.tolist() == read_metadata(path).values.tolist() == [["x.png", 0.5], ["y.png", -0.25]]
    )
    with pytest.raises(UserError, match="not a comma-separated table"):
        read_metadata(written(tmp_path, "image,age\nx.png,30,more\n"))


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("a,x.png,maybe,0.5", "response is 'maybe'"),
        ("a,x.png,2,0.5", "response is '2'"),
        ("a,x.png,1,abc", "response_time is 'abc'"),
        ("a,x.png,1,-0.5", "response_time is '-0.5'"),
        ("a,x.png,1,inf", "response_time is 'inf'"),
        ("a,x.png,1,1e9", "response_time is '1e9'"),
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
    assert f"1 of 4 rows, the first: row 5: {reason}" in notes[0]


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


@pytest.mark.parametrize("separator", [";", "\t"])
def test_another_separator_is_named(tmp_path: Path, separator: str) -> None:
    with pytest.raises(UserError, match=r"one column only, 'subject.*image.*expected commas between columns"):
        read_trials(written(tmp_path, OURS.replace(",", separator)))


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


def test_rows_of_labels_and_metadata_are_counted_as_an_editor_counts_lines(tmp_path: Path) -> None:
    path = written(tmp_path, '\nimage,smile,age\n"x\n1.png",0.5,30\n\n  \n,,\ny.png,-0.25,40\n\n')
    assert read_labels(path).values.tolist() == [["x\n1.png", 0.5, 30], ["y.png", -0.25, 40]]
    assert read_metadata(path)["age"].tolist() == [30, 40] and read_metadata(path)["age"].dtype == int
    for text, said in (
        ("image,smile\nx.png,0.5\n\ny.png,2\n", "row 4: smile is '2.0'"),
        ("image,smile\n\nx.png,0.5\n\nx.png,0.5\n", "row 5: names an image that stands in a row above"),
        ("image,smile\n\n,0.5\n", "row 3: has no image"),
    ):
        with pytest.raises(UserError, match=said):
            read_labels(written(tmp_path, text))


@pytest.mark.parametrize("column", ["smile_low", "smile_high", "smile_se"])
@pytest.mark.parametrize("cell", ["abc", "", "inf", "-3"])
def test_an_interval_is_of_numbers_too(tmp_path: Path, column: str, cell: str) -> None:
    path = written(tmp_path, f"image,smile,{column}\nx.png,0.5,0.1\ny.png,0.5,{cell}\n")
    with pytest.raises(UserError, match=f"row 3: {column} is '.*', expected a number in"):
        read_labels(path)


def test_a_row_of_too_many_cells_is_skipped_and_the_rows_below_keep_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(
        "subject,image,response,response_time\na,x.png,1,0.5\na,y.png,1,0.5,more\nb,x.png,what,1\nb,y.png,1,1\n"
    )
    notes: list[str] = []
    assert read_trials(path, skip_bad=True, tell=notes.append)["image"].tolist() == ["x.png", "y.png"]
    assert "2 of 4 rows, the first: row 3: response is '5 cells in a row of 4'" in notes[0]
    with pytest.raises(UserError, match="in line 3"):
        read_trials(path)
