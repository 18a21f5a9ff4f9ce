"""The loop closes: from answers to faces of known degrees back to the truth, and from there to what to ask for."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.special import ndtri

import labeling
from data.calibration import Calibration, calibration_of, read_calibration, write_calibration
from labeling import build, calibration, psychometric, report
from labeling.calibration import Cells, bootstrap, calibrate, cells_of, growth
from labeling.calibration_section import aims, findings
from labeling.confounds import confounds
from sessions import simulate
from sessions.observers import draw_observer, respond
from shell import UserError

Floats = NDArray[np.float64]
MODEL = "0123456789ab"
ASKED = (-1.0, -0.6, -0.3, 0.0, 0.3, 0.6, 1.0)
IDENTITIES = 12
SOMEBODY = np.random.default_rng(5).normal(0, 0.15, IDENTITIES)  # how much each person looks like smiling
CALIBRATION = Calibration(
    model=MODEL,
    method="evidence",
    subjects=20,
    identities=40,
    simulated=False,
    asked=(-2.0, -1.0, 0.0, 1.0, 2.0),
    perceived=(-0.8, -0.7, 0.1, 0.8, 0.8),
    perceived_low=(-0.9, -0.8, 0.0, 0.7, 0.7),
    perceived_high=(-0.7, -0.6, 0.2, 0.9, 0.9),
    votes=(800,) * 5,
    smiley=(0.1, 0.15, 0.55, 0.9, 0.9),
    smiley_low=(0.05, 0.1, 0.5, 0.85, 0.85),
    smiley_high=(0.15, 0.2, 0.6, 0.95, 0.95),
    pse=(-0.1, -0.2, 0.0),
    slope=(0.4, 0.3, 0.5),
    lapse=0.2,
    grows_from=-1.0,
    grows_to=1.0,
)


def truth(asked: float) -> Floats:
    """The smile that each person truly shows where the model is asked for a degree: steep at 0, then flat."""
    return 0.75 * np.tanh(1.6 * asked) + SOMEBODY


def faces() -> pd.DataFrame:
    rows = [
        (f"{i:02d}_{asked:+.2f}.png", i, asked, smile, MODEL) for asked in ASKED for i, smile in enumerate(truth(asked))
    ]
    return pd.DataFrame(rows, columns=["image", "identity", "asked_smile", "true_smile", "model"])


def answers(smile: pd.Series, subjects: int, seed: int) -> pd.DataFrame:
    """Trials of simulated observers on faces of a standardised true smile."""
    rng = np.random.default_rng([seed, 77])
    tables = []
    for j in range(subjects):
        votes, response_time = respond(draw_observer(rng), smile.to_numpy(), rng)
        columns = {"image": smile.index, "response": votes, "response_time": response_time}
        tables.append(pd.DataFrame({"subject": f"s{j}", **columns}))
    return pd.concat(tables, ignore_index=True)


def standardised(table: pd.DataFrame) -> pd.Series:
    smile = table.set_index("image")["true_smile"]
    return (smile - smile.mean()) / smile.std(ddof=0)


@pytest.fixture(scope="module")
def many() -> pd.Series:
    """The true perceived degree per asked one: the mean label by so many observers that nothing is left to chance."""
    table = faces()
    labels = labeling.score(answers(standardised(table), 400, seed=1)).set_index("image")["smile"]
    return table.assign(label=table["image"].map(labels)).groupby("asked_smile")["label"].mean()


@pytest.fixture
def stimuli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stimulus set of plain pictures whose truth is known."""
    monkeypatch.chdir(tmp_path)
    folder = Path("data/stimuli")
    (folder / "images").mkdir(parents=True)
    table = faces()
    table.to_csv(folder / "metadata.csv", index=False)
    for number, name in enumerate(table["image"]):
        Image.new("RGB", (8, 8), (number, 100, 100)).save(folder / "images" / name)
    return folder


# ---- the loop


