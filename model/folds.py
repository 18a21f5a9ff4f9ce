"""Which labels teach the smile reader and which the judge: no face's label may serve both.

A run whose config.json has `reader_folds` had its reader taught by the labels in those folds; the judge takes the
others'. A run without it had its reader taught by all training faces; then only validation faces are left.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data import is_validation

FOLDS = 5
READER_FOLDS = (0, 1, 2)  # of a training whose judge shall have labels of its own
FEWEST = 40  # labels; with fewer the judge knows too little


def label_fold(name: str) -> int:
    """The fold 0 to 4 of the image called `name`, by a salted hash: the same on every machine, whatever the set."""
    digest = hashlib.sha256(f"label fold {name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % FOLDS


def may_teach_reader(names: Sequence[str], folds: Sequence[int] = READER_FOLDS) -> NDArray[np.bool_]:
    """Whether each image's label is the reader's: in its folds, and no validation face."""
    return np.array([label_fold(name) in folds and not is_validation(name) for name in names], dtype=bool)


def judge_labels(names: Sequence[str], config: Mapping[str, Any]) -> tuple[NDArray[np.bool_], str]:
    """Which of the labelled images `names` may teach the judge of the run with this config; and a warning, or "".

    An AE or VAE has no reader, so all may. Where fewer than 40 are left, all may too, and the warning says so.
    """
    if config.get("kind") != "cvae":
        return np.ones(len(names), bool), ""
    free = ~may_teach_reader(names, config.get("reader_folds", range(FOLDS)))
    if free.sum() >= FEWEST:
        return free, ""
    return np.ones(len(names), bool), (
        f"only {free.sum()} labels did not teach this run's smile reader; the judge of smiles learned from all "
        f"{len(names)}, so it is not independent of the reader."
    )
