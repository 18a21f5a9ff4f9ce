"""The training loop: faces in, a run folder out. `model.train` holds its settings."""

import math
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from model import pictures, runs
from model.cvae import CVAE, Terms
from model.devices import autocast, best_device
from model.faces import Faces, load_faces
from model.latent import fit_latent
from model.networks import channels
from model.train import Settings
from shell import UserError, whole_file

SHOWN = 32  # faces whose reconstructions are followed
MOST_VALIDATION = 2048  # faces per validation: a few seconds


def train(settings: Settings) -> Path:
    """Train as `settings` say; returns the run's folder.

    Every random number is a function of the seed and the step, so that a resumed run goes on as if never stopped.
    """
    run, settings = open_run(settings)
    faces, figures = load_faces(settings, run)
    if figures:
        print("smile reader: " + ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in figures.items()))
        runs.write_config(run, runs.read_config(run) | {"reader": figures})

    device = best_device()
    torch.manual_seed(settings.seed)
    network = CVAE(settings.size, settings.latent, settings.width, settings.kind)
    network = network.to(device).to(memory_format=torch.channels_last)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(settings.ema))
    kept = cast(CVAE, average.module)  # the network that the run keeps
    optimizer = torch.optim.AdamW(network.parameters(), settings.lr, betas=(0.9, 0.99), weight_decay=1e-2, fused=True)
    rows: list[dict[str, float]] = []
    step = 0
    if (run / "state.pt").exists():
        state = torch.load(run / "state.pt", device, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        rows, step = state["rows"], state["step"]
        print(f"going on at step {step:,} of {settings.steps:,}")

    def checkpoint() -> None:
        state = {
            "network": network.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
            "rows": rows,
            "step": step,
        }
        write_metrics(run, rows)
        with whole_file(run / "state.pt") as aside:
            torch.save(state, aside)

    shown = shown_faces(faces)
    recent: list[Terms] = []
    mark, marked = time.perf_counter(), step
    spent = rows[-1]["seconds"] if rows else 0.0
    bar = tqdm(total=settings.steps, initial=step, unit="step", disable=None)
    with ctrl_c() as pressed, bar:
        while step < settings.steps and not pressed:
            x, c, noise = make_batch(faces, step, settings, device)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, settings)
            with autocast(device):
                terms = network.terms(x, c, noise)
            optimizer.zero_grad()
            terms.loss.backward()
            optimizer.step()
            average.update_parameters(network)
            step += 1
            bar.update()
            recent.append(Terms(*(term.detach() for term in terms)))
            if step % settings.log_every == 0 or step == settings.steps:
                now = time.perf_counter()
                spent += now - mark
                rows.append({"step": step, "pictures": step * len(x), "seconds": spent, **summary(recent)})
                rows[-1] |= {"rate": (step - marked) * len(x) / (now - mark), "val_loss": math.nan}
                if not math.isfinite(rows[-1]["loss"]):
                    raise UserError(
                        f"{run}: the loss is not finite at step {step}; a lower --lr than {settings.lr} helps."
                    )
                recent.clear()
                if step % settings.save_every == 0 or step == settings.steps:
                    rows[-1] |= validate(kept, faces, device, settings.seed)
                    tell(rows[-1], settings)
                    save_reconstructions(kept, shown, run / "frames" / f"{step:07d}.png", step, device)
                    checkpoint()
                mark, marked = time.perf_counter(), step
    if step < settings.steps:
        checkpoint()
        print(f"stopped at step {step:,}; --resume goes on")
        raise KeyboardInterrupt
    finish(run, kept, faces, rows, shown, device)
    return run


def open_run(settings: Settings) -> tuple[Path, Settings]:
    """The folder of the run, made, emptied or found again, and the settings that hold for it."""
    run = settings.run or runs.RUNS / settings.kind
    exists = (run / "config.json").exists()
    if settings.resume:
        if not exists:
            raise UserError(f"{run}: no run to resume here (no config.json).")
        return run, resumed(settings, run)
    check(settings)
    if not exists and run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise UserError(f"{run}: exists and is no run; --run names another folder.")
    if exists and not settings.force:
        raise UserError(f"{run}: exists; --resume goes on with it, --force replaces it, --run names another folder.")
    if exists:
        shutil.rmtree(run)
    settings = replace(settings, run=run)
    runs.write_config(run, asdict(settings))
    return run, settings


def check(settings: Settings) -> None:
    """Raise a UserError for settings that cannot work, before anything is written."""
    for name in ("steps", "batch", "latent", "log_every", "save_every", "reader_rounds", "reader_steps"):
        if getattr(settings, name) < 1:
            raise UserError(f"--{name.replace('_', '-')} {getattr(settings, name)}: expected at least 1.")
    if settings.save_every % settings.log_every:
        raise UserError(f"--save-every {settings.save_every}: expected a multiple of --log-every {settings.log_every}.")
    try:
        channels(settings.size, settings.width)
    except ValueError as error:
        raise UserError(f"--{error}.") from error