def test_the_calibration_found_is_the_simulated_truth(stimuli: Path, many: pd.Series) -> None:
    simulate.main(simulate.Settings(subjects=120, limit=200, data=stimuli))
    build.main(build.Settings(data=stimuli))
    found = read_calibration(stimuli)
    assert found.asked == ASKED and found.model == MODEL and found.simulated
    np.testing.assert_allclose(found.perceived, many, atol=0.1)
    np.testing.assert_allclose([found.to_perceived(x) for x in ASKED], many, atol=0.1)
    for asked, perceived in many.items():
        if abs(float(str(asked))) < 0.5:  # where the curve is steep, the way back is sharp as well
            assert found.to_asked(perceived) == pytest.approx(asked, abs=0.1)
    assert all(low < high for low, high in zip(found.perceived_low, found.perceived_high, strict=True))
    shares = np.array([found.smiley_low, found.smiley, found.smiley_high])
    assert (np.diff(shares, axis=0) > 0).all()
    independent = 2 * 1.645 * np.sqrt(shares[1] * (1 - shares[1]) / found.votes)
    assert np.mean(shares[2] - shares[0]) > 1.2 * independent.mean()  # of the same people and faces
    page = (stimuli / "labels.html").read_text(encoding="utf-8")
    assert "Calibration" in page and "Psychometric" in page and "The labels go along with" not in page


def test_the_slope_found_is_that_of_the_simulated_truth() -> None:
    table = faces()
    smile = table["true_smile"]
    near = pd.Series(
        np.concatenate([(truth(x) - smile.mean()) / smile.std(ddof=0) for x in (-0.1, 0.1)]),
        [f"{x} {i}" for x in ("below", "above") for i in range(IDENTITIES)],
    )
    votes = answers(near, 400, seed=2)
    share = (votes["response"] > 0).groupby(votes["image"].str.split().str[0]).mean()
    slope = (share["above"] - share["below"]) / 0.2
    found = calibrate(labeling.assess(answers(standardised(table), 40, seed=3)), table, True)
    assert isinstance(found, Calibration)
    assert found.slope[0] == pytest.approx(slope, rel=0.2)
    assert found.slope[1] <= slope <= found.slope[2]
    assert found.pse[1] <= 0.05 and found.pse[2] >= -0.15


def test_few_votes_do_not_draw_the_perceived_degree_to_0(many: pd.Series) -> None:
    table = faces()
    top, mean_label = [], []
    for seed in range(4):
        assessment = labeling.assess(answers(standardised(table), 5, seed=10 + seed))
        found = calibrate(assessment, table, True)
        assert isinstance(found, Calibration)
        top.append((found.perceived[-1] - found.perceived[0]) / 2)
        label = table["image"].map(assessment.labels.set_index("image")["smile"])
        of_degree = label.groupby(table["asked_smile"]).mean()
        mean_label.append((of_degree.iloc[-1] - of_degree.iloc[0]) / 2)
    right = (many.iloc[-1] - many.iloc[0]) / 2
    assert abs(np.mean(top) - right) < 0.06
    assert right - np.mean(mean_label) > 0.08  # what averaging the labels would give


def test_where_answers_fall_the_map_stands_still() -> None:
    table = faces()
    smile = standardised(table)
    last = table.set_index("image")["asked_smile"] == 1.0
    found = calibrate(labeling.assess(answers(smile.where(~last, 0.5), 10, seed=4)), table, True)
    assert isinstance(found, Calibration)
    assert all(np.diff(found.perceived) >= 0)
    assert found.perceived[-1] == found.perceived[-2]
    assert found.grows_to < 1.0
    assert found.to_asked(found.range[1]) <= 0.6 + 1e-3


def test_a_set_without_asked_degrees_has_no_calibration_and_loses_an_old_one(stimuli: Path) -> None:
    write_calibration(stimuli, CALIBRATION)
    faces().drop(columns="asked_smile").to_csv(stimuli / "metadata.csv", index=False)
    simulate.main(simulate.Settings(subjects=2, data=stimuli))
    build.main(build.Settings(data=stimuli))
    assert not (stimuli / "calibration.json").exists()


def test_faces_of_two_models_have_no_common_calibration() -> None:
    table = faces()
    table.loc[0, "model"] = "another"
    said = calibrate(labeling.assess(answers(standardised(table), 2, seed=0)), table, True)
    assert isinstance(said, str) and "one model" in said and "it names 2" in said


def test_one_degree_is_no_calibration() -> None:
    table = faces()
    some = table[table["asked_smile"] == 0.0]
    trials = answers(standardised(table), 2, seed=0)
    said = calibrate(labeling.assess(trials[trials["image"].isin(some["image"])]), table, True)
    assert isinstance(said, str) and "two asked degrees" in said


