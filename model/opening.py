"""The beginning of a training: its folder and its settings, new or taken up again."""

import math
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from data import ImageSet, is_validation, open_set
from data.tables import read_csv
from model import runs
from model.faces import DEGREES, held
from model.networks import channels
from model.state import State
from model.train import Settings
from shell import UserError

MIN_LABELLED = 30  # fewer teach no smile reader
OF_THE_CALL = {"run", "out", "resume", "force"}  # settings that are not the run's


def open_run(settings: Settings, stack: ExitStack) -> tuple[Path, Settings]:
    """The folder of the run, made, emptied or found again, and the settings that hold for it.

    The folder is this training's alone until `stack` is closed.
    """
    run = settings.run or runs.RUNS / settings.kind
    exists = is_run(run)
    if settings.resume:
        if not exists:
            raise UserError(f"{run}: no run to resume here (no config.json).")
        stack.enter_context(runs.alone(run))
        return run, resumed(settings, run)
    check(settings)
    licence = runs.licence_of(settings.data)  # a damaged set.json is told before a run is replaced
    if not exists and not runs.is_free(run):
        raise UserError(f"{run}: exists and is no run; --run names another folder.")
    if exists and not settings.force:
        raise UserError(f"{run}: exists; --resume goes on with it, --force replaces it, --run names another folder.")
    stack.enter_context(runs.alone(run))
    if exists:
        clear(run)
    settings = replace(settings, run=run)
    runs.write_config(run, asdict(settings) | {"licence": licence})
    return run, settings


def is_run(folder: Path) -> bool:
    """Whether `folder` holds a training of ours: only such a folder is ever emptied."""
    return (folder / "config.json").exists() and {"kind", "latent", "reader_rounds"} <= runs.read_config(folder).keys()


def clear(run: Path) -> None:
    """Remove all of a run but its config.json, which the new run replaces: killed half-way, it is still a run.

    The caller holds its folder.
    """
    (run / "model.safetensors").unlink(missing_ok=True)  # first: Windows refuses where somebody has it open
    for part in run.iterdir():
        if part.is_dir():
            shutil.rmtree(part)
        elif part.name not in ("config.json", runs.LOCK):
            part.unlink()


def check(settings: Settings) -> None:
    """Raise a UserError for settings or an image set that cannot work, before anything is written."""
    check_schedule(settings, "latent", "reader_rounds", "reader_steps", "patience")
    try:
        channels(settings.size, settings.width)
    except ValueError as error:
        raise UserError(f"--{error}.") from error
    images = open_set(settings.data)
    if all(map(is_validation, images.names)):
        raise UserError(f"{images.folder}: {len(images.names)} pictures, all of them kept for validation; add some.")
    check_held(images, settings)
    if settings.kind == "cvae":
        check_labels(images)


def check_schedule(settings: Any, *more: str) -> None:
    """Raise a UserError for settings of a training that cannot work; `more` are counts of its own."""
    for name in ("steps", "batch", "log_every", "save_every", *more):
        if getattr(settings, name) != "auto" and getattr(settings, name) < 1:
            raise UserError(f"--{name.replace('_', '-')} {getattr(settings, name)}: expected at least 1.")
    if settings.seed < 0 or not 0 < settings.lr < math.inf or not 0 <= settings.ema < 1:
        asked = f"--seed {settings.seed} --lr {settings.lr} --ema {settings.ema}"
        raise UserError(f"{asked}: expected 0 or more, more than 0, and 0 to below 1.")
    if settings.save_every % settings.log_every:
        raise UserError(f"--save-every {settings.save_every}: expected a multiple of --log-every {settings.log_every}.")


def check_held(images: ImageSet, settings: Settings) -> None:
    """Raise a UserError for a column to hold that was asked for and is none, and for more of them than dimensions."""
    if settings.hold != Settings.hold:  # nobody asked for a default
        columns = images.metadata().columns.drop("image")
        for column in settings.hold:
            if column not in columns:
                known = ", ".join(columns) or "none"
                raise UserError(f"--hold {column}: no column of {images.folder / 'metadata.csv'}, which has {known}.")
    attributes = 1 + held(images, list(images.names), settings.hold).shape[1]
    if attributes > settings.latent:
        raise UserError(f"--latent {settings.latent}: fewer dimensions than the {attributes} attributes held.")


def check_labels(images: ImageSet) -> None:
    """Raise a UserError for labels that cannot teach a smile: too few, or all alike."""
    labels = images.labels()
    smiles = labels["smile"][labels["image"].isin(images.names)]
    how = "python -m annotator --subject me records votes, python -m labeling.build makes labels of them."
    if len(smiles) < MIN_LABELLED:
        raise UserError(f"{images.folder}: {len(smiles)} labelled faces, at least {MIN_LABELLED} are needed; {how}")
    if smiles.nunique() < 2:
        raise UserError(
            f"{images.folder}: all {len(smiles)} labels are {smiles.iloc[0]:g}, so they teach no smile; {how}"
        )


def resumed(settings: Settings, run: Path) -> Settings:
    """The settings that the run began with; a UserError where others are asked for."""
    config = runs.read_config(run)
    if "command" in config:
        raise UserError(f"{run}: was made by model.{config['command']}, which goes on with it; model.train cannot.")
    if config.get("finished") and not (run / State.FILE).exists():
        raise UserError(f"{run}: is finished, and without {State.FILE} there is nothing to go on from.")
    began = replace(settings_of(config), run=run)
    refuse_changes(settings, began, run)
    if (run / DEGREES).exists():
        images, known = open_set(began.data), set(read_csv(run / DEGREES)["image"])
        if other := known.symmetric_difference(images.pictures(began.size)[1]):
            raise UserError(
                f"{run}: began with {len(known)} pictures; since then {len(other)} came to {images.folder} or went, "
                f"{min(other)} among them. They cannot change on the way."
            )
    return began


def keep_to_pictures(run: Path, names: list[str]) -> None:
    """Note which pictures a run learns from; raise a UserError where it began with others.

    Of a CVAE, whose degrees name its pictures, `resumed` has said already which came or went.
    """
    config = runs.read_config(run)
    if config.get("pictures") not in (None, pictures_of(names)):
        raise UserError(
            f"{run}: began with other pictures than {config['data']} has now; they cannot change on the way."
        )
    if "pictures" not in config:
        runs.write_config(run, config | {"pictures": pictures_of(names)})


def pictures_of(names: list[str]) -> str:
    """A digest of their names: another one once pictures came or went."""
    return runs.digest("\n".join(names))


def refuse_changes(settings: Any, began: Any, run: Path) -> None:
    """Raise a UserError for a setting, of a dataclass, that was asked for and is not what the run began with.

    Nobody asked for a default, and what was "auto" has been found by now.
    """
    default = type(settings)()
    for one in fields(settings):
        asked, usual, old = (getattr(s, one.name) for s in (settings, default, began))
        if one.name not in OF_THE_CALL and asked not in (usual, old, "auto"):
            raise UserError(
                f"{run}: began with --{one.name.replace('_', '-')} {old}, not {asked}; it cannot change on the way."
            )


def settings_of(config: Mapping[str, Any]) -> Settings:
    """The settings in a run's config."""
    began = Settings(**{f.name: config[f.name] for f in fields(Settings) if f.name in config})
    return replace(began, data=Path(began.data), hold=tuple(began.hold))
