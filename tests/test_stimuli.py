"""Stimulus sets: the same bytes for the same seed, faces that a judge lets pass, sets that stay where people judged."""

import hashlib
import json
import keyword
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

import data
import sessions
import shell
from data.calibration import read_calibration, write_calibration
from model import judges, runs, sample, smile_model, stimuli
from model.cvae import CVAE
from model.latent import Latent
from model.luminance import face_oval, match, moments
from model.pictures import to_uint8
from model.screening import (
    AGES,
    ALIKE,
    ANOTHER,
    APART,
    BROKEN,
    FALLS,
    NOT_ASKED_FOR,
    OFF,
    SEX,
    change,
    failure,
    learn_usual,
    neighbour_distance,
)
from model.stimuli import Settings, main
from shell import UserError
from tests.test_calibration import CALIBRATION

SIZE, Z = 16, 8
SMALL = Settings(identities=3, smiles=(-1.0, 0.0, 1.0), run=Path("runs/tiny"), screening=False)


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An untrained model in runs/tiny of the working folder: faces of noise, but a model."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    network = CVAE(SIZE, Z, width=16)
    one = torch.eye(Z)
    folder = Path("runs/tiny")
    folder.mkdir(parents=True)
    smile_model.save_model(
        folder, network, Latent(torch.zeros(Z), one, one[:1].clone(), torch.zeros(1), one[:, :1].clone())
    )
    config = {"size": SIZE, "latent": Z, "width": 16, "kind": "cvae", "data": "data/faces", "finished": True}
    runs.write_config(folder, config)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- the set


def test_the_same_seed_makes_the_same_bytes() -> None:
    for place in ("here", "there"):
        main(replace(SMALL, out=Path(place) / "stimuli", match_luminance=True))
    here, there = contents(Path("here/stimuli")), contents(Path("there/stimuli"))
    assert here == there and len(here) == 9 + 4
    main(replace(SMALL, out=Path("other/stimuli"), match_luminance=True, seed=1))
    other = contents(Path("other/stimuli"))
    assert all(other[name] != content for name, content in here.items() if name.startswith("images/"))


