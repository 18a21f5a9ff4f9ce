"""The training of what a finished model is given afterwards: a net beside its own, or a better decoder.

The run that results is a copy of the model's, with what was learned in it and the settings in its config.
"""

import math
import shutil
from abc import ABC, abstractmethod
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from data import ImageSet, open_set
from model import fitting, opening, runs, smile_model
from model.devices import autocast, best_device, keep_memory
from model.faces import Faces, evenly, in_batches, known_degrees, load_faces, resident
from model.lesson_settings import Settings
from model.reader import Student
from model.smile_model import SmileModel
from model.state import Checkpoint, moving_average
from model.train import next_command
from model.training import MOST_VALIDATION, ctrl_c, learning_rate
from shell import UserError, typed, whole_file


class Lesson(ABC):
    """What is learned: a net, and how wrong it is about some of the faces."""

    NAME: ClassVar[str]
    """Of the command, and of what it writes beside the net: NAME.csv, the config's NAME."""

    def __init__(self, model: SmileModel, faces: Faces, out: Path, settings: Any, device: torch.device) -> None:
        self.model, self.faces, self.out, self.settings, self.device = model, faces, out, settings, device

    @staticmethod
    def check(settings: Any, model: SmileModel) -> None:
        """Raise a UserError for settings that cannot work, or a model that cannot learn this."""
        opening.check_schedule(settings)
        fitting.reader_of(model.folder)  # which the new run takes over: a damaged one is told before there is a run

    @abstractmethod
    def net(self) -> nn.Module:
        """As it begins, on the device."""

    @abstractmethod
    def loss(
        self, net: nn.Module, where: NDArray[np.intp], generator: torch.Generator, mirrored: Tensor | None = None
    ) -> Tensor:
        """The net's loss on the faces `where`, mirrored where `mirrored` (B,) says so."""

    def optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(net.parameters(), self.settings.lr, betas=(0.9, 0.99), weight_decay=1e-2, fused=True)

    def held_out(self, net: nn.Module, where: NDArray[np.intp], generator: torch.Generator) -> Tensor:
        """What validation reports of the averaged net: its loss, unless a lesson has something that says more."""
        return self.loss(net, where, generator)

    @property
    def file(self) -> Path:
        """What `keep` writes."""
        return self.out / f"{self.NAME}.safetensors"

    def keep(self, net: nn.Module) -> dict[str, object]:
        """Write what was learned into the run, beside the model; returns what changes in its config."""
        runs.write_tensors(self.file, net.state_dict())
        return {}

    def encoded(
        self, where: NDArray[np.intp], generator: torch.Generator, mirrored: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The faces `where` (B, 3, S, S), and latents (B, Z) that the encoder draws of them."""
        x, _ = self.faces.batch(where, self.device, mirrored)
        noise = torch.randn(len(x), self.model.dimensions, generator=generator).to(self.device)
        with torch.no_grad(), autocast(self.device):
            z, _, _ = self.model.network.encode(x, noise)
        return x, z

    @property
    def refined(self) -> bool:
        """Whether degrees were fitted to drawn faces, and are to be again."""
        return self.model.kind == "cvae" and bool(self.model.config.get("refine"))

    def find_reader(self) -> Student | None:
        """The smile reader of a CVAE, in the new run, too: taught anew where the model came without it."""
        if self.model.kind != "cvae":
            return None
        began = opening.settings_of(self.model.config)
        known_degrees(open_set(began.data), self.faces.names, self.faces.train, began, self.out)
        return fitting.reader_of(self.out)


@dataclass
class State(Checkpoint):
    """Of such a training."""

    FILE = "state.pt"
    MODULES = ("net", "average", "optimizer")
    VALUES = ("step", "rows", "recent")

    net: nn.Module
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    step: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    """The table of losses."""
    recent: list[Tensor] = field(default_factory=list)
    """The losses of the steps since the last row."""


def learn(settings: Settings, kind: type[Lesson]) -> Path:
    """Give a `kind` of lesson as `settings` say; returns the folder of the run that results.

    Every random number is a function of the seed and the step, so that a resumed run goes on as if never stopped.

    Raises
    ------
    UserError
        The settings, the run or the folder will not do, or the loss is not finite.
    KeyboardInterrupt
        Ctrl-C or SIGTERM came; the run is saved.
    """
    keep_memory()
    with ExitStack() as stack:
        model, out, settings = begin(settings, kind, stack)
        go_on(model, out, settings, kind)
        return out


def go_on(model: SmileModel, out: Path, settings: Settings, kind: type[Lesson]) -> None:
    """From the last checkpoint, or from the first step, to the end."""
    device = best_device()
    began = opening.settings_of(model.config)
    faces = load_faces(replace(began, kind="vae", hold=()), out)  # pictures alone: no degrees, no attributes
    faces = resident(faces, device)
    model.network.requires_grad_(False)
    lesson = kind(model, faces, out, settings, device)
    state = new_state(lesson, settings)
    if (out / State.FILE).exists():
        state.load(out, device)
        print(f"going on at step {state.step:,} of {settings.steps:,}")
    else:
        state.save(out)
    bar = tqdm(total=settings.steps, initial=state.step, unit="step", disable=None)
    with ctrl_c() as pressed, bar:
        while state.step < settings.steps and not pressed:
            training_step(state, lesson, settings)
            bar.update()
            last = state.step == settings.steps
            if state.step % settings.log_every == 0 or last:
                state.rows.append({"step": state.step, "loss": torch.stack(state.recent).mean().item()})
                state.recent.clear()
                if not math.isfinite(state.rows[-1]["loss"]):
                    raise UserError(f"{out}: the loss is not finite at step {state.step}; a lower --lr helps.")
            if state.step % settings.save_every == 0 or last:
                state.rows[-1]["val_loss"] = validation_loss(state, lesson, settings)
                tqdm.write(told(state.rows[-1], settings))
                state.save(out)
    if pressed:
        state.save(out)
        print(
            f"stopped at step {state.step:,}; "
            f"python -m model.{kind.NAME} --run {typed(model.folder)} --out {typed(out)} --resume goes on"
        )
        raise KeyboardInterrupt
    finish(out, state, lesson)


def begin(settings: Settings, kind: type[Lesson], stack: ExitStack) -> tuple[SmileModel, Path, Settings]:
    """The model, the folder of the run that results, made or found again, and the settings that hold for it.

    The folder is this training's alone until `stack` is closed.
    """
    name = kind.NAME
    model = smile_model.load(settings.run, best_device())
    home = runs.RUNS if model.shipped else model.folder.parent
    out = settings.out or home / f"{model.folder.name}-{name}"
    kind.check(settings, model)
    images = open_set(model.config["data"])  # before anything is written
    config = runs.read_config(out) if (out / "config.json").exists() else {}
    ours = config.get("command") == name and out.resolve() != model.folder.resolve()
    if settings.resume:
        begun = (out / State.FILE).exists() or not config.get("finished")  # stopped before its first checkpoint, too
        if not (ours and begun):
            raise UserError(f"{out}: nothing to resume here (no {State.FILE} of model.{name}).")
        began = config[name]
        if began["model"] != model.hash:
            raise UserError(f"{out}: began with another model than {model.folder}, as {began['run']} was then.")
        if began.get("faces") != pictures_of(images, model):
            raise UserError(f"{out}: began with other pictures than {images.folder} has now; they cannot change.")
        known = {one.name for one in fields(settings)} - opening.OF_THE_CALL
        held = replace(settings, **{name: value for name, value in began.items() if name in known})
        opening.refuse_changes(settings, held, out)
        stack.enter_context(runs.alone(out))
        if not (out / State.FILE).exists():
            copy_model(model.folder, out)
        return model, out, held
    if not ours and not runs.is_free(out):
        raise UserError(f"{out}: exists and is no run of model.{name}; --out names another folder.")
    if ours and not settings.force:
        raise UserError(f"{out}: exists; --out names another folder; --resume goes on with it, --force replaces it.")
    about = asdict(settings) | {"run": model.folder, "model": model.hash, "faces": pictures_of(images, model)}
    if name in model.config:
        about["before"] = model.config[name]
    stack.enter_context(runs.alone(out))
    if ours:
        opening.clear(out)
    runs.write_config(out, model.config | {"finished": False, "run": out, "command": name, name: about})
    copy_model(model.folder, out)
    return model, out, settings


def pictures_of(images: ImageSet, model: SmileModel) -> str:
    """A digest of the set's readable pictures, which are decoded if they were not yet."""
    return opening.pictures_of(images.pictures(model.size)[1])


def copy_model(folder: Path, out: Path) -> None:
    """All of a run that the next one goes on with."""
    for path in folder.iterdir():
        if path.suffix in (".safetensors", ".csv") or path.name in ("judges.json", "LICENCE"):
            shutil.copy(path, out)


def new_state(lesson: Lesson, settings: Settings) -> State:
    torch.manual_seed(settings.seed)
    net = lesson.net()
    average = AveragedModel(net, multi_avg_fn=moving_average(settings.ema)).eval()
    return State(net, average, lesson.optimizer(net))


def training_step(state: State, lesson: Lesson, settings: Settings) -> None:
    faces = lesson.faces
    batch = min(settings.batch, len(faces.training))
    seed = settings.seed * 1_000_003 + state.step
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))  # what the net itself leaves to chance
    mirrored = torch.rand(batch, generator=generator) < 0.5
    where = faces.order(state.step, batch, settings.seed)
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(state.step, settings.steps, settings.lr)
    loss = lesson.loss(state.net, where, generator, mirrored)
    state.optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(state.net.parameters(), 1.0)
    state.optimizer.step()
    state.average.update_parameters(state.net)
    state.step += 1
    state.recent.append(loss.detach())


