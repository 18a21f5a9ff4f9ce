"""The training of `model.diffusion`: what the decoder leaves out of training faces, under noise, is found again."""

import math
import shutil
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from data import open_set
from model import opening, runs
from model.detail import Settings
from model.devices import autocast, best_device
from model.diffusion import LEFT_OUT, Detail, drawn_levels
from model.faces import Faces, evenly, load_faces
from model.runs import DETAIL, SmileModel
from model.state import Checkpoint, moving_average
from model.training import MOST_VALIDATION, ctrl_c, learning_rate
from shell import UserError, typed, whole_file


@dataclass
class State(Checkpoint):
    """Of `model.detail`."""

    FILE = "detail.pt"
    MODULES = ("net", "average", "optimizer")
    VALUES = ("step", "rows", "recent")

    net: Detail
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    step: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    """detail.csv."""
    recent: list[Tensor] = field(default_factory=list)
    """The losses of the steps since the last row."""


def learn_detail(settings: Settings) -> Path:
    """Teach a run's model its detail as `settings` say; returns the folder of the run that results.

    Every random number is a function of the seed and the step, so that a resumed run goes on as if never stopped.

    Raises
    ------
    UserError
        The settings, the run or the folder will not do, or the loss is not finite.
    KeyboardInterrupt
        Ctrl-C or SIGTERM came; the run is saved.
    """
    model, out, settings = begin(settings)
    began = opening.settings_of(model.config)
    faces = load_faces(replace(began, kind="vae", hold=()), out)  # pictures alone: no degrees, no attributes
    device = best_device()
    model.network.to(device).requires_grad_(False)
    state = new_state(settings, device)
    if (out / State.FILE).exists():
        state.load(out, device)
        print(f"going on at step {state.step:,} of {settings.steps:,}")
    else:
        state.save(out)
    bar = tqdm(total=settings.steps, initial=state.step, unit="step", disable=None)
    with ctrl_c() as pressed, bar:
        while state.step < settings.steps and not pressed:
            training_step(state, model, faces, settings, device)
            bar.update()
            last = state.step == settings.steps
            if state.step % settings.log_every == 0 or last:
                state.rows.append({"step": state.step, "loss": torch.stack(state.recent).mean().item()})
                state.recent.clear()
                if not math.isfinite(state.rows[-1]["loss"]):
                    raise UserError(f"{out}: the loss is not finite at step {state.step}; a lower --lr helps.")
            if state.step % settings.save_every == 0 or last:
                state.rows[-1]["val_loss"] = validation_loss(state, model, faces, settings, device)
                tqdm.write(told(state.rows[-1], settings))
                state.save(out)
    if pressed:
        state.save(out)
        print(
            f"stopped at step {state.step:,}; "
            f"python -m model.detail --run {typed(model.folder)} --out {typed(out)} --resume goes on"
        )
        raise KeyboardInterrupt
    finish(out, state)
    return out


def begin(settings: Settings) -> tuple[SmileModel, Path, Settings]:
    """The model, the folder of the run with detail, made or found again, and the settings that hold for it."""
    model = runs.load(settings.run)
    if model.detail is not None:
        raise UserError(f"{model.folder}: has its detail already; --run names another.")
    home = runs.RUNS if model.shipped else model.folder.parent
    out = settings.out or home / f"{model.folder.name}-detail"
    check(settings)
    open_set(model.config["data"])  # before anything is written
    config = runs.read_config(out) if (out / "config.json").exists() else {}
    if settings.resume:
        if "detail" not in config or not (out / State.FILE).exists():
            raise UserError(f"{out}: nothing to resume here (no {State.FILE}).")
        began = config["detail"]
        if began["model"] != model.hash:
            raise UserError(f"{out}: began with another model than {model.folder}, as {began['run']} was then.")
        known = {one.name for one in fields(Settings)} - opening.OF_THE_CALL
        held = replace(settings, **{name: value for name, value in began.items() if name in known})
        opening.refuse_changes(settings, held, out)
        return model, out, held
    if out.exists() and not (settings.force and "detail" in config):
        raise UserError(f"{out}: exists; --out names another folder; --resume goes on with it, --force replaces it.")
    if out.exists():
        shutil.rmtree(out)
    about = asdict(settings) | {"run": str(model.folder), "model": model.hash}
    runs.write_config(out, model.config | {"finished": False, "run": str(out), "detail": about})
    for path in model.folder.iterdir():
        if path.suffix in (".safetensors", ".csv") or path.name in ("judges.json", "LICENCE"):
            shutil.copy(path, out)
    return model, out, settings


