"""The training loop: faces in, a run folder out. `model.train` holds its settings."""

import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from model.cvae import CVAE
from model.devices import autocast, best_device
from model.faces import Faces, evenly, load_faces
from model.opening import open_run
from model.outcome import finish, save_reconstructions, shown_faces
from model.state import Clock, State, keep_best, new_state, stale
from model.train import Settings
from shell import UserError

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
    run, settings = open_run(settings)
    faces = load_faces(settings, run)
    device = best_device()
    state = new_state(settings, device)
    if (run / "state.pt").exists():
        state.load(run, device)
        print(f"going on at step {state.step:,} of {settings.steps:,}")
    batch = min(settings.batch, int(faces.train.sum()))
    shown = shown_faces(faces)
    clock = Clock(state)
    bar = tqdm(total=settings.steps, initial=state.step, unit="step", disable=None)
    with ctrl_c() as pressed, bar:
        while state.step < settings.steps and not pressed and not stale(state, settings):
            training_step(state, faces, batch, settings, device)
            bar.update()
            last = state.step == settings.steps
            if state.step % settings.log_every == 0 or last:
                clock.stop()
                state.rows.append(row(state, batch))
                state.recent.clear()
                if not math.isfinite(state.rows[-1]["loss"]):
                    raise UserError(f"{run}: the loss is not finite at step {state.step}; a lower --lr helps.")
            if state.step % settings.save_every == 0 or last:
                state.rows[-1] |= validate(state.averaged, faces, device, settings.seed)
                keep_best(state)
                tell(state.rows[-1], settings)
                save_reconstructions(state, shown, run, device)
                state.save(run)
                clock.start()
    if pressed:
        clock.stop()
        state.save(run)
        print(f"stopped at step {state.step:,}; python -m model.train --run {run} --resume goes on")
        raise KeyboardInterrupt
    if state.step < settings.steps:
        print(f"ended at step {state.step:,}: no lower validation loss in {settings.patience} validations")
    state.averaged.load_state_dict(state.best)
    finish(run, state, faces, shown, device)
    return run


def training_step(state: State, faces: Faces, batch: int, settings: Settings, device: torch.device) -> None:
    """One step of the optimizer; the terms of its loss wait, on the device, in `state.recent`."""
    x, c, noise = make_batch(faces, state.step, batch, settings, device)
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(state.step, settings)
    with autocast(device):
        terms = state.network.terms(x, c, noise)
    state.optimizer.zero_grad()
    terms.loss.backward()
    state.optimizer.step()
    state.average.update_parameters(state.network)
    state.step += 1
    state.recent.append(torch.stack([term.detach().float() for term in terms]))


def make_batch(
    faces: Faces, step: int, batch: int, settings: Settings, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """The batch of a step: pictures (B, 3, S, S), every second one mirrored, degrees (B,), noise (B, Z)."""
    x, c = faces.batch(faces.order(step, batch, settings.seed), device)
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
    mirrored = torch.rand(len(x), 1, 1, 1, generator=generator) < 0.5
    noise = torch.randn(len(x), settings.latent, generator=generator)
    x = torch.where(mirrored.to(device), x.flip(3), x).contiguous(memory_format=torch.channels_last)
    return x, c, noise.to(device)


def learning_rate(step: int, settings: Settings) -> float:
    """Linear warm-up over the first 200 steps, then a cosine to a twentieth."""
    progress = step / settings.steps
    return settings.lr * min(1, (step + 1) / 200) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))


def row(state: State, batch: int) -> dict[str, float]:
    """A row of metrics.csv: means over the steps since the last row; PSNR in dB, `rate` in pictures per second."""
    loss, mse, kl, smile = torch.stack(state.recent).mean(0).tolist()
    before = state.rows[-1] if state.rows else {"step": 0, "seconds": 0.0}
    rate = (state.step - before["step"]) * batch / (state.seconds - before["seconds"])
    progress = {"step": state.step, "pictures": state.step * batch, "seconds": state.seconds, "rate": rate}
    return progress | {"loss": loss, "psnr": -10 * math.log10(mse), "kl": kl, "smile": smile}


@torch.no_grad()
def validate(network: CVAE, faces: Faces, device: torch.device, seed: int) -> dict[str, float]:
    """The loss terms on faces that train nothing, always the same ones with the same noise.

    `network` comes back in the mode it came in.
    """
    kept = evenly(np.flatnonzero(~faces.train), MOST_VALIDATION)
    if not len(kept):
        return {}
    was_training = network.training
    network.eval()
    generator = torch.Generator().manual_seed(seed)
    sums = np.zeros(3)
    for some in np.array_split(kept, -(-len(kept) // 256)):
        x, c = faces.batch(some, device)
        noise = torch.randn(len(x), network.encoder.head.out_features // 2, generator=generator).to(device)
        with autocast(device):
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
def ctrl_c() -> Iterator[list[int]]:
    """A list that is empty until Ctrl-C or SIGTERM comes; a second one stops at once."""
    pressed: list[int] = []

    def press(number: int, _: object) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    before = {number: signal.signal(number, press) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield pressed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
