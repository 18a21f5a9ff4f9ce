"""The training loop: faces in, a run folder out. `model.train` holds its settings."""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from model import distributed, runs
from model.cvae import CVAE
from model.devices import autocast, best_device, keep_memory
from model.distributed import Loss
from model.faces import Faces, evenly, in_batches, load_faces, resident
from model.fitting import finish
from model.opening import keep_to_pictures, open_run
from model.snapshots import save_activity, save_reconstructions, shown_faces
from model.state import Clock, State, keep_best, new_state, stale
from model.train import Settings
from shell import UserError, typed

MOST_VALIDATION = 2048  # faces per validation: a few seconds


def train(settings: Settings) -> Path:
    """Train as `settings` say; returns the run's folder.

    Every random number is a function of the seed and the step, so that a resumed run goes on as if never stopped.

    Raises
    ------
    UserError
        The settings, the image set or the run's folder will not do, or the loss is not finite.
    KeyboardInterrupt
        Ctrl-C or SIGTERM came; the run is saved.
    """
    keep_memory()
    distributed.join()
    with ExitStack() as stack:
        run, settings, faces = begin(settings, stack)
        go_on(run, settings, faces)
        return run


def go_on(run: Path, settings: Settings, faces: Faces) -> None:
    """From the last checkpoint, or from the first step, to the end."""
    device = best_device()
    faces = resident(faces, device)
    state = new_state(settings, device)
    if (run / "state.pt").exists():
        state.load(run, device)
        print(f"going on at step {state.step:,} of {settings.steps:,}")
    batch = distributed.whole(min(int(settings.batch), len(faces.training)))
    loss = distributed.loss_of(state.network)
    shown = shown_faces(faces)
    clock = Clock(state)
    silent = None if distributed.leads() else True  # None: where the output is no terminal
    bar = tqdm(total=settings.steps, initial=state.step, unit="step", disable=silent)
    with ctrl_c() as pressed, distributed.unbroken(run), bar:
        while state.step < settings.steps and not stale(state, settings) and not distributed.anyone(bool(pressed)):
            training_step(state, loss, faces, batch, settings, device)
            bar.update()
            last = state.step == settings.steps
            if state.step % settings.log_every == 0 or last:
                clock.stop()
                state.rows.append(row(state, batch))
                state.recent.clear()
                if not math.isfinite(state.rows[-1]["loss"]):
                    raise UserError(f"{run}: the loss is not finite at step {state.step}; a lower --lr helps.")
            if state.step % settings.save_every == 0 or last:
                state.rows[-1] |= validate(state.averaged, faces, device, settings)
                keep_best(state)
                if distributed.leads():
                    tell(state.rows[-1], settings)
                    save_reconstructions(state, shown, run, device)
                    save_activity(state, faces, run, device)
                    state.save(run)
                clock.start()
        stopped = distributed.anyone(bool(pressed))
    del loss  # which holds the processes together
    distributed.leave()
    if stopped:
        clock.stop()
        if distributed.leads():
            state.save(run)
        print(f"stopped at step {state.step:,}; python -m model.train --run {typed(run)} --resume goes on")
        raise KeyboardInterrupt
    if not distributed.leads():
        return
    if state.step < settings.steps:
        print(f"ended at step {state.step:,}: no lower validation loss in {settings.patience} validations")
    state.averaged.load_state_dict(state.best)
    finish(run, state, faces, shown, device)


def begin(settings: Settings, stack: ExitStack) -> tuple[Path, Settings, Faces]:
    """The run's folder, held until `stack` is closed, the settings that hold for it, and its faces."""
    run, settings = distributed.from_leader(lambda: open_run(settings, stack))
    with distributed.leader_first():  # what is slow to make, it keeps in files
        faces = load_faces(settings, run)
        keep_to_pictures(run, faces.names)
    if settings.batch == "auto":
        settings = distributed.from_leader(lambda: with_fastest_batch(run, settings, faces))
    return run, settings, faces


def with_fastest_batch(run: Path, settings: Settings, faces: Faces) -> Settings:
    """The settings with a batch that is found by measurement, and kept in the run's config."""
    from model.batches import fastest_batch  # which measures the step below

    device = best_device()
    with distributed.apart():
        batch = fastest_batch(settings, resident(faces, device), device)
    batch *= distributed.count()
    runs.write_config(run, runs.read_config(run) | {"batch": batch})
    return replace(settings, batch=batch)