def test_too_few_faces_for_intervals_are_told_soon() -> None:
    table = pd.DataFrame({"image": [f"{i:02d}.png" for i in range(13)], "asked_smile": np.linspace(-3, 3, 13)})
    trials = answers(table.set_index("image")["asked_smile"], 3, seed=0)
    said = calibrate(labeling.assess(trials), table.assign(model=MODEL), True)
    assert isinstance(said, str) and "three identities" in said


@pytest.mark.parametrize("persons", [1, 2])
def test_one_or_two_persons_at_all_degrees_are_no_calibration_either(persons: int) -> None:
    table = faces()[lambda t: t["identity"] < persons]
    said = calibrate(labeling.assess(answers(standardised(table), 3, seed=0)), table, True)
    assert isinstance(said, str) and "three identities" in said


def test_faces_of_unknown_identities_are_no_calibration() -> None:
    table = faces()
    assessment = labeling.assess(answers(standardised(table), 3, seed=0))
    said = calibrate(assessment, table.assign(identity=np.nan), True)
    assert isinstance(said, str) and "three identities" in said


def test_a_slope_at_a_point_that_nobody_saw_is_not_told() -> None:
    seen, unseen = (replace(CALIBRATION, pse=(pse, pse - 0.1, pse + 0.1)) for pse in (0.0, -9.0))
    assert "The slope there is 0.40 per unit of asked degree (0.30 to 0.50)" in " ".join(findings(seen))
    assert "slope" not in " ".join(findings(unseen))
    assert "At no asked degree are half of the answers smiley." in findings(unseen)


def test_what_simulated_subjects_see_is_not_said_of_people() -> None:
    assert "what people see as -0.80 to +0.80" in findings(CALIBRATION)[0]
    assert "what the simulated subjects see as" in findings(replace(CALIBRATION, simulated=True))[0]


def test_answers_grow_between_the_degrees_that_can_be_told_from_the_ends() -> None:
    rng = np.random.default_rng(0)
    draws = np.array([-0.8, -0.79, 0.0, 0.69, 0.7]) + rng.normal(0, 0.05, (500, 5))
    assert growth(np.array([-2.0, -1.0, 0.0, 1.0, 2.0]), draws) == (-1.0, 1.0)


def test_how_a_set_was_made_is_no_confound() -> None:
    table = faces().assign(read_smile=faces()["true_smile"], brightness=faces()["true_smile"])
    found = confounds(table[["image"]].assign(smile=table["true_smile"]), table)
    assert found["what"].tolist() == ["brightness"]


def test_the_report_of_labels_alone_shows_the_calibration_too(stimuli: Path) -> None:
    write_calibration(stimuli, replace(CALIBRATION, subjects=1))
    faces().assign(smile=0.5)[["image", "smile"]].to_csv(stimuli / "labels.csv", index=False)
    report.main(report.Settings(data=stimuli))
    page = (stimuli / "labels.html").read_text(encoding="utf-8")
    assert "From +1 on, the answers cannot be told from those at +2." in page
    section = re.sub("<[^>]*>", " ", page[page.index("<h2>Calibration") : page.index("<h2>Distribution")])
    assert not re.search(r"(?<!\w)-\d|[+−]0(\.0+)?\b(?!\.)", section)  # one minus sign, and 0 has none
    assert "One subject: the intervals speak of other faces" in page


# ---- the psychometric function


@given(st.floats(-0.5, 0.5), st.floats(0.2, 1.5), st.floats(0, 0.3))
@example(0.5, 0.5625, 0.0)
def test_the_psychometric_function_is_recovered_from_what_it_expects(pse: float, spread: float, lapse: float) -> None:
    asked = np.linspace(-3, 3, 13)
    votes = np.full(13, 1e5)
    found = psychometric.fit(asked, votes * psychometric.probability(asked, pse, spread, lapse), votes)
    np.testing.assert_allclose(found, (pse, spread, lapse), atol=0.02)


def test_two_degrees_do_not_tell_lapses() -> None:
    found = psychometric.fit(np.array([-1.0, 1.0]), np.array([10.0, 90.0]), np.array([100.0, 100.0]))
    assert found.lapse < 1e-5
    assert found.spread == pytest.approx(1 / ndtri(0.9), rel=0.01)
    of_degrees = {name: value[1:4:2] for name, value in vars(CALIBRATION).items() if np.shape(value) == (5,)}
    two = replace(CALIBRATION, **of_degrees)
    assert any("cannot be told" in sentence for sentence in findings(two))


