"""What a training sees of an image set: pictures, which of them train, degrees of smile, attributes to hold."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from data import ImageSet, is_validation, open_set
from data.tables import read_csv
from model import runs
from model.folds import READER_FOLDS, may_teach_reader
from model.reader import SIZE, Floats, Student, read_smiles
from model.train import Settings
from shell import whole_file

DEGREES = "degrees.csv"
READER = "reader.safetensors"  # in the run
MOST_CATEGORIES = 8  # a column of numbers with more values than this is a quantity


@dataclass(frozen=True)
class Faces:
    """N faces. Degrees and attributes are NaN where unknown."""

    pictures: NDArray[np.uint8]
    """(N, S, S, 3), memory-mapped."""
    names: list[str]
    train: NDArray[np.bool_]
    """(N,); the others are for validation."""
    degrees: Floats
    """(N,) degree of smile."""
    attributes: Floats
    """(N, A): the smile first, then what is held."""
    resident: Tensor | None = None
    """The pictures on a GPU, where there is one with room for them."""

    def batch(
        self, where: NDArray[np.intp], device: torch.device, mirrored: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, S, S) in [0, 1], channels last, mirrored where `mirrored` (B,) says so; degrees (B,)."""
        if self.resident is None:
            x = torch.from_numpy(self.pictures[where]).to(device, non_blocking=True)  # (B, S, S, 3)
        else:
            x = self.resident[torch.from_numpy(where).to(self.resident.device, non_blocking=True)].to(device)
        if mirrored is not None:  # while a pixel is a byte
            x = torch.where(mirrored.to(device, non_blocking=True)[:, None, None, None], x.flip(2), x)
        c = torch.tensor(self.degrees[where]).to(device, torch.float32)
        return x.permute(0, 3, 1, 2).float().div_(255), c

    @cached_property
    def training(self) -> NDArray[np.intp]:
        """Which faces train."""
        return np.flatnonzero(self.train)

    @cached_property
    def validation(self) -> NDArray[np.intp]:
        """Which faces train nothing."""
        return np.flatnonzero(~self.train)

    def order(self, step: int, batch: int, seed: int) -> NDArray[np.intp]:
        """Which faces step number `step` trains on: each epoch has its own shuffle, a function of the seed alone."""
        epoch, at = divmod(step, len(self.training) // batch)
        return self.training[shuffle(seed, epoch, len(self.training))[at * batch : (at + 1) * batch]]


def evenly(where: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """At most `most` of `where`, evenly spread over it."""
    return where if len(where) <= most else where[np.linspace(0, len(where) - 1, most).astype(int)]


def in_batches(where: NDArray[np.intp], most: int) -> list[NDArray[np.intp]]:
    """`where`, of which there are some, in batches of about one size, at most `most`."""
    return np.array_split(where, -(-len(where) // most))


def resident(faces: Faces, device: torch.device) -> Faces:
    """The same faces, their pictures on the GPU `device` if they take at most half of its free memory."""
    if device.type != "cuda" or faces.pictures.nbytes > torch.cuda.mem_get_info(device)[0] // 2:
        return faces
    return replace(faces, resident=torch.from_numpy(np.array(faces.pictures)).to(device))


@lru_cache(maxsize=1)  # asked for at every step of an epoch
def shuffle(seed: int, epoch: int, count: int) -> NDArray[np.intp]:
    """(count,) the order of the faces in an epoch."""
    return np.random.default_rng((seed, epoch)).permutation(count)


def load_faces(settings: Settings, run: Path) -> Faces:
    """The faces of a training, of a CVAE with the degrees that its smile reader gives them."""
    images = open_set(settings.data)
    pictures, names = images.pictures(settings.size)
    train = np.array([not is_validation(name) for name in names])
    degrees = (
        known_degrees(images, names, train, settings, run) if settings.kind == "cvae" else np.full(len(names), np.nan)
    )
    attributes = np.column_stack([degrees, held(images, names, settings.hold)])
    return Faces(pictures, names, train, degrees, attributes)


def known_degrees(
    images: ImageSet, names: list[str], train: NDArray[np.bool_], settings: Settings, run: Path
) -> Floats:
    """The smile reader's degrees of all faces (N,), from the run; if it has none, a reader is taught.

    The run then keeps the reader and its degrees, and its config the reader's figures.
    """
    path = run / DEGREES
    if path.exists() and (run / READER).exists():  # degrees of a reader that is gone fit no other
        return read_csv(path).set_index("image")["smile"].reindex(names).to_numpy(float)
    degrees, figures, student = read_degrees(images, names, train, settings)
    print(reader_report(figures))
    folds = {"reader_folds": READER_FOLDS} if settings.spare_labels else {}
    runs.write_config(run, runs.read_config(run) | {"reader": figures} | folds)
    runs.write_tensors(run / READER, student.state_dict())
    with whole_file(path) as aside:
        pd.DataFrame({"image": names, "smile": degrees}).to_csv(aside, index=False, lineterminator="\n")
    return degrees


def read_degrees(
    images: ImageSet, names: list[str], train: NDArray[np.bool_], settings: Settings
) -> tuple[Floats, dict[str, float], Student]:
    """The smile reader's degrees of all faces (N,), its figures, and the reader."""
    labels = images.labels().set_index("image")["smile"].reindex(names).to_numpy(float)
    if settings.spare_labels:
        labels = np.where(train & ~may_teach_reader(names), np.nan, labels)
    pictures, _ = images.pictures(SIZE)
    return read_smiles(
        pictures, labels, train, rounds=settings.reader_rounds, steps=settings.reader_steps, seed=settings.seed
    )


def reader_report(figures: dict[str, float]) -> str:
    """The smile reader's figures in two lines."""
    lines = [f"smile reader, taught by {figures['labels']:.0f} labels:"]
    for key, title in (("ridge_cv", "its ridge in 10-fold cross-validation"), ("validation", "on validation faces")):
        names = ("pearson", "spearman", "sign_accuracy")
        said = [
            f"{name.replace('_', ' ')} {figures[f'{key}_{name}']:.2f}" for name in names if f"{key}_{name}" in figures
        ]
        if said:
            lines.append(f"  {title}: " + ", ".join(said))
    return "\n".join(lines)


def held(images: ImageSet, names: list[str], columns: tuple[str, ...]) -> Floats:
    """Columns of the metadata as numbers (N, A): quantities as they are, categories one column each but the first."""
    metadata = images.metadata().set_index("image").reindex(names)
    parts = []
    for column in columns:
        if column not in metadata.columns:
            continue
        values = metadata[column]
        if values.nunique() <= 1:
            continue
        if pd.api.types.is_numeric_dtype(values) and not 2 < values.nunique() <= MOST_CATEGORIES:
            parts.append(values.to_numpy(float)[:, None])
        else:
            dummies = pd.get_dummies(values, drop_first=True, dtype=float)
            parts.append(dummies.where(values.notna(), np.nan).to_numpy(float))
    return np.column_stack([np.empty((len(names), 0)), *parts])
