"""Pack a finished run so that it can be given away: half the bytes, no pictures, the licence beside the weights.

python -m model.pack --run runs/utkface --out released
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shell
from shell import UserError

TERMS = """These weights were trained on the image set "{name}" ({source}).

Licence of that set: {licence}.

The weights, and faces made with them, are under the same terms. The code that reads them has a licence of its own.
"""


@dataclass(frozen=True)
class Settings:
    """Pack a finished run so that it can be given away."""

    run: Path | None = None
    """The run; by default the newest finished CVAE in runs/, else the model in model/pretrained/."""
    out: Path = Path("packed")
    """The folder to write: config.json, the weights in bfloat16, LICENCE, and its judges."""


def main(settings: Settings) -> None:
    import shutil

    import torch

    from data import open_set
    from model import runs, smile_model

    model = smile_model.load(settings.run)
    if not runs.is_free(settings.out):
        raise UserError(f"{settings.out}: exists; --out names another folder.")
    about = open_set(model.config["data"]).about()
    missing = [key for key in ("name", "source", "licence") if key not in about]
    if missing:
        raise UserError(f"{model.config['data']}/set.json: {', '.join(missing)} is missing; weights need a licence.")
    for path in (model.folder / name for name in ("model.safetensors", *runs.LEARNED)):
        if path.exists():
            tensors = runs.read_tensors(path, "cpu")
            rounded = {n: t if n.startswith("latent.") else t.to(torch.bfloat16) for n, t in tensors.items()}
            runs.write_tensors(settings.out / path.name, rounded)
    config = without_places(model.config)
    runs.write_config(settings.out, config | {"licence": model.licence})
    shell.write_text(settings.out / "LICENCE", TERMS.format(**about))
    for name in ("judges.json", "judges.safetensors"):  # what they found is of other weights than the rounded ones
        if (model.folder / name).exists():
            shutil.copy(model.folder / name, settings.out)
    size = (settings.out / "model.safetensors").stat().st_size / 1e6
    print(f"wrote {settings.out / 'model.safetensors'} ({size:.1f} MB)")
    print("Its hash is another, so a calibration by people has to be of faces that the packed model made.")
    elsewhere = "" if config["data"] == model.config["data"] else f" --data {shell.typed(model.config['data'])}"
    print(f"Next: python -m model.evaluate --run {shell.typed(settings.out)}{elsewhere}")


def without_places(value: Any) -> Any:
    """A config without the folders of this machine: a path is one from the folder at work, or its last part."""
    if isinstance(value, dict):
        return {key: without_places(part) for key, part in value.items()}
    if not isinstance(value, str) or not (Path(value).is_absolute() or ".." in Path(value).parts):
        return value
    path, here = Path(value).resolve(), Path.cwd().resolve()
    return (path.relative_to(here) if path.is_relative_to(here) else Path(path.name)).as_posix()


if __name__ == "__main__":
    shell.run(main, Settings)
