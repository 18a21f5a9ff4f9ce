"""Training, resuming, sampling and editing, on a tiny model of drawn faces."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import model
from data import is_validation, open_set
from data.prepare import Drawn
from data.prepare import main as prepare
from model import faces, fitting, runs, sample, training
from model.cvae import CVAE
from model.faces import held, load_faces, shuffle
from model.folds import may_teach_reader
from model.reader import Student
from model.smile_model import SmileModel
from model.state import moving_average
from model.train import Settings
from model.training import train
from model.way import KNOTS
from shell import UserError

ROOT = Path(__file__).parent.parent
TINY = Settings(
    size=16, latent=8, width=16, steps=6, batch=16, reader_rounds=1, reader_steps=2, log_every=1, save_every=2
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/faces: 60 drawn faces, 40 of them labelled."""
    folder = tmp_path_factory.mktemp("place")
    prepare(Drawn(count=60, size=64, data=folder / "data/faces"))
    known = pd.read_csv(folder / "data/faces/metadata.csv")[:40]
    known.rename(columns={"true_smile": "smile"})[["image", "smile"]].to_csv(
        folder / "data/faces/labels.csv", index=False
    )
    return folder


@pytest.fixture(autouse=True)
def _there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


@pytest.fixture(scope="module")
def run(place: Path) -> Path:
    """A finished tiny CVAE in runs/cvae."""
    before = Path.cwd()
    os.chdir(place)
    try:
        return place / train(TINY)
    finally:
        os.chdir(before)


def losses(run: Path) -> list[float]:
    return pd.read_csv(run / "metrics.csv")["loss"].tolist()


def fail_at(step: int, action: Callable[[], None]) -> Callable[[int, int, float], float]:
    """A learning rate that does something at a step: a way into the middle of the loop."""
    rate = training.learning_rate

    def patched(at: int, steps: int, highest: float) -> float:
        if at == step:
            action()
        return rate(at, steps, highest)

    return patched


def power_cut() -> None:
    raise RuntimeError("power cut")


def test_a_run_holds_what_it_should(run: Path) -> None:
    expected = {
        "config.json",
        "model.safetensors",
        "metrics.csv",
        "state.pt",
        ".lock",
        "degrees.csv",
        "reader.safetensors",
        "frames",
        "latent_activity.csv",
    }
    assert {p.name for p in run.iterdir()} - {"samples"} == expected | {
        "training.gif",
        "loss.png",
        "reconstructions.png",
    }
    config = json.loads((run / "config.json").read_text())
    assert config["finished"] and config["size"] == 16 and config["reader"]["labels"] >= 30


def test_a_resumed_run_has_the_losses_of_one_never_stopped(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(TINY, run=Path("runs/cut"))
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="power cut"):
        patch.setattr(training, "learning_rate", fail_at(3, power_cut))
        train(settings)
    train(replace(settings, resume=True))
    assert losses(Path("runs/cut")) == losses(run)
    for name, tensor in model.load("runs/cut").network.state_dict().items():
        assert torch.equal(tensor, model.load(run).network.state_dict()[name]), name


def test_ctrl_c_saves_and_stops(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    settings = replace(TINY, run=Path("runs/pressed"))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "learning_rate", fail_at(2, lambda: os.kill(os.getpid(), signal.SIGINT)))
        train(settings)
    assert "stopped at step 3; python -m model.train --run runs/pressed --resume" in capsys.readouterr().out
    train(replace(settings, resume=True))
    assert "going on at step 3" in capsys.readouterr().out
    assert losses(Path("runs/pressed")) == losses(run)


@pytest.mark.slow
def test_a_row_of_a_resumed_run_covers_all_its_steps(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(TINY, run=Path("runs/odd"), log_every=2)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "learning_rate", fail_at(2, lambda: os.kill(os.getpid(), signal.SIGINT)))
        train(settings)
    train(replace(settings, resume=True))
    expected = np.array(losses(run)).reshape(3, 2).mean(1)
    np.testing.assert_allclose(losses(Path("runs/odd")), expected, rtol=1e-6)


