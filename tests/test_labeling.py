"""Labels: known answers by hand, invariances, recovery of a simulated truth, and honest refusal."""

import typing
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import EXAMPLES
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

import labeling
import sessions
from labeling import build, diffusion, scores
from labeling.votes import from_trials
from sessions.observers import draw_observer, respond
from shell import UserError

METHODS = list(labeling.METHODS)
CLOSED_FORMS = [method for method in METHODS if method != "diffusion"]


def table(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["subject", "image", "response", "response_time"])


def simulated(
    n_subjects: int,
    n_images: int = 150,
    seed: int = 0,
    change: Callable[..., Any] = lambda j, votes, rt, rng: (votes, rt),
    anew: bool = False,
) -> tuple[pd.DataFrame, pd.Series]:
    """Trials and true smiles; `anew` by other observers of the same images."""
    rng = np.random.default_rng(seed)
    smile = rng.uniform(-np.sqrt(3), np.sqrt(3), n_images)
    if anew:
        rng = rng.spawn(1)[0]
    images = [f"{i:04d}.png" for i in range(n_images)]
    tables = []
    for j in range(n_subjects):
        votes, rt = change(j, *respond(draw_observer(rng), smile, rng), rng)
        tables.append(pd.DataFrame({"subject": f"s{j}", "image": images, "response": votes, "response_time": rt}))
    return pd.concat(tables, ignore_index=True), pd.Series(smile, images)


def recovery(trials: pd.DataFrame, smile: pd.Series, method: str) -> float:
    labels = labeling.score(trials, method).set_index("image")["smile"]
    return float(spearmanr(labels.reindex(smile.index, fill_value=0.0), smile).statistic)


# ---- known answers

THREE_VOTES = table(
    ("a", "x", 1, 0.5), ("b", "x", 1, 1.0), ("c", "x", -1, 1.5), ("a", "y", -1, 1.0), ("b", "y", -1, 0.5)
)


@pytest.mark.parametrize(
    ("method", "x", "y"),
    [
        ("majority", 1.0, -1.0),
        ("mean-vote", 1 / 3, -1.0),
        ("inverse-rt", (1 + 0.5 - 1) / 3, -(0.5 + 1) / 2),
        ("linear-rt", (0.75 + 0.5 - 0.25) / 3, -(0.5 + 0.75) / 2),
    ],
)
def test_scores_are_their_formulas(method: str, x: float, y: float) -> None:
    labels = labeling.score(THREE_VOTES, method)
    assert labels["image"].tolist() == ["x", "y"]
    np.testing.assert_allclose(labels["smile"], [x, y], atol=1e-15)
    assert labels["votes"].tolist() == labels["subjects"].tolist() == [3, 2]


def test_evidence_of_one_subject_is_votes_over_decision_time() -> None:
    # alone, a subject's accuracy is the fixed point p = (16 + n p) / (20 + n), so p = 4/5; the median time is 1 s
    trials = table(("a", "u", 1, 0.75), ("a", "v", -1, 1.0), ("a", "w", 1, 3.0), ("a", "x", 1, 0.5), ("a", "y", 1, 1.2))
    g = np.log(4) / np.log(9)
    tau = np.array([0.5, 1.0, 4.0, 1.0, 1.4])  # 3.0 s would be 5, capped; 0.5 s would be 0, which says nothing
    expected = np.tanh(g * np.array([1, -1, 1, 1, 1]) / (1 + g**2 * tau))
    labels = labeling.score(trials)
    np.testing.assert_allclose(labels["smile"], expected, atol=1e-8)


def test_a_press_faster_than_anybody_sees_is_dropped_and_told() -> None:
    trials, _ = simulated(3)
    trials.loc[5, "response_time"] = 0.149
    found = labeling.assess(trials)
    assert found.subjects.loc["s0", "dropped"] == (trials.query("subject == 's0'")["response_time"] < 0.15).sum() > 0
    assert "0.15" in found.why_dropped
    expected = trials[trials["response_time"] >= 0.15].groupby("image").size()
    assert found.labels.set_index("image")["votes"].equals(expected.rename("votes"))


def test_each_answered_trial_is_one_vote_and_practice_none() -> None:
    trials = table(("a", "x", 1, 0.5), ("a", "x", -1, 0.6), ("b", "x", np.nan, np.nan), ("b", "y", np.nan, np.nan))
    trials = pd.concat([trials.assign(trial_type="main"), trials.assign(trial_type="practice", image="p")])
    labels = labeling.score(trials, "mean-vote")
    assert labels[["image", "smile", "votes", "subjects"]].values.tolist() == [["x", 0.0, 2, 1]]