def test_the_set_says_of_each_picture_how_it_was_made(run: Path) -> None:
    main(SMALL)
    images = data.open_set("data/stimuli")
    table = images.metadata()
    assert sorted(table["image"]) == list(images.names)
    assert table["identity"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert table["asked_smile"].tolist() == [-1, 0, 1] * 3
    assert set(table["model"]) == {smile_model.load(run).hash} and set(table["seed"]) == {0}
    assert images.about()["source"] == "model.stimuli" and images.about()["licence"] == "unknown"


def test_number_i_is_the_same_person_as_in_model_sample(run: Path) -> None:
    main(SMALL)
    expected = to_uint8(smile_model.load(run).sample(1.0, 3, 0))
    for i in range(3):
        with Image.open(f"data/stimuli/images/{i:04d}_+1.00.png") as picture:
            np.testing.assert_allclose(np.asarray(picture).astype(int), expected[i], atol=1)


def test_psychopy_can_take_the_conditions() -> None:
    main(SMALL)
    table = pd.read_csv("data/stimuli/conditions.csv")
    assert list(table.columns) == ["image_file", "identity", "asked_smile"]
    # psychopy.data.importConditions makes variables of the columns
    assert all(name.isidentifier() and not keyword.iskeyword(name) for name in table.columns)
    assert all((Path("data/stimuli") / path).is_file() for path in table["image_file"])
    assert len(table) == 9


def test_the_licence_is_that_of_the_pictures_the_model_learned_from() -> None:
    Path("data/faces").mkdir(parents=True)
    Path("data/faces/set.json").write_text('{"name": "drawn faces", "licence": "CC0-1.0"}')
    main(SMALL)
    said = data.open_set("data/stimuli").about()["licence"]
    assert said == "that of the pictures the model learned from (drawn faces): CC0-1.0"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"identities": 0}, "--identities 0"),
        ({"seed": -1}, "--seed -1"),
        ({"smiles": ()}, "--smiles"),
        ({"smiles": (0.5, 0.5)}, "each once"),
        ({"smiles": (float("nan"),)}, "expected numbers from -100 to 100"),
        ({"ages": (60.0, 18.0), "screening": True}, "--ages 60 18: expected two ages"),
        ({"ages": (18.0, 18.0), "screening": True}, "--ages 18 18"),
        ({"ages": (-1.0, 18.0), "screening": True}, "--ages -1 18"),
        ({"ages": (18.0, float("nan")), "screening": True}, "--ages 18 nan"),
        ({"ages": (18.0, 60.0)}, "leave out --no-screening"),
        ({"screening": True}, r"python -m model\.evaluate --run runs/tiny.* --no-screening goes without"),
        ({"run": Path("runs/none")}, r"python -m model\.train"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_nothing(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        main(replace(SMALL, **change))
    assert not Path("data").exists()


def test_a_model_without_smiles_makes_no_stimuli(run: Path) -> None:
    runs.write_config(run, runs.read_config(run) | {"kind": "vae"})
    with pytest.raises(UserError):
        main(SMALL)
    assert not Path("data/stimuli").exists()


# ---- a set that is there already


def test_a_set_is_replaced_by_force_only_and_its_labels_are_put_aside() -> None:
    main(SMALL)
    before = contents(Path("data/stimuli"))
    with pytest.raises(UserError, match="--force"):
        main(replace(SMALL, seed=1, run=Path("runs/none")))  # before a model is looked for
    assert contents(Path("data/stimuli")) == before
    Path("data/stimuli/labels.csv").write_text("image,smile\n")
    write_calibration(Path("data/stimuli"), replace(CALIBRATION, simulated=True))
    main(replace(SMALL, seed=1, force=True))
    assert Path("data/stimuli/labels_of_old_pictures.csv").exists()
    assert Path("data/stimuli/calibration_of_old_pictures.json").exists()
    assert Path("data/stimuli/conditions_of_old_pictures.csv").exists()  # to which a laboratory may have added columns
    assert not Path("data/stimuli/labels.csv").exists() and not Path("data/stimuli/calibration.json").exists()
    assert set(data.open_set("data/stimuli").metadata()["seed"]) == {1}


@pytest.mark.parametrize("simulated", [False, True])
def test_a_set_that_people_have_judged_is_never_replaced(simulated: bool) -> None:
    main(SMALL)
    with sessions.RunWriter("sessions", "alice", "stimuli", {"Simulated": simulated}) as recording:
        recording.write(trial=1, trial_type="main", image="0000_0.00.png", response="smiley", response_time=0.5)
    before = contents(Path("data/stimuli"))
    if simulated:
        main(replace(SMALL, seed=1, force=True))
        return
    with pytest.raises(UserError, match=r"people have judged this set .*sub-alice"):
        main(replace(SMALL, seed=1, force=True))
    assert contents(Path("data/stimuli")) == before
    main(replace(SMALL, out=Path("data/another")))


@pytest.mark.parametrize("damaged", [False, True])
def test_a_set_that_people_have_judged_elsewhere_is_never_replaced(damaged: bool) -> None:
    """In PsychoPy, say: their answers came by labeling.build --trials, and no session file tells of them."""
    main(SMALL)
    path = write_calibration(Path("data/stimuli"), CALIBRATION)
    if damaged:
        path.write_text("{")
    before = contents(Path("data/stimuli"))
    with pytest.raises(UserError, match=r"people have judged this set .*calibration\.json"):
        main(replace(SMALL, seed=1, force=True))
    assert contents(Path("data/stimuli")) == before


def test_pictures_of_another_source_are_never_replaced() -> None:
    Path("data/mine/images").mkdir(parents=True)
    Path("data/mine/set.json").write_text('{"source": "a folder of pictures"}')
    with pytest.raises(UserError, match="a folder of pictures"):
        main(replace(SMALL, out=Path("data/mine"), force=True))


# ---- luminance


def test_matched_faces_have_one_luminance_and_one_contrast() -> None:
    rng = np.random.default_rng(0)
    level, contrast = rng.uniform(70, 180, 12), rng.uniform(10, 45, 12)
    noise = rng.standard_normal((12, 32, 32, 3))
    faces = np.clip(level[:, None, None, None] + contrast[:, None, None, None] * noise, 0, 255).astype(np.uint8)
    before, after = moments(faces), moments(match(faces))
    assert np.ptp(before[0]) > 50 and np.ptp(before[1]) > 8
    for old, new in zip(before, after, strict=True):
        assert np.ptp(new) < 0.5
        assert new.mean() == pytest.approx(old.mean(), abs=0.5)


def test_matching_keeps_the_differences_between_the_channels() -> None:
    faces = np.random.default_rng(0).integers(90, 150, (4, 16, 16, 3), dtype=np.uint8)
    changed = match(faces).astype(int) - faces
    assert np.abs(changed - changed.mean(-1, keepdims=True)).max() <= 1  # rounding


def test_the_oval_holds_the_face_and_not_the_corners() -> None:
    oval = face_oval(64)
    assert oval[32, 32] and oval[12, 32] and not oval[0, 0] and not oval[63, 63] and 0.4 < oval.mean() < 0.6


# ---- the screening


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        ((-0.9, 0.1, 0.8), None),
        ((-1.7, 0.1, 1.9), None),  # further is no failure where the labels end
        ((-0.9, 0.1, 0.3), OFF),
        ((-0.9, float("nan"), 0.9), OFF),
        ((-0.6, 0.3, 0.25), OFF),
        ((-0.45, -0.5, 0.9), FALLS),
    ],
)
def test_a_person_fails_whose_smile_is_not_read_as_asked(read: tuple[float, ...], reason: str | None) -> None:
    assert failure(np.array(read), np.array([-1.0, 0.0, 1.0]), error=0.3) == reason


