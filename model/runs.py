"""A run on disk. `model.smile_model` holds the model in it.

runs/<name>/config.json          the settings that made it, what it was trained on, figures; `finished` at the end
            model.safetensors    weights (their moving average) and the statistics of the latent space
            prior.safetensors    which latents are faces, where model.prior has learned it
            detail.safetensors   what the decoder leaves out, where model.detail has learned it
            reader.safetensors   the smile reader, and degrees.csv what it reads in all faces
            metrics.csv, latent_activity.csv, frames/, *.png, *.gif
            judges.json, judges.safetensors, evaluation.json, evaluation.png    by model.evaluate
            state.pt             for --resume only
            .lock                held by the training that writes here
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from data.images import read_about
from shell import UserError, locked, whole_file, write_text

RUNS = Path("runs")
PRETRAINED = Path(__file__).resolve().parent / "pretrained"
LEARNED = ("prior.safetensors", "detail.safetensors")  # beside the model, by model.prior and model.detail
DEMO = "demo"  # never taken by default
LOCK = ".lock"


def digest(text: str) -> str:
    """12 hex digits of the sha256 of a text, to tell whether it is still the same."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def name_of(digest: str) -> str:
    """The first 12 hex digits in a row that no table takes for a number: one of them is a, b, c, d or f.

    Else one hash in a hundred is a number to a spreadsheet or to pandas: 011426e70953 is read as infinity.
    """
    return next(part for i in range(len(digest) - 11) if set(part := digest[i : i + 12]) & set("abcdf"))


def read_tensors(path: Path, device: str | torch.device) -> dict[str, Tensor]:
    """What a .safetensors file holds, as float32."""
    try:
        return {name: tensor.float() for name, tensor in load_file(path, device=str(device)).items()}
    except (OSError, SafetensorError) as error:
        raise does_not_fit(path, error) from error


def does_not_fit(path: Path, error: Exception, what: str = "model") -> UserError:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return UserError(f"{path}: does not hold this run's {what} ({reason}).")


def newest() -> Path:
    """The newest finished CVAE in runs/ but for the demo's, else the one in model/pretrained/.

    Raises
    ------
    UserError
        There is neither.
    """
    finished = []
    for weights in RUNS.glob("*/model.safetensors"):
        with suppress(UserError):  # of somebody else's config
            config = read_config(weights.parent)
            if weights.parent.name != DEMO and config.get("finished") and config.get("kind") == "cvae":
                # written last, while a lesson copies the weights when it begins
                finished.append(weights.with_name("config.json"))
    if finished:
        return max(finished, key=lambda config: config.stat().st_mtime).parent
    if (PRETRAINED / "model.safetensors").exists():
        return PRETRAINED
    raise UserError("No finished CVAE in runs/; python -m model.train makes one.")


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a run.

    Raises
    ------
    UserError
        There is none, or it is not JSON.
    """
    path = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{folder}: no run here (no config.json); python -m model.train makes one.") from None
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}).") from error
    if not isinstance(config, dict):
        raise UserError(f"{path}: found a {type(config).__name__}, expected an object of settings.")
    return config


def posix(path: object) -> str:
    """A path as every system reads it; anything else as text."""
    return path.as_posix() if isinstance(path, PurePath) else str(path)


def write_config(folder: Path, config: dict[str, Any]) -> None:
    write_text(folder / "config.json", json.dumps(config, indent=2, default=posix) + "\n")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a run's folder, made where there is none, while a training writes there.

    Raises
    ------
    UserError
        Another training does.
    """
    with locked(folder / LOCK, f"{folder}: another training writes here at this moment."):
        yield


def licence_of(data: Path) -> str | None:
    """The licence of what learns from the image set `data`, as far as its set.json tells."""
    about = read_about(data)
    if about.get("licence", "unknown") == "unknown":
        return None
    return f"that of the pictures the model learned from ({about.get('name', data.name)}): {about['licence']}"


def is_free(folder: Path) -> bool:
    """Whether `folder` is empty or not there yet."""
    return not folder.exists() or (folder.is_dir() and all(part.name == LOCK for part in folder.iterdir()))


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a .safetensors file, whole or not at all.

    Its bytes are written here, not by safetensors, whose files only their owner may read, and which raises no OSError
    where the disk is full.
    """
    content = to_bytes({name: t.detach().cpu().contiguous() for name, t in tensors.items()})
    with whole_file(path) as aside:
        aside.write_bytes(content)


def write_metrics(run: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write metrics.csv: one row per logged step."""
    import pandas as pd

    with whole_file(run / "metrics.csv") as aside:
        pd.DataFrame(rows).to_csv(aside, index=False, lineterminator="\n")