def check(settings: Settings) -> None:
    for name in ("steps", "batch", "log_every", "save_every"):
        if getattr(settings, name) < 1:
            raise UserError(f"--{name.replace('_', '-')} {getattr(settings, name)}: expected at least 1.")
    if settings.seed < 0 or settings.lr <= 0 or not 0 <= settings.ema < 1:
        asked = f"--seed {settings.seed} --lr {settings.lr} --ema {settings.ema}"
        raise UserError(f"{asked}: expected 0 or more, more than 0, and 0 to below 1.")
    if settings.save_every % settings.log_every:
        raise UserError(f"--save-every {settings.save_every}: expected a multiple of --log-every {settings.log_every}.")


def new_state(settings: Settings, device: torch.device) -> State:
    torch.manual_seed(settings.seed)
    net = Detail().to(device).to(memory_format=torch.channels_last)
    average = AveragedModel(net, multi_avg_fn=moving_average(settings.ema))
    optimizer = torch.optim.AdamW(net.parameters(), settings.lr, betas=(0.9, 0.99), weight_decay=1e-2, fused=True)
    return State(net, average, optimizer)


def training_step(state: State, model: SmileModel, faces: Faces, settings: Settings, device: torch.device) -> None:
    batch = min(settings.batch, len(faces.everyone))
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + state.step)
    mirrored = torch.rand(batch, generator=generator) < 0.5
    where = faces.order(state.step, batch, settings.seed)
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(state.step, settings.steps, settings.lr)
    loss = loss_of(state.net, model, faces, where, generator, device, mirrored)
    state.optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(state.net.parameters(), 1.0)
    state.optimizer.step()
    state.average.update_parameters(state.net)
    state.step += 1
    state.recent.append(loss.detach())


def loss_of(
    net: nn.Module,
    model: SmileModel,
    faces: Faces,
    where: NDArray[np.intp],
    generator: torch.Generator,
    device: torch.device,
    mirrored: Tensor | None = None,
) -> Tensor:
    """The mean square error of what is found, as a share of what finding nothing new gives; see `Detail`."""
    x, _ = faces.batch(where, device, mirrored)
    x = x.contiguous(memory_format=torch.channels_last)
    noise = torch.randn(len(x), model.dimensions, generator=generator).to(device)
    with torch.no_grad(), autocast(device):
        y = model.network(x, noise)[0]
    left_out = x - y
    sigma = drawn_levels(len(x), generator).to(device)
    noisy = left_out + sigma[:, None, None, None] * torch.randn(x.shape, generator=generator).to(device)
    with autocast(device):
        found = net(noisy, y, sigma)
    weight = 1 / sigma**2 + 1 / LEFT_OUT**2  # (Karras et al., 2022, table 1)
    return ((found - left_out).square().mean((1, 2, 3)) * weight).mean()


@torch.no_grad()
def validation_loss(state: State, model: SmileModel, faces: Faces, settings: Settings, device: torch.device) -> float:
    """The loss on faces that train nothing, always the same ones with the same noise."""
    kept = evenly(np.flatnonzero(~faces.train), MOST_VALIDATION)
    generator = torch.Generator().manual_seed(settings.seed)
    parts = np.array_split(kept, -(-len(kept) // 64))
    losses = [len(some) * loss_of(state.average, model, faces, some, generator, device).item() for some in parts]
    return sum(losses) / len(kept) if len(kept) else math.nan


def told(row: dict[str, float], settings: Settings) -> str:
    return f"step {row['step']:,}/{settings.steps:,}: loss {row['loss']:.4f}, validation {row['val_loss']:.4f}"


def finish(out: Path, state: State) -> None:
    """Write the net beside the model: the run is one like any other."""
    runs.write_tensors(out / DETAIL, state.average.module.state_dict())
    with whole_file(out / "detail.csv") as aside:
        pd.DataFrame(state.rows).to_csv(aside, index=False)
    runs.write_config(out, runs.read_config(out) | {"finished": True})
    for name in (DETAIL, "detail.csv"):
        print(f"wrote {out / name}")