def test_the_order_in_which_degrees_are_asked_does_not_matter() -> None:
    assert failure(np.array([0.9, -0.9]), np.array([1.0, -1.0]), error=0.3) is None


def test_distances_to_neighbours_are_those_by_hand() -> None:
    line = np.arange(8.0)[:, None]
    assert neighbour_distance(line, line, itself=1)[0] == np.mean([1, 2, 3, 4, 5])
    assert neighbour_distance(np.array([[-1.0]]), line)[0] == np.mean([1, 2, 3, 4, 5])


APART_BY = np.array([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]])  # the ends lie 0.89 from each other


@pytest.mark.parametrize(
    ("one", "age", "female", "reason"),
    [
        (0.9, (30, 35, 38), (0.2, 0.3, 0.7), None),
        (0.8, (30, 30, 30), (0.2, 0.2, 0.2), ANOTHER),
        (0.9, (30, 25, 38), (0.2, 0.2, 0.2), AGES),
        (0.9, (30, 30, 30), (0.2, 0.5, 0.8), SEX),
    ],
)
def test_a_person_fails_who_changes_more_than_the_smile(
    one: float, age: tuple[float, ...], female: tuple[float, ...], reason: str | None
) -> None:
    attributes = {"age": np.array(age), "p(female)": np.array(female)}
    assert change(APART_BY, one, attributes, age_error=5.0) == reason
    assert change(APART_BY, one, {}, age_error=None) == (ANOTHER if reason == ANOTHER else None)


def test_pictures_are_of_one_person_that_are_nearer_than_two_peoples_usually_are() -> None:
    angles = np.linspace(0, 1, 101)[:, None]  # of a circle's first radian: 5 % of pairs are less than 0.026 apart
    samples = np.stack([np.cos(angles), np.sin(angles)], -1)
    usual = learn_usual(samples, samples[:, 0], samples[:, 0], np.ones((101, 1)))
    assert usual.one == pytest.approx(0.026, abs=0.005)


class Toy:
    """A model whose person i is a point on a circle, painted as a colour; the smile is painted as another.

    Every fifth person does not smile, person 3 is person 2 again, person 6 is of a kind of its own, and person 7 is not
    known again.
    """

    folder, hash, size, config = Path("runs/toy"), "0123456789ab", 4, {"data": "data/faces"}
    title, licence = "runs/toy", "unknown"

    def people(self, count: int, seed: int) -> Tensor:
        z = torch.zeros(count, 5)  # angle, kind, follows the degree, torn, degree
        z[:, 0] = torch.from_numpy(np.random.default_rng(seed).uniform(0.2, 0.8, count))
        z[:, 2] = 1.0
        if seed == 0:
            z[::5, 2] = 0.0
            z[3, 0], z[6, 1], z[7, 3] = z[2, 0], 1.0, 1.0
        return z

    def latents(self, z: Tensor, smile: float) -> Tensor:
        return torch.cat([z[:, :4], z[:, 2:3] * smile], 1)

    def picture(self, z: Tensor) -> Tensor:
        return torch.stack([z[:, 0], z[:, 1], (z[:, 4] + 1) / 2], 1)[:, :, None, None].expand(-1, 3, 4, 4)

    def cycle_distance(self, z: Tensor, x: Tensor) -> Tensor:
        return z[:, 0] + 9 * z[:, 3]


