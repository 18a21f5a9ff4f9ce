"""Copies of training faces among validation faces."""

import numpy as np

from model.copies import copied


def test_a_copy_is_found_brighter_smaller_and_mirrored_and_nothing_else() -> None:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 200, (6, 8, 8, 1), dtype=np.uint8).repeat(8, 1).repeat(8, 2).repeat(3, 3)
    copies = np.stack([coarse[0] + 30, coarse[1][:, ::-1], coarse[2] // 2])
    pictures = np.concatenate([coarse, copies])
    found = copied(pictures, np.array([3, 6, 4, 7, 8]), np.array([0, 1, 2, 5]))
    assert found.tolist() == [False, True, False, True, True]


def test_without_training_faces_nothing_is_a_copy() -> None:
    pictures = np.zeros((2, 16, 16, 3), np.uint8)
    assert not copied(pictures, np.array([0, 1]), np.array([], int)).any()