def test_accuracy_is_recovered_by_em() -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice([-1.0, 1.0], 4000)
    right = np.array([0.95, 0.8, 0.65, 0.5])
    votes = np.where(rng.random((4, 4000)) < right[:, None], truth, -truth)
    trials = pd.DataFrame(
        {
            "subject": np.repeat(list("abcd"), 4000),
            "image": np.tile(np.arange(4000).astype(str), 4),
            "response": votes.ravel(),
            "response_time": 1.0,
        }
    )
    np.testing.assert_allclose(labeling.assess(trials).subjects["accuracy"], right, atol=0.03)


# ---- recovery of the truth


def test_evidence_finds_the_truth_better_than_votes_or_inverse_times_alone() -> None:
    mean = {
        method: np.mean([recovery(*simulated(3, 200, seed), method) for seed in range(10)])
        for method in ("evidence", "mean-vote", "inverse-rt")
    }
    assert mean["evidence"] >= 0.83
    assert mean["evidence"] > mean["mean-vote"] + 0.01
    assert mean["evidence"] > mean["inverse-rt"] + 0.03


def test_a_subject_who_presses_at_random_hardly_counts() -> None:
    def first_is_random(j: int, votes: Any, rt: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        return (rng.choice([-1.0, 1.0], len(votes)) if j == 0 else votes), rt

    data = [simulated(3, 186, seed, first_is_random) for seed in range(10)]
    assert np.mean([recovery(*d, "evidence") for d in data]) > 0.05 + np.mean([recovery(*d, "mean-vote") for d in data])
    assert labeling.assess(data[0][0]).subjects["accuracy"].idxmin() == "s0"


def shuffled_times(j: int, votes: Any, rt: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    return votes, rng.permutation(rt)


@pytest.mark.parametrize("n_subjects", [3, 10])
def test_times_that_say_nothing_do_no_harm(n_subjects: int) -> None:
    data = [simulated(n_subjects, 186, seed, shuffled_times) for seed in range(10)]
    evidence, votes = (np.mean([recovery(*d, method) for d in data]) for method in ("evidence", "mean-vote"))
    assert evidence > votes - 0.015
    use = [labeling.assess(d[0]).subjects["rt_use"].mean() for d in data]
    assert np.median(use) == 0


def test_times_that_say_nothing_leave_of_diffusion_what_votes_give() -> None:
    data = [simulated(3, 120, seed, shuffled_times) for seed in range(4)]
    drift, votes = (np.mean([recovery(*d, method) for d in data]) for method in ("diffusion", "mean-vote"))
    assert drift > votes - 0.015
    unused = next(d[0] for d in data if not labeling.assess(d[0]).subjects["rt_use"].any())
    alone = labeling.assess(unused, "diffusion")
    assert "not used" in alone.notes[0]
    pd.testing.assert_series_equal(alone.labels["smile"], labeling.score(unused)["smile"])


def test_diffusion_without_times_is_what_votes_give() -> None:
    trials = simulated(3, 60)[0].assign(response_time=np.nan)
    pd.testing.assert_series_equal(
        labeling.score(trials, "diffusion")["smile"], labeling.score(trials, "evidence")["smile"]
    )


def test_times_that_inform_are_used_and_the_summary_says_so() -> None:
    found = labeling.assess(simulated(5)[0])
    assert found.subjects["rt_use"].mean() > 0.75
    assert "times are used (" in found.notes[0]


def test_one_subject_alone_cannot_be_checked_and_the_summary_says_so() -> None:
    found = labeling.assess(simulated(1)[0])
    assert found.subjects["rt_use"].tolist() == [1.0]
    assert "could not be checked" in found.notes[0]


def test_times_that_are_all_alike_are_the_reason_why_nothing_could_be_checked() -> None:
    assert "nobody's times differ" in labeling.assess(simulated(3)[0].assign(response_time=0.7)).notes[0]


def test_votes_without_times_are_enough() -> None:
    trials, smile = simulated(5)
    found = labeling.assess(trials.assign(response_time=np.nan))
    assert "no usable response times" in found.notes[0]
    assert recovery(trials.assign(response_time=np.nan), smile, "evidence") > 0.8
    assert not found.labels.isna().any(axis=None)


def test_times_not_taken_from_the_onset_cost_no_votes() -> None:
    trials, _ = simulated(4)
    trials["response_time"] = np.maximum(trials["response_time"] - 0.6, 0.001)
    found = labeling.assess(trials)
    assert found.subjects["dropped"].sum() == 0
    assert found.subjects["rt_use"].tolist() == [0.0] * 4


# ---- uncertainty


@cache
def said_by_many(method: str, n_subjects: int, n_images: int, seed: int) -> pd.Series:
    """Their labels (read only)."""
    return labeling.score(simulated(n_subjects, n_images, seed)[0], method).set_index("image")["smile"]


def share_held(labels: pd.DataFrame, many: pd.Series, ratio: float) -> float:
    """Share of 90 % intervals that hold the label by many others; `ratio`: votes per image over theirs.

    Their label errs, too, `ratio` times as much in variance: intervals grow to hold both errors.
    """
    labels = labels.set_index("image")
    growth = (1 + ratio) ** 0.5
    low, high = (labels["smile"] + growth * (labels[end] - labels["smile"]) for end in ("smile_low", "smile_high"))
    return float(many.loc[labels.index].between(low, high).mean())


def coverage(
    method: str, n_subjects: int, n_others: int, n_seeds: int, n_images: int = 100, judged: int | None = None
) -> float:
    """`share_held` of the label by so many other subjects, who judge all images."""
    shares = []
    for seed in range(n_seeds):
        trials, _ = simulated(n_subjects, n_images, seed, anew=True)
        if judged is not None:
            trials = trials.groupby("subject").sample(judged, random_state=seed)
        many = said_by_many(method, n_others, n_images, seed)
        shares.append(share_held(labeling.score(trials, method), many, len(trials) / n_images / n_others))
    return float(np.mean(shares))


@pytest.mark.parametrize("n_subjects", [3, 10, 30])
def test_nine_in_ten_intervals_hold_what_many_subjects_would_say(n_subjects: int) -> None:
    assert 0.87 < coverage("evidence", n_subjects, n_others=200, n_seeds=12, n_images=200) < 0.93


def test_intervals_hold_nearly_as_often_where_each_subject_judges_ten_faces() -> None:
    assert 0.83 < coverage("evidence", 100, n_others=200, n_seeds=6, n_images=186, judged=10) < 0.93


def test_who_judged_little_is_taken_to_be_like_the_others() -> None:
    def accuracies(right: float) -> Any:
        rng = np.random.default_rng(0)
        truth = rng.choice([-1.0, 1.0], 60)
        rows = [
            (f"s{s:02d}", f"{i:02d}", truth[i] if rng.random() < right else -truth[i], 1.0)
            for s in range(21)
            for i in rng.choice(60, 40 if s < 20 else 5, replace=False)
        ]
        return labeling.assess(table(*rows)).subjects["accuracy"]

    careful, careless = accuracies(0.97), accuracies(0.7)
    for p in (careful, careless):
        assert p["s20"] == pytest.approx(p[:20].mean(), abs=0.06)
    assert careful["s20"] > 0.9 and careless["s20"] < 0.8


@pytest.mark.parametrize("method", ["mean-vote", "inverse-rt", "linear-rt"])
@pytest.mark.parametrize("n_subjects", [3, 10, 30])
def test_intervals_of_the_other_scores_are_near_it(method: str, n_subjects: int) -> None:
    assert 0.84 < coverage(method, n_subjects, n_others=120, n_seeds=6) < 0.96


@pytest.mark.parametrize("method", ["evidence", "diffusion", "mean-vote", "linear-rt"])
def test_three_votes_that_agree_on_the_only_face_are_no_certainty(method: str) -> None:
    labels = labeling.score(table(("a", "x", 1, 0.5), ("b", "x", 1, 0.6), ("c", "x", 1, 0.7)), method)
    assert labels["smile_low"][0] < 0.8


def test_parameters_that_were_fitted_to_the_votes_make_intervals_wider() -> None:
    votes = from_trials(simulated(3, 60)[0])
    plain = scores.evidence(votes)
    (smile, low, high), (same, lower, higher) = plain.smile(votes), replace(plain, fitted=6).smile(votes)
    assert np.array_equal(smile, same)
    drifts, wider = np.arctanh(high) - np.arctanh(low), np.arctanh(higher) - np.arctanh(lower)
    assert wider.mean() > 1.02 * drifts.mean()


def test_intervals_of_a_majority_are_rather_too_wide() -> None:
    assert coverage("majority", 10, n_others=120, n_seeds=6) > 0.95  # it has two values only


def test_repeats_of_one_subject_are_not_worth_other_subjects() -> None:
    trials, _ = simulated(6)
    width = labeling.score(trials, "mean-vote")["smile_se"].median()
    three_times = pd.concat([trials] * 3)
    again = labeling.score(three_times, "mean-vote")
    assert (again["votes"] == 18).all() and (again["subjects"] == 6).all()
    assert again["smile_se"].median() == pytest.approx(width, rel=0.05)


@pytest.mark.parametrize("method", ["mean-vote", "linear-rt"])
def test_repeats_of_who_is_alone_are_one_opinion(method: str) -> None:
    trials, _ = simulated(1)
    once, often = (labeling.score(pd.concat([trials] * n), method)["smile_se"] for n in (1, 10))
    assert often.median() == pytest.approx(once.median(), rel=0.05)


def test_the_slope_of_a_subjects_posterior_is_its_difference_quotient() -> None:
    rng = np.random.default_rng(0)
    vote, mean, variance = rng.choice([-1.0, 1.0], 30), rng.normal(size=30), rng.uniform(0.1, 1, 30)
    trials = diffusion._Trials(vote, rng.uniform(0.2, 3, 30), mean, variance, 3.0)
    for _ in range(20):
        at, step = rng.normal(size=6), 1e-6 * np.eye(6)
        quotient = [(diffusion._cost(at + h, trials)[0] - diffusion._cost(at - h, trials)[0]) / 2e-6 for h in step]
        np.testing.assert_allclose(diffusion._cost(at, trials)[1], quotient, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("start", [0.3, 0.5, 0.8])
def test_a_path_without_drift_ends_at_a_boundary_with_the_odds_of_its_distance(start: float) -> None:
    time = np.linspace(1e-6, 20, 400_001)
    density = np.exp(diffusion.log_first_passage(time, np.full_like(time, start))[0])
    assert np.trapezoid(density, time) == pytest.approx(1 - start, abs=1e-6)  # the gambler's ruin
    assert np.trapezoid(density * time, time) == pytest.approx(start * (1 - start) * (2 - start) / 3, abs=1e-6)


def test_a_fast_guess_or_two_do_not_decide_when_a_subject_begins_to_look() -> None:
    rng = np.random.default_rng(3)
    votes, rt = respond(draw_observer(rng), rng.normal(size=40), rng)
    rt[:2] = 0.16, 0.19
    trials = diffusion._Trials(votes, rt, np.zeros(40), np.ones(40), rt.max())
    fits = [diffusion._fit(trials, diffusion.PRIOR_MEAN + diffusion.PRIOR_SD * rng.normal(size=6)) for _ in range(5)]
    for fit in fits[1:]:
        np.testing.assert_allclose(fit, fits[0], atol=1e-3)


def test_a_trials_message_has_the_moments_of_what_it_leaves_of_the_drift() -> None:
    parameters = np.array([0.3, 0.1, -1.0, 0.5, 0.2, -0.4])
    vote, rt = np.array([1.0, 1.0, -1.0, -1.0]), np.array([0.6, 1.2, 0.7, 2.0])
    mean, variance = np.array([0.5, 0.5, 1.0, -0.5]), np.array([0.3, 0.8, 0.2, 0.5])
    precision, linear = diffusion._message(parameters, diffusion._Trials(vote, rt, mean, variance, 3.0))
    d = np.linspace(-8, 8, 20_001)
    for i in range(4):
        at = diffusion._Trials(np.full_like(d, vote[i]), np.full_like(d, rt[i]), d, np.zeros_like(d), 3.0)
        likelihood = np.exp(diffusion._attending(parameters, at).log_density) + np.exp(diffusion._log_lapse(at))
        left = np.exp(-((d - mean[i]) ** 2) / (2 * variance[i])) * likelihood
        left /= left.sum()
        exact = left @ d
        spread = left @ (d - exact) ** 2
        after = 1 / (1 / variance[i] + precision[i])
        np.testing.assert_allclose(after, min(spread, variance[i]), rtol=1e-4)
        np.testing.assert_allclose(after * (mean[i] / variance[i] + linear[i]), exact, atol=1e-4)


def test_nine_in_ten_intervals_of_diffusion_hold_what_many_subjects_would_say() -> None:
    trials, _ = simulated(8 * 3, 100, anew=True)  # of 10 and 30 subjects: benchmarks.labels --coverage
    many = said_by_many("diffusion", 60, 100, 0)
    threes = trials.groupby(trials["subject"].str[1:].astype(int) // 3)
    covered = [share_held(labeling.score(few, "diffusion"), many, 3 / 60) for _, few in threes]
    assert 0.87 < np.mean(covered) < 0.93


def test_the_spread_of_drifts_is_found_from_many_images_and_taken_for_1_from_few() -> None:
    rng = np.random.default_rng(0)
    precision = rng.uniform(0.5, 20, 5000)
    drift = 0.6 * rng.normal(size=5000)
    linear = precision * drift + np.sqrt(precision) * rng.normal(size=5000)
    assert diffusion._variance(linear, precision) == pytest.approx(0.36, rel=0.1)
    assert diffusion._variance(linear[:1], precision[:1]) == pytest.approx(1, abs=0.1)
    assert diffusion._variance(np.zeros(0), np.zeros(0)) == 1


# ---- invariants

TRIALS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "d"]),
        st.sampled_from([f"{i}.png" for i in range(6)]),
        st.sampled_from([1.0, -1.0, float("nan")]),
        st.one_of(st.floats(1e-3, 1e4), st.just(float("nan")), st.floats(0.1, 2.0)),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=EXAMPLES)
@given(TRIALS, st.sampled_from(CLOSED_FORMS), st.randoms(use_true_random=False))
def test_labels_are_numbers_in_range_that_no_order_or_name_changes(rows: list[Any], method: str, random: Any) -> None:
    check_invariants(table(*rows), method, random, tolerance=1e-12)


@settings(max_examples=EXAMPLES // 30)
@given(TRIALS, st.randoms(use_true_random=False))
def test_diffusion_is_in_range_and_no_order_or_name_changes_it(rows: list[Any], random: Any) -> None:
    check_invariants(table(*rows), "diffusion", random, tolerance=1e-3)


@settings(max_examples=EXAMPLES)
@given(TRIALS, st.sampled_from(CLOSED_FORMS), st.permutations([f"{i}.png" for i in range(7)]))
def test_names_as_categories_give_the_same_labels(rows: list[Any], method: str, images: list[str]) -> None:
    trials = table(*rows)
    coded = trials.assign(
        subject=pd.Categorical(trials["subject"], categories=list("cxadb")),  # in any order, used or not
        image=pd.Categorical(trials["image"], categories=images),
    )
    expected, found = labeling.assess(trials, method), labeling.assess(coded, method)
    pd.testing.assert_frame_equal(found.labels, expected.labels, check_exact=True)
    pd.testing.assert_frame_equal(found.subjects, expected.subjects, check_exact=True)


def test_columns_as_parquet_keeps_them_give_the_same_labels() -> None:
    pa = pytest.importorskip("pyarrow")
    trials = pd.concat([THREE_VOTES, table(("absent", "z", float("nan"), float("nan")))], ignore_index=True)
    coded = trials.assign(
        subject=trials["subject"].astype(pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))),
        image=trials["image"].astype(pd.ArrowDtype(pa.string())),
        response=trials["response"].astype("Int64"),
        response_time=trials["response_time"].astype("Float64"),
        trial_type=pd.Series(["main", None] * 3, dtype="string"),
    )
    expected, found = labeling.assess(trials), labeling.assess(coded)
    pd.testing.assert_frame_equal(found.labels, expected.labels, check_exact=True)
    pd.testing.assert_frame_equal(found.subjects, expected.subjects, check_exact=True)


