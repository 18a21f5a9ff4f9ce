"""The judges of a run: nets that took no part in its training, and the one place where pictures are judged.

from model import judges

made = judges.load(run)
made.smile(pictures)         # the degree of smile in each, on the scale of the labels
made.describe(pictures)      # descriptors of the person, unit length
made.attributes(pictures)    # {"p(female)": ..., "age": ..., "p(race Asian)": ...}, as far as they are known

`own` judges are trained by the evaluation on the image set itself (`model.judge_nets`), `face-api` ones come off the
shelf (`model.faceapi`). What a judge of smiles reads is brought to the scale of the labels by `measures.calibration`:
the regression reading = a + b label over real labelled faces, inverted, so that faces with label c read c on average.
(The regression of label on reading would shrink every reading to the mean, and a model's slope with it.)

runs/<name>/judges.json            which judges, their map, their own validation
            judges.safetensors     weights of own ones
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from model import faceapi, runs
from model.devices import best_device
from model.judge_nets import Attribute, Trunk, as_seen
from model.measures import Floats
from model.pictures import Pictures, needs_bytes
from shell import UserError, typed, write_text

FEWEST_LABELS = 10  # to learn their scale from


class Source(Protocol):
    """Where readings come from. All take pictures (N, S, S, 3) uint8."""

    def happiness(self, pictures: Pictures) -> Floats: ...

    def describe(self, pictures: Pictures) -> Floats: ...

    def attributes(self, pictures: Pictures) -> dict[str, Floats]: ...


@dataclass(frozen=True)
class Judges:
    """Nets that read smiles, tell persons apart and guess attributes. Pictures are (N, S, S, 3) uint8."""

    source: Source
    about: dict[str, Any]
    """judges.json: `judge` (own or face-api), `map` (a, b) or nothing, `smile_error`, `validation`, `warnings`."""

    @property
    def name(self) -> str:
        return str(self.about["judge"])

    def may_judge(self, config: Mapping[str, Any]) -> bool:
        """Whether no label that may have taught them is one of the smile reader's of the run with this config."""
        if config["kind"] != "cvae" or "labels" not in self.about.get("taught_by", {}):
            return True
        return all(self.about.get(key) == config.get(key) for key in ("kind", "reader_folds"))

    @property
    def smile_error(self) -> float:
        """Standard deviation of `smile` from the label on real faces that did not make it (cross-validated)."""
        self.needs_map()
        return float(self.about["smile_error"])

    @property
    def age_error(self) -> float | None:
        """Mean absolute error of the age read in real validation faces, in years; None where that is not known."""
        return self.about.get("validation", {}).get("age_error_years")

    def smile(self, pictures: Pictures) -> Floats:
        """The degree of smile in each picture (N,), on the scale of the labels, unclipped.

        Raises
        ------
        UserError
            The image set had too few labels to learn that scale from.
        """
        self.needs_map()
        needs_bytes(pictures, least=1)
        a, b = self.about["map"]
        mapped: Floats = (self.source.happiness(pictures) - a) / b
        return mapped

    def describe(self, pictures: Pictures) -> Floats:
        """Descriptors of the persons (N, D), unit length."""
        needs_bytes(pictures, least=1)
        return self.source.describe(pictures)

    def attributes(self, pictures: Pictures) -> dict[str, Floats]:
        """What is known of `p(female)`, `age` in years and others, each (N,)."""
        needs_bytes(pictures, least=1)
        return self.source.attributes(pictures)

    def needs_map(self) -> None:
        """Raise a UserError unless they can read smiles."""
        if not self.about.get("map"):
            raise UserError(
                f"{self.about['data']}: fewer than {FEWEST_LABELS} labels, so the judges cannot read smiles; "
                "python -m labeling.build makes labels."
            )