@torch.no_grad()
def validation_loss(state: State, lesson: Lesson, settings: Settings) -> float:
    """The loss on faces that train nothing, always the same ones with the same noise."""
    kept = evenly(lesson.faces.validation, MOST_VALIDATION)
    if not len(kept):
        return math.nan
    generator = torch.Generator().manual_seed(settings.seed)
    net = state.average.module
    losses = [len(some) * lesson.held_out(net, some, generator).item() for some in in_batches(kept, 64)]
    return sum(losses) / len(kept)


def told(row: dict[str, float], settings: Settings) -> str:
    return f"step {row['step']:,}/{settings.steps:,}: loss {row['loss']:.4f}, validation {row['val_loss']:.4f}"


def finish(out: Path, state: State, lesson: Lesson) -> None:
    """Write what was learned beside the model: the run is one like any other."""
    changed = lesson.keep(state.average.module)
    with whole_file(out / f"{lesson.NAME}.csv") as aside:
        pd.DataFrame(state.rows).to_csv(aside, index=False, lineterminator="\n")
    runs.write_config(out, runs.read_config(out) | {"finished": True} | changed)
    for path in (lesson.file, out / f"{lesson.NAME}.csv"):
        print(f"wrote {path}")
    print(f"Run: {typed(out)}\nNext: " + next_command(lesson.model.kind, out))