def test_kill_9_leaves_a_run_that_resumes(run: Path) -> None:
    command = [sys.executable, "-m", "model.train", "--run", "runs/killed", "--steps", "400", "--log-every", "1"]
    command += ["--save-every", "2", "--size", "16", "--latent", "8", "--width", "16", "--batch", "16"]
    command += ["--reader-rounds", "1", "--reader-steps", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not Path("runs/killed/state.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    state = torch.load("runs/killed/state.pt", weights_only=True)
    assert 0 < state["step"] < 400 and len(state["rows"]) == state["step"]
    resumed = [*command, "--resume"]
    process = subprocess.Popen(resumed, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    assert f"going on at step {state['step']}" in process.stdout.readline()
    process.kill()
    process.communicate()


def test_validation_leaves_the_network_in_the_mode_it_found(run: Path) -> None:
    faces = load_faces(TINY, run)
    network = CVAE(16, 8, 16)
    for mode in (True, False):
        network.train(mode)
        figures = training.validate(network, faces, torch.device("cpu"), TINY)
        assert network.training is mode and figures["val_kl"] >= 0


def test_training_ends_when_validation_gets_no_better_and_keeps_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([3.0, 1.0, 2.0, 2.0, 0.0])
    kept: list[torch.Tensor] = []

    def validate(network: CVAE, *_: object) -> dict[str, float]:
        kept.append(network.decoder.layers[0].weight.clone())
        return {"val_loss": next(losses), "val_psnr": 10.0}

    monkeypatch.setattr(training, "validate", validate)
    run = train(replace(TINY, run=Path("runs/patient"), steps=100, patience=2))
    assert len(kept) == 4
    assert torch.equal(model.load(run).network.decoder.layers[0].weight, kept[1])
    assert runs.read_config(run)["figures"]["step"] == 4


def test_the_moving_average_begins_short_and_ends_at_its_decay() -> None:
    average = moving_average(0.99)
    for steps, expected in ((8, 0.5), (100_000, 0.01)):
        weights = [torch.zeros(()), torch.full((2, 3), -1.0)]
        average(weights, [torch.ones(()), torch.ones(2, 3)], torch.tensor(steps))
        assert weights[0].item() == pytest.approx(expected)
        torch.testing.assert_close(weights[1], torch.full((2, 3), 2 * expected - 1))


def test_noise_is_standard_normal_and_a_function_of_the_step(run: Path) -> None:
    settings = replace(TINY, latent=128)
    faces = load_faces(TINY, run)
    noise = torch.cat([training.make_batch(faces, step, 16, settings, torch.device("cpu"))[2] for step in range(50)])
    assert abs(noise.mean()) < 0.01 and abs(noise.std() - 1) < 0.01
    kurtosis = (noise**4).mean() / noise.var() ** 2
    assert abs(kurtosis - 3) < 0.1  # uniform noise, a known mistake of this model's history, has 1.8
    again = training.make_batch(faces, 49, 16, settings, torch.device("cpu"))[2]
    assert torch.equal(again, noise[-len(again) :])


def test_an_epoch_sees_every_training_face_once_and_no_validation_face(run: Path) -> None:
    faces = load_faces(TINY, run)
    count = int(faces.train.sum())
    assert sorted(shuffle(0, 5, count)) == list(range(count))
    seen = np.concatenate([faces.order(step, 16, seed=0) for step in range(count // 16)])
    assert len(set(seen)) == len(seen) and faces.train[seen].all()


def test_an_existing_run_is_refused_and_left_alone(run: Path) -> None:
    before = (run / "model.safetensors").read_bytes()
    with pytest.raises(UserError, match="--resume goes on with it, --force replaces it"):
        train(TINY)
    assert (run / "model.safetensors").read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such rights")
def test_weights_are_for_all_who_may_read_the_run(run: Path) -> None:
    for name in ("model.safetensors", "reader.safetensors", "state.pt"):
        assert (run / name).stat().st_mode == (run / "metrics.csv").stat().st_mode


@pytest.mark.parametrize("change", [{"resume": True}, {"force": True}], ids=["resume", "force"])
def test_two_trainings_do_not_share_a_run(run: Path, change: dict[str, bool]) -> None:
    before = (run / "state.pt").read_bytes()
    with runs.alone(run), pytest.raises(UserError, match="another training writes here"):
        train(replace(TINY, run=run, **change))  # type: ignore[arg-type]
    assert (run / "state.pt").read_bytes() == before
    train(replace(TINY, run=run, resume=True))  # and the next one may


def test_of_two_trainings_begun_at_once_one_is_refused() -> None:
    folder = Path("runs/twice")
    with runs.alone(folder), pytest.raises(UserError, match="another training writes here"):
        train(replace(TINY, run=folder))
    train(replace(TINY, run=folder))  # a folder that holds nothing but the lock is free


def test_a_folder_that_is_no_run_is_never_emptied() -> None:
    Path("precious").mkdir(exist_ok=True)
    Path("precious/thesis.txt").write_text("x")
    for config in (None, '{"architectures": ["Bert"]}'):
        if config is not None:
            Path("precious/config.json").write_text(config)
        with pytest.raises(UserError, match="exists and is no run"):
            train(replace(TINY, run=Path("precious"), force=True))
    assert Path("precious/thesis.txt").exists()


def test_a_setting_cannot_change_on_the_way(run: Path) -> None:
    with pytest.raises(UserError, match="began with --batch 16, not 32"):
        train(replace(TINY, run=run, resume=True, batch=32))


def test_nothing_to_resume_is_one_sentence() -> None:
    with pytest.raises(UserError, match="no run to resume"):
        train(replace(TINY, run=Path("runs/none"), resume=True))


def test_a_finished_run_without_its_checkpoint_is_not_trained_anew(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "packed", ignore=shutil.ignore_patterns("state.pt"))
    with pytest.raises(UserError, match=r"is finished, and without state\.pt there is nothing to go on from"):
        train(replace(TINY, run=tmp_path / "packed", resume=True))


def test_pictures_that_came_or_went_are_told_to_a_resumed_run(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "cut")
    degrees = pd.read_csv(tmp_path / "cut" / "degrees.csv")
    degrees[2:].to_csv(tmp_path / "cut" / "degrees.csv", index=False)
    with pytest.raises(UserError, match=rf"with 58 pictures; since then 2 came .* {degrees['image'][0]} among them"):
        train(replace(TINY, run=tmp_path / "cut", resume=True))


def test_pictures_that_came_or_went_are_told_to_a_resumed_vae_too(run: Path, tmp_path: Path) -> None:
    vae = replace(TINY, kind="vae", run=tmp_path / "vae", steps=2)
    train(vae)
    config = json.loads((tmp_path / "vae" / "config.json").read_text())
    (tmp_path / "vae" / "config.json").write_text(json.dumps(config | {"pictures": "another"}))
    with pytest.raises(UserError, match=r"vae: began with other pictures than .*; they cannot change on the way"):
        train(replace(vae, resume=True))


def test_a_damaged_checkpoint_is_one_sentence(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "damaged")
    state = tmp_path / "damaged" / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"state\.pt: does not hold this run's checkpoint \("):
        train(replace(TINY, run=tmp_path / "damaged", resume=True))


def test_what_cannot_be_held_is_told_before_a_run_is_replaced(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "kept")
    (tmp_path / "kept" / "reader.safetensors").write_bytes(b"no")
    for wrong, said in (
        ({"hold": ("gendre",)}, r"--hold gendre: no column of .*metadata\.csv, which has .*true_smile"),
        ({"hold": ("age", "hair"), "latent": 1}, "fewer dimensions than the"),
        ({"lr": float("nan")}, "--lr nan"),
    ):
        with pytest.raises(UserError, match=said):
            train(replace(TINY, run=tmp_path / "kept", force=True, **wrong))  # type: ignore[arg-type]
    assert model.load(tmp_path / "kept").hash == model.load(run).hash
    with pytest.raises(UserError, match=r"reader\.safetensors: does not hold this run's model"):
        fitting.reader_of(tmp_path / "kept")


def test_too_few_labels_name_the_missing_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(Drawn(count=5, size=16))
    with pytest.raises(UserError, match=r"0 labelled faces, at least 30 .* python -m labeling\.build"):
        train(TINY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 50},
        {"width": 20},
        {"steps": 0},
        {"save_every": 3, "log_every": 2},
        {"seed": -1},
        {"patience": 0},
        {"lr": 0},
    ],
)
def test_impossible_settings_are_one_sentence(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError):
        train(replace(TINY, run=Path("runs/wrong"), **wrong))
    assert not Path("runs/wrong").exists()


def test_spared_labels_do_not_teach_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    taught = {}

    def reader(
        _: object, labels: np.ndarray, train: np.ndarray, **__: int
    ) -> tuple[np.ndarray, dict[str, float], None]:
        taught["labels"] = labels[train]
        return np.zeros(len(labels)), {"labels": float(np.isfinite(labels).sum())}, None

    monkeypatch.setattr(faces, "read_smiles", reader)
    images = open_set("data/faces")
    train = np.array([not is_validation(name) for name in images.names])
    faces.read_degrees(images, images.names, train, replace(TINY, spare_labels=True))
    spared = sum(not may_teach_reader([name])[0] for name, trains in zip(images.names, train, strict=True) if trains)
    assert np.isnan(taught["labels"]).sum() >= spared > 0


def test_held_columns_become_numbers(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in "abcd":
        (tmp_path / "images" / f"{name}.png").touch()
    (tmp_path / "metadata.csv").write_text("image,age,race,constant\na.png,20,0,1\nb.png,30.5,1,1\nc.png,,2,1\n")
    names = [f"{name}.png" for name in "abcd"]
    columns = held(open_set(tmp_path), names, ("age", "race", "constant", "unknown"))
    expected = [[20, 0, 0], [30.5, 1, 0], [np.nan, 0, 1], [np.nan, np.nan, np.nan]]
    np.testing.assert_array_equal(columns, expected)


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_without_a_condition_there_are_faces_but_no_degrees(kind: str) -> None:
    faces = model.load(train(replace(TINY, kind=kind, force=True)))  # type: ignore[arg-type]
    assert faces.sample(None, 3).shape == (3, 3, 16, 16)
    with pytest.raises(UserError, match=f"of kind {kind}"):
        faces.sample(0.5, 3)


def test_an_edit_by_nothing_returns_the_picture(run: Path) -> None:
    x = torch.rand(3, 3, 16, 16)
    assert torch.equal(model.load(run).edit(x, shift=0.0), x)


def test_an_edit_to_the_degree_that_a_face_has_returns_it(run: Path) -> None:
    faces, x = model.load(run), torch.rand(3, 3, 16, 16)
    torch.testing.assert_close(faces.edit(x, smile=faces.read(faces.encode(x))), x, atol=1e-4, rtol=0)


def test_an_edit_needs_exactly_one_wish(run: Path) -> None:
    x = torch.rand(1, 3, 16, 16)
    for wishes in ({}, {"smile": 1.0, "shift": 1.0}):
        with pytest.raises(ValueError, match="exactly one"):
            model.load(run).edit(x, **wishes)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 3, 16, 16), np.float32),
        torch.zeros(2, 3, 16, 16, dtype=torch.uint8),
        torch.zeros(2, 3, 17, 17),
        torch.zeros(2, 1, 16, 16),
        torch.full((2, 3, 16, 16), 255.0),
        torch.full((2, 3, 16, 16), torch.nan),
    ],
    ids=["numpy", "bytes", "size", "grey", "range", "nan"],
)
def test_what_is_no_picture_is_told_and_not_edited(run: Path, wrong: Any) -> None:
    trained = model.load(run)
    for use in (trained.encode, lambda x: trained.edit(x, shift=0.5)):
        with pytest.raises(ValueError, match=r"expected pictures \(N, 3, 16, 16\) float in \[0, 1\]"):
            use(wrong)


