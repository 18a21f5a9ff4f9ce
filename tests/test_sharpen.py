"""Sharpening changes the decoder alone, goes on as if never stopped, and refuses what it cannot do."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from model import runs, sharpening
from model.cvae import CVAE
from model.faces import READER
from model.features import Features
from model.judge_nets import begun
from model.latent import Latent
from model.sharpen import Settings
from model.sharpening import Discriminator, perceptual, sharpen
from shell import UserError


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharpening, "WARM_UP", 3)


@pytest.fixture
def tiny(drawn_run: Path, tmp_path: Path) -> Settings:
    return Settings(drawn_run, tmp_path / "sharp", steps=12, batch=8, features_steps=2, log_every=2, save_every=4)


def test_only_the_decoder_changes(tiny: Settings) -> None:
    before, after = runs.load(tiny.run), runs.load(sharpen(tiny))
    new = after.network.state_dict()
    changed = {name for name, tensor in before.network.state_dict().items() if not torch.equal(tensor, new[name])}
    assert changed and all(name.startswith("decoder.") for name in changed)
    assert all(torch.equal(tensor, getattr(after.latent, name)) for name, tensor in vars(before.latent).items())
    assert after.config["sharpened"]["model"] == before.hash != after.hash


def test_degrees_of_a_refined_run_are_fitted_to_what_is_drawn_now(
    tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny.run, tmp_path / "refined")
    runs.write_config(tmp_path / "refined", runs.read_config(tiny.run) | {"refine": True})

    def fitted(run: Path, network: CVAE, latent: Latent, *rest: object) -> tuple[float, Latent, Sequence[float]]:
        assert (run / READER).exists()
        return 0.5, replace(latent, offset=network.decoder(latent.mean[None]).mean().detach()[None]), (-0.9, 0.8)

    monkeypatch.setattr(sharpening, "refine", fitted)
    after = runs.load(sharpen(replace(tiny, run=tmp_path / "refined")))
    assert (after.focus, after.way) == (0.5, (-0.9, 0.8))
    assert after.latent.offset.item() == pytest.approx(after.network.decoder(after.latent.mean[None]).mean().item())


def test_a_resumed_sharpening_ends_as_one_never_stopped(tiny: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pd.read_csv(sharpen(tiny) / "sharpening.csv")
    step = sharpening.step

    def power_cut(state: sharpening.State, *rest: object) -> None:
        if state.step == 6:
            raise RuntimeError("power cut")
        step(state, *rest)  # type: ignore[arg-type]

    cut = replace(tiny, out=tiny.out.with_name("cut"))  # type: ignore[union-attr]
    monkeypatch.setattr(sharpening, "step", power_cut)
    with pytest.raises(RuntimeError, match="power cut"):
        sharpen(cut)
    monkeypatch.setattr(sharpening, "step", step)
    resumed = pd.read_csv(sharpen(Settings(tiny.run, cut.out, resume=True)) / "sharpening.csv")
    pd.testing.assert_frame_equal(resumed, whole, check_exact=True)


def test_a_sharpening_goes_on_with_its_model_and_its_settings_alone(tiny: Settings, tmp_path: Path) -> None:
    begun_with = replace(tiny, out=sharpen(tiny))
    with pytest.raises(UserError, match="began with --steps 12, not 99"):
        sharpen(replace(begun_with, steps=99, resume=True))
    shutil.copytree(tiny.run, tmp_path / "other")
    runs.write_config(tmp_path / "other", runs.read_config(tiny.run) | {"focus": 0.5})
    with pytest.raises(UserError, match="began with another model"):
        sharpen(replace(begun_with, run=tmp_path / "other", resume=True))


def test_a_folder_is_replaced_only_by_force_and_only_if_it_is_ours(tiny: Settings, tmp_path: Path) -> None:
    sharpen(tiny)
    with pytest.raises(UserError, match="exists"):
        sharpen(tiny)
    sharpen(replace(tiny, force=True))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="exists"):
        sharpen(replace(tiny, out=tmp_path / "mine", force=True))
    assert (tmp_path / "mine" / "notes.txt").exists()


def test_a_sharpened_run_is_not_sharpened_again(tiny: Settings, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="sharpened already"):
        sharpen(replace(tiny, run=sharpen(tiny), out=tmp_path / "again"))


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch": 3}, {"lr": 0.0}, {"perceptual": -1.0}, {"save_every": 3}])
def test_impossible_settings_are_one_sentence(tiny: Settings, wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match="expected"):
        sharpen(replace(tiny, **wrong))  # type: ignore[arg-type]
    assert tiny.out is not None and not tiny.out.exists()


def test_nothing_to_resume_is_one_sentence(tiny: Settings) -> None:
    with pytest.raises(UserError, match="nothing to resume"):
        sharpen(replace(tiny, resume=True))


def test_the_same_picture_has_the_same_features() -> None:
    features = begun(Features, (), 0, torch.device("cpu"))
    x = torch.rand(4, 3, 64, 64)
    assert perceptual(features, x, x, x.device) == 0
    assert perceptual(features, x, x.flip(3), x.device) > 0


def test_a_discriminator_judges_patches() -> None:
    assert Discriminator()(torch.rand(2, 3, 64, 64)).shape == (2, 1, 8, 8)


def test_a_model_without_its_degrees_cannot_be_sharpened() -> None:
    with pytest.raises(UserError, match=r"model.pretrained: holds no degrees\.csv"):
        sharpen(Settings(runs.PRETRAINED))
