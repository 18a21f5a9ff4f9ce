"""The network, its loss and its latent space."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from model import cvae
from model.cvae import CVAE
from model.latent import Latent, fit_latent, with_readout
from model.networks import GroupNorm, Residual, channels

B, S, Z = 6, 16, 8


@pytest.fixture
def network() -> CVAE:
    torch.manual_seed(0)
    return CVAE(S, Z, width=16)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_kl_is_that_of_torch_distributions(seed: int) -> None:
    torch.manual_seed(seed)
    mu, log_var, prior_mu = torch.randn(B, Z), torch.randn(B, Z), torch.randn(B, Z)
    ours = cvae.kl_divergence(mu, log_var, prior_mu)
    theirs = kl_divergence(Normal(mu, (0.5 * log_var).exp()), Normal(prior_mu, 1.0)).sum(1)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_kl_of_the_prior_with_itself_is_zero() -> None:
    assert cvae.kl_divergence(torch.full((1, Z), 3.0), torch.zeros(1, Z), 3.0).item() == 0


def test_loss_is_the_sum_of_its_terms_worked_out_by_hand(network: CVAE) -> None:
    x, c, noise = torch.rand(B, 3, S, S), torch.linspace(-1, 1, B), torch.randn(B, Z)
    terms = network.terms(x, c, noise)
    mu, log_var = network.encoder(x)
    z = mu + log_var.exp().sqrt() * noise
    mse = (network.decoder(z) - x).square().mean()
    kl = kl_divergence(Normal(mu, (0.5 * log_var).exp()), Normal(network.prior(c[:, None]), 1.0)).sum(1).mean()
    smile = 100 * (network.smile(z)[:, 0] - c).square().mean()
    torch.testing.assert_close(terms.loss, 3 * S * S / 2 * mse.log() + kl + smile)


def test_reconstruction_term_is_the_likelihood_at_the_best_variance() -> None:
    network, x = CVAE(S, Z, width=16, kind="ae"), torch.rand(B, 3, S, S)
    terms = network.terms(x, torch.zeros(B), torch.zeros(B, Z))
    error = network(x, torch.zeros(B, Z))[0] - x
    best = -Normal(0.0, error.square().mean().sqrt()).log_prob(error).sum() / B
    torch.testing.assert_close(best, terms.loss + 3 * S * S / 2 * (1 + math.log(2 * math.pi)))
    for factor in (0.9, 1.1):
        assert -Normal(0.0, factor * terms.mse.sqrt()).log_prob(error).sum() / B > best


@pytest.mark.parametrize("kind", ["ae", "vae", "cvae"])
def test_kinds_differ_in_exactly_their_terms(kind: cvae.Kind) -> None:
    network = CVAE(S, Z, width=16, kind=kind)
    terms = network.terms(torch.rand(B, 3, S, S), torch.zeros(B), torch.randn(B, Z))
    assert (terms.kl > 0) == (kind != "ae")
    assert (terms.smile > 0) == (kind == "cvae")


def test_an_autoencoder_takes_no_notice_of_noise() -> None:
    network, x = CVAE(S, Z, width=16, kind="ae"), torch.rand(B, 3, S, S)
    torch.testing.assert_close(network(x, torch.zeros(B, Z))[0], network(x, torch.ones(B, Z))[0])


def test_an_autoencoder_has_no_variance() -> None:
    x = torch.rand(3, 3, 16, 16)
    for kind in ("ae", "vae"):
        mean, variance = CVAE(16, 4, 16, kind).posterior(x)  # type: ignore[arg-type]
        assert mean.shape == variance.shape == (3, 4) and variance.bool().all() == (kind == "vae")


def test_an_unknown_degree_teaches_nothing_of_the_smile(network: CVAE) -> None:
    unknown = torch.full((B,), torch.nan)
    network.terms(torch.rand(B, 3, S, S), unknown, torch.randn(B, Z)).loss.backward()
    assert network.smile.weight.grad is not None and network.smile.weight.grad.abs().max() == 0


def test_channels_are_normalised_in_float32_whatever_the_convolutions_are_in() -> None:
    torch.manual_seed(0)
    norm, x = GroupNorm(8, 16), torch.randn(B, 16, S, S, dtype=torch.bfloat16)
    torch.testing.assert_close(norm(x), torch.nn.functional.group_norm(x.float(), 8))


def test_every_parameter_is_taught(network: CVAE) -> None:
    for module in network.modules():
        if isinstance(module, Residual):
            torch.nn.init.normal_(module.conv_2.weight, std=0.1)  # at zero it hides what lies before it
    network.prior.weight.data.fill_(0.1)
    c = torch.linspace(-1, 1, B)
    network.terms(torch.rand(B, 3, S, S), c, torch.randn(B, Z)).loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("size", [8, 16, 64, 128])
def test_pictures_come_back_in_their_size(size: int) -> None:
    recon, z, mu, log_var = CVAE(size, Z, width=16)(torch.rand(2, 3, size, size), torch.zeros(2, Z))
    assert recon.shape == (2, 3, size, size) and z.shape == mu.shape == log_var.shape == (2, Z)


@pytest.mark.parametrize("size", [0, 4, 50, 96])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        channels(size, 32)


@pytest.fixture
def faces() -> tuple[torch.Tensor, torch.Tensor]:
    """Latents of 4,000 faces: the first axis tells the smile and some of an attribute, the second the attribute."""
    generator = torch.Generator().manual_seed(0)
    smile, attribute = torch.randn(2, 4000, generator=generator).double()
    mu = 0.3 * torch.randn(4000, Z, generator=generator).double()
    mu[:, 0] += smile + 0.5 * attribute
    mu[:, 1] += attribute
    return mu, torch.stack([smile, attribute], 1)


@pytest.fixture
def latent(faces: tuple[torch.Tensor, torch.Tensor]) -> Latent:
    mu, attributes = faces
    return fit_latent([(mu, torch.full_like(mu, 0.01), attributes)])


def test_moving_by_d_moves_the_smile_by_d_and_what_is_held_by_nothing(latent: Latent) -> None:
    z = torch.randn(5, Z)
    moved = latent.move(z, 0.7)
    change = (moved - z) @ latent.readout.T
    torch.testing.assert_close(change[:, 0], torch.full((5,), 0.7), atol=1e-5, rtol=0)
    torch.testing.assert_close(change[:, 1], torch.zeros(5), atol=1e-5, rtol=0)


def test_a_read_out_fitted_to_what_is_drawn_finds_it_and_holds_what_was_held(latent: Latent) -> None:
    z = latent.draw(torch.randn(4000, Z, generator=torch.Generator().manual_seed(1)))
    shown = 0.5 * (z - latent.mean)[:, 2] + 0.2  # the decoder draws the smile along another axis
    found = with_readout(latent, z, shown)
    torch.testing.assert_close(found.read(z), shown, atol=0.02, rtol=0)
    change = (found.move(z, 1.0) - z)[:1]
    torch.testing.assert_close(0.5 * change[:, 2], torch.ones(1), atol=0.05, rtol=0)
    torch.testing.assert_close(change @ latent.readout[1], torch.zeros(1), atol=1e-4, rtol=0)


def test_at_a_degree_the_read_out_says_that_degree(latent: Latent) -> None:
    z = latent.draw(torch.randn(5, Z))
    degrees = torch.linspace(-3, 3, 5)
    torch.testing.assert_close(latent.read(latent.at(z, degrees)), degrees, atol=1e-5, rtol=0)


def test_the_direction_does_not_carry_the_attribute_that_the_smile_comes_with(latent: Latent) -> None:
    smile_axis, attribute_axis = latent.direction[0, 0], latent.direction[1, 0]
    assert smile_axis > 0.8
    assert abs(attribute_axis) < 0.1


def test_the_prior_has_the_mean_and_covariance_of_the_encoders_samples(
    latent: Latent, faces: tuple[torch.Tensor, torch.Tensor]
) -> None:
    mu, _ = faces
    expected = torch.cov(mu.T, correction=0) + 0.01 * torch.eye(Z)
    covariance = MultivariateNormal(latent.mean, scale_tril=latent.factor).covariance_matrix.double()
    torch.testing.assert_close(covariance, expected, atol=2e-3, rtol=1e-2)
    torch.testing.assert_close(latent.mean.double(), mu.mean(0), atol=1e-6, rtol=0)


def test_without_attributes_there_is_a_prior_and_no_direction(faces: tuple[torch.Tensor, torch.Tensor]) -> None:
    mu, _ = faces
    latent = fit_latent([(mu, torch.zeros_like(mu), torch.empty(len(mu), 0))])
    assert latent.direction.shape == (Z, 0)
    assert latent.draw(torch.randn(3, Z)).shape == (3, Z)


def test_an_attribute_that_never_varies_moves_nothing(faces: tuple[torch.Tensor, torch.Tensor]) -> None:
    mu, attributes = faces
    constant = torch.cat([attributes, torch.ones(len(mu), 1)], 1)
    expected = fit_latent([(mu, torch.full_like(mu, 0.01), attributes)]).direction
    found = fit_latent([(mu, torch.full_like(mu, 0.01), constant)]).direction
    torch.testing.assert_close(found[:, :2], expected, atol=1e-5, rtol=0)


def test_unknown_attributes_are_left_out(faces: tuple[torch.Tensor, torch.Tensor]) -> None:
    mu, attributes = faces
    gaps = attributes.clone()
    gaps[::2, 1] = torch.nan
    some = fit_latent([(mu, torch.full_like(mu, 0.01), gaps)])
    assert some.direction.isfinite().all()
    assert np.isclose(some.readout[1, 1].item(), 1.0, atol=0.2)


def test_faces_in_parts_give_what_the_formulas_give_of_all_at_once(faces: tuple[torch.Tensor, torch.Tensor]) -> None:
    mu, attributes = faces[0] + 100, faces[1] + 2000  # far from zero, as a year of birth would be
    attributes[:700, 0] = torch.nan  # of the first part nothing is known
    attributes[1::3, 1] = torch.nan
    variance = torch.rand_like(mu)
    found = fit_latent(zip(*(t.split(500) for t in (mu, variance, attributes)), strict=True))
    covariance = torch.cov(mu.T, correction=0) + variance.mean(0).diag()
    covariance += 1e-3 * covariance.diag().mean() * torch.eye(Z)
    known = attributes.isfinite()
    offset = attributes.nanmean(0)
    deviation = torch.where(known, attributes - offset, 0)
    cross = (mu - mu.mean(0)).T @ deviation / known.sum(0)
    readout = torch.linalg.solve(covariance, cross).T
    expected = Latent(
        mu.mean(0), torch.linalg.cholesky(covariance), readout, offset, cross @ torch.linalg.inv(readout @ cross)
    )
    for name, tensor in vars(expected).items():
        torch.testing.assert_close(getattr(found, name).double(), tensor, atol=1e-5, rtol=1e-5)


def test_the_smiles_of_faces_have_the_mean_and_deviation_that_are_told(latent: Latent) -> None:
    read = latent.read(latent.draw(torch.randn(20_000, Z, generator=torch.Generator().manual_seed(1))))
    assert latent.smiles == pytest.approx((read.mean().item(), read.std().item()), abs=0.02)