def test_a_tensor_becomes_pictures_and_pictures_a_tensor() -> None:
    given = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    x = model.pictures.to_tensor(given)
    assert x.shape == (2, 3, 4, 4) and x.min() >= 0 and x.max() <= 1
    np.testing.assert_array_equal(model.pictures.to_uint8(x.requires_grad_()), given)
    with pytest.raises(ValueError, match="uint8"):  # or it would be divided by 255 once more
        model.pictures.to_tensor(given / 255)


def test_pictures_and_latents_of_double_precision_are_taken(run: Path) -> None:
    trained = model.load(run)
    x = torch.rand(2, 3, 16, 16)
    z = trained.encode(x)
    assert torch.equal(trained.encode(x.double()), z)
    assert torch.equal(trained.decode(z.double()), trained.decode(z))
    assert torch.equal(trained.picture(z.double()), trained.picture(z))
    assert torch.equal(trained.edit(x.double(), shift=0.5), trained.edit(x, shift=0.5))


def test_a_model_has_its_hash_from_wherever_one_looks(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent)
    trained = model.load(run.name)
    monkeypatch.chdir(tmp_path)
    assert trained.hash == model.load(run).hash


@pytest.mark.parametrize("degrees", [float("nan"), float("inf"), [0.0, 1.0, 0.0], torch.zeros(2, 1)])
def test_degrees_are_finite_and_one_for_all_or_one_for_each(run: Path, degrees: Any) -> None:
    trained = model.load(run)
    x = torch.rand(2, 3, 16, 16)
    for use in (
        lambda: trained.sample(degrees, 2),
        lambda: trained.edit(x, smile=degrees),
        lambda: trained.edit(x, shift=degrees),
        lambda: trained.at(trained.encode(x), degrees),
    ):
        with pytest.raises(ValueError, match="expected a finite degree, or 2 of them"):
            use()


