"""Image sets: listing, decoding, tables, the cache, the split."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import data
import sessions
from data.decoding import BadPicture, decode, size_in_file
from data.tables import read_labels
from shell import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set of three plain pictures: red, green, blue."""
    images = tmp_path / "set" / "images"
    images.mkdir(parents=True)
    for name, colour in (("a.png", "red"), ("b.png", "lime"), ("c.png", "blue")):
        Image.new("RGB", (10, 10), colour).save(images / name)
    return tmp_path / "set"


def test_a_set_lists_its_pictures_sorted_and_nothing_else(folder: Path) -> None:
    (folder / "images" / ".hidden.png").write_bytes(b"x")
    (folder / "images" / "notes.txt").write_text("no picture")
    assert data.open_set(folder).names == ("a.png", "b.png", "c.png")


def test_a_missing_set_names_the_command_that_makes_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"python -m data\.prepare drawn"):
        data.open_set("data/faces")


@pytest.mark.parametrize(
    ("mode", "colour"),
    [
        ("L", 128),
        ("RGBA", (128, 128, 128, 255)),
        ("P", 0),
        ("1", 1),
        ("I;16", 32896),
        ("CMYK", (0, 0, 0, 127)),
        ("LA", (128, 255)),
    ],
)
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str, colour: object) -> None:
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    Image.new(mode, (4, 4), colour).save(path)  # type: ignore[arg-type]
    picture = decode(path)
    assert picture.mode == "RGB"
    expected = {"P": 0, "1": 255}.get(mode, 128)
    assert abs(np.asarray(picture).astype(int) - expected).max() <= 1


def test_transparent_parts_become_white_or_what_is_behind_them(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "x.png")
    assert np.asarray(decode(tmp_path / "x.png")).min() == 255
    assert (np.asarray(decode(tmp_path / "x.png", behind=40)) == 40).all()  # the annotator's grey, so no edge is seen


def test_exif_orientation_turns_the_picture_upright(tmp_path: Path) -> None:
    picture = Image.new("RGB", (20, 10), "black")
    picture.paste("white", (0, 0, 10, 10))  # left half
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise: left becomes top
    picture.save(tmp_path / "x.png", exif=exif)
    upright = np.asarray(decode(tmp_path / "x.png"))
    assert upright.shape == (20, 10, 3)
    assert upright[:10].min() == 255 and upright[10:].max() == 0


