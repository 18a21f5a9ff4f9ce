"""The drawn faces: reproducible people, and a smile that is anatomy and independent of everything else."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from data.drawn import draw, faces, identity
from data.drawn.canvas import Canvas
from data.drawn.expression import expression, lip_lines
from data.drawn.head import outline

DEGREES = np.linspace(-1.0, 1.0, 9)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_person() -> None:
    a, b = draw(identity(3, seed=5), 0.4), draw(identity(3, seed=5), 0.4)
    assert a.tobytes() == b.tobytes()
    assert identity(3, seed=6) != identity(3, seed=5)


def test_face_i_does_not_depend_on_the_count() -> None:
    assert list(faces(20, seed=1)) == list(faces(50, seed=1))[:20]
    assert [face.file_name for face in faces(2, seed=1)] == ["00000.png", "00001.png"]


@pytest.mark.parametrize("size", [64, 128])
def test_a_picture_is_rgb_bytes_of_the_asked_size(size: int) -> None:
    picture = draw(identity(0, seed=0), 0.0, size)
    assert picture.shape == (size, size, 3) and picture.dtype == np.uint8 and picture.flags.c_contiguous


def test_the_true_smile_is_uniform_and_independent_of_every_trait() -> None:
    people = list(faces(2000, seed=0))
    smile = np.array([face.true_smile for face in people])
    share, _ = np.histogram(smile, bins=4, range=(-1, 1))
    assert np.all(np.abs(share / 2000 - 0.25) < 0.04)
    numbers = {
        name: [getattr(face.identity, name) for face in people]
        for name in (
            "age",
            "femininity",
            "skin_depth",
            "mouth_curve",
            "mouth_width",
            "lip_fullness",
            "yaw",
            "ambient",
        )
    }
    for name in ("beard", "glasses"):
        numbers[name] = [float(getattr(face.identity, name) != "none") for face in people]
    for name, values in numbers.items():
        assert abs(np.corrcoef(smile, values)[0, 1]) < 0.08, name  # 3.6 standard errors


def test_every_part_of_a_smile_moves_one_way_with_its_degree() -> None:
    for number in range(30):
        steps = [expression(identity(number, seed=2), s) for s in DEGREES]
        rise = [e.lift for e in steps]
        assert np.all(np.diff(rise) > 0.005)
        assert np.all(np.diff([e.half_width for e in steps]) > 0)
        assert np.all(np.diff([e.lower_lid for e in steps]) >= 0) and steps[-1].lower_lid > 0.5
        assert np.all(np.diff([e.brow_drop for e in steps]) <= 0)
        assert steps[4].gape == 0 < steps[6].gape < steps[-1].gape


def test_a_person_confounds_a_smile_by_less_than_a_quarter_of_a_degree() -> None:
    per_degree = expression(identity(0, seed=0), 0.5).lift - expression(identity(0, seed=0), -0.5).lift
    at_rest = [expression(identity(i, seed=0), 0.0).lift for i in range(300)]
    assert np.std(at_rest) < 0.25 * per_degree


def test_the_lip_lines_never_cross() -> None:
    across = np.linspace(-1, 1, 101, dtype=np.float32)
    for number in range(20):
        for s in np.linspace(-1.5, 1.5, 13):
            lines = lip_lines(expression(identity(number, seed=4), float(s)), across)
            assert all(np.all(low - high > -1e-6) for high, low in pairwise(lines))


def test_equal_steps_of_smile_change_the_mouth_about_equally() -> None:
    person = identity(2, seed=0)
    mouths = [draw(person, s)[78:112, 30:98].astype(float) for s in DEGREES]
    steps = [np.abs(b - a).mean() for a, b in pairwise(mouths)]
    assert min(steps) > 0.25 * max(steps)
    from_stern = [np.abs(m - mouths[0]).mean() for m in mouths]
    assert np.all(np.diff(from_stern) > 0)


def test_only_the_face_changes_with_the_smile() -> None:
    for number in range(6):
        person = identity(number, seed=0)
        changed = np.abs(draw(person, -1.0).astype(int) - draw(person, 1.0)).max(axis=2) > 1
        canvas = Canvas(person, 128)
        edge = (canvas.reach / canvas.look_up(outline(person))).reshape(128, 2, 128, 2).min((1, 3))
        assert not changed[edge > 1.05].any()  # hair, ears, neck and background stay
        assert not changed[:25].any()  # and the forehead
        assert changed[80:110, 45:83].mean() > 0.6  # the mouth moves


def test_faces_of_many_seeds_draw_without_warnings_at_extreme_smiles() -> None:
    for seed in (0, 1, 12345, 2**31 - 1):
        for s in (-3.0, -1.0, 1.0, 3.0):
            with np.errstate(divide="raise", over="raise", invalid="raise"):
                assert draw(identity(seed % 977, seed), s, 64).std() > 10


@pytest.mark.parametrize("style", ["bald", "afro", "bun", "curly", "fringe", "long"])
def test_every_hair_style_makes_another_picture(style: str) -> None:
    person = replace(identity(4, seed=0), hair_style="short")
    assert np.abs(draw(person, 0.0).astype(int) - draw(replace(person, hair_style=style), 0.0)).mean() > 1.5


def test_skin_spans_the_human_range() -> None:
    cheeks = [draw(replace(identity(i, seed=0), beard="none"), 0.0, 64)[34:40, 20:44].mean() for i in range(60)]
    assert min(cheeks) < 75
    assert max(cheeks) > 185