def test_degrees_and_counts_may_be_of_any_kind_that_means_numbers(run: Path) -> None:
    trained = model.load(run)
    plain = trained.sample(0.5, 2)
    for degrees, count in ((np.float64(0.5), np.int64(2)), ([0.5, 0.5], 2), (torch.tensor([0.5, 0.5]), 2)):
        assert torch.equal(trained.sample(degrees, count), plain)
    assert torch.equal(trained.people(np.array([1])), trained.people([1]))
    for wrong in ([-1], -1):
        with pytest.raises(UserError, match="expected no negative number"):
            trained.people(wrong)
    with pytest.raises(UserError, match="truncation nan: expected 0 or more"):
        trained.people(2, truncation=float("nan"))
    with pytest.raises(UserError, match="seed -1: expected 0 or more"):
        trained.people(2, seed=-1)
    with pytest.raises(ValueError, match=r"expected people \(N, 8\), as SmileModel.people makes them"):
        trained.latents(torch.zeros(2, 3), 0.5)


def test_what_comes_out_can_be_worked_on(run: Path) -> None:
    trained = model.load(run)
    z = trained.encode(trained.sample(0.0, 2).mul_(0.5)).requires_grad_()
    z.sum().backward()
    assert z.grad is not None


def test_the_condition_moves_the_picture_and_reads_as_asked(run: Path) -> None:
    faces = model.load(run)
    stern, laughing = (faces.latent.at(faces.identities(4), degree) for degree in (-1.0, 1.0))
    torch.testing.assert_close(faces.read(laughing) - faces.read(stern), torch.full((4,), 2.0), atol=1e-4, rtol=0)
    assert (faces.decode(stern) - faces.decode(laughing)).abs().mean() > 1e-4