def training_step(state: State, loss: Loss, faces: Faces, batch: int, settings: Settings, device: torch.device) -> None:
    """One step of the optimizer; the terms of its loss wait, on the device, in `state.recent`."""
    x, c, noise = make_batch(faces, state.step, batch, settings, device)
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(state.step, settings.steps, settings.lr)
    with autocast(device, settings.precision):
        terms = loss(x, c, noise)
    state.optimizer.zero_grad()
    terms.loss.backward()
    state.optimizer.step()
    state.average.update_parameters(state.network)
    state.step += 1
    state.recent.append(distributed.mean(torch.stack([term.detach().float() for term in terms])))


def make_batch(
    faces: Faces, step: int, batch: int, settings: Settings, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """The batch of a step: pictures (B, 3, S, S), every second one mirrored, degrees (B,), noise (B, Z).

    Of several processes each gets its part of the one batch.
    """
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
    mirrored = torch.rand(batch, generator=generator) < 0.5
    noise = torch.randn(batch, settings.latent, generator=generator)
    part = distributed.part(batch)
    x, c = faces.batch(faces.order(step, batch, settings.seed)[part], device, mirrored[part])
    return x, c, noise[part].to(device, non_blocking=True)


def learning_rate(step: int, steps: int, highest: float) -> float:
    """Linear warm-up over the first 200 steps, then a cosine to a twentieth."""
    return highest * min(1, (step + 1) / 200) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def row(state: State, batch: int) -> dict[str, float]:
    """A row of metrics.csv: means over the steps since the last row; PSNR in dB, `rate` in pictures per second."""
    loss, mse, kl, smile = torch.stack(state.recent).mean(0).tolist()
    before = state.rows[-1] if state.rows else {"step": 0, "seconds": 0.0}
    rate = (state.step - before["step"]) * batch / (state.seconds - before["seconds"])
    progress = {"step": state.step, "pictures": state.step * batch, "seconds": state.seconds, "rate": rate}
    return progress | {"loss": loss, "psnr": -10 * math.log10(mse), "kl": kl, "smile": smile}


@torch.no_grad()
def validate(network: CVAE, faces: Faces, device: torch.device, settings: Settings) -> dict[str, float]:
    """The loss terms on faces that train nothing, always the same ones with the same noise.

    `network` comes back in the mode it came in.
    """
    kept = evenly(faces.validation, MOST_VALIDATION)
    if not len(kept):
        return {}
    was_training = network.training
    network.eval()
    generator = torch.Generator().manual_seed(settings.seed)
    sums = np.zeros(3)
    for some in in_batches(kept, 256):
        x, c = faces.batch(some, device)
        noise = torch.randn(len(x), settings.latent, generator=generator).to(device)
        with autocast(device, settings.precision):
            terms = network.terms(x, c, noise)
        sums += len(x) * np.array([terms.mse.item(), terms.kl.item(), terms.smile.item()])
    network.train(was_training)
    mse, kl, smile = (sums / len(kept)).tolist()  # plain floats: state.pt holds nothing that is unpickled
    values = 0.5 * faces.pictures[0].size
    return {
        "val_loss": values * math.log(mse) + kl + smile,
        "val_psnr": -10 * math.log10(mse),
        "val_kl": kl,
        "val_smile": smile,
    }


def tell(row: dict[str, float], settings: Settings) -> None:
    validation = f", validation {row['val_psnr']:.2f} dB" if "val_psnr" in row else ""
    line = f"step {row['step']:,}/{settings.steps:,}: {row['psnr']:.2f} dB{validation}, KL {row['kl']:.0f} nats"
    tqdm.write(f"{line}, {row['rate']:.0f} pictures/s")


@contextmanager
def ctrl_c() -> Iterator[list[float]]:
    """A list that is empty until Ctrl-C or SIGTERM comes; another one, a second later, stops at once."""
    pressed: list[float] = []

    def press(*_: object) -> None:
        if pressed and time.monotonic() - pressed[0] > 1:  # torchrun passes on the one that came already
            raise KeyboardInterrupt
        pressed.append(time.monotonic())

    before = {number: signal.signal(number, press) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield pressed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