def test_the_row_of_a_missing_name_counts_unanswered_trials_too() -> None:
    trials = THREE_VOTES.astype({"image": object})
    trials.loc[0, "response"], trials.loc[1, "image"] = np.nan, None
    with pytest.raises(UserError, match="row 2: image"):
        labeling.score(trials)


def test_a_missing_category_is_no_name() -> None:
    coded = THREE_VOTES.assign(subject=pd.Categorical.from_codes([0, -1, 1, 0, 0], categories=["a", "c"]))
    with pytest.raises(UserError, match="row 2: subject is 'nan', expected a name"):
        labeling.score(coded)


def check_invariants(trials: pd.DataFrame, method: str, random: Any, tolerance: float) -> None:
    labels = labeling.score(trials, method)
    assert not labels.isna().any(axis=None)
    assert (labels["smile_low"] >= -1).all() and (labels["smile_high"] <= 1).all()
    assert (labels["smile_low"] <= labels["smile"]).all() and (labels["smile"] <= labels["smile_high"]).all()
    assert labels["image"].is_monotonic_increasing and labels["image"].is_unique

    shuffled = trials.iloc[random.sample(range(len(trials)), len(trials))]
    again = labeling.score(shuffled, method)
    assert again["image"].equals(labels["image"])
    np.testing.assert_allclose(again["smile"], labels["smile"], atol=tolerance)

    swapped = labeling.score(trials.assign(response=-trials["response"]), method)
    np.testing.assert_allclose(swapped["smile"], -labels["smile"], atol=tolerance)

    renamed = trials.assign(
        subject=trials["subject"].map(dict(zip("abcd", random.sample("wxyz", 4), strict=True))),
        image=trials["image"].str.translate(str.maketrans("012345", "501432")),
    )
    back = labeling.score(renamed, method)
    back["image"] = back["image"].str.translate(str.maketrans("501432", "012345"))
    back = back.set_index("image").loc[labels["image"]]
    np.testing.assert_allclose(back["smile"], labels["smile"], atol=tolerance)