class OwnNets:
    """The trunk, and the ridge regression of the smile on its maps: weights and offset (F + 1,), None for no smiles."""

    def __init__(self, trunk: Trunk, attributes: tuple[Attribute, ...], ridge: Tensor | None = None) -> None:
        self.device = best_device()
        self.trunk, self.known, self.ridge = trunk.to(self.device).eval(), attributes, ridge

    def happiness(self, pictures: Pictures) -> Floats:
        assert self.ridge is not None
        ridge = self.ridge.double().numpy()
        said: Floats = self.smile_features(pictures) @ ridge[:-1] + ridge[-1]
        return said

    @torch.inference_mode()
    def describe(self, pictures: Pictures) -> Floats:
        found = [F.normalize(self.trunk(x)[0].double(), dim=1).cpu() for x in self._batches(pictures)]
        return torch.cat(found).numpy()

    @torch.inference_mode()
    def attributes(self, pictures: Pictures) -> dict[str, Floats]:
        if not self.known:
            return {}
        said = torch.cat([self.trunk(x)[1].cpu() for x in self._batches(pictures)])
        readings: dict[str, Floats] = {}
        for attribute, part in zip(self.known, said.split([a.outputs for a in self.known], 1), strict=True):
            readings |= attribute.reading(part)
        return readings

    @torch.inference_mode()
    def smile_features(self, pictures: Pictures) -> Floats:
        """What the trunk sees in the lower half of each face, averaged with its mirror image's: (N, F).

        At each place the channels are brought to unit length: what kind of edge, not how strong, tells a smile.
        """
        found = []
        for x in self._batches(pictures):
            one, other = self.trunk.maps(torch.cat([x, x.flip(3)]))[1][:, :, 8:].chunk(2)  # (B, 64, 8, 16)
            seen = F.avg_pool2d(one + other.flip(3), 2)  # (B, 64, 4, 8)
            found.append(F.normalize(seen, dim=1, eps=1e-3).flatten(1).double().cpu())
        return torch.cat(found).numpy()

    def _batches(self, pictures: Pictures) -> Iterator[Tensor]:
        return (as_seen(pictures[at : at + 128], self.device) for at in range(0, len(pictures), 128))


def stored(folder: Path) -> dict[str, Any]:
    """judges.json of a folder; nothing where there is none that can be read."""
    try:
        about = json.loads((folder / "judges.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def load(run: str | os.PathLike[str], fetch: bool = True) -> Judges:
    """The judges of a run that was evaluated; with `fetch`, face-api's package is downloaded if it is not there yet.

    Raises
    ------
    UserError
        The run has none, their files do not fit each other, or face-api's package cannot be had.
    """
    folder = Path(run)
    path = folder / "judges.json"
    if not path.exists():
        raise UserError(f"{folder}: no judges here; python -m model.evaluate --run {typed(folder)} makes them.")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if about["judge"] == "face-api":
            if not fetch and not faceapi.archive().exists():
                raise UserError(
                    f"{faceapi.archive()}: the judges' package is not there; "
                    f"python -m model.evaluate --run {typed(folder)} --judge face-api brings it."
                )
            return Judges(faceapi.FaceApi(faceapi.fetch()), about)
        tensors = load_file(folder / "judges.safetensors")
        attributes = tuple(Attribute(**a | {"categories": tuple(a["categories"])}) for a in about["attributes"])
        ridge = tensors.pop("ridge", None)
        trunk = Trunk(sum(a.outputs for a in attributes))
        trunk.load_state_dict(tensors)
    except (OSError, SafetensorError, RuntimeError, TypeError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path}: does not hold judges ({reason}); python -m model.evaluate makes them anew."
        ) from error
    return Judges(OwnNets(trunk, attributes, ridge), about)


def save(judges: Judges, run: Path) -> None:
    """Write judges.json, and the weights of own judges; of others only their name is kept."""
    if isinstance(judges.source, OwnNets):
        tensors = dict(judges.source.trunk.state_dict())
        if judges.source.ridge is not None:
            tensors["ridge"] = judges.source.ridge
        runs.write_tensors(run / "judges.safetensors", tensors)
    write_text(run / "judges.json", json.dumps(judges.about, indent=2) + "\n")
