"""The evaluation, whole, on tiny models of drawn faces."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from data.prepare import Drawn
from data.prepare import main as prepare
from model import evaluate, runs
from model.evaluate import Settings
from model.evaluation import plain
from model.findings import Bench, Judged, realism
from model.train import Settings as Training
from model.training import train
from shell import UserError

TINY = Training(
    size=32, latent=8, width=16, steps=10, batch=16, reader_rounds=1, reader_steps=2, log_every=5, save_every=10
)
FEW = Settings(count=40, identities=8, judge_steps=3)


@pytest.fixture(scope="module")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder with data/faces, 300 drawn faces of which 60 are labelled, and runs/cvae and runs/vae."""
    folder, before = tmp_path_factory.mktemp("place"), Path.cwd()
    os.chdir(folder)
    try:
        prepare(Drawn(count=300, size=64, data=Path("data/faces")))
        known = pd.read_csv("data/faces/metadata.csv")[:60].rename(columns={"true_smile": "smile"})
        known[["image", "smile"]].to_csv("data/faces/labels.csv", index=False)
        train(TINY)
        train(replace(TINY, kind="vae"))
        yield
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def found(_place: None) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """evaluation.json of runs/cvae."""
    evaluate.main(FEW)
    return json.loads(Path("runs/cvae/evaluation.json").read_text())


def test_every_figure_of_a_cvae_has_a_value_within_its_interval(found: dict[str, dict]) -> None:
    groups = {"control", "calibration", "diversity", "realism", "edits", "leakage", "reconstruction"}
    assert found["figures"].keys() == groups
    for group, figures in found["figures"].items():
        for name, figure in figures.items():
            assert figure["count"] > 0, (group, name)
            if figure["value"] is not None and figure.get("low") is not None:
                assert figure["low"] - 1e-6 <= figure["value"] <= figure["high"] + 1e-6, (group, name)


def test_counts_shrink_to_what_there_is(found: dict[str, dict]) -> None:
    assert 10 <= found["about"]["faces"] < 40
    assert found["figures"]["reconstruction"]["PSNR"]["count"] == found["about"]["faces"]
    assert found["figures"]["control"]["monotone"]["count"] == 8


def test_the_distance_is_over_the_floor_of_as_many_faces(found: dict[str, dict]) -> None:
    assert {row["frechet / floor"]["count"] for row in found["by_degree"] if "frechet / floor" in row} == {
        found["about"]["faces"]
    }


def test_more_identities_than_real_faces_do_not_change_the_distance() -> None:
    random = np.random.default_rng(0)
    real, more = random.normal(size=(30, 4)), random.normal(size=(100, 4))
    of_real, of_more, of_few = (Judged(d[:, 0], d, {}, np.ones(len(d))) for d in (real, more, more[:30]))
    bench = cast(Bench, SimpleNamespace(components=(np.zeros(4), np.eye(4)), real=of_real))
    every, first = (realism(made, bench)["frechet / floor"] for made in (of_more, of_few))
    assert every == first and every.count == 30


def test_degrees_from_minus_3_to_3_have_their_rows(found: dict[str, dict]) -> None:
    rows = found["by_degree"]
    assert [row["degree"]["value"] for row in rows] == [-3, -2, *np.linspace(-1, 1, 9), 2, 3]
    assert sum("frechet" in row for row in rows) == 5


def test_the_judges_say_how_good_they_are(found: dict[str, dict]) -> None:
    assert found["judges"]["judge"] == "own" and found["judges"]["warnings"] == []
    assert {"smile_pearson", "retrieval", "age_error_years"} <= found["judges"]["validation"].keys()


def test_there_is_a_page(found: dict[str, dict]) -> None:
    with Image.open("runs/cvae/evaluation.png") as page:
        assert page.width == pytest.approx(8.27 * 200, abs=2) and page.height > page.width


def test_the_same_again_is_the_same_and_trains_no_judge(
    found: dict[str, dict], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("model.evaluation.make_judges", lambda *_: pytest.fail("judges were trained again"))
    evaluate.main(FEW)
    assert json.loads(Path("runs/cvae/evaluation.json").read_text()) == found
    said = capsys.readouterr().out
    assert "wrote runs/cvae/evaluation.png" in said and "Next: python -m model.evaluate" in said
    assert "monotone" in said


def test_a_vae_gets_what_applies_by_the_judges_of_another_run(found: dict[str, dict]) -> None:
    evaluate.main(replace(FEW, run=Path("runs/vae"), judges=Path("runs/cvae")))
    other = json.loads(Path("runs/vae/evaluation.json").read_text())
    assert other["figures"].keys() == {"diversity", "realism", "reconstruction"}
    assert other["judges"] == found["judges"] and not Path("runs/vae/judges.json").exists()
    assert Path("runs/vae/evaluation.png").exists()


def test_a_set_with_too_few_unseen_faces_is_one_sentence(_place: None) -> None:
    prepare(Drawn(count=20, size=64, data=Path("data/few")))
    with pytest.raises(UserError, match="validation faces, at least 10"):
        evaluate.main(replace(FEW, run=Path("runs/cvae"), data=Path("data/few")))


def test_judges_that_cannot_read_smiles_do_not_take_the_place_of_others(found: dict[str, dict]) -> None:
    prepare(Drawn(count=150, size=64, data=Path("data/unlabelled")))
    before = Path("runs/cvae/judges.json").read_bytes()
    with pytest.raises(UserError, match="fewer than 10 labels"):
        evaluate.main(replace(FEW, run=Path("runs/cvae"), data=Path("data/unlabelled")))
    assert Path("runs/cvae/judges.json").read_bytes() == before


def test_one_kind_of_judges_is_asked_for() -> None:
    with pytest.raises(UserError, match="--judges runs/cvae and --judge face-api"):
        evaluate.main(replace(FEW, judges=Path("runs/cvae"), judge="face-api"))


@pytest.mark.parametrize("wrong", [{"count": 1}, {"identities": 0}, {"judge_steps": 0}, {"seed": -1}])
def test_settings_that_cannot_work_are_named(wrong: dict[str, int]) -> None:
    (name,) = wrong
    with pytest.raises(UserError, match=f"--{name.replace('_', '-')}"):
        evaluate.main(replace(FEW, **wrong))


def test_nothing_is_written_beside_the_model_that_comes_with_the_project(
    found: dict[str, dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PRETRAINED", Path("runs/cvae"))
    before = Path("runs/cvae/evaluation.json").stat().st_mtime_ns
    evaluate.main(replace(FEW, judges=Path("runs/cvae"), run=Path("runs/cvae")))
    assert Path("runs/pretrained/evaluation.json").exists()
    assert Path("runs/cvae/evaluation.json").stat().st_mtime_ns == before


def test_json_holds_no_nan() -> None:
    assert plain({"a": float("nan"), "b": [1.23456789, None], "c": None, "d": ""}) == {"a": None, "b": [1.23457, None]}