def test_faces_made_to_be_seen_at_a_degree_are_told_as_what_they_are_seen() -> None:
    table = pd.DataFrame({"asked_smile": [-1.0, 1.0], "perceived_smile": [-0.5, 0.5]})
    assert aims(CALIBRATION, table) == [
        "Faces that were made to be seen as a degree are seen (90 % interval): -0.50 as -0.70 (-0.80 to -0.60); "
        "+0.50 as +0.80 (+0.70 to +0.90)."
    ]
    assert aims(CALIBRATION, table[["asked_smile"]]) == []


def test_answers_that_say_nothing_leave_the_pse_open_whatever_the_scale() -> None:
    rng = np.random.default_rng(0)
    asked, votes = np.linspace(-1, 1, 7), np.full(7, 40.0)
    near, far = ([], [])  # type: ignore[var-annotated]
    for smiley in rng.binomial(40, 0.5, (20, 7)).astype(float):
        near.append(psychometric.fit(asked, smiley, votes).pse)
        far.append(psychometric.fit(300 * asked, smiley, votes).pse / 300)
    np.testing.assert_allclose(far, near, atol=1e-3)
    assert np.ptp(near) > 1


def test_its_slope_is_the_derivative_at_the_pse() -> None:
    curve = psychometric.Psychometric(0.2, 0.7, 0.1)
    around = psychometric.probability(np.array([0.2 - 1e-4, 0.2 + 1e-4]), *curve)
    assert curve.slope == pytest.approx(np.diff(around)[0] / 2e-4)
    assert CALIBRATION.probability(CALIBRATION.pse[0]) == pytest.approx(0.5)
    low, high = (CALIBRATION.probability(CALIBRATION.pse[0] + step) for step in (-1e-4, 1e-4))
    assert (high - low) / 2e-4 == pytest.approx(CALIBRATION.slope[0])
    assert CALIBRATION.probability(99) == pytest.approx(1 - CALIBRATION.lapse / 2)


@pytest.mark.parametrize("smiley", [0.0, 1.0])
def test_answers_that_are_all_alike_give_a_finite_curve(smiley: float) -> None:
    found = psychometric.fit(np.array([-1.0, 0.0, 1.0]), np.full(3, 20 * smiley), np.full(3, 20.0))
    assert np.isfinite(found).all()


# ---- the file and its map


@given(st.lists(st.floats(0, 0.4), min_size=4, max_size=4), st.floats(-2, 2))
def test_asking_for_what_is_perceived_gives_what_is_perceived(steps: list[float], asked: float) -> None:
    perceived = tuple(np.concatenate([[-0.8], -0.8 + np.cumsum(steps)]).round(4).tolist())
    calibration = replace(CALIBRATION, perceived=perceived)
    seen = calibration.to_perceived(asked)
    assert calibration.to_perceived(calibration.to_asked(seen)) == pytest.approx(seen, abs=1e-6)


def test_where_the_answers_stand_still_the_least_extreme_degree_is_asked() -> None:
    assert CALIBRATION.to_asked(0.8) == pytest.approx(1.0, abs=1e-3)
    assert CALIBRATION.to_asked(-0.8) == pytest.approx(-2.0, abs=1e-3)
    level = replace(CALIBRATION, perceived=(-0.8, 0.1, 0.1, 0.1, 0.8))
    assert level.to_asked(0.1) == 0


@pytest.mark.parametrize("wish", [0.81, -0.9, float("nan")])
def test_a_degree_that_nobody_saw_is_one_sentence_with_the_range(wish: float) -> None:
    with pytest.raises(UserError, match=r"people see degrees from -0\.80 to 0\.80 in this model's faces"):
        CALIBRATION.to_asked(wish)


def test_nothing_is_known_beyond_the_degrees_that_were_shown() -> None:
    with pytest.raises(UserError, match="from -2 to 2"):
        CALIBRATION.to_perceived(2.5)


def test_a_calibration_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_calibration(tmp_path, CALIBRATION)
    assert read_calibration(tmp_path) == calibration_of(tmp_path, MODEL) == CALIBRATION


