"""Changing the smile of given pictures: what changes, what stays, what is refused."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import opened
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import model
from model import crops, edit, editing, framing
from model.edit import Settings, main
from model.framing import Frame
from shell import UserError

RNG = np.random.default_rng(0)


def blob(size: int, x: float, y: float) -> editing.Floats:
    """A bright disc with soft edges on grey, (size, size, 3)."""
    rows, columns = np.mgrid[:size, :size]
    disc = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (size / 10) ** 2))
    return np.repeat(0.3 + 0.6 * disc[..., None], 3, -1).astype(np.float32)


@pytest.fixture
def face(drawn_run: Path, tmp_path: Path) -> Path:
    """A drawn face, 64 x 64, as a file that may be changed."""
    source = next((drawn_run.parent / "faces/images").iterdir())
    path = tmp_path / "in" / "face.png"
    path.parent.mkdir()
    path.write_bytes(source.read_bytes())
    return path


@pytest.fixture
def do(drawn_run: Path, tmp_path: Path) -> Callable[..., Path]:
    """The command with `--framing crop`, unless said otherwise; returns the folder that it writes to."""

    def run(*images: Path, **settings: object) -> Path:
        out = tmp_path / "out"
        wanted = {"framing": "crop", "run": drawn_run, "out": out} | settings
        main(Settings(image=images, **wanted))  # type: ignore[arg-type]
        return out

    return run


def pixels(path: Path) -> np.ndarray:
    return np.asarray(opened(path)).astype(int)


@given(st.integers(5, 90), st.integers(5, 90), st.integers(0, 9))
def test_no_change_returns_the_picture_exactly(height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(seed).random((height, width, 3), np.float32)
    decoded = blob(16, 8, 8)
    assert np.array_equal(editing.edited(picture, decoded, decoded), picture)


def test_outside_of_the_oval_nothing_changes() -> None:
    picture = RNG.random((200, 200, 3), np.float32)
    changed = editing.edited(picture, blob(64, 30, 40), 1 - blob(64, 34, 40))
    outside = editing.oval(200, 200)[..., 0] == 0
    assert np.array_equal(changed[outside], picture[outside]) and outside.mean() > 0.2
    assert np.abs(changed - picture).max() > 0.1


def test_what_moves_is_found_and_moved_sharp() -> None:
    before, after = blob(64, 31, 36), blob(64, 32.5, 36)
    motion = editing.flow(before, after)
    assert motion[36, 31, 1] == pytest.approx(-1.5, abs=0.3) and abs(motion[36, 31, 0]) < 0.1
    assert np.abs(motion[:8]).max() < 1  # weaker where nothing can be seen to move
    assert np.abs(editing.edited(before, before, after) - after).max() < 0.05


def test_motion_is_limited() -> None:
    motion = editing.flow(blob(64, 20, 36), blob(64, 44, 36))
    assert np.hypot(motion[..., 0], motion[..., 1]).max() <= editing.FARTHEST * 64 + 1e-4


def test_a_grey_picture_stays_grey() -> None:
    grey = np.repeat(RNG.random((50, 50, 1), np.float32), 3, -1)
    reddened = blob(16, 8, 8) * np.array([1, 0.5, 0.5], np.float32)
    changed = editing.edited(grey, blob(16, 8, 8), reddened)
    assert np.ptp(changed, axis=-1).max() < 1e-6 and np.abs(changed - grey).max() > 0.05


@given(st.floats(20, 60), st.floats(-0.5, 0.5))
def test_what_is_cut_out_and_changed_is_put_back_in_its_place(side: float, angle: float) -> None:
    picture = np.full((120, 140, 3), 100, np.uint8)
    frame = Frame(70.3, 55.8, side, angle)
    change = (blob(frame.pixels, frame.pixels / 2 - 0.5, frame.pixels / 2 - 0.5) - 0.3) * 0.5
    changed = framing.put_back(picture, change, frame)
    np.testing.assert_allclose(framing.cut(changed, frame, frame.pixels), 100 + 255 * change, atol=3)
    reach = side * 0.75
    assert (changed[: int(55.8 - reach)] == 100).all() and (changed[:, int(70.3 + reach) + 1 :] == 100).all()


def test_a_centred_square_is_cut_out_exactly() -> None:
    picture = RNG.integers(0, 256, (31, 46, 3), np.uint8)
    square = framing.cut(picture, framing.centred(31, 46), 31)
    assert np.array_equal(np.rint(square), picture[:, 7:38])


def test_a_coarse_frame_is_refined_to_where_the_crop_is_explained_best() -> None:
    picture = np.rint(255 * blob(200, 110, 95)).astype(np.uint8)
    wanted = blob(32, 15.5, 15.5)
    frame = framing.refined(
        picture, Frame(113, 98, 208), 32, lambda crops: 3000 * np.square(crops - wanted).mean((1, 2, 3))
    )
    assert (frame.x, frame.y) == (pytest.approx(110.5, abs=1.5), pytest.approx(95.5, abs=1.5))
    assert frame.side == pytest.approx(200, rel=0.03)


def test_a_crop_is_told_from_a_photograph_by_where_its_one_face_is() -> None:
    assert framing.is_framed([Frame(52, 49, 95)], 100, 100)
    assert not framing.is_framed([Frame(52, 49, 40)], 100, 100)
    assert not framing.is_framed([Frame(20, 49, 95)], 100, 100)
    assert not framing.is_framed([Frame(52, 49, 95)] * 2, 100, 100) and not framing.is_framed([], 100, 100)


def test_a_shift_of_nothing_returns_the_file_bit_by_bit(face: Path, do: Callable[..., Path]) -> None:
    out = do(face, shift=(0.0,))
    assert np.array_equal(pixels(out / "face_shift_0.00.png"), pixels(face))


def test_each_degree_is_a_picture_a_row_and_a_column_of_the_strip(
    face: Path, drawn_run: Path, do: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = face.read_bytes()
    out = do(face, smile=(-1.0, 0.5, 1.0))
    names = [f"face_smile_{wish}.png" for wish in ("-1.00", "+0.50", "+1.00")]
    assert {p.name for p in out.iterdir()} == {*names, "face_strip.png", "manifest.csv"}
    manifest = pd.read_csv(out / "manifest.csv")
    assert manifest["file"].tolist() == names and manifest["asked_smile"].tolist() == [-1, 0.5, 1]
    assert manifest["model"].unique().tolist() == [model.load(drawn_run).hash]
    assert manifest["source"].unique().tolist() == [str(face)] and manifest["smile_before"].nunique() == 1
    assert np.abs(pixels(out / names[0]) - pixels(out / names[2])).max() > 0
    assert face.read_bytes() == before and "Next: python -m" in capsys.readouterr().out


def test_no_picture_that_was_given_is_replaced_and_nothing_is_half_done(face: Path, do: Callable[..., Path]) -> None:
    for name in ("face_strip.png", "other_shift_+1.00.png"):
        opened(face).save(face.parent / name)
    (face.parent / "other.png").write_bytes(face.read_bytes())
    given = {path: path.read_bytes() for path in face.parent.iterdir()}
    with pytest.raises(UserError, match="left out 2 of 4 pictures"):
        do(face.parent, shift=(0.5, 1.0), out=face.parent)
    assert {path: path.read_bytes() for path in given} == given
    assert not (face.parent / "face_shift_+0.50.png").exists() and not (face.parent / "other_shift_+0.50.png").exists()
    assert len(pd.read_csv(face.parent / "manifest.csv")) == 4


def test_the_manifest_has_all_that_is_there(face: Path, do: Callable[..., Path]) -> None:
    do(face, shift=(0.5,))
    out = do(face, shift=(0.1234567, 0.1234568))
    names = ["face_shift_+0.50.png", "face_shift_+0.1234567.png", "face_shift_+0.1234568.png"]
    assert pd.read_csv(out / "manifest.csv")["file"].tolist() == names
    (out / names[0]).unlink()
    do(face, shift=(0.1234567,))
    assert sorted(pd.read_csv(out / "manifest.csv")["file"]) == names[1:]


def test_a_crop_has_one_face(face: Path, do: Callable[..., Path]) -> None:
    assert do(face, shift=(0.5,), face=1)
    with pytest.raises(UserError, match="it has 1 face, no number 7"):
        do(face, shift=(0.5,), face=7)


@pytest.mark.parametrize("size", [(200, 200), (30, 17), (61, 140)])
def test_a_picture_of_any_size_comes_back_in_its_size(
    size: tuple[int, int], face: Path, do: Callable[..., Path]
) -> None:
    opened(face).resize(size).save(face)
    assert opened(do(face, shift=(0.7,)) / "face_shift_+0.70.png").size == size


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "P", "RGB"])
def test_grey_stays_grey_and_alpha_stays(mode: str, face: Path, do: Callable[..., Path]) -> None:
    picture = opened(face).convert(mode)
    if "A" in mode:
        picture.putalpha(Image.fromarray(RNG.integers(0, 256, (64, 64), np.uint8)))
    picture.save(face)
    edited = opened(do(face, shift=(0.7,)) / "face_shift_+0.70.png")
    assert edited.mode == {"P": "RGB"}.get(mode, mode)
    if "A" in mode:
        assert edited.getchannel("A").tobytes() == picture.getchannel("A").tobytes()


def test_a_photograph_that_lies_on_its_side_is_edited_upright(face: Path, do: Callable[..., Path]) -> None:
    upright = opened(face).convert("RGB").resize((64, 48))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    upright.rotate(90, expand=True).save(face, exif=exif)
    assert np.array_equal(pixels(do(face, shift=(0.0,)) / "face_shift_0.00.png"), np.asarray(upright))


def test_bad_and_faceless_pictures_are_named_and_the_others_done(
    face: Path, do: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framing, "detector_present", lambda: False)
    good, explained = np.asarray(opened(face).convert("RGB")), crops.explained
    # a model of 60 steps explains no face; it is told of this one
    monkeypatch.setattr(
        crops, "explained", lambda m, p, frame: 1 if np.array_equal(p, good) else explained(m, p, frame)
    )
    (face.parent / "bad.jpg").write_bytes(b"\xff\xd8 no picture")
    Image.new("RGB", (64, 64), "grey").save(face.parent / "wall.png")
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8)).save(face.parent / "noise.png")
    opened(face).resize((9, 9)).save(face.parent / "tiny.png")
    with pytest.raises(UserError, match="left out 4 of 5 pictures") as error:
        do(face.parent, shift=(0.5,), framing="auto")
    said = str(error.value)
    assert all(name in said for name in ("bad.jpg (", "wall.png (no face", "noise.png (no face", "tiny.png (9 x 9"))
    assert "\n" not in said and (face.parents[1] / "out/face_shift_+0.50.png").exists()
    assert len(pd.read_csv(face.parents[1] / "out/manifest.csv")) == 1


def test_all_faces_of_a_photograph_are_edited_or_only_the_one_asked_for(
    face: Path, do: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = Image.new("RGB", (300, 120), "grey")
    for x in (20, 180):
        sheet.paste(opened(face), (x, 30))
    sheet.save(face)
    found = [Frame(52, 62, 64), Frame(212, 62, 64)]
    monkeypatch.setattr(framing, "detector_present", lambda: True)
    monkeypatch.setattr(framing, "find_faces", lambda picture: found)
    monkeypatch.setattr(framing, "refined", lambda picture, frame, size, misfit: frame)
    changed = pixels(do(face, shift=(2.0,), framing="auto") / "face_shift_+2.00.png") != pixels(face)
    assert changed[:, :100].any() and changed[:, 160:].any() and not changed[:, 100:160].any()
    out = do(face, shift=(2.0,), framing="auto", face=2)
    changed = pixels(out / "face_shift_+2.00.png") != pixels(face)
    assert not changed[:, :160].any() and changed[:, 160:].any()
    assert pd.read_csv(out / "manifest.csv")["face"].tolist() == [2]
    with pytest.raises(UserError, match="it has 2 faces, no number 3"):
        do(face, shift=(2.0,), framing="auto", face=3)


def test_dlib_finds_no_face_where_there_is_none() -> None:
    pytest.importorskip("dlib")
    assert framing.find_faces(np.full((100, 100, 3), 128, np.uint8)) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "either --smile"),
        ({"smile": (1.0,), "shift": (1.0,)}, "either --smile"),
        ({"smile": (float("nan"),)}, "expected numbers from -100 to 100"),
        ({"smile": (1.0,), "face": 0}, "counted from 1"),
    ],
)
def test_impossible_wishes_are_one_sentence(
    wrong: dict[str, object], said: str, face: Path, do: Callable[..., Path]
) -> None:
    with pytest.raises(UserError, match=said):
        do(face, **wrong)


def test_a_photograph_without_dlib_names_what_is_missing(
    face: Path, do: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framing, "detector_present", lambda: False)
    with pytest.raises(UserError, match="pip install dlib-bin"):
        do(face, smile=(1.0,), framing="photograph")


def test_an_empty_folder_and_a_missing_file_are_named(tmp_path: Path, face: Path, do: Callable[..., Path]) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: no pictures"):
        do(tmp_path / "empty", smile=(1.0,))
    with pytest.raises(UserError, match=r"none.jpg \(the file is not there\)"):
        do(tmp_path / "none.jpg", smile=(1.0,))
    with pytest.raises(UserError, match="no picture is named"):
        do(smile=(1.0,))


def test_files_of_one_name_do_not_replace_each_other_nor_an_input(
    face: Path, tmp_path: Path, do: Callable[..., Path]
) -> None:
    other = tmp_path / "face.jpg"
    opened(face).save(other)
    out = do(face, other, shift=(0.5,))
    assert {p.name for p in out.glob("*.png")} == {"face_shift_+0.50.png", "face_2_shift_+0.50.png"}
    taken = face.with_name("face_shift_+0.50.png")
    taken.write_bytes(face.read_bytes())
    with pytest.raises(UserError, match="would replace a picture that was given"):
        do(face, taken, shift=(0.5,), out=face.parent)
    assert taken.read_bytes() == face.read_bytes()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_no_traceback(face: Path, tmp_path: Path, do: Callable[..., Path]) -> None:
    (tmp_path / "out").mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(OSError, match="Permission denied"):  # which the shell says in a sentence
        do(face, smile=(1.0,))


def test_no_two_pictures_get_one_name() -> None:
    given = edit.names([Path("a/face.jpg"), Path("a/face.png"), Path("a/face_2.jpg")])
    assert given == ["face", "face_3", "face_2"]


@pytest.mark.parametrize(("height", "width"), [(128, 128), (128, 64), (64, 128)])
def test_what_moves_moves_as_far_in_a_picture_of_another_size(height: int, width: int) -> None:
    before, after = blob(64, 31, 38), blob(64, 32.5, 39.5)
    picture, wanted = (editing.resize(one, height, width) for one in (before, after))
    assert np.abs(editing.edited(picture, before, after) - wanted).max() < 0.05


def test_fine_detail_fades_where_much_is_added_and_stays_elsewhere() -> None:
    before = np.full((64, 64, 3), 0.3, np.float32)
    after = before.copy()
    after[40:56, 20:44] += 0.3
    detail = np.where(np.indices((64, 64)).sum(0) % 2, 0.05, -0.05).astype(np.float32)[..., None]
    left = editing.edited(before + detail, before, after) - editing.edited(before, before, after)
    assert np.abs(left[46:50, 28:36]).mean() == pytest.approx((1 - editing.DAMPED) * 0.05, rel=0.1)
    np.testing.assert_allclose(left[:24], np.broadcast_to(detail, left.shape)[:24], atol=1e-6)
