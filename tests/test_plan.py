"""Which faces are shown, and in which order."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator import plan
from annotator.plan import REPEAT_DISTANCE, Planned
from shell import UserError

NAMES = [f"{i:03d}.png" for i in range(100)]


def done(trials: list[Planned]) -> list[dict[str, str]]:
    return [{"image": trial.image, "trial_type": trial.trial_type} for trial in trials]


@given(count=st.integers(1, 120), seed=st.integers(0, 2**31), repeats=st.floats(0, 1))
def test_every_face_comes_once_and_its_repeat_at_a_distance(count: int, seed: int, repeats: float) -> None:
    names = [f"{i}.png" for i in range(count)]
    trials = plan.order(names, seed, repeats)
    main = {trial.image: i for i, trial in enumerate(trials) if trial.trial_type == "main"}
    again = {trial.image: i for i, trial in enumerate(trials) if trial.trial_type == "repeat"}
    assert sorted(main) == sorted(names)
    assert len(trials) == len(main) + len(again)
    assert len(again) == (round(repeats * count) if count >= REPEAT_DISTANCE else 0)
    assert all(again[image] - main[image] >= REPEAT_DISTANCE for image in again)


def test_repeats_stand_between_the_faces_as_long_as_there_is_room_and_the_rest_after_them() -> None:
    few, all_of_them = (plan.order(NAMES[:25], 7, repeats) for repeats in (0.2, 1.0))
    assert [trial.trial_type for trial in few].count("repeat") == 5
    after_the_last = all_of_them[-20:]
    assert [trial.trial_type for trial in after_the_last] == ["repeat"] * 20
    assert {trial.image for trial in all_of_them if trial.trial_type == "repeat"} == set(NAMES[:25])


def test_the_order_is_that_of_its_seed_whatever_the_order_of_the_names() -> None:
    assert plan.order(NAMES, 5, 0.1) == plan.order(NAMES[::-1], 5, 0.1)
    assert plan.order(NAMES, 5) != plan.order(NAMES, 6)


@given(cut=st.integers(0, 110), seed=st.integers(0, 1000))
def test_what_is_left_after_a_stop_is_the_rest_of_the_same_order(cut: int, seed: int) -> None:
    trials = plan.order(NAMES, seed, 0.1)
    assert plan.remaining(trials, done(trials[:cut])) == trials[cut:]


@given(cut=st.integers(0, 88), seed=st.integers(0, 1000))
def test_repeats_keep_their_distance_when_a_larger_limit_adds_faces(cut: int, seed: int) -> None:
    begun = plan.order(NAMES[:80], seed, 0.1)[:cut]
    left = plan.remaining(plan.order(NAMES, seed, 0.1), done(begun))
    trials = begun + left
    assert sorted(trial.image for trial in trials if trial.trial_type == "main") == NAMES
    first = {trial.image: i for i, trial in enumerate(trials) if trial.trial_type == "main"}
    apart = [i - first[trial.image] for i, trial in enumerate(trials) if trial.trial_type == "repeat"]
    assert min(apart) > 0
    assert all(near >= REPEAT_DISTANCE for near in apart) or left[-1].trial_type == "repeat"  # after all else, at most


def test_the_balanced_design_takes_the_least_seen_faces() -> None:
    seen = NAMES[:50] + NAMES[:20]
    assert set(plan.least_seen(NAMES, seen, 50, seed=0)) == set(NAMES[50:])
    assert set(plan.least_seen(NAMES, seen, 80, seed=0)) == set(NAMES[20:])
    assert plan.least_seen(NAMES, [], 10, seed=0) != plan.least_seen(NAMES, [], 10, seed=1)


def test_each_subject_of_the_balanced_design_gets_all_degrees_and_identities() -> None:
    made = {f"{i:02d}_{degree}.png": (degree, i) for i in range(12) for degree in (-1.0, -0.5, 0.0, 0.5, 1.0)}
    for seed in range(20):
        seen: list[str] = []
        for subject in range(9):
            chosen = plan.least_seen(made, seen, 20, seed=100 * seed + subject, kinds=made)
            degrees, identities = (Counter(made[image][which] for image in chosen) for which in (0, 1))
            assert len(set(chosen)) == 20
            assert sorted(degrees.values()) == [4] * 5
            assert max(identities.values()) <= (2 if subject % 3 == 0 else 3)
            seen += chosen
            assert set(Counter(seen).values()) <= {subject // 3, subject // 3 + 1}  # 0 is nowhere counted
        assert set(Counter(seen).values()) == {3} and len(set(seen)) == 60


def test_being_seen_least_comes_before_the_degrees() -> None:
    made = {f"{i}_{degree}.png": (degree, i) for i in range(4) for degree in (-1, 1)}
    high = [image for image in made if made[image][0] == 1]
    assert set(plan.least_seen(made, set(made) - set(high), 4, seed=0, kinds=made)) == set(high)


@pytest.mark.parametrize("ids", ["{:03d}", "p{:02d}", "s{}", "sub{:02d}"])
def test_key_sides_are_balanced_over_subjects(ids: str) -> None:
    taken: list[dict[str, str]] = [{"left": "not-smiley", "right": "smiley"}]
    for number in range(1, 41):
        taken.append(plan.responses(ids.format(number), None, taken))
        left = [side["f"] for side in taken[1:]]
        assert abs(left.count("smiley") - left.count("not-smiley")) <= 1
    assert left != [left[i % 2] for i in range(40)]  # who is next cannot be told from who was last


def test_between_equal_sides_the_id_decides() -> None:
    left = [plan.responses(f"s{i}", None)["f"] for i in range(1000)]
    assert 450 < left.count("smiley") < 550
    assert plan.responses("Alice", None) == plan.responses("alice", None)
    assert plan.responses("alice", ("left", "right")) == {"left": "not-smiley", "right": "smiley"}


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        (("f", "j"), ["f", "j"]),
        (("j", "f"), ["f", "j"]),
        (("right", "left"), ["left", "right"]),
        (("0", "1"), ["1", "0"]),
        (("return", "space"), ["return", "space"]),  # which is left of which nobody knows
    ],
)
def test_the_left_key_is_shown_on_the_left(keys: tuple[str, str], shown: list[str]) -> None:
    given = plan.responses("alice", keys)
    assert list(given) == shown
    assert given[keys[1]] == "smiley"


def test_every_second_practice_face_smiles_in_no_order_that_can_be_learned() -> None:
    trials = [trial.true_smile for trial in plan.practice(6, seed=1)]
    assert sorted(trials) == [-0.9, -0.8, -0.7, 0.7, 0.8, 0.9]
    orders = {tuple((trial.true_smile or 0) > 0 for trial in plan.practice(6, seed)) for seed in range(50)}
    assert len(orders) > 10
    assert plan.practice(6, seed=1) == plan.practice(6, seed=1)
    assert plan.practice(2, seed=3)[0].image in ("practice-01_smile+0.9", "practice-01_smile-0.8")


def test_a_list_of_images_is_read_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("003.png\n\n001.png\n", encoding="utf-8")
    assert plan.read_list(path, NAMES) == ["003.png", "001.png"]
    path.write_text("003.png\nnone.png\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"row 2: 'none.png' is no picture"):
        plan.read_list(path, NAMES)
    path.write_text("003.png\n003.png\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"row 2: '003.png' stands in a row above"):
        plan.read_list(path, NAMES)
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"list.txt: no picture is named here"):
        plan.read_list(path, NAMES)