# ---- refusal


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("response", 0, "response is '0', expected"),
        ("response", "smiley", "response is 'smiley', expected"),
        ("response_time", -0.5, "response_time is '-0.5', expected"),
        ("response_time", np.inf, "response_time is 'inf', expected"),
        ("response_time", "fast", "response_time is 'fast', expected"),
        ("subject", None, "subject is"),
    ],
)
def test_a_trial_that_breaks_a_rule_is_named_with_its_row(column: str, value: object, reason: str) -> None:
    trials = THREE_VOTES.astype(object)
    trials.loc[2, column] = value
    with pytest.raises(UserError, match="row 3") as error:
        labeling.score(trials)
    assert reason in str(error.value)


def test_an_unknown_method_or_a_missing_column_is_one_sentence() -> None:
    with pytest.raises(UserError, match="expected one of evidence"):
        labeling.score(THREE_VOTES, "magic")
    with pytest.raises(UserError, match="no column 'response_time'"):
        labeling.score(THREE_VOTES.drop(columns="response_time"))


def test_no_trials_are_no_labels() -> None:
    for method in METHODS:
        assert labeling.score(THREE_VOTES.iloc[:0], method).empty


# ---- labeling.build


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    images = Path("data/faces/images")
    images.mkdir(parents=True)
    for i in range(4):
        (images / f"{i}.png").write_bytes(b"")
    return Path("data/faces")


