"""Judges are made here: own ones trained, any brought to the scale of the labels and examined on faces unseen."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from data import ImageSet, is_validation
from model import faceapi
from model.devices import best_device
from model.faces import evenly
from model.folds import judge_labels
from model.judge_nets import SIZE, female_among, known_attributes, learn_persons, written
from model.judges import FEWEST_LABELS, Judges, OwnNets, Source
from model.measures import Floats, area_under_curve, calibrated_error, calibration, resampled_slopes, top_1
from model.pictures import Pictures
from model.reader import agreement, cross_validated, fit_ridge
from model.runs import digest
from shell import UserError

MOST_TAUGHT = 2000  # faces of known truth that teach the judge of smiles
FEWEST_KNOWN = 100
FEATURE_VARIANCE = 100.0  # of all features together: where the ridge's penalties make a difference
MOST_SEEN = 2000  # faces whose age and gender are compared with what is known
GALLERY = 185  # faces among which one is to be found again


def make_judges(kind: str, images: ImageSet, config: dict[str, Any], steps: int, seed: int) -> Judges:
    """Judges for a run with this config (the model's, for its smile reader's labels) on an image set.

    Raises
    ------
    UserError
        face-api cannot be fetched, or what the judge of smiles reads does not rise with the labels.
    """
    pictures, names = images.pictures(SIZE)
    labels = images.labels().set_index("image")["smile"].reindex(names).to_numpy(float)
    metadata = images.metadata_in_words().set_index("image").reindex(names)
    about = recipe(kind, images, config, steps, seed) | {"warnings": []}
    source: Source
    if kind == "face-api":
        source = faceapi.FaceApi(faceapi.fetch("take --judge own, which needs no download"))
        if "utkface" in images.name.lower():
            about["warnings"].append(faceapi.KNOWS_UTKFACE)
        labelled = np.flatnonzero(np.isfinite(labels))
        readings = source.happiness(pictures[labelled]) if len(labelled) else np.empty(0)
    else:
        train = np.flatnonzero([not is_validation(name) for name in names])
        attributes = known_attributes(metadata)
        how: dict[str, Any] = {"steps": steps, "seed": seed, "device": best_device()}
        trunk = learn_persons(pictures, train, metadata, **how)
        source = OwnNets(trunk, attributes)
        about["attributes"] = [asdict(a) for a in attributes]
        labelled, readings = teach_smile(source, pictures, names, labels, metadata, config, about)
    if len(labelled) >= FEWEST_LABELS:
        about |= on_label_scale(readings, labels[labelled], images)
    judges = Judges(source, about)
    examine(judges, pictures, np.flatnonzero([is_validation(name) for name in names]), metadata)
    return judges


def recipe(kind: str, images: ImageSet, config: Mapping[str, Any], steps: int, seed: int) -> dict[str, Any]:
    """What judges are made of: stored ones are as good as new ones if theirs is the same."""
    labels = images.labels()[["image", "smile"]].sort_values("image").to_csv(index=False, lineterminator="\n")
    made: dict[str, Any] = {"judge": kind, "data": images.name, "seed": seed}
    made["labels"] = digest(labels)
    made["reader_folds"] = config.get("reader_folds")
    if kind == "own":
        known = "\n".join([*images.names, images.metadata().to_csv(index=False, lineterminator="\n")])
        made |= {"kind": config["kind"], "steps": steps, "faces": digest(known)}
    return made


def teach_smile(
    nets: OwnNets,
    pictures: Pictures,
    names: list[str],
    labels: Floats,
    metadata: pd.DataFrame,
    config: dict[str, Any],
    about: dict[str, Any],
) -> tuple[NDArray[np.intp], Floats]:
    """Fit the ridge of `nets`; returns which labelled faces were read unseen, and these readings.

    Where the truth is known (`true_smile`), it teaches, on training faces without a label; else labels do, as far as
    `judge_labels` leaves them, and the readings are those of a 10-fold cross-validation.
    """
    labelled = np.flatnonzero(np.isfinite(labels))
    truth = metadata["true_smile"].to_numpy(float) if "true_smile" in metadata else np.full(len(names), np.nan)
    free = np.array([not is_validation(name) for name in names]) & np.isfinite(truth) & ~np.isfinite(labels)
    if free.sum() >= FEWEST_KNOWN:
        taught = np.flatnonzero(free)[:MOST_TAUGHT]
        about["taught_by"] = {"truth": len(taught)}
        nets.ridge = fit_smile(nets.smile_features(pictures[taught]), truth[taught])
        return labelled, nets.happiness(pictures[labelled]) if len(labelled) else np.empty(0)
    if len(labelled) < FEWEST_LABELS:
        return labelled[:0], np.empty(0)
    mine, warning = judge_labels([names[i] for i in labelled], config)
    if warning:
        about["warnings"].append(warning)
    taught = labelled[mine]
    about["taught_by"] = {"labels": len(taught)}
    features = nets.smile_features(pictures[taught])
    nets.ridge = fit_smile(features, labels[taught])
    return taught, cross_validated(features, labels[taught], fit=fit_scaled)


def fit_smile(features: Floats, smiles: Floats) -> torch.Tensor:
    """Weights of features (n, F), then the offset: (F + 1,)."""
    weights, offset, _ = fit_scaled(features, smiles)
    return torch.tensor(np.append(weights, offset))


def fit_scaled(features: Floats, smiles: Floats) -> tuple[Floats, float, float]:
    """`fit_ridge` to features (n, F) that are scaled, in its own terms."""
    scale = np.sqrt(FEATURE_VARIANCE / features.var(0).sum())
    weights, offset, penalty = fit_ridge(features * scale, smiles)
    return weights * scale, offset, penalty


def on_label_scale(readings: Floats, labels: Floats, images: ImageSet) -> dict[str, Any]:
    """The map of readings (n,) to the scale of the labels (n,), its error, and how far the two agree."""
    if not np.ptp(labels):
        raise UserError(
            f"{images.folder}: all {len(labels)} labels are {labels[0]:g}; their scale is learned from different ones."
        )
    a, b = calibration(readings, labels)
    if not b > 0:
        raise UserError(f"{images.folder}: the judge's readings do not rise with the labels; it cannot judge smiles.")
    figures = {"labels": len(labels), **agreement("smile", (readings - a) / b, labels)}
    scales = [round(slope / b, 4) for slope in resampled_slopes(readings, labels)]
    return {"map": [a, b], "scales": scales, "smile_error": calibrated_error(readings, labels), "validation": figures}


def examine(judges: Judges, pictures: Pictures, kept: NDArray[np.intp], metadata: pd.DataFrame) -> None:
    """Add to `judges.about` how good they are on validation faces `kept`.

    `retrieval`: share of 185 faces found again mirrored, moved by two pixels and darker by a tenth. `smile_noise`:
    standard deviation of what is read in one face when it is moved by one pixel, which changes no smile.
    """
    figures: dict[str, float] = judges.about.setdefault("validation", {})
    some = evenly(kept, GALLERY)  # not the first: names may go by age
    if len(some) > 1:
        changed = (moved(pictures[some], 2, 2)[:, :, ::-1] * 0.9).astype(np.uint8)
        figures["retrieval"] = float(top_1(judges.describe(changed), judges.describe(pictures[some])).mean())
        figures["retrieval_faces"] = len(some)
    if judges.about.get("map") and len(some):
        nudged = [judges.smile(moved(pictures[some], *by)) for by in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))]
        judges.about["smile_noise"] = float(np.sqrt(np.var(nudged, axis=0, ddof=1).mean()))
    seen = evenly(kept, MOST_SEEN)
    said = judges.attributes(pictures[seen]) if len(kept) else {}
    known = metadata.iloc[seen]
    if "age" in said and "age" in known:
        years = pd.to_numeric(known["age"], errors="coerce").to_numpy(float)
        if np.isfinite(years).any():
            figures["age_error_years"] = float(np.nanmean(np.abs(said["age"] - years)))
    if "p(female)" in said and "gender" in known:
        told = known["gender"].notna().to_numpy()
        written_as = known["gender"][told].map(written)
        if (word := female_among(written_as.unique())) is not None:
            female = (written_as == word).to_numpy()
            figures["female_area_under_curve"] = area_under_curve(said["p(female)"][told], female)


def moved(pictures: Pictures, down: int, right: int) -> Pictures:
    """Pictures (N, S, S, 3) moved by whole pixels, the border repeated."""
    rows = np.clip(np.arange(pictures.shape[1]) - down, 0, pictures.shape[1] - 1)
    columns = np.clip(np.arange(pictures.shape[2]) - right, 0, pictures.shape[2] - 1)
    return np.asarray(pictures)[:, rows][:, :, columns]
