"""The state of a training: what a checkpoint holds, which weights were best, how long it took."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import ClassVar, cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from model.cvae import CVAE
from model.runs import does_not_fit, write_metrics
from model.train import Settings
from shell import whole_file

Tensors = list[Tensor] | tuple[Tensor, ...]


class Checkpoint:
    """What a resumed run needs to go on as if it had never been stopped, in a file of its run."""

    FILE: ClassVar[str]
    MODULES: ClassVar[tuple[str, ...]]
    """The attributes that are held by their `state_dict`."""
    VALUES: ClassVar[tuple[str, ...]]
    """Those that are held as they are."""

    def save(self, run: Path) -> None:
        held = {name: getattr(self, name).state_dict() for name in self.MODULES}
        held |= {name: getattr(self, name) for name in self.VALUES}
        content = BytesIO()  # where the disk is full torch raises no OSError
        torch.save(held, content)
        with whole_file(run / self.FILE) as aside:
            aside.write_bytes(content.getbuffer())

    def load(self, run: Path, device: torch.device) -> None:
        """Raise a UserError for a file that is damaged, or another run's."""
        try:
            held = torch.load(run / self.FILE, device, weights_only=True)
            for name in self.MODULES:
                getattr(self, name).load_state_dict(held[name])
            for name in self.VALUES:
                setattr(self, name, held[name])
        except (OSError, EOFError, RuntimeError, UnpicklingError, KeyError, TypeError, ValueError) as error:
            raise does_not_fit(run / self.FILE, error, "checkpoint") from error


@dataclass
class State(Checkpoint):
    """Of `model.train`."""

    FILE = "state.pt"
    MODULES = ("network", "average", "optimizer")
    VALUES = ("step", "rows", "best", "best_row", "recent", "seconds")

    network: CVAE
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    step: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    """metrics.csv."""
    best: dict[str, Tensor] = field(default_factory=dict)
    """The averaged weights at the lowest validation loss so far."""
    best_row: int = -1
    recent: list[Tensor] = field(default_factory=list)
    """The loss terms (4,) of the steps since the last row."""
    seconds: float = 0.0
    """Spent on training steps."""

    @property
    def averaged(self) -> CVAE:
        return cast(CVAE, self.average.module)

    def save(self, run: Path) -> None:
        super().save(run)
        try:
            write_metrics(run, self.rows)
        except PermissionError as error:  # Windows, while a spreadsheet shows it; the checkpoint has the rows
            tqdm.write(f"note: {error.filename}: {error.strerror}; the next checkpoint tries again")


def new_state(settings: Settings, device: torch.device) -> State:
    torch.manual_seed(settings.seed)
    network = CVAE(settings.size, settings.latent, settings.width, settings.kind)
    network = network.to(device).to(memory_format=torch.channels_last)
    average = AveragedModel(network, multi_avg_fn=moving_average(settings.ema))
    optimizer = torch.optim.AdamW(network.parameters(), settings.lr, betas=(0.9, 0.99), weight_decay=1e-2, fused=True)
    return State(network, average, optimizer)


def moving_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """An exponential moving average that begins short: decay (1 + n) / (10 + n) after n steps, at most `decay`.

    It changes the old tensors, all in one call: a third of the time of one call for each.
    """

    def average(old: Tensors, new: Tensors, n: Tensor | int) -> None:
        n = torch.as_tensor(n, dtype=torch.float32)
        weight = 1 - ((1 + n) / (10 + n)).clamp(max=decay)
        torch._foreach_lerp_(old, new, [weight] * len(old))  # a tensor, not a number: a GPU is not waited for

    return average


def keep_best(state: State) -> None:
    """Remember the averaged weights if no earlier validation had a lower loss."""
    losses = [row["val_loss"] for row in state.rows if "val_loss" in row]
    if not losses or losses[-1] == min(losses):
        state.best = {name: tensor.clone() for name, tensor in state.averaged.state_dict().items()}
        state.best_row = len(state.rows) - 1


def stale(state: State, settings: Settings) -> bool:
    """Whether the validation loss has not fallen for `patience` validations: now faces are learned by heart."""
    validated = [i for i, row in enumerate(state.rows) if "val_loss" in row]
    return sum(i > state.best_row for i in validated) >= settings.patience


class Clock:
    """Adds the seconds between `start` and `stop` to those of the state."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.start()

    def start(self) -> None:
        self.started = time.perf_counter()

    def stop(self) -> None:
        self.state.seconds += time.perf_counter() - self.started
        self.start()
