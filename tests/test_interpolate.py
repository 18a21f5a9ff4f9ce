"""From one face to another on a straight line."""

from pathlib import Path

import pytest
import torch
from conftest import opened

import model
from model.interpolate import Settings, line, main
from shell import UserError

pytestmark = pytest.mark.usefixtures("every_crop_is_a_face")


def test_the_line_is_straight_and_begins_and_ends_at_the_faces(drawn_run: Path) -> None:
    faces = model.load(drawn_run)
    first, second = faces.identities(2)
    z = line(faces, first, second, 5)
    torch.testing.assert_close(z[[0, 4]], torch.stack([first, second]))
    torch.testing.assert_close(z[2], (first + second) / 2)
    steps = faces.read(z).diff()
    torch.testing.assert_close(steps, steps[:1].expand(4), atol=1e-5, rtol=1e-4)


def test_a_held_smile_is_the_same_on_the_whole_way(drawn_run: Path) -> None:
    faces = model.load(drawn_run)
    z = line(faces, *faces.identities(2), 7, smile=0.5)
    torch.testing.assert_close(faces.read(z), torch.full((7,), 0.5), atol=1e-4, rtol=0)
    assert (z[0] - z[-1]).abs().max() > 0.1


def test_identities_and_images_give_a_strip(drawn_run: Path, tmp_path: Path) -> None:
    main(Settings(identities=(3, 8, 5), steps=4, run=drawn_run, out=tmp_path / "ids.png"))
    two = tuple(sorted((drawn_run.parent / "faces/images").iterdir())[:2])
    main(Settings(images=two, steps=4, smile=0.0, run=drawn_run, out=tmp_path / "images.png"))
    assert opened(tmp_path / "ids.png").height > opened(tmp_path / "images.png").height


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"identities": (1,)},
        {"identities": (1, -2)},
        {"identities": (1, 2), "images": (Path("a"), Path("b"))},
        {"identities": (1, 2), "steps": 1},
        {"identities": (1, 2), "smile": float("inf")},
        {"images": (Path("none.png"), Path("neither.png"))},
    ],
)
def test_impossible_wishes_are_one_sentence(wrong: dict[str, object], drawn_run: Path) -> None:
    with pytest.raises(UserError):
        main(Settings(run=drawn_run, **wrong))  # type: ignore[arg-type]


def test_a_name_that_is_no_pictures_is_one_sentence(drawn_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a picture's name, such as .*results\.png"):
        main(Settings(identities=(0, 1), run=drawn_run, out=tmp_path / "results"))
