"""The smile reader, on drawn faces whose smile is known."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from data.drawn import draw, faces
from model import reader


@pytest.fixture(scope="module")
def known() -> tuple[np.ndarray, np.ndarray]:
    """300 drawn faces of 64 px and their true smiles."""
    some = list(faces(300, seed=1))
    return np.stack([draw(f.identity, f.true_smile, 64) for f in some]), np.array([f.true_smile for f in some])


def test_a_few_labels_teach_it_to_read_the_rest(known: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, smile = known
    labels = np.where(np.arange(300) < 180, np.sign(smile) * 0.6, np.nan)  # nearly binary, as people's labels are
    train = np.arange(300) < 240
    degrees, figures, _ = reader.read_smiles(pictures, labels, train, rounds=1, steps=100, seed=0)
    assert spearmanr(degrees[240:], smile[240:]).statistic > 0.8
    assert figures["labels"] == 180 and 0.7 < figures["ridge_cv_spearman"] <= 1


def test_labels_of_validation_faces_teach_nothing(known: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, smile = known
    train = np.arange(300) < 200
    lies = np.where(train, smile, -smile)
    true, *_ = reader.read_smiles(pictures, smile, train, rounds=1, steps=5, seed=0)
    told, *_ = reader.read_smiles(pictures, lies, train, rounds=1, steps=5, seed=0)
    np.testing.assert_array_equal(true, told)


def test_one_seed_gives_one_reading_and_leaves_the_global_seed_alone(known: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, smile = known
    train = np.ones(300, bool)
    before = torch.get_rng_state()
    a, *_ = reader.read_smiles(pictures, smile, train, rounds=1, steps=5, seed=3)
    assert torch.equal(before, torch.get_rng_state())
    b, *_ = reader.read_smiles(pictures, smile, train, rounds=1, steps=5, seed=3)
    np.testing.assert_array_equal(a, b)


def test_gradient_histograms_do_not_see_light_or_contrast() -> None:
    picture = np.random.default_rng(0).integers(0, 100, (1, 64, 64, 3), dtype=np.uint8)
    a, b = reader.gradient_histograms(picture), reader.gradient_histograms(picture * 2 + 10)
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_flat_picture_has_finite_features() -> None:
    assert np.isfinite(reader.gradient_histograms(np.zeros((2, 64, 64, 3), np.uint8))).all()


def test_ridge_leave_one_out_is_that_of_leaving_one_out() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(30, 5))
    labels = features @ rng.normal(size=5) + rng.normal(size=30)

    def error(penalty: float) -> float:
        left_out = []
        for i in range(30):
            f, y = np.delete(features, i, 0), np.delete(labels, i)
            centred = f - f.mean(0)
            weights = np.linalg.solve(centred.T @ centred + penalty * np.eye(5), centred.T @ (y - y.mean()))
            left_out.append(labels[i] - y.mean() - (features[i] - f.mean(0)) @ weights)
        return float(np.mean(np.square(left_out)))

    _, _, penalty = reader.fit_ridge(features, labels)
    assert penalty == min(reader.PENALTIES, key=error)