@pytest.mark.parametrize(
    "content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 50], ids=["empty", "text", "broken"]
)
def test_unusable_files_are_named_not_a_crash(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(BadPicture):
        decode(tmp_path / "x.png")


def test_what_is_called_a_picture_and_is_postscript_is_never_run(tmp_path: Path) -> None:
    path = tmp_path / "face.jpg"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n%%EOF\n")
    with pytest.raises(BadPicture, match="not a readable picture"):
        decode(path)
    assert size_in_file(path) is None


def test_what_a_camera_wrote_beside_a_picture_goes_no_further(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "a.jpg", comment=b"Jane Doe, 1970-01-01")
    for size in (None, 16, 32):
        decode(tmp_path / "a.jpg", size).save(tmp_path / "made.jpg")
        assert b"Jane" not in (tmp_path / "made.jpg").read_bytes()


def test_a_truncated_picture_is_bad(tmp_path: Path) -> None:
    Image.effect_noise((100, 100), 50).convert("RGB").save(tmp_path / "x.jpg")
    whole = (tmp_path / "x.jpg").read_bytes()
    (tmp_path / "x.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadPicture, match="truncated"):
        decode(tmp_path / "x.jpg")


def test_an_absurdly_large_picture_is_not_even_decoded(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "x.png")
    with pytest.raises(BadPicture, match="pixels"):
        decode(tmp_path / "x.png")


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_decoder(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.png"
    path.write_bytes(content)
    with pytest.raises(BadPicture):
        decode(path)


def test_the_array_holds_the_pictures_in_order_and_leaves_bad_ones_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "images" / "b.png").write_bytes(b"")
    array, names = data.open_set(folder).pictures(4)
    assert names == ["a.png", "c.png"]
    assert (array == np.array([[255, 0, 0], [0, 0, 255]])[:, None, None]).all()
    assert "b.png: the file is empty" in capsys.readouterr().out


def test_the_array_is_rebuilt_when_a_picture_changes_and_only_then(folder: Path) -> None:
    images = data.open_set(folder)
    images.pictures(4)
    made = (folder / "cache" / "4.npy").stat().st_mtime_ns
    images.pictures(4)
    assert (folder / "cache" / "4.npy").stat().st_mtime_ns == made
    Image.new("RGB", (11, 11), "white").save(folder / "images" / "a.png")
    assert images.pictures(4)[0][0].min() == 255


def test_the_array_is_read_only_and_memory_mapped(folder: Path) -> None:
    array, _ = data.open_set(folder).pictures(4)
    assert isinstance(array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 0


def test_the_split_keeps_one_in_ten_for_good() -> None:
    kept = [data.is_validation(f"{i:05d}.png") for i in range(10_000)]
    assert 0.09 < np.mean(kept) < 0.11
    assert [i for i in range(30) if kept[i]] == [11, 29]


def test_the_split_has_nothing_to_do_with_what_is_shown_first() -> None:
    shown = sessions.shown_first((f"{i:05d}.png" for i in range(10_000)), 2000)
    assert 0.08 < np.mean([data.is_validation(name) for name in shown]) < 0.12


def test_published_labels_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(",stimulus_filename,avg_encode\n0,a.jpg,0.5\n1,b.jpg,-0.25\n", encoding="utf-8-sig")
    table = read_labels(path)
    assert list(table.columns) == ["image", "smile"]
    assert table["smile"].tolist() == [0.5, -0.25]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("image,smile\na.png,2\n", r"row 2: smile is .*2.*expected a number in \[-1, 1\]"),
        ("image,smile\na.png,0\nb.png,high\n", r"row 3: smile is 'high'"),
        ("image,smile\na.png,0\na.png,1\n", r"row 3: names an image that stands in a row above \(a\.png\)"),
        ("picture,smile\na.png,0\n", r"no column 'image'.*found picture, smile"),
        ("", "not a comma-separated table"),
        ("image,smile\n,0\n", "row 2: has no image"),
    ],
)
def test_a_wrong_label_table_is_told_by_file_and_row(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(UserError, match=rf"labels\.csv.*{complaint}"):
        read_labels(tmp_path / "labels.csv")


def test_own_labels_come_before_published_ones(folder: Path) -> None:
    (folder / "labels_published.csv").write_text("image,smile\na.png,0.5\n")
    assert data.open_set(folder).labels()["smile"].tolist() == [0.5]
    (folder / "labels.csv").write_text("image,smile\na.png,-0.5\n")
    assert data.open_set(folder).labels()["smile"].tolist() == [-0.5]


def test_a_set_without_tables_has_empty_ones(folder: Path) -> None:
    images = data.open_set(folder)
    assert len(images.labels()) == 0 and len(images.metadata()) == 0 and images.about() == {}


def test_about_is_what_set_json_says(folder: Path) -> None:
    (folder / "set.json").write_text(json.dumps({"name": "x"}))
    assert data.open_set(folder).about() == {"name": "x"}
    (folder / "set.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        data.open_set(folder).about()
    (folder / "set.json").write_text("[]")
    with pytest.raises(UserError, match="expected a JSON object"):
        data.open_set(folder).about()


def test_codes_are_shown_as_the_words_that_set_json_gives_them(folder: Path) -> None:
    (folder / "metadata.csv").write_text("image,gender,glasses,age\na.png,1,0,30\nb.png,,1,31\nc.png,2,0,32\n")
    levels = {"gender": {"1": "female"}, "glasses": {"0": "without", "1": "with"}, "gone": {"0": "x"}}
    (folder / "set.json").write_text(json.dumps({"levels": levels}))
    images = data.open_set(folder)
    words = images.metadata_in_words()
    assert words["gender"].dropna().tolist() == ["female", "2"] and words["gender"].isna()[1]
    assert words["glasses"].tolist() == ["without", "with", "without"]
    assert images.metadata()["glasses"].tolist() == [0, 1, 0] and words["age"].tolist() == [30, 31, 32]


@pytest.mark.parametrize("levels", [[], "words", {"gender": ["male", "female"]}])
def test_levels_that_are_no_words_for_codes_are_one_sentence(folder: Path, levels: object) -> None:
    (folder / "set.json").write_text(json.dumps({"levels": levels}))
    with pytest.raises(UserError, match=r"set\.json: levels: expected one object"):
        data.open_set(folder).metadata_in_words()


def test_a_picture_redrawn_in_as_many_bytes_is_decoded_anew(folder: Path) -> None:
    path = folder / "images" / "a.bmp"
    Image.new("RGB", (10, 10), "red").save(path)
    images, size = data.open_set(folder), path.stat().st_size
    assert images.pictures(4)[0][0, 0, 0].tolist() == [255, 0, 0]
    Image.new("RGB", (10, 10), "lime").save(path)
    assert path.stat().st_size == size
    assert images.pictures(4)[0][0, 0, 0].tolist() == [0, 255, 0]


@pytest.mark.parametrize(("width", "height"), [(60, 20), (20, 60)])
def test_of_an_oblong_picture_the_square_in_its_middle_is_taken(tmp_path: Path, width: int, height: int) -> None:
    picture = Image.new("RGB", (width, height), "black")
    left, top = (width - 20) // 2, (height - 20) // 2
    picture.paste("white", (left, top, left + 20, top + 20))
    picture.save(tmp_path / "x.png")
    assert np.asarray(decode(tmp_path / "x.png", 10))[1:-1, 1:-1].min() >= 250