def resumed(settings: Settings, run: Path) -> Settings:
    """The settings that the run began with; any other that was asked for besides is an error, not a surprise."""
    config = runs.read_config(run)
    began = Settings(**{f.name: config[f.name] for f in fields(Settings) if f.name in config})
    began = replace(began, data=Path(began.data), run=run, hold=tuple(began.hold))
    for field in fields(Settings):
        asked, default, old = (getattr(s, field.name) for s in (settings, Settings(), began))
        if field.name not in ("run", "resume", "force") and asked not in (default, old):
            raise UserError(
                f"{run}: began with --{field.name.replace('_', '-')} {old}, not {asked}; it cannot change on the way."
            )
    return began


def make_batch(faces: Faces, step: int, settings: Settings, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The batch of a step: pictures (B, 3, S, S), every second one mirrored, degrees (B,), noise (B, Z)."""
    x, c = faces.batch(faces.order(step, settings.batch, settings.seed), device)
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
    mirrored = torch.rand(len(x), 1, 1, 1, generator=generator) < 0.5
    noise = torch.randn(len(x), settings.latent, generator=generator)
    x = torch.where(mirrored.to(device), x.flip(3), x).contiguous(memory_format=torch.channels_last)
    return x, c, noise.to(device)


def learning_rate(step: int, settings: Settings) -> float:
    """Linear warm-up over the first 200 steps, then a cosine to a twentieth."""
    progress = step / settings.steps
    return settings.lr * min(1, (step + 1) / 200) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))


def summary(terms: list[Terms]) -> dict[str, float]:
    """The mean of each term over some steps, with the reconstruction error as PSNR in dB."""
    loss, mse, kl, smile = torch.tensor([[t.float() for t in step] for step in terms]).mean(0).tolist()
    return {"loss": loss, "psnr": -10 * math.log10(mse), "kl": kl, "smile": smile}


@torch.no_grad()
def validate(network: CVAE, faces: Faces, device: torch.device, seed: int) -> dict[str, float]:
    """The loss terms on faces that train nothing, always the same ones with the same noise.

    `network` comes back in the mode it came in.
    """
    kept = np.flatnonzero(~faces.train)[:MOST_VALIDATION]
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


def finish(
    run: Path,
    network: CVAE,
    faces: Faces,
    rows: list[dict[str, float]],
    shown: Tensor,
    device: torch.device,
) -> None:
    """Fit the latent space, save the model, draw what a reader of the run wants to see, and call the run finished."""
    network.eval()
    config = runs.read_config(run)
    mu, variance = encode_training_faces(network, faces, device)
    attributes = torch.tensor(faces.attributes[faces.train])
    latent = fit_latent(mu, variance, attributes if config["kind"] == "cvae" else attributes[:, :0])
    runs.save_model(run, network, latent)
    write_metrics(run, rows)
    last = rows[-1]
    figures = {name: value for name, value in last.items() if math.isfinite(value)}
    runs.write_config(run, config | {"finished": True, "faces": int(faces.train.sum()), "figures": figures})

    frames = sorted((run / "frames").glob("*.png"))
    pictures.save_animation(frames, run / "training.gif")
    pictures.save_curves(rows, run / "loss.png")
    originals = pictures.grid(pictures.to_uint8(shown), title="originals")
    with torch.inference_mode():
        recon = pictures.to_uint8(
            network(shown.to(device), torch.zeros(len(shown), mu.shape[1], device=device))[0].cpu()
        )
    sheet = pictures.side_by_side(originals, pictures.grid(recon, title="reconstructions"))
    pictures.save(sheet, run / "reconstructions.png")
    print(
        "\n".join(f"wrote {run / name}" for name in ("reconstructions.png", "training.gif", "loss.png", "metrics.csv"))
    )


@torch.inference_mode()
def encode_training_faces(network: CVAE, faces: Faces, device: torch.device) -> tuple[Tensor, Tensor]:
    """The encoder's mean and variance (N, Z) of every training face, on the CPU."""
    parts = []
    where = np.flatnonzero(faces.train)
    for some in np.array_split(where, -(-len(where) // 256)):
        x, _ = faces.batch(some, device)
        with autocast(device):
            mu, log_var = network.encoder(x)
        parts.append((mu.cpu(), log_var.exp().cpu()))
    means, variances = zip(*parts, strict=True)
    return torch.cat(means), torch.cat(variances)


def shown_faces(faces: Faces) -> Tensor:
    """The faces whose reconstructions are followed: the first of validation, filled up with training ones."""
    where = np.concatenate([np.flatnonzero(~faces.train), np.flatnonzero(faces.train)])[:SHOWN]
    return faces.batch(where, torch.device("cpu"))[0]


@torch.no_grad()
def save_reconstructions(network: CVAE, shown: Tensor, path: Path, step: int, device: torch.device) -> None:
    """One frame of the training's animation."""
    with autocast(device):
        recon = network.decoder(network.encoder(shown.to(device))[0])
    pictures.save(pictures.grid(pictures.to_uint8(recon.cpu()), title=f"step {step:,}"), path)


def write_metrics(run: Path, rows: list[dict[str, float]]) -> None:
    with whole_file(run / "metrics.csv") as aside:
        pd.DataFrame(rows).to_csv(aside, index=False)


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
