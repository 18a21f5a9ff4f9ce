"""Latents that are faces: exact where theory has the answer, one person at every degree, degrees fitted anew."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model import flow as flow_module
from model import runs
from model.flow import Flow, Velocity, drawn_times
from model.latent import Latent, fit_latent
from model.prior import Settings
from model.prior_lesson import PriorLesson
from model.supplementing import learn
from shell import UserError

Z = 6
KIND, WITHIN = 0.9, 0.19**0.5  # of variance 1


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


class TwoKinds(Velocity):
    """Knows exactly what faces are: two Gaussians around +-KIND in the last dimension, in the others one."""

    def forward(self, u: Tensor, t: Tensor) -> Tensor:
        v = torch.zeros_like(u)
        cos, sin, last = t.cos(), t.sin().clamp(min=1e-3), u[:, -1]
        variance = WITHIN**2 * cos**2 + sin**2
        kind = KIND * (KIND * cos * last / variance).tanh()
        face = kind + WITHIN**2 * cos / variance * (last - kind * cos)  # the mean of x, given u
        v[:, -1] = (last * cos - face) / sin  # n cos - x sin, with n = (u - x cos) / sin
        return v


@pytest.fixture
def fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_module, "STEPS", 64)


# ---- the flow


def test_untaught_it_draws_and_moves_as_the_gaussian_does(latent: Latent, noise: Tensor) -> None:
    flow = Flow(Velocity(Z, 8).eval().requires_grad_(False), latent)
    z = flow.draw(noise)
    torch.testing.assert_close(latent.whitened(z), noise, rtol=0.01, atol=0.02)
    moved = latent.at(z, 0.7)
    torch.testing.assert_close(latent.whitened(flow.at(z, 0.7)), latent.whitened(moved), rtol=0.01, atol=0.02)


def drawn_by_theory(noise: Tensor) -> Tensor:
    """In one dimension noise (N,) becomes what has the same share of all below it: (N,)."""
    x = torch.linspace(-4, 4, 8001)
    below = (torch.special.ndtr((x - KIND) / WITHIN) + torch.special.ndtr((x + KIND) / WITHIN)) / 2
    return x[torch.searchsorted(below, torch.special.ndtr(noise))]


@pytest.mark.usefixtures("fine")
def test_noise_becomes_the_face_that_theory_says(latent: Latent, noise: Tensor) -> None:
    x = latent.whitened(Flow(TwoKinds(Z, 8), latent).draw(noise))
    torch.testing.assert_close(x[:, -1], drawn_by_theory(noise[:, -1]), atol=0.005, rtol=0)
    torch.testing.assert_close(x[:, :-1], noise[:, :-1], atol=1e-4, rtol=0)


def test_a_few_steps_come_near_it(latent: Latent, noise: Tensor) -> None:
    x = latent.whitened(Flow(TwoKinds(Z, 8), latent).draw(noise))
    assert (x[:, -1] - drawn_by_theory(noise[:, -1])).square().mean().sqrt() < 0.1


@pytest.mark.parametrize("net", [Velocity, TwoKinds])
def test_a_face_has_the_smile_that_is_asked_for_and_keeps_the_other_readouts(
    net: type[Velocity], latent: Latent, noise: Tensor
) -> None:
    flow = Flow(net(Z, 8).requires_grad_(False), latent)
    z = flow.draw(noise)
    degrees = torch.linspace(-1, 1, len(z))
    moved = flow.at(z, degrees)
    torch.testing.assert_close(latent.read(moved), degrees, atol=1e-3, rtol=0)
    torch.testing.assert_close((moved - z) @ latent.readout[1], torch.zeros(len(z)), atol=1e-3, rtol=0)


@pytest.mark.usefixtures("fine")
def test_a_face_at_its_own_smile_is_itself_and_comes_back_from_others(latent: Latent, noise: Tensor) -> None:
    flow = Flow(TwoKinds(Z, 8), latent)
    z = flow.draw(noise)
    own = latent.read(z)
    for back in (flow.at(z, own), flow.at(flow.at(z, 0.5), own)):
        torch.testing.assert_close(latent.whitened(back), latent.whitened(z), atol=0.02, rtol=0.02)


def test_the_same_faces_at_one_degree_after_the_other_are_as_if_each_were_the_first(
    latent: Latent, noise: Tensor
) -> None:
    net = TwoKinds(Z, 8)
    flow = Flow(net, latent)
    z = flow.draw(noise)
    first = [Flow(net, latent).at(faces, degree) for faces in (z, z[:7]) for degree in (-0.5, 0.5)]
    assert all(map(torch.equal, first, [flow.at(faces, degree) for faces in (z, z[:7]) for degree in (-0.5, 0.5)]))


def test_it_learns_at_all_times_between_face_and_noise() -> None:
    times = drawn_times(10_000, torch.Generator().manual_seed(0))
    assert times.min() > 0 and times.max() < torch.pi / 2
    assert times.tan().log().mean().item() == pytest.approx(-0.4, abs=0.05)


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
    taught_on, kept = (model.folder / "model.safetensors" for model in (before, after))
    assert taught_on.read_bytes() == kept.read_bytes()
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