def record(subject: str, answers: dict[str, float], trial_type: str = "main") -> None:
    with sessions.RunWriter("sessions", subject, "faces") as run:
        for trial, (image, vote) in enumerate(answers.items(), start=1):
            response = {"response": "smiley" if vote > 0 else "not-smiley", "response_time": 0.5 + trial / 10}
            run.write(
                trial=trial, trial_type=trial_type, image=image, face_onset=1.0 * trial, **(response if vote else {})
            )


def test_who_is_excluded_has_no_vote_and_is_named(faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record("alice", {"0.png": 1, "1.png": -1, "2.png": 1})
    record("bob", {"0.png": -1, "1.png": 1})
    build.main(build.Settings(method="mean-vote", exclude=("bob",)))
    assert pd.read_csv(faces / "labels.csv")["smile"].tolist() == [1, -1, 1]
    said = capsys.readouterr().out
    assert "Subjects left out by --exclude: bob." in said
    assert "Subjects left out by --exclude: bob." in (faces / "labels.html").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="--exclude carol: no such subject in sessions, expected one of alice, bob"):
        build.main(build.Settings(exclude=("carol",)))
    with pytest.raises(UserError, match="--exclude leaves nobody of sessions"):
        build.main(build.Settings(exclude=("alice", "bob")))


