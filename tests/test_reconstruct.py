"""Originals beside what the model makes of them."""

from pathlib import Path

import numpy as np
import pytest
from conftest import opened
from PIL import Image

from model import crops
from model.reconstruct import Settings, main
from shell import UserError

pytestmark = pytest.mark.usefixtures("every_crop_is_a_face")


def test_validation_faces_are_shown_and_measured(
    drawn_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(Settings(count=3, run=drawn_run, out=tmp_path / "sheet.png"))
    told = capsys.readouterr().out
    assert told.count(" dB  ") == 4 and "all 3 together" in told and str(tmp_path / "sheet.png") in told
    assert opened(tmp_path / "sheet.png").width > 6 * 16


def test_given_pictures_are_shown_and_the_bad_one_is_named(drawn_run: Path, tmp_path: Path) -> None:
    opened(next((drawn_run.parent / "faces/images").iterdir())).save(tmp_path / "good.png")
    Image.new("L", (30, 50), 128).save(tmp_path / "faceless.png")
    (tmp_path / "bad.png").write_bytes(b"no")
    with pytest.raises(UserError, match=r"left out 1: .*bad.png \(not a readable picture\)"):
        main(Settings(images=(tmp_path,), run=drawn_run, out=tmp_path / "out/sheet.png"))
    assert (tmp_path / "out/sheet.png").exists()


@pytest.mark.parametrize("wrong", [{"count": 0}, {"data": Path("none")}, {"images": (Path("none.png"),)}])
def test_what_cannot_be_shown_is_one_sentence(wrong: dict[str, object], drawn_run: Path) -> None:
    with pytest.raises(UserError):
        main(Settings(run=drawn_run, **wrong))  # type: ignore[arg-type]


def test_a_picture_without_a_face_is_named(
    drawn_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crops, "LEAST_EXPLAINED", 0.7)
    monkeypatch.setattr(crops, "explained", lambda _, picture, __: 0.0 if np.ptp(picture) == 0 else 1.0)
    opened(next((drawn_run.parent / "faces/images").glob("*.png"))).save(tmp_path / "face.png")
    Image.new("RGB", (200, 200), "grey").save(tmp_path / "blank.png")
    with pytest.raises(UserError, match=r"left out 1: .*blank\.png \(no face"):
        main(Settings((tmp_path,), run=drawn_run, out=tmp_path / "sheet.png"))
    assert "face.png" in capsys.readouterr().out
