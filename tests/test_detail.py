"""The detail that a decoder leaves out: drawn as theory says, the same at every degree, learned beside the model."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from model import smile_model
from model.detail import Settings
from model.detail_lesson import DetailLesson
from model.detail_net import LEAST, LEFT_OUT, MOST, Detail, drawn_levels, noise_levels, noise_of
from model.lessons import learn
from shell import UserError


@pytest.fixture
def detailed(drawn_run: Path, tmp_path: Path) -> smile_model.SmileModel:
    settings = Settings(drawn_run, tmp_path / "detail", steps=12, batch=8, ema=0.5, log_every=2, save_every=4)
    return smile_model.load(learn(settings, DetailLesson))


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
    model = smile_model.load(drawn_run)
    z = model.identities(64, 0)
    noise = noise_of(z, model.latent, model.size)
    assert noise.shape == (64, 3, 16, 16)
    assert noise.std().item() == pytest.approx(1, abs=0.02) and noise.mean().item() == pytest.approx(0, abs=0.1)
    for degree in (-3.0, 0.0, 1.0):
        torch.testing.assert_close(noise_of(model.at(z, degree), model.latent, model.size), noise, rtol=1e-3, atol=1e-3)
    alike = torch.corrcoef(noise.flatten(1)) - torch.eye(64)
    assert alike.abs().max() < 0.99 and alike.abs().mean() < 0.4
    near = noise_of(z + 1e-3, model.latent, model.size)
    assert (near - noise).abs().max() < 0.1


# ---- the model


def test_new_faces_get_detail_and_nothing_else_changes(drawn_run: Path, detailed: smile_model.SmileModel) -> None:
    plain = smile_model.load(drawn_run)
    z = plain.identities(3, 0)
    assert plain.detail is None and torch.equal(plain.picture(z), plain.decode(z))
    assert torch.equal(detailed.decode(z), plain.decode(z))
    assert not torch.equal(detailed.picture(z), plain.picture(z))
    assert torch.equal(detailed.sample(0.5, 2, 0), detailed.picture(detailed.at(z[:2], 0.5)))
    assert plain.hash != detailed.hash == smile_model.load(detailed.folder).hash


def test_face_i_of_a_seed_is_the_same_whatever_the_count(detailed: smile_model.SmileModel) -> None:
    torch.testing.assert_close(detailed.sample(0.0, 70, 0)[:2], detailed.sample(0.0, 2, 0), rtol=0, atol=2 / 255)


def test_a_damaged_file_is_one_sentence(detailed: smile_model.SmileModel) -> None:
    (detailed.folder / "detail.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match=r"detail\.safetensors: does not hold this run's model"):
        smile_model.load(detailed.folder)


def test_it_learns_at_noise_around_the_detail_that_is_left_out() -> None:
    levels = drawn_levels(10_000, torch.Generator().manual_seed(0))
    assert levels.median().item() == pytest.approx(0.6 * LEFT_OUT, rel=0.05)
    assert levels.min() >= LEAST / 4 and levels.max() <= 2 * MOST