def test_face_i_of_a_seed_is_the_same_whatever_the_count(run: Path) -> None:
    faces = model.load(run)
    assert torch.equal(faces.identities(3, seed=5), faces.identities(300, seed=5)[:3])
    assert not torch.equal(faces.identities(3, seed=5), faces.identities(3, seed=6))


def test_the_newest_finished_cvae_is_taken_but_never_the_demo(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PRETRAINED", tmp_path / "none")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"python -m model\.train"):
        runs.newest()
    for age, (name, config) in enumerate(
        [("demo", {}), ("vae", {"kind": "vae"}), ("unfinished", {"finished": False}), ("new", {}), ("old", {})]
    ):
        (tmp_path / "runs" / name).mkdir(parents=True)
        runs.write_config(Path("runs") / name, {"kind": "cvae", "finished": True} | config)
        (tmp_path / "runs" / name / "model.safetensors").touch()
        os.utime(tmp_path / "runs" / name / "config.json", (-age, -age))
    for name in ("cleared", "foreign"):
        (tmp_path / "runs" / name).mkdir()
    runs.write_config(Path("runs/cleared"), {"kind": "cvae", "finished": True})  # without weights
    Path("runs/foreign/config.json").write_text("[]")
    Path("runs/foreign/model.safetensors").touch()
    assert runs.newest() == Path("runs/new")


@pytest.mark.parametrize(
    ("name", "content"),
    [("model.safetensors", b"no"), ("model.safetensors", b""), ("config.json", b"{")],
    ids=["no", "empty", "json"],
)
def test_a_damaged_run_is_one_sentence(run: Path, tmp_path: Path, name: str, content: bytes) -> None:
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).write_bytes((run / file).read_bytes())
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        model.load(tmp_path)


