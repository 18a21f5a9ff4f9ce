"""Latents that are faces: exact where theory has the answer, one person at every degree, degrees fitted anew."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model import runs
from model.flow import LEAST, MOST, Denoiser, Flow, noise_levels
from model.latent import Latent, fit_latent
from model.prior import Settings
from model.prior_lesson import PriorLesson
from model.supplementing import learn
from shell import UserError

Z = 6


@pytest.fixture(scope="module")
def latent() -> Latent:
    """Of latents that vary together, with two read-outs."""
    generator = torch.Generator().manual_seed(0)
    mu = torch.randn(500, Z, generator=generator) @ torch.randn(Z, Z, generator=generator) + 2
    attributes = torch.stack([mu[:, 0] + 0.3 * mu[:, 1], mu[:, 1] - mu[:, 2]], 1) / 4
    return fit_latent([(mu, torch.full_like(mu, 0.01), attributes)])


@pytest.fixture
def noise() -> Tensor:
    return torch.randn(40, Z, generator=torch.Generator().manual_seed(1))


class TwoKinds(Denoiser):
    """Knows exactly what faces are: x is +2 or -2 in its last dimension, each as often, and Gaussian in the others."""

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        found = noisy / (1 + sigma**2)[:, None]
        found[:, -1] = 2 * (2 * noisy[:, -1] / sigma**2).tanh()
        return found


# ---- the flow


def test_untaught_it_draws_and_moves_as_the_gaussian_does(latent: Latent, noise: Tensor) -> None:
    flow = Flow(Denoiser(Z, 8).eval().requires_grad_(False), latent)
    z = flow.draw(noise)
    torch.testing.assert_close(latent.whitened(z), noise, rtol=0.01, atol=0.02)
    moved = latent.at(z, 0.7)
    torch.testing.assert_close(latent.whitened(flow.at(z, 0.7)), latent.whitened(moved), rtol=0.01, atol=0.02)


def test_between_two_kinds_of_faces_it_draws_none(latent: Latent, noise: Tensor) -> None:
    kind = latent.whitened(Flow(TwoKinds(Z, 8), latent).draw(noise))[:, -1]
    torch.testing.assert_close(kind.abs(), torch.full_like(kind, 2.0), rtol=0.02, atol=0)
    assert 0.3 < (kind > 0).float().mean() < 0.7


@pytest.mark.parametrize("net", [Denoiser, TwoKinds])
def test_a_face_has_the_smile_that_is_asked_for_and_keeps_the_other_readouts(
    net: type[Denoiser], latent: Latent, noise: Tensor
) -> None:
    flow = Flow(net(Z, 8).requires_grad_(False), latent)
    z = flow.draw(noise)
    degrees = torch.linspace(-1, 1, len(z))
    moved = flow.at(z, degrees)
    torch.testing.assert_close(latent.read(moved), degrees, atol=1e-3, rtol=0)
    torch.testing.assert_close((moved - z) @ latent.readout[1], torch.zeros(len(z)), atol=1e-3, rtol=0)


def test_a_face_at_its_own_smile_is_itself_and_comes_back_from_others(latent: Latent, noise: Tensor) -> None:
    flow = Flow(TwoKinds(Z, 8), latent)
    z = flow.draw(noise)
    own = latent.read(z)
    for back in (flow.at(z, own), flow.at(flow.at(z, 0.5), own)):
        torch.testing.assert_close(latent.whitened(back), latent.whitened(z), atol=0.05, rtol=0.02)


def test_noise_falls() -> None:
    levels = noise_levels(6)
    assert levels[0].item() == pytest.approx(MOST) and levels[-1].item() == pytest.approx(LEAST)
    assert (levels.diff() < 0).all()


# ---- the model


@pytest.fixture
def settings(drawn_run: Path, tmp_path: Path) -> Settings:
    quick = Settings(steps=12, batch=8, ema=0.5, log_every=2, save_every=4, width=16)
    return replace(quick, run=drawn_run, out=tmp_path / "whole")


@pytest.fixture
def whole(settings: Settings) -> runs.SmileModel:
    return runs.load(learn(settings, PriorLesson))


def test_new_faces_change_and_given_ones_do_not(drawn_run: Path, whole: runs.SmileModel) -> None:
    plain = runs.load(drawn_run)
    z = plain.identities(3)
    assert not torch.equal(whole.identities(3), z)
    assert torch.equal(whole.turned(z, 0.5), plain.turned(z, 0.5)) and torch.equal(whole.decode(z), plain.decode(z))
    assert whole.hash != plain.hash
    torch.testing.assert_close(whole.read(whole.at(whole.identities(3), 0.5)), torch.full((3,), 0.5), atol=1e-3, rtol=0)


def test_face_i_of_a_seed_is_the_same_whatever_the_count(whole: runs.SmileModel) -> None:
    torch.testing.assert_close(whole.sample(0.0, 70, 0)[:2], whole.sample(0.0, 2, 0), rtol=0, atol=2 / 255)


def test_truncation_draws_faces_nearer_to_the_mean(whole: runs.SmileModel) -> None:
    far, near = (whole.latent.whitened(whole.identities(32, truncation=t)).square().mean() for t in (1.0, 0.5))
    assert near < 0.5 * far


def test_degrees_of_a_refined_run_are_fitted_anew(settings: Settings, tmp_path: Path) -> None:
    assert settings.run is not None
    shutil.copytree(settings.run, tmp_path / "refined")
    runs.write_config(tmp_path / "refined", runs.read_config(settings.run) | {"refine": True})
    before = runs.load(tmp_path / "refined")
    after = runs.load(learn(replace(settings, run=tmp_path / "refined"), PriorLesson))
    assert not torch.equal(after.latent.readout[0], before.latent.readout[0])
    assert torch.equal(after.latent.readout[1:], before.latent.readout[1:])
    assert torch.equal(after.latent.factor, before.latent.factor)
    plain = runs.load(learn(replace(settings, out=tmp_path / "plain"), PriorLesson))
    assert torch.equal(plain.latent.readout, before.latent.readout)


def test_a_damaged_file_is_one_sentence(whole: runs.SmileModel) -> None:
    (whole.folder / "prior.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match=r"prior\.safetensors: does not hold this run's model"):
        runs.load(whole.folder)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"dropout": 1.0}])
def test_impossible_settings_are_one_sentence(settings: Settings, wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match="--width"):
        learn(replace(settings, **wrong), PriorLesson)  # type: ignore[arg-type]
    assert settings.out is not None and not settings.out.exists()
