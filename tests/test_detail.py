"""The detail that a decoder leaves out: drawn as theory says, the same at every degree, learned beside the model."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor

from model import detailing, runs
from model.detail import Settings
from model.detailing import learn_detail
from model.diffusion import LEFT_OUT, MOST, Detail, noise_levels, noise_of
from shell import UserError


@pytest.fixture
def tiny(drawn_run: Path, tmp_path: Path) -> Settings:
    return Settings(drawn_run, tmp_path / "detail", steps=12, batch=8, ema=0.5, log_every=2, save_every=4)


@pytest.fixture
def detailed(tiny: Settings) -> runs.SmileModel:
    return runs.load(learn_detail(tiny))


# ---- the net


def test_an_untaught_net_draws_a_gaussian_of_the_detail_that_is_left_out() -> None:
    noise = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        drawn = Detail().draw(torch.zeros_like(noise), noise, steps=40)
    exact = noise * MOST * LEFT_OUT / (MOST**2 + LEFT_OUT**2) ** 0.5  # the path's end, where data are Gaussian
    torch.testing.assert_close(drawn, exact, rtol=0.01, atol=1e-4)


class TwoPictures(Detail):
    """Knows exactly what is left out: a grey of +0.03 or of -0.03, each as often."""

    def forward(self, noisy: Tensor, y: Tensor, sigma: Tensor) -> Tensor:
        evidence = 0.03 * noisy.sum((1, 2, 3), keepdim=True) / sigma[:, None, None, None] ** 2
        return 0.03 * evidence.tanh().expand_as(noisy)


def test_from_noise_to_one_of_the_things_that_may_be_left_out() -> None:
    noise = torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    drawn = TwoPictures().draw(torch.zeros_like(noise), noise)
    torch.testing.assert_close(drawn.abs(), torch.full_like(drawn, 0.03))
    share = (drawn[:, 0, 0, 0] > 0).float().mean()
    assert 0.3 < share < 0.7


def test_noise_falls_to_none() -> None:
    levels = noise_levels(6)
    assert levels[0] == pytest.approx(MOST) and levels[-1] == 0
    assert (levels.diff() < 0).all()


# ---- the noise


def test_noise_is_the_faces_own_the_same_at_every_degree_and_unlike_that_of_others(drawn_run: Path) -> None:
    model = runs.load(drawn_run)
    z = model.identities(64, 0)
    noise = noise_of(z, model.latent, model.size)
    assert noise.shape == (64, 3, 16, 16)
    assert noise.std().item() == pytest.approx(1, abs=0.02) and noise.mean().item() == pytest.approx(0, abs=0.1)
    for degree in (-3.0, 0.0, 1.0):
        torch.testing.assert_close(noise_of(model.at(z, degree), model.latent, model.size), noise, rtol=1e-3, atol=1e-3)
    alike = torch.corrcoef(noise.flatten(1)) - torch.eye(64)
    assert alike.abs().max() < 0.99
    near = noise_of(z + 1e-3, model.latent, model.size)
    assert (near - noise).abs().max() < 0.1


# ---- the model


def test_new_faces_get_detail_and_nothing_else_changes(drawn_run: Path, detailed: runs.SmileModel) -> None:
    plain = runs.load(drawn_run)
    z = plain.identities(3, 0)
    assert plain.detail is None and torch.equal(plain.picture(z), plain.decode(z))
    assert torch.equal(detailed.decode(z), plain.decode(z))
    assert not torch.equal(detailed.picture(z), plain.picture(z))
    assert torch.equal(detailed.sample(0.5, 2, 0), detailed.picture(detailed.at(z[:2], 0.5)))
    assert plain.hash != detailed.hash == runs.load(detailed.folder).hash


def test_face_i_of_a_seed_is_the_same_whatever_the_count(detailed: runs.SmileModel) -> None:
    torch.testing.assert_close(detailed.sample(0.0, 70, 0)[:2], detailed.sample(0.0, 2, 0), rtol=0, atol=2 / 255)


def test_a_damaged_file_is_one_sentence(detailed: runs.SmileModel) -> None:
    (detailed.folder / runs.DETAIL).write_bytes(b"no")
    with pytest.raises(UserError, match=r"detail\.safetensors: does not hold this run's model"):
        runs.load(detailed.folder)


# ---- the training


def test_a_resumed_training_ends_as_one_never_stopped(tiny: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pd.read_csv(learn_detail(tiny) / "detail.csv")
    step = detailing.training_step

    def power_cut(state: detailing.State, *rest: object) -> None:
        if state.step == 6:
            raise RuntimeError("power cut")
        step(state, *rest)  # type: ignore[arg-type]

    cut = replace(tiny, out=tiny.out.with_name("cut"))  # type: ignore[union-attr]
    monkeypatch.setattr(detailing, "training_step", power_cut)
    with pytest.raises(RuntimeError, match="power cut"):
        learn_detail(cut)
    with pytest.raises(UserError, match=rf"not finished; python -m model.detail --run \S+ --out {cut.out} --resume"):
        runs.load(cut.out)
    monkeypatch.setattr(detailing, "training_step", step)
    resumed = pd.read_csv(learn_detail(Settings(tiny.run, cut.out, resume=True)) / "detail.csv")
    pd.testing.assert_frame_equal(resumed, whole, check_exact=True)


def test_a_training_goes_on_with_its_model_and_its_settings_alone(tiny: Settings, tmp_path: Path) -> None:
    begun_with = replace(tiny, out=learn_detail(tiny))
    with pytest.raises(UserError, match="began with --steps 12, not 99"):
        learn_detail(replace(begun_with, steps=99, resume=True))
    assert tiny.run is not None
    shutil.copytree(tiny.run, tmp_path / "other")
    runs.write_config(tmp_path / "other", runs.read_config(tiny.run) | {"focus": 0.5})
    with pytest.raises(UserError, match="began with another model"):
        learn_detail(replace(begun_with, run=tmp_path / "other", resume=True))


def test_a_folder_is_replaced_only_by_force_and_only_if_it_is_ours(tiny: Settings, tmp_path: Path) -> None:
    learn_detail(tiny)
    with pytest.raises(UserError, match="exists"):
        learn_detail(tiny)
    learn_detail(replace(tiny, force=True))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="exists"):
        learn_detail(replace(tiny, out=tmp_path / "mine", force=True))
    assert (tmp_path / "mine" / "notes.txt").exists()


def test_detail_is_not_learned_twice(detailed: runs.SmileModel, tiny: Settings) -> None:
    with pytest.raises(UserError, match="has its detail already"):
        learn_detail(replace(tiny, run=detailed.folder, out=None))


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch": 0}, {"lr": 0.0}, {"ema": 1.0}, {"save_every": 3}])
def test_impossible_settings_are_one_sentence(tiny: Settings, wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match="expected"):
        learn_detail(replace(tiny, **wrong))  # type: ignore[arg-type]
    assert tiny.out is not None and not tiny.out.exists()


def test_a_model_whose_faces_are_not_here_is_one_sentence(
    tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="data/utkface: no image set here"):
        learn_detail(replace(tiny, run=runs.PRETRAINED))
    assert tiny.out is not None and not tiny.out.exists()


def test_nothing_to_resume_is_one_sentence(tiny: Settings) -> None:
    with pytest.raises(UserError, match="nothing to resume"):
        learn_detail(replace(tiny, resume=True))