def test_sampling_writes_grids_a_strip_and_a_manifest(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample.main(sample.Settings(smile=(-3.0, 0.5), count=2, run=run, out=tmp_path, separate=True))
    told = capsys.readouterr().out
    assert "levels off there" in told and str(tmp_path / "strip.png") in told
    files = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    single = {f"smile_{degree}/{i:04d}.png" for degree in ("-3.00", "+0.50") for i in (0, 1)}
    assert files == single | {"smile_-3.00.png", "smile_+0.50.png", "strip.png", "manifest.csv"}
    manifest = pd.read_csv(tmp_path / "manifest.csv")
    assert set(manifest["file"]) == single
    assert manifest[["asked_smile", "identity", "seed"]].iloc[0].tolist() == [-3.0, 0, 0]
    assert manifest["model"].unique().tolist() == [model.load(run).hash]


def test_faces_of_a_second_degree_do_not_replace_those_of_the_first(run: Path, tmp_path: Path) -> None:
    for smile in (-1.0, 0.5):
        sample.main(sample.Settings(smile=(smile,), count=1, run=run, out=tmp_path, separate=True))
    assert sorted(pd.read_csv(tmp_path / "manifest.csv")["file"]) == ["smile_+0.50/0000.png", "smile_-1.00/0000.png"]
    assert (tmp_path / "smile_-1.00/0000.png").exists() and (tmp_path / "smile_+0.50/0000.png").exists()


def test_people_have_numbers_and_a_seed_has_an_end(run: Path) -> None:
    faces = model.load(run)
    torch.testing.assert_close(faces.people([3, 1]), faces.people(4)[[3, 1]])
    with pytest.raises(UserError, match="a seed has 100,000"):
        faces.people(1_000_000_000)
    with pytest.raises(UserError, match="1,000,000,000 people of seed 0"):
        faces.people([0, 999_999_999])


def test_truncation_and_exaggeration_are_in_the_manifest(run: Path, tmp_path: Path) -> None:
    sample.main(sample.Settings((3.0,), 2, run=run, out=tmp_path, separate=True, truncation=0.5, exaggerate=True))
    table = pd.read_csv(tmp_path / "manifest.csv")
    assert (table["truncation"] == 0.5).all() and (table["exaggerate"] == 1).all()


def test_a_truncated_face_is_nearer_to_the_mean_face(run: Path) -> None:
    faces = model.load(run)
    z = [faces.identities(8, truncation=t) - faces.latent.mean for t in (1.0, 0.5, 0.0)]
    assert torch.allclose(z[1], z[0] / 2, atol=1e-5) and not z[2].any()


def test_beyond_the_labels_the_way_levels_off_unless_exaggerated(run: Path) -> None:
    faces = model.load(run)
    people = faces.people(4)
    for smile in (-1.0, -0.3, 0.0, 0.7, 1.0):
        assert torch.equal(faces.latents(people, smile), faces.latents(people, smile, exaggerate=True))
    read = [faces.read(faces.latents(people, smile)).mean().item() for smile in (1.0, 1.2, 2.0, 3.0)]
    assert read == sorted(read) and read[-1] < 2
    assert faces.read(faces.latents(people, 3.0, exaggerate=True)).mean().item() == pytest.approx(3, abs=1e-3)


def test_people_can_be_shown_each_at_a_degree_of_their_own(run: Path) -> None:
    faces = model.load(run)
    people = faces.people(70)
    degrees = torch.linspace(-1, 1, 70)
    torch.testing.assert_close(faces.read(faces.latents(people, degrees)), degrees, atol=1e-4, rtol=0)
    assert torch.equal(faces.latents(people, degrees)[66:68], faces.latents(people[66:68], degrees[66:68]))


def test_at_a_refined_models_degrees_the_reader_sees_a_smile_that_rises_evenly(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader is replaced by one that sees brightness, in an S: fast in the middle between faces at -1 and at 1."""
    faces, student, cpu = model.load(run), Student(), torch.device("cpu")
    latent = replace(faces.latent, offset=torch.zeros(3))  # six steps of training leave it anywhere
    z = latent.draw(fitting.new_people(latent, fitting.ALONG, 0))
    dark, bright = (faces.network.decoder(latent.at(z, at)).mean().item() for at in (-1.0, 1.0))

    def seen_in(_: Student, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(6 * ((x.mean((1, 2, 3)) - dark) / (bright - dark) - 0.5))

    monkeypatch.setattr(fitting, "read_drawn", seen_in)
    way = fitting.find_way(latent, faces.network, student, 0, cpu)
    assert len(way) == KNOTS
    places = [latent.at(z, at) for at in way]
    steps = np.diff([fitting.read_decoded(faces.network, student, there, cpu).mean().item() for there in places])
    assert steps.mean() > 0 and np.ptp(steps) < 0.1 * steps.mean()


@pytest.mark.usefixtures("few_show_how_a_smile_rises")
def test_refined_training_keeps_way_and_focus_and_they_decide_what_is_drawn() -> None:
    folder = train(replace(TINY, run=Path("runs/refined"), refine=True))
    config = runs.read_config(folder)
    refined = model.load(folder)
    assert refined.way == tuple(config["way"]) and refined.focus == config["focus"]
    hashes = {refined.hash}
    for changed in ({"way": [-0.5, 0.1, 0.5]}, {"focus": refined.focus + 1}):
        runs.write_config(folder, config | changed)
        other = model.load(folder)
        z = other.identities(2)
        assert not torch.equal(other.decode(other.at(z, 1.0)), refined.decode(refined.at(z, 1.0)))
        hashes.add(other.hash)
    assert len(hashes) == 3


@pytest.mark.parametrize("digest", ["011426e70953c", "123456789012a", "000000000000d"])
def test_no_table_takes_the_hash_of_a_model_for_a_number(digest: str) -> None:
    name = runs.name_of(digest)
    assert name == digest[1:] and pd.read_csv(io.StringIO(f"model\n{name}\n"))["model"].tolist() == [name]


def test_the_hash_of_a_model_is_how_its_digest_begins() -> None:
    assert runs.name_of("0f1426e709530000") == "0f1426e70953"


def test_a_shift_by_the_degrees_between_two_is_the_edit_from_one_to_the_other(run: Path) -> None:
    straight = model.load(run)
    bent = SmileModel(run, straight.config | {"way": [-0.8, -0.1, 0.1, 0.9]}, straight.network, straight.latent)
    z = bent.at(bent.identities(3), -0.6)
    torch.testing.assert_close(bent.read(z), torch.full((3,), -0.6), atol=1e-4, rtol=0)
    torch.testing.assert_close(bent.shifted(z, 1.0), bent.at(z, 0.4), atol=1e-4, rtol=0)
    torch.testing.assert_close(bent.shifted(z, 0.0), z, atol=1e-5, rtol=0)


def test_degrees_that_round_alike_do_not_share_a_file(run: Path, tmp_path: Path) -> None:
    sample.main(sample.Settings(smile=(0.121, 0.123), count=1, run=run, out=tmp_path, separate=True))
    assert len(pd.read_csv(tmp_path / "manifest.csv")["file"].unique()) == 2
    with pytest.raises(UserError, match="expected numbers from -100 to 100"):
        sample.main(sample.Settings(smile=(float("nan"),), run=run, out=tmp_path))


def test_sampling_twice_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        sample.main(sample.Settings(smile=(0.5,), count=3, run=run, out=tmp_path / name))
    assert (tmp_path / "a/smile_+0.50.png").read_bytes() == (tmp_path / "b/smile_+0.50.png").read_bytes()


def test_the_learning_rate_warms_up_over_200_steps_and_falls_to_a_twentieth() -> None:
    rates = [training.learning_rate(step, 6000, 1e-3) for step in range(6000)]
    assert np.argmax(rates) == 199 and rates[199] == pytest.approx(1e-3, rel=0.01)
    assert rates[0] == pytest.approx(1e-3 / 200)
    assert rates[3000] == pytest.approx(1e-3 * (1 + 0.05) / 2) and rates[-1] == pytest.approx(5e-5, rel=0.01)


def test_where_much_changes_nothing_of_what_stood_there_stays() -> None:
    def changed(before: float, after: float) -> torch.Tensor:
        shades = iter([before, after])
        model = SimpleNamespace(size=16, _decode=lambda z: torch.full_like(x, next(shades)))
        return SmileModel.changed(model, x, torch.zeros(2, 8), torch.zeros(2, 8))  # type: ignore[arg-type]

    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) / 2 + 0.2
    torch.testing.assert_close(changed(0.2, 0.8), torch.full_like(x, 0.8))
    torch.testing.assert_close(changed(0.45, 0.455), x + 0.005, atol=0.01, rtol=0)
