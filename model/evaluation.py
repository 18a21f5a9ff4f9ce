"""The evaluation of a run: what it is made with, and what was found. `model.evaluate` runs it."""

import json
import math
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data import ImageSet, is_validation, open_set
from model import judges, smile_model
from model.copies import copied
from model.devices import best_device
from model.evaluate import Settings
from model.faces import evenly
from model.findings import STRANGERS, Bench, Figures, conditional, judge, realism, reconstruction, share, sharpness
from model.judges import Judges
from model.judging import GALLERY, make_judges, recipe
from model.measures import Figure
from model.pictures import to_uint8
from model.smile_model import SmileModel
from shell import UserError, one_thread

FEWEST = 10  # validation faces


@dataclass(frozen=True)
class Evaluation:
    """What was found of a run."""

    folder: Path
    place: Path
    """Where results go by default."""
    about: dict[str, Any]
    """Run, model, set, counts, seed."""
    judges: dict[str, Any]
    """judges.json."""
    figures: Figures = field(default_factory=dict)
    """By group and name."""
    by_degree: list[dict[str, Figure]] = field(default_factory=list)
    """A row per degree: `degree`, `read`, `spread`, `energy`, and at some `frechet`, `frechet / floor`."""
    curves: dict[str, Any] = field(default_factory=dict)
    """What the page draws besides: lists of numbers."""

    def as_json(self) -> str:
        held = {name: value for name, value in asdict(self).items() if name not in ("folder", "place")}
        return json.dumps(plain(held), indent=1) + "\n"


def plain(value: Any) -> Any:
    """What JSON can hold: no NaN, no field of a figure that says nothing."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if v is not None and v != ""}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


@one_thread
def evaluate(settings: Settings) -> Evaluation:
    """Everything, as `settings` say.

    Raises
    ------
    UserError
        There is no such run or set, its validation faces are too few, or judges cannot be had.
    """
    model = smile_model.load(settings.run, best_device())
    images = open_set(settings.data or model.config["data"])
    pictures, names = images.pictures(model.size)
    validation = np.array([is_validation(name) for name in names])
    kept = np.flatnonzero(validation)
    if len(kept) < FEWEST:
        raise UserError(f"{images.folder}: {len(kept)} validation faces, at least {FEWEST} are needed to measure by.")
    copies = copied(pictures, kept, np.flatnonzero(~validation))
    if (~copies).sum() < FEWEST:
        raise UserError(
            f"{images.folder}: {copies.sum()} of {len(kept)} validation faces are copies of training faces."
        )
    kept = kept[~copies]
    made = find_judges(settings, model, images)
    kept = evenly(kept, settings.count)
    print(f"model: {model.title}; {len(kept):,} validation faces of {images.folder}; judges: {made.name}")
    reads = bool(made.about.get("map"))
    bench = Bench(
        model,
        made,
        np.asarray(pictures[kept]),
        judge(made, np.asarray(pictures[kept]), reads),
        np.sort(np.random.default_rng(settings.seed).permutation(len(kept))[:GALLERY]),
        settings.identities,
        settings.seed,
    )
    about: dict[str, Any] = {"run": model.folder.as_posix(), "model": model.hash, "kind": model.kind}
    about |= {"data": images.folder.as_posix(), "faces": len(kept), "copies left out": int(copies.sum())}
    about |= {"identities": settings.identities, "seed": settings.seed}
    found = Evaluation(model.folder, place(model), about, made.about)
    if model.kind == "cvae":
        conditional(bench, found)
    else:
        samples = judge(made, to_uint8(model.sample(None, len(kept), STRANGERS + settings.seed)), False)
        found.figures["diversity"] = {"share of real": share(samples, bench)}
        found.figures["realism"] = realism(samples, bench) | {"energy": sharpness(samples, bench)}
    found.figures["reconstruction"] = reconstruction(bench, found.curves)
    return found


def find_judges(settings: Settings, model: SmileModel, images: ImageSet) -> Judges:
    """The judges that the settings ask for: another run's, this run's from last time, or new ones, which are stored."""
    if settings.judges is not None:
        made = judges.load(settings.judges)
        if not made.may_judge(model.config):
            made.about["warnings"].append(
                f"{settings.judges}: made for a run whose smile reader learned from other labels than this one's, so "
                "they may not be independent of it."
            )
        return made
    out = settings.out or place(model)
    asked = recipe(settings.judge, images, model.config, settings.judge_steps, settings.seed)
    for folder in (out, model.folder):
        if settings.judge == "own" and asked.items() <= judges.stored(folder).items():
            with suppress(UserError):  # their weights are damaged or gone
                return judges.load(folder)
    made = make_judges(settings.judge, images, model.config, settings.judge_steps, settings.seed)
    if model.kind == "cvae":
        made.needs_map()  # before they take the place of better ones
    judges.save(made, out)
    return made


def place(model: SmileModel) -> Path:
    """Where results go by default: the run, but nothing is written beside the model that comes with the project."""
    return model.results / "pretrained" if model.shipped else model.folder