def test_another_models_calibration_is_refused(tmp_path: Path) -> None:
    write_calibration(tmp_path, CALIBRATION)
    with pytest.raises(UserError, match=f"calibrates the model {MODEL}, not fedcba987654"):
        calibration_of(tmp_path, "fedcba987654")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"no such file; python -m labeling\.build"),
        ("[", "not JSON"),
        ("[]", "not a calibration"),
        ('{"model": "a"}', "not a calibration"),
        (json.dumps(vars(CALIBRATION) | {"perceived": [0.1, 0.0, 0.2, 0.3, 0.4]}), "never fall"),
        (json.dumps(vars(CALIBRATION) | {"asked": [-1, -1, 0, 1, 2]}), "increase"),
    ],
)
def test_what_is_no_calibration_is_one_sentence(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "calibration.json").write_text(content)
    with pytest.raises(UserError, match=said):
        read_calibration(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("asked", ["a", "b"], "a list of 2, each a number"),
        ("asked", [1], "a list of 2, each a number"),
        ("asked", None, "a list of 2, each a number"),
        ("asked", [0, 1], None),  # then perceived is too long
        ("perceived_low", None, "a list of 5, each a number from -1 to 1"),
        ("perceived", [-2, -1, 0, 1, 2], "a list of 5, each a number from -1 to 1"),
        ("votes", [9, 9], "a list of 5, each a whole number of at least 1"),
        ("votes", [9, 9, 0, 9, 9], "a list of 5, each a whole number of at least 1"),
        ("smiley", ["much"] * 5, "a list of 5, each a number from 0 to 1"),
        ("pse", 0.0, "a list of 3, each a number"),
        ("pse", [0, 0, float("nan")], "a list of 3, each a number"),
        ("slope", [0, 0, 0], "a list of 3, each a number above 0"),
        ("lapse", None, "number from 0 to 0.5"),
        ("subjects", "3", "whole number of at least 1"),
        ("simulated", 1, "true or false"),
        ("model", 7, "text"),
    ],
)
def test_a_damaged_field_is_named_with_what_was_found_and_expected(
    tmp_path: Path, field: str, value: object, expected: str | None
) -> None:
    (tmp_path / "calibration.json").write_text(json.dumps(vars(CALIBRATION) | {field: value}))
    said = f"calibration.json: {field} is {json.dumps(value)}, expected {expected}." if expected else "perceived is"
    with pytest.raises(UserError, match=re.escape(said)):
        read_calibration(tmp_path)


def test_a_face_without_votes_leaves_its_degree_to_the_others() -> None:
    table = faces()
    trials = answers(standardised(table), 5, seed=3)
    whole, missing = (
        calibrate(labeling.assess(some), table, True) for some in (trials, trials[trials["image"] != "03_+0.00.png"])
    )
    assert isinstance(whole, Calibration) and isinstance(missing, Calibration)
    assert missing.perceived == pytest.approx(whole.perceived, abs=0.1)


def test_the_ends_of_an_interval_leave_a_twentieth_on_each_side() -> None:
    assert np.ravel(calibration._ends(np.linspace(0, 1, 101)[:, None])) == pytest.approx([0.05, 0.95])
    low, high = calibration._of_independent(np.array([5.0]), np.array([10.0]))
    assert (low[0], high[0]) == pytest.approx((0.2224, 0.7776), abs=1e-4)  # Clopper and Pearson's 90 %


def test_votes_that_do_not_count_are_in_no_share_of_smiley_answers_either() -> None:
    table = faces()
    assessment = labeling.assess(answers(standardised(table), 5, seed=3))
    counted = ~assessment.terms.dropped
    assert 0 < counted.sum() < len(counted)
    cells = cells_of(assessment, table)
    assert cells.votes.sum() == counted.sum()
    assert cells.smiley.sum() == (assessment.votes.vote[counted] > 0).sum()


def test_the_same_answers_give_the_same_intervals() -> None:
    table = faces()
    cells = cells_of(labeling.assess(answers(standardised(table), 3, seed=3)), table)
    one, two = (bootstrap(cells, "tanh", draws=20)[0] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert (one.std(0) > 0).all()


def test_how_far_answers_lie_apart_is_their_variance_between_subjects() -> None:
    push = np.array([[[1.0]], [[-1.0]], [[1.0]]])  # three subjects on one face: theta is 1/3
    cells = Cells(push, np.ones((3, 1, 1)), np.ones((3, 1, 1)), (push > 0) * 1.0, np.array([0.0]))
    assert calibration._Spread.of(cells).phi == pytest.approx([np.var([1, -1, 1], ddof=1)])
