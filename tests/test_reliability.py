"""What is said about the subjects, and how far their labels would come out again."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from labeling.reliability import Reliability, halves, split_half
from labeling.subjects import describe, find_swapped, fix_swapped, krippendorff_alpha
from labeling.votes import from_trials
from tests.test_labeling import simulated


def only_first(change: Any) -> Any:
    return lambda j, votes, rt, rng: change(votes, rt, rng) if j == 0 else (votes, rt)


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        (lambda votes, rt, rng: (votes, rt), ""),
        (lambda votes, rt, rng: (-votes, rt), "keys swapped"),
        (lambda votes, rt, rng: (rng.choice([-1.0, 1.0], len(votes)), rt), "guessing"),
        (lambda votes, rt, rng: (votes, rt * 1000), "times look like milliseconds"),
        (lambda votes, rt, rng: (np.ones_like(votes), rt), "nearly always smiley"),
        (lambda votes, rt, rng: (votes, rt * 0.1), "many votes too fast to have seen the face"),
    ],
)
def test_what_is_odd_about_a_subject_is_said_in_plain_words(change: Any, flag: str) -> None:
    found = describe(simulated(4, seed=2, change=only_first(change))[0])
    assert found.loc["s0", "flags"] == flag
    assert (found["flags"].drop("s0") == "").all()


def test_few_faces_do_not_make_a_guesser_of_an_attentive_subject() -> None:
    flags = [describe(simulated(3, n_images=30, seed=seed)[0])["flags"] for seed in range(20)]
    assert (pd.concat(flags) == "guessing").mean() < 0.03


def test_who_says_it_twice_is_no_proof_of_being_right() -> None:
    trials, _ = simulated(3)
    doubled = pd.concat([trials, trials[trials["subject"] == "s1"]])
    pd.testing.assert_series_equal(describe(doubled)["accuracy"], describe(trials)["accuracy"])


def test_who_is_alone_has_no_accuracy_as_nothing_is_known_of_it() -> None:
    trials, _ = simulated(2)
    assert describe(trials)["accuracy"].notna().all()
    alone = describe(trials[trials["subject"] == "s0"])
    assert alone[["agreement", "accuracy"]].isna().to_numpy().all()


def test_only_swapped_votes_are_turned_round() -> None:
    trials, _ = simulated(3, change=only_first(lambda votes, rt, rng: (-votes, rt)))
    fixed, names = fix_swapped(trials)
    assert names == ["s0"]
    turned = trials["subject"] == "s0"
    assert (fixed["response"][turned] == -trials["response"][turned]).all()
    assert (fixed["response"][~turned] == trials["response"][~turned]).all()
    assert fix_swapped(fixed)[1] == []


def test_of_two_subjects_nobody_knows_who_has_swapped_the_keys() -> None:
    trials, _ = simulated(2, change=only_first(lambda votes, rt, rng: (-votes, rt)))
    assert not find_swapped(from_trials(trials)).any()
    assert (describe(trials)["flags"] == "says the opposite of the other subject").all()


@pytest.mark.parametrize("n_subjects", [4, 6, 10])
def test_half_against_half_nobody_knows_which_half_has_swapped_the_keys(n_subjects: int) -> None:
    trials, _ = simulated(
        n_subjects, seed=1, change=lambda j, votes, rt, rng: (-votes if 2 * j < n_subjects else votes, rt)
    )
    assert not find_swapped(from_trials(trials)).any()


def test_who_judged_a_face_often_is_still_one_of_the_others() -> None:
    often = [("a", 1.0)] * 3 + [(who, -1.0) for who in "bcd"]
    trials = pd.concat(
        pd.DataFrame({"subject": who, "image": np.arange(30), "response": vote, "response_time": 0.6})
        for who, vote in often
    )
    assert describe(trials)["agreement"].to_list() == [0.0, 1.0, 1.0, 1.0]


def test_of_two_subjects_nobody_knows_who_is_guessing() -> None:
    trials, _ = simulated(2, change=only_first(lambda votes, rt, rng: (rng.choice([-1.0, 1.0], len(votes)), rt)))
    assert (describe(trials)["flags"] == "agrees with the other subject by chance at most").all()


def test_a_subject_is_counted_as_worked_out_by_hand() -> None:
    rows = [
        ("a", "x", 1, 0.5, "main", np.nan),
        ("a", "y", -1, 0.1, "main", -0.2),
        ("a", "x", -1, 0.7, "repeat", np.nan),
        ("a", "z", np.nan, np.nan, "main", np.nan),
        ("a", "p", 1, 0.9, "practice", np.nan),
        ("b", "x", 1, 0.6, "main", np.nan),
        ("b", "y", 1, 0.6, "main", np.nan),
    ]
    columns = ["subject", "image", "response", "response_time", "trial_type", "early_press"]
    trials = pd.DataFrame(rows, columns=columns)
    a = describe(trials).loc["a"]
    assert (a["votes"], a["missed"], a["anticipations"], a["fast_guesses"]) == (3, 1, 1, 1)
    assert a["rt_iqr_s"] == pytest.approx(0.3)  # of 0.1, 0.5 and 0.7 s
    paused = trials.assign(ended_by=np.where(trials["response"].isna(), "interruption", "press"))
    assert describe(paused).loc["a", "missed"] == 0
    assert a["median_rt_s"] == 0.5
    assert a["smiley"] == pytest.approx(1 / 3)
    assert a["agreement"] == pytest.approx(1 / 3)  # with b: yes on the first x, no on y, no on the second x
    assert a["consistency"] == 0.0


def test_alpha_is_1_for_unanimity_and_0_for_chance() -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice([-1.0, 1.0], 2000)
    table = {"subject": np.repeat(list("abc"), 2000), "image": np.tile(np.arange(2000), 3), "response_time": 1.0}
    alike = from_trials(pd.DataFrame({**table, "response": np.tile(truth, 3)}))
    chance = from_trials(pd.DataFrame({**table, "response": rng.choice([-1.0, 1.0], 6000)}))
    assert krippendorff_alpha(alike) == pytest.approx(1)
    assert krippendorff_alpha(chance) == pytest.approx(0, abs=0.05)
    assert np.isnan(krippendorff_alpha(from_trials(pd.DataFrame({**table, "response": 1.0}))))


def test_repeats_of_one_subject_are_no_agreement() -> None:
    table = {"subject": "a", "image": np.repeat(np.arange(40), 2), "response_time": 1.0}
    assert np.isnan(
        krippendorff_alpha(from_trials(pd.DataFrame({**table, "response": np.repeat([1.0, -1.0] * 20, 2)})))
    )


def test_spearman_brown_steps_up_and_down() -> None:
    found = Reliability(split_half=0.6, n_subjects=8, n_images=50)
    assert found.full == pytest.approx(0.75)
    assert found.of_one == pytest.approx(0.75 / (8 - 7 * 0.75))
    assert found.subjects_for(found.full) == 8
    # the error sqrt(1 - reliability) of 8 + more subjects is half that of 8
    more = found.more_to_halve_error
    stepped = (8 + more) * found.of_one / (1 + (7 + more) * found.of_one)
    assert np.sqrt(1 - stepped) == pytest.approx(np.sqrt(1 - 0.75) / 2, rel=0.02)


def test_split_half_foretells_the_correlation_with_other_subjects() -> None:
    trials, _ = simulated(20, seed=3)
    first = trials["subject"].str[1:].astype(int) < 10
    found = split_half(trials[first], "mean-vote")
    labels = [part.groupby("image")["response"].mean() for part in (trials[first], trials[~first])]
    assert found is not None
    assert found.full == pytest.approx(labels[0].corr(labels[1]), abs=0.06)


@pytest.mark.parametrize(("n_subjects", "ways"), [(0, 0), (1, 0), (2, 1), (3, 3), (4, 3), (5, 10), (6, 10)])
def test_few_subjects_are_halved_in_every_way_once(n_subjects: int, ways: int) -> None:
    everyone = set(range(n_subjects))
    found = {frozenset([frozenset(half), frozenset(everyone - set(half))]) for half in halves(n_subjects)}
    assert len(found) == len(halves(n_subjects)) == ways
    assert all(len(half) == n_subjects // 2 for half in halves(n_subjects))


def test_names_of_few_subjects_change_nothing() -> None:
    trials, _ = simulated(5)
    other = trials.assign(subject=trials["subject"].map({"s0": "z", "s1": "b", "s2": "a", "s3": "y", "s4": "c"}))
    one, two = split_half(trials, "mean-vote"), split_half(other, "mean-vote")
    assert one is not None and two is not None
    assert one.split_half == pytest.approx(two.split_half, abs=1e-12)


@pytest.mark.parametrize("n_subjects", [2, 3, 5, 10])
def test_subjects_with_nothing_in_common_seldom_agree_more_than_by_chance(n_subjects: int) -> None:
    rng = np.random.default_rng(0)
    who, what = np.repeat(np.arange(n_subjects), 60), np.tile(np.arange(60), n_subjects)
    table = {"subject": who, "image": what, "response_time": 0.6}
    found = [
        split_half(pd.DataFrame({**table, "response": rng.choice([-1.0, 1.0], 60 * n_subjects)}), "mean-vote")
        for _ in range(60)
    ]
    assert sum(one is not None and not one.by_chance for one in found) <= 5  # 2.5 % of 60 are 1.5


@pytest.mark.parametrize(("n_subjects", "of_one"), [(2, 0.43), (3, 0.2), (3, 0.43), (7, 0.3), (8, 0.3)])
def test_halves_of_any_size_tell_the_reliability_of_one(n_subjects: int, of_one: float) -> None:
    a, b = n_subjects // 2, n_subjects - n_subjects // 2
    of_halves = of_one * np.sqrt(a * b / ((1 + (a - 1) * of_one) * (1 + (b - 1) * of_one)))
    found = Reliability(float(of_halves), n_subjects, n_images=50)
    assert found.of_one == pytest.approx(of_one)
    assert found.full == pytest.approx(n_subjects * of_one / (1 + (n_subjects - 1) * of_one))


def test_coin_flips_agree_as_by_chance_and_observers_do_not() -> None:
    trials, _ = simulated(5)
    found = split_half(trials, "mean-vote")
    assert found is not None and not found.by_chance
    flips = np.random.default_rng(2).choice([-1.0, 1.0], len(trials))
    found = split_half(trials.assign(response=flips), "mean-vote")
    assert found is None or found.by_chance


def test_who_has_only_practised_is_no_subject() -> None:
    trials, _ = simulated(4)
    extra = trials[trials["subject"] == "s0"].assign(subject="t", trial_type="practice")
    missed = trials[trials["subject"] == "s1"].assign(subject="u", trial_type="main", response=np.nan)
    assert split_half(pd.concat([trials.assign(trial_type="main"), extra, missed])) == split_half(trials)


def test_one_subject_has_no_reliability() -> None:
    assert split_half(simulated(1)[0]) is None
