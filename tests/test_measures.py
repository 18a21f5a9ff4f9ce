"""Measures against answers worked out by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import measures
from model.measures import Floats


def unit(vectors: Floats) -> Floats:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def exact(mean: list[float], deviations: list[float], count: int = 400) -> Floats:
    """Points whose mean and covariance are exactly these, the axes uncorrelated."""
    raw = np.random.default_rng(0).normal(size=(count, len(mean)))
    raw -= raw.mean(0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw.T))).T
    return white * deviations + mean


def test_frechet_distance_of_known_gaussians() -> None:
    a, b = exact([0, 0], [1, 2]), exact([3, 4], [2, 5])
    # |mean|^2 = 25 and (1 - 2)^2 + (2 - 5)^2 where the covariances commute
    assert measures.frechet(a, b) == pytest.approx(25 + 1 + 9)
    assert measures.frechet(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_correlated_gaussians_is_the_formula_by_another_root() -> None:
    from scipy.linalg import sqrtm

    random = np.random.default_rng(1)
    a, b = (random.normal(size=(300, 3)) @ random.normal(size=(3, 3)) for _ in range(2))
    first, second = np.cov(a.T), np.cov(b.T)
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(first + second - 2 * sqrtm(first @ second).real)
    assert measures.frechet(a, b) == pytest.approx(expected)


def test_the_floor_foretells_the_distance_of_larger_samples_of_one_population() -> None:
    random = np.random.default_rng(0)
    real = random.normal(size=(600, 8))
    floor = measures.frechet_floor(real, count=1200)
    larger = [measures.frechet(random.normal(size=(1200, 8)), random.normal(size=(1200, 8))) for _ in range(20)]
    assert floor == pytest.approx(np.mean(larger), rel=0.25)


def test_principal_components_keep_at_most_a_tenth_of_the_faces_and_64() -> None:
    random = np.random.default_rng(0)
    assert measures.principal_components(random.normal(size=(100, 128)))[1].shape == (128, 10)
    mean, axes = measures.principal_components(random.normal(size=(1000, 128)))
    assert axes.shape == (128, 64) and mean.shape == (128,)
    np.testing.assert_allclose(axes.T @ axes, np.eye(64), atol=1e-9)


def test_all_of_a_hundred_are_no_proof_of_always() -> None:
    low, high = measures.share_interval(100, 100)
    assert low == pytest.approx(0.025 ** (1 / 100)) and high == 1
    assert measures.share_interval(0, 8)[0] == 0


def test_ssim_and_psnr_of_a_picture_with_itself() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_allclose(measures.ssim(pictures, pictures), 1)
    np.testing.assert_allclose(measures.psnr(pictures, pictures), 99)


def test_ssim_of_flat_pictures_is_that_of_their_light() -> None:
    a, b = np.full((1, 32, 32, 3), 51, np.uint8), np.full((1, 32, 32, 3), 102, np.uint8)
    assert measures.ssim(a, b)[0] == pytest.approx((2 * 0.2 * 0.4 + 1e-4) / (0.2**2 + 0.4**2 + 1e-4))


def test_psnr_of_an_error_of_a_tenth_is_20_db() -> None:
    a = np.full((2, 8, 8, 3), 100, np.uint8)
    error = 25.5
    assert measures.psnr(a, a + np.uint8(25))[0] == pytest.approx(20 + 20 * np.log10(error / 25))


def test_energy_of_stripes_and_of_nothing() -> None:
    stripes = np.zeros((2, 8, 8, 3), np.uint8)
    stripes[0, :, ::2] = 255  # every step to the right is 1, no step down
    np.testing.assert_allclose(measures.energy(stripes), [0.5, 0])


def test_monotone_to_within_a_tolerance() -> None:
    sweeps = np.array([[0, 1, 2.0], [0, 1, 0.95], [0, 1, 0.5], [0, 1, 1]])
    assert measures.monotone_share(sweeps) == 0.5
    assert measures.monotone_share(sweeps, 0.1) == 0.75
    # small falls add up: what counts is how far below the highest reading before
    assert measures.monotone_share(np.array([[1, 0.9, 0.8, 0.7]]), 0.15) == 0


def test_slope_and_largest_step_of_straight_and_sudden_sweeps() -> None:
    degrees = np.linspace(-1, 1, 9)
    straight = np.stack([0.5 * degrees + 3, 1.5 * degrees])
    assert measures.slope(straight, degrees) == pytest.approx(1)
    assert measures.largest_step(straight) == pytest.approx(1 / 8)
    sudden = np.where(degrees > 0.1, 1.0, 0.0)[None]
    assert measures.largest_step(sudden) == 1
    assert np.isnan(measures.largest_step(-straight))


def test_spread_is_the_mean_distance_of_different_faces() -> None:
    faces = np.array([[1.0, 0], [0, 1], [-1, 0]])
    apart = measures.distances(faces)
    assert measures.spread(apart) == pytest.approx((2 * np.sqrt(2) + 2) / 3)
    # a face that was drawn twice is not compared with itself
    assert measures.spread(apart, np.array([0, 0, 1])) == pytest.approx(np.sqrt(2))


@given(st.integers(0, 1000))
def test_distances_are_those_between_the_vectors(seed: int) -> None:
    vectors = unit(np.random.default_rng(seed).normal(size=(5, 4)))
    expected = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.testing.assert_allclose(measures.distances(vectors), expected, atol=1e-7)


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(0).normal(size=400)
    low, high = measures.interval(lambda i: float(values[i].mean()), 400, 2000)
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.1)


def test_a_centred_interval_lies_around_what_resampling_biases() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(200, 5)), random.normal(size=(200, 5))
    value = measures.frechet(a, b)
    raw_low, _ = measures.interval(lambda i: measures.frechet(a[i], b), 200, 100)
    low, high = measures.interval(lambda i: measures.frechet(a[i], b), 200, 100, centred=value)
    assert low < value < high
    assert low < raw_low


def test_area_under_curve_counts_pairs() -> None:
    scores, positive = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True])
    assert measures.area_under_curve(scores, positive) == (1 + 0.5 + 1 + 1) / 4
    assert np.isnan(measures.area_under_curve(scores, np.ones(4, bool)))


def test_top_1_finds_the_nearest() -> None:
    gallery = np.eye(3)
    queries = unit(np.array([[1, 0.1, 0], [1, 0.5, 0], [0, 0, 1.0]]))
    assert measures.top_1(queries, gallery).tolist() == [True, False, True]


def test_calibration_reads_a_label_where_the_other_regression_shrinks_it() -> None:
    random = np.random.default_rng(0)
    labels = random.uniform(-1, 1, 4000)
    readings = 5 + 10 * labels + random.normal(0, 10, 4000)
    a, b = measures.calibration(readings, labels)
    mapped = (readings - a) / b
    assert mapped[labels > 0.8].mean() == pytest.approx(0.9, abs=0.1)
    assert np.polyfit(labels, mapped, 1)[0] == pytest.approx(1)
    assert np.polyfit(readings, labels, 1)[0] * b < 0.5  # what the regression of labels on readings would leave
    assert measures.calibrated_error(readings, labels) == pytest.approx(1, rel=0.05)


def test_explained_variance_of_the_truth_and_of_its_mean() -> None:
    truth = np.arange(10.0)
    assert measures.explained(truth, truth) == 1
    assert measures.explained(np.full(10, truth.mean()), truth) == pytest.approx(0)


@pytest.mark.parametrize("measure", [measures.energy, lambda x: measures.psnr(x, x), lambda x: measures.ssim(x, x)])
def test_pictures_in_0_to_1_are_not_taken_for_bytes(measure: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError, match="uint8"):
        measure(np.ones((1, 8, 8, 3)))