def test_build_writes_the_labels_and_tells_what_became_of_the_trials(
    faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record("alice", {"0.png": 1, "1.png": -1, "2.png": 0})
    record("bob", {"0.png": 1, "1.png": -1, "gone.png": 1})
    record("bob", {"3.png": 1}, trial_type="practice")
    build.main(build.Settings(method="mean-vote"))
    labels = pd.read_csv(faces / "labels.csv")
    assert list(labels.columns) == ["image", "smile", "smile_se", "smile_low", "smile_high", "votes", "subjects"]
    assert labels[["image", "smile", "votes"]].values.tolist() == [["0.png", 1.0, 2], ["1.png", -1.0, 2]]
    said = capsys.readouterr().out
    assert "Trials left out" in said
    lines = {line.split()[0]: line.split()[1:6] for line in said.splitlines() if line.startswith(("alice", "bob"))}
    assert lines == {"alice": ["3", "0", "1", "0", "2"], "bob": ["3", "1", "0", "0", "2"]}
    assert str(faces / "labels.csv") in said and "Next: python -m model.train" in said


def test_build_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="python -m annotator --subject me records some"):
        build.main(build.Settings())
    with pytest.raises(UserError, match="no image set here"):
        build.main(build.Settings(data=Path("data/mine")))


def test_build_without_an_answer_says_so(faces: Path) -> None:
    record("alice", {"0.png": 0})
    with pytest.raises(UserError, match="no answered trial"):
        build.main(build.Settings())
    assert not (faces / "labels.csv").exists()


