"""A packed model is a run that makes the same faces in half the bytes, with its licence beside it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import model
from model import runs
from model.opening import settings_of
from model.pack import Settings, main, without_places
from model.training import train
from shell import UserError


def test_a_packed_model_makes_nearly_the_same_faces(drawn_run: Path, tmp_path: Path) -> None:
    main(Settings(drawn_run, tmp_path / "packed"))
    before, after = model.load(drawn_run), model.load(tmp_path / "packed")
    assert (before.sample(0.5, 4) - after.sample(0.5, 4)).abs().mean() < 1 / 255
    assert all(torch.equal(t, getattr(after.latent, name)) for name, t in vars(before.latent).items())
    size = [(folder / "model.safetensors").stat().st_size for folder in (drawn_run, tmp_path / "packed")]
    assert size[1] < 0.6 * size[0]
    assert "CC0" in (tmp_path / "packed/LICENCE").read_text() and "CC0" in after.licence


def test_no_folder_of_this_machine_is_given_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = {
        "data": "/home/jane/ward7/faces",
        "source": "../jane/ward7/faces",
        "run": str(tmp_path / "runs/a"),
        "prior": {"model": "1a", "run": "runs/b"},
    }
    inside = {"run": "runs/a", "prior": {"model": "1a", "run": "runs/b"}}
    assert without_places(config) == {"data": "faces", "source": "faces", **inside}


def test_a_folder_in_use_is_refused(drawn_run: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="exists"):
        main(Settings(drawn_run, tmp_path))


def test_weights_without_a_licence_are_not_packed(drawn_run: Path, tmp_path: Path) -> None:
    bare = tmp_path / "set"
    (bare / "images").mkdir(parents=True)
    (bare / "images/a.png").write_bytes(
        next(Path(json.loads((drawn_run / "config.json").read_text())["data"]).glob("images/*")).read_bytes()
    )
    run = tmp_path / "run"
    run.mkdir()
    for file in ("config.json", "model.safetensors"):
        (run / file).write_bytes((drawn_run / file).read_bytes())
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"data": str(bare)}))
    with pytest.raises(UserError, match="licence"):
        main(Settings(run, tmp_path / "packed"))


def test_a_run_keeps_the_licence_of_its_pictures(
    drawn_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = runs.read_config(drawn_run)["licence"]
    assert said.endswith("(drawn faces): CC0-1.0")
    run = tmp_path / "run"
    run.mkdir()
    for file in ("config.json", "model.safetensors"):
        (run / file).write_bytes((drawn_run / file).read_bytes())
    runs.write_config(run, runs.read_config(run) | {"data": "data/faces"})  # which is not where somebody else stands
    monkeypatch.chdir(tmp_path)
    assert model.load(run).licence == said


def test_a_damaged_set_json_is_told_before_a_run_is_replaced(drawn_run: Path, tmp_path: Path) -> None:
    began = settings_of(runs.read_config(drawn_run))
    shutil.copytree(began.data, tmp_path / "set")
    (tmp_path / "set/set.json").write_text("{")
    run = shutil.copytree(drawn_run, tmp_path / "run")
    with pytest.raises(UserError, match=r"set.json: not JSON"):
        train(replace(began, data=tmp_path / "set", run=run, force=True))
    assert model.load(run).licence == model.load(drawn_run).licence


def test_of_a_licence_that_nobody_knows_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "set.json").write_text('{"name": "mine", "licence": "unknown"}')
    assert runs.licence_of(tmp_path) is None and runs.licence_of(tmp_path / "none") is None


def test_the_model_that_comes_with_the_project_makes_faces_and_says_its_licence() -> None:
    ours = model.load(runs.PRETRAINED)
    assert ours.sample(0.5, 2).shape == (2, 3, ours.size, ours.size)
    assert "non-commercial" in ours.title
    assert {"LICENCE", "MODEL_CARD.md", "evaluation.json"} <= {path.name for path in runs.PRETRAINED.iterdir()}
    assert sum(path.stat().st_size for path in runs.PRETRAINED.glob("*.safetensors")) < 20e6


def test_its_evaluation_is_of_its_very_weights() -> None:
    found = json.loads((runs.PRETRAINED / "evaluation.json").read_text())
    assert found["about"]["model"] == model.load(runs.PRETRAINED).hash


def test_without_a_run_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert runs.newest() == runs.PRETRAINED