class Eye:
    """Reads what a `Toy` paints; a smile moves the descriptor a little."""

    name, smile_error, age_error = "eye", 0.2, None

    def needs_map(self) -> None:
        pass

    def attributes(self, pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
        return {}

    def smile(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        return pictures[:, 0, 0, 2] / 127.5 - 1

    def describe(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        colour = pictures[:, 0, 0].astype(float) / 255
        angle = 40 * colour[:, 0] + 0.02 * colour[:, 2]
        found = np.stack([np.cos(angle), np.sin(angle), 3 * colour[:, 1]], 1)
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    model = Toy()
    monkeypatch.setattr(smile_model, "load", lambda run: model)
    monkeypatch.setattr(judges, "load", lambda folder, fetch: Eye())
    return model


def test_failures_outliers_and_near_duplicates_are_replaced_by_others(
    toy: Toy, capsys: pytest.CaptureFixture[str]
) -> None:
    main(replace(SMALL, identities=8, screening=True))
    table = data.open_set("data/stimuli").metadata()
    people = table["identity"].unique().tolist()
    assert len(people) == 8
    assert not {0, 3, 5, 6, 7, 10} & set(people) and {1, 2, 4} <= set(people)
    left_out = data.open_set("data/stimuli").about()["left_out"]
    assert left_out[OFF] >= 2 and left_out[ALIKE] >= 1 and left_out[APART] == left_out[BROKEN] == 1
    assert f"{left_out[OFF]} {OFF}" in capsys.readouterr().out
    assert table["read_smile"].corr(table["asked_smile"], method="spearman") > 0.95
    half = table["read_high"] - table["read_smile"]
    np.testing.assert_allclose(half, 1.645 * Eye.smile_error, atol=1e-4)
    np.testing.assert_allclose(table["read_smile"] - table["read_low"], half, atol=2e-4)


def test_the_set_says_who_was_left_out_and_by_what(toy: Toy) -> None:
    main(replace(SMALL, identities=8, screening=True))
    images = data.open_set("data/stimuli")
    about, people = images.about(), images.metadata()["identity"].unique().tolist()
    numbers = about["left_out_identities"]
    assert {reason: len(some) for reason, some in numbers.items()} == about["left_out"]
    assert numbers[ALIKE][0] == 3 and numbers[APART] == [6] and numbers[BROKEN] == [7] and {0, 5} <= set(numbers[OFF])
    assert sorted([*people, *(i for some in numbers.values() for i in some)]) == list(range(max(people) + 1))
    assert about["judge"] == "eye" and about["version"] == shell.version()
    assert about["thresholds"]["smile_off"] == pytest.approx(2 * Eye.smile_error)
    assert about["thresholds"]["age_change_years"] is None


def read_ages(self: Eye, pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Older the further round the circle, and by up to ten years with a smile."""
    colour = pictures[:, 0, 0].astype(float) / 255
    return {"age": 100 * colour[:, 0] + 10 * colour[:, 2], "p(female)": colour[:, 2] / 4}


@pytest.mark.parametrize("screening", [True, False])
def test_the_set_says_who_people_are_taken_for(toy: Toy, monkeypatch: pytest.MonkeyPatch, screening: bool) -> None:
    monkeypatch.setattr(Eye, "attributes", read_ages)
    main(replace(SMALL, identities=8, screening=screening, match_luminance=True))
    table = data.open_set("data/stimuli").metadata()
    angle = toy.people(80, 0)[table["identity"], 0].numpy()
    assert table.groupby("identity")[["read_age", "read_female"]].nunique().to_numpy().max() == 1
    np.testing.assert_allclose(table["read_age"], 100 * angle + 5, atol=0.3)  # not of the faces with matched light
    np.testing.assert_allclose(table["read_female"], 0.125, atol=0.002)


def test_people_of_other_ages_than_are_asked_for_are_left_out(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Eye, "attributes", read_ages)
    main(replace(SMALL, identities=4, screening=True, ages=(40.0, 60.0)))
    images = data.open_set("data/stimuli")
    about, table = images.about(), images.metadata()
    assert about["ages"] == [40.0, 60.0] and table["read_age"].between(40, 60).all()
    ages = 100 * toy.people(40, 0)[: table["identity"].max() + 1, 0].numpy() + 5
    outside = np.flatnonzero((ages < 39.7) | (ages > 60.3)).tolist()  # but for who the colours' steps decide about
    assert len(outside) > 3 and set(outside) <= set(about["left_out_identities"][NOT_ASKED_FOR])
    assert about["left_out"][NOT_ASKED_FOR] == len(about["left_out_identities"][NOT_ASKED_FOR])


def test_ages_that_too_few_have_are_one_sentence(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Eye, "attributes", read_ages)
    with pytest.raises(
        UserError,
        match=rf"of 300 people drawn 0 .*300 {NOT_ASKED_FOR}\); --smiles nearer to 0 or wider --ages make a set",
    ):
        main(replace(SMALL, screening=True, ages=(100.0, 110.0)))
    assert not Path("data/stimuli").exists()


def test_judges_that_read_no_ages_cannot_choose_by_them(toy: Toy) -> None:
    with pytest.raises(UserError, match="read no ages"):
        main(replace(SMALL, screening=True, ages=(18.0, 60.0)))
    assert not Path("data/stimuli").exists()


def test_a_judge_that_reads_no_age_leaves_no_column(toy: Toy) -> None:
    main(replace(SMALL, identities=8))
    assert not {"read_age", "read_female"} & set(data.open_set("data/stimuli").metadata())


def test_without_screening_the_judges_still_read(toy: Toy) -> None:
    main(replace(SMALL, identities=8))
    table = data.open_set("data/stimuli").metadata()
    assert table["identity"].unique().tolist() == list(range(8))
    assert table["read_smile"].notna().all()


@pytest.mark.parametrize("screening", [True, False])
def test_judges_that_read_no_smile_are_refused_before_any_work_or_left_alone(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, screening: bool
) -> None:
    def refuse(self: Eye) -> None:
        raise UserError("data/faces: fewer than 10 labels.")

    monkeypatch.setattr(Eye, "needs_map", refuse)
    if screening:
        with pytest.raises(UserError, match="--no-screening goes without"):
            main(replace(SMALL, screening=True))
        assert not Path("data/stimuli").exists()
    else:
        main(replace(SMALL, identities=8))
        assert "read_smile" not in data.open_set("data/stimuli").metadata()


def test_a_judge_that_fails_leaves_no_half_made_set(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Eye, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Eye, "smile", fail)
    with pytest.raises(KeyboardInterrupt):
        main(replace(SMALL, identities=8))
    assert not list(Path("data").glob("stimuli/images/*"))


def test_a_model_that_cannot_make_enough_is_one_sentence(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Eye, "smile", lambda self, pictures: np.zeros(len(pictures)))
    with pytest.raises(UserError, match=r"of 30 people drawn 0 pass the screening, 3 are wanted \(left out: 29 smile"):
        main(replace(SMALL, screening=True))
    assert not Path("data/stimuli").exists()


def test_what_is_usual_is_learned_from_samples() -> None:
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((60, 1, 3)) * [0.05, 0.05, 0.0] + [0, 0, 1.0]
    samples /= np.linalg.norm(samples, axis=-1, keepdims=True)
    usual = learn_usual(samples, np.zeros((60, 3)), np.full((60, 3), 0.1), 5 + rng.standard_normal((60, 1)))
    assert usual.alike == pytest.approx(0.1 * np.sqrt(3))
    assert neighbour_distance(np.array([[1.0, 0, 0]]), usual.descriptors)[0] > usual.apart
    assert neighbour_distance(np.array([[0, 0, 1.0]]), usual.descriptors)[0] < usual.apart
    assert usual.whole == pytest.approx(5 + 2.5, abs=0.8)


# ---- calibrated


@pytest.fixture
def judged(run: Path) -> Path:
    """A stimulus set with the calibration of runs/tiny."""
    folder = Path("data/judged")
    write_calibration(folder, replace(CALIBRATION, model=smile_model.load(run).hash))
    return folder


def test_a_calibrated_set_asks_for_what_people_see(judged: Path) -> None:
    main(replace(SMALL, smiles=(-0.7, 0.1), calibrated=judged))
    table = data.open_set("data/stimuli").metadata()
    np.testing.assert_allclose(table["asked_smile"], [-1, 0] * 3, atol=1e-3)
    assert table["perceived_smile"].tolist() == [-0.7, 0.1] * 3
    assert Path("data/stimuli/images/0000_-0.70.png").exists()
    conditions = pd.read_csv("data/stimuli/conditions.csv")
    assert list(conditions.columns) == ["image_file", "identity", "asked_smile", "perceived_smile"]
    assert conditions.iloc[:, 1:].equals(table[["identity", "asked_smile", "perceived_smile"]])
    assert list(conditions["image_file"]) == list("images/" + table["image"])


def test_a_calibrated_set_says_by_which_calibration(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(replace(SMALL, smiles=(-0.7, 0.1), calibrated=judged))
    assert "simulated subjects" not in capsys.readouterr().out
    assert data.open_set("data/stimuli").about()["calibration"] == {
        "set": "judged",
        "sha256": hashlib.sha256((judged / "calibration.json").read_bytes()).hexdigest(),
        "subjects": CALIBRATION.subjects,
        "simulated": False,
        "method": CALIBRATION.method,
    }
    write_calibration(judged, replace(read_calibration(judged), simulated=True))
    main(replace(SMALL, smiles=(0.1,), calibrated=judged, out=judged))  # in the place of the calibrated set
    assert data.open_set(judged).about()["calibration"]["simulated"]
    main(replace(SMALL, out=Path("data/plain")))
    assert data.open_set("data/plain").about()["calibration"] is None


@pytest.mark.parametrize("name", ["sample", "stimuli"])
def test_a_calibration_without_people_is_told_of(name: str, judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_calibration(judged, replace(read_calibration(judged), simulated=True))
    command(name)(judged, 0.5)
    assert "by simulated subjects; it says nothing about people" in capsys.readouterr().out


def test_calibrated_samples_are_those_at_the_asked_degree(judged: Path, run: Path) -> None:
    sample.main(sample.Settings(smile=(0.5,), count=2, run=run, calibrated=judged, separate=True, out=Path("out")))
    asked = read_calibration(judged).to_asked(0.5)
    expected = to_uint8(smile_model.load(run).sample(asked, 2, 0))
    with Image.open("out/smile_+0.50/0001.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), expected[1])
    manifest = pd.read_csv("out/manifest.csv")
    assert manifest["perceived_smile"].tolist() == [0.5, 0.5]
    assert manifest["asked_smile"].tolist() == pytest.approx([asked] * 2)
    sample.main(sample.Settings(smile=(0.5,), count=2, run=run, calibrated=judged))
    assert (run / "samples/perceived/smile_+0.50.png").exists()
    with pytest.raises(UserError, match="without --truncation"):
        sample.main(sample.Settings(smile=(0.5,), run=run, calibrated=judged, truncation=0.7))


def command(name: str) -> Callable[[Path, float], None]:
    def of_sample(calibrated: Path, smile: float) -> None:
        sample.main(sample.Settings(smile=(smile,), count=2, run=SMALL.run, calibrated=calibrated))

    def of_stimuli(calibrated: Path, smile: float) -> None:
        stimuli.main(replace(SMALL, smiles=(smile,), calibrated=calibrated))

    return {"sample": of_sample, "stimuli": of_stimuli}[name]


@pytest.mark.parametrize("name", ["sample", "stimuli"])
def test_calibrations_that_do_not_hold_are_refused(name: str, judged: Path) -> None:
    with pytest.raises(UserError, match=r"people see degrees from -0\.80 to 0\.80"):
        command(name)(judged, 2.0)
    write_calibration(judged, CALIBRATION)
    with pytest.raises(UserError, match=r"calibrates the model 0123456789ab, not [0-9a-f]{12}; every model"):
        command(name)(judged, 0.5)
    with pytest.raises(UserError, match=r"no such file; python -m labeling\.build --data data/none"):
        command(name)(Path("data/none"), 0.5)
    assert json.loads((judged / "calibration.json").read_text())["model"] == CALIBRATION.model