def test_build_leaves_the_labels_alone_where_the_method_takes_no_vote(faces: Path) -> None:
    record("alice", {"0.png": 1, "1.png": -1})
    build.main(build.Settings())
    before = (faces / "labels.csv").read_bytes()
    Path("ms.csv").write_text("subject,image,response,response_time\na,0.png,1,612\na,1.png,-1,480\n")
    with pytest.raises(UserError, match="no vote counts with --method linear-rt: response time not between"):
        build.main(build.Settings(trials=Path("ms.csv"), method="linear-rt"))
    assert (faces / "labels.csv").read_bytes() == before


def test_one_face_and_one_vote_are_counted_in_the_singular(faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record("alice", {"0.png": 1})
    build.main(build.Settings())
    assert "1 face labelled by 1 vote (" in capsys.readouterr().out
    assert "<b>1</b><span>face labelled</span>" in (faces / "labels.html").read_text("utf-8")


def test_build_stops_at_a_bad_file_unless_told_to_skip_it(faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record("alice", {"0.png": 1})
    record("bob", {"0.png": 1})
    path = Path("sessions/sub-bob/beh/sub-bob_task-smile_run-01_beh.tsv")
    path.write_text(path.read_text().replace("smiley", "yes"))
    with pytest.raises(UserError, match="row 2: response is 'yes'"):
        build.main(build.Settings())
    build.main(build.Settings(skip_bad=True))
    assert f"skipped: {path.relative_to('sessions')}, row 2" in capsys.readouterr().out
    assert pd.read_csv(faces / "labels.csv")["subjects"].tolist() == [1]


def test_the_report_does_not_say_where_the_files_lie(faces: Path) -> None:
    record("alice", {"0.png": 1, "gone.png": 1})
    record("bob", {"0.png": 1})
    Path("sessions/sub-bob/beh/sub-bob_task-smile_run-01_beh.json").write_text("{")
    here = Path.cwd()
    Path("mine.csv").write_text("subject,image,response,response_time\na,0.png,1,0.6\na,1.png,7,0.6\n")
    for asked in (
        build.Settings(data=here / faces, sessions=here / "sessions", skip_bad=True),
        build.Settings(data=here / faces, trials=here / "mine.csv", skip_bad=True),
    ):
        build.main(asked)
        report = (faces / "labels.html").read_text(encoding="utf-8")
        assert "skipped: " in report and str(here) not in report
    assert "skipped: mine.csv: 1 of 2 rows" in report


def test_the_command_offers_every_method() -> None:
    offered = typing.get_type_hints(build.Settings)["method"].__args__
    assert set(offered) == set(METHODS)


def test_repeats_of_a_pair_are_summed() -> None:
    trials = table(("a", "x", 1, 0.5), ("b", "x", 1, 0.5), ("a", "x", -1, 0.7))
    votes = from_trials(trials)
    assert votes.repeats
    np.testing.assert_array_equal(votes.per_pair(votes.vote), [0, 1, 0])
    assert not from_trials(trials.iloc[:2]).repeats


def test_a_tie_has_no_majority() -> None:
    assert scores.majority(from_trials(table(("a", "x", 1, 1), ("b", "x", -1, 1)))).link == "sign"
    assert labeling.score(table(("a", "x", 1, 1), ("b", "x", -1, 1)), "majority")["smile"].tolist() == [0.0]


def test_the_standard_error_is_that_of_a_share_of_many_votes() -> None:
    rng = np.random.default_rng(0)
    p = np.tile(np.linspace(0.1, 0.9, 20), 300)
    trials = pd.DataFrame({"subject": np.repeat(np.arange(300), 20), "image": np.tile(np.arange(20), 300)})
    votes = np.where(rng.random(6000) < p, 1.0, -1.0)
    labels = labeling.score(trials.assign(response=votes, response_time=0.6), "mean-vote")
    np.testing.assert_allclose(labels["smile_se"], np.sqrt((1 - labels["smile"] ** 2) / 300), rtol=0.1)


def test_linear_rt_takes_no_vote_that_is_too_fast_too_slow_or_untimed() -> None:
    trials = table(("a", "x", 1, 0.09), ("b", "x", -1, 1.0), ("c", "x", 1, 2.01), ("d", "x", 1, np.nan))
    found = labeling.assess(trials, "linear-rt")
    assert found.labels[["smile", "votes", "subjects"]].values.tolist() == [[-0.5, 1, 1]]
    assert found.subjects["dropped"].tolist() == [1, 0, 1, 1]


def test_a_key_that_is_quicker_and_oftener_right_does_not_make_times_inform() -> None:
    def one_key_is_quick(j: int, votes: Any, rt: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        votes = np.where(rng.random(len(votes)) < 0.3, -1.0, votes)
        return votes, rng.permutation(rt) * np.where(votes < 0, 0.6, 1.0)

    data = [simulated(5, 186, seed, one_key_is_quick)[0] for seed in range(5)]
    assert np.median([labeling.assess(trials).subjects["rt_use"].mean() for trials in data]) < 0.1


def test_the_times_of_those_count_less_whose_times_say_nothing() -> None:
    def first_are_shuffled(j: int, votes: Any, rt: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        return votes, rng.permutation(rt) if j < 3 else rt

    use = labeling.assess(simulated(12, 300, change=first_are_shuffled)[0]).subjects["rt_use"]
    shuffled = use.index.isin(["s0", "s1", "s2"])
    assert use[shuffled].mean() < use[~shuffled].mean() - 0.2


@pytest.mark.parametrize(("early", "dropped"), [(12, True), (24, False)])
def test_early_times_cost_votes_unless_there_are_so_many_that_the_clock_is_wrong(early: int, dropped: bool) -> None:
    trials, _ = simulated(4)  # 150 each
    trials.loc[: early - 1, "response_time"] = 0.05
    s0 = labeling.assess(trials).subjects.loc["s0"]
    assert (s0["dropped"] >= early) == dropped
    assert dropped or s0["rt_use"] == 0


def test_random_effects_are_those_worked_out_by_hand() -> None:
    # weights 2: Q = 2 (1 + 0 + 1) = 4 on 2 degrees of freedom, over 6 - 12 / 6
    assert scores._random_effects(np.array([0.0, 1.0, 2.0]), np.full(3, 0.5)) == pytest.approx((1.0, 0.5))
    assert scores._random_effects(np.array([0.9, 1.0, 1.1]), np.full(3, 0.5)) == pytest.approx((1.0, 0.0))


def test_nobody_agrees_with_oneself() -> None:
    votes = from_trials(
        pd.DataFrame(
            {
                "subject": np.repeat(list("abc"), 300),
                "image": np.tile(np.arange(300), 3),
                "response": np.random.default_rng(0).choice([-1.0, 1.0], 900),
                "response_time": 0.6,
            }
        )
    )
    usual = scores.USUAL_AGREEMENT
    found = scores._usual_agreement(votes, votes.vote, np.full(3, 1.0))
    # of coins nothing but the prior is left: one subject of the usual agreement beside three of none
    assert found.mean < 0.35 * usual.mean


def test_swapped_keys_mirror_what_is_found_of_a_subject() -> None:
    trials, _ = simulated(2, 60, seed=3)
    one = labeling.assess(trials, "diffusion").subjects
    two = labeling.assess(trials.assign(response=-trials["response"]), "diffusion").subjects
    np.testing.assert_allclose(two["start"], 1 - one["start"], atol=1e-6)
    np.testing.assert_allclose(two["drift_bias"], -one["drift_bias"], atol=1e-6)
    same = ["boundary", "non_decision_s", "gain", "drift_noise", "rt_use"]
    np.testing.assert_allclose(two[same], one[same], atol=1e-6)
    assert (one["start"] - 0.5).abs().min() > 1e-3 and one["drift_bias"].abs().min() > 1e-3
