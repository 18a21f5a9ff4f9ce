"""After the ELBO: the decoder learns to draw what a mean of squares leaves blurred.

The encoder, and with it the latent space, its statistics and its directions, stay as the ELBO made them. Only the
decoder goes on, on two kinds of pictures at once. Reconstructions r of real faces x are held to

    1/2 log MSE(r, x)             the Gaussian term of the ELBO, per pixel value
    1/2 log P(r, x)               the same of the features that `model.features` sees, each brought to unit length
                                  over its channels (as in LPIPS, Zhang et al., 2018)

while a discriminator of patches (Isola et al., 2017; hinge loss and spectral norm, Miyato et al., 2018) learns to tell
them, and made faces at random degrees, from real faces. It is warmed up before it counts, and the gradient that it
gives a reconstruction is held at a share of the gradient of the two terms above (Esser et al., 2021, eq. 7).

Made faces have no other teacher. Two were tried and left out: the smile reader, for the degree that was asked for, and
the features, for being one person at every degree. The decoder learned to draw what these nets like to see instead.
"""

import math
import shutil
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from data import open_set
from model import opening, runs
from model.devices import autocast, best_device
from model.faces import DEGREES, READER, Faces, evenly, load_faces
from model.features import Features
from model.judge_nets import begun, known_attributes, learn_persons
from model.latent import Latent
from model.outcome import refine, save_comparison, shown_faces
from model.reader import SIZE
from model.runs import SmileModel
from model.sharpen import Settings
from model.state import Checkpoint, moving_average
from model.training import MOST_VALIDATION, ctrl_c, learning_rate
from model.way import place
from shell import UserError, typed, whole_file

WARM_UP = 150  # steps until the discriminator begins to count, and again as many until it counts fully
DECAY = 0.998


class Discriminator(nn.Sequential):
    """Pictures (B, 3, S, S) -> how real each patch looks (B, 1, S/8, S/8)."""

    def __init__(self, width: int = 32) -> None:
        layers: list[nn.Module] = []
        for before, after in ((3, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [spectral_norm(nn.Conv2d(before, after, 4, 2, 1)), nn.LeakyReLU(0.2)]
        layers += [spectral_norm(nn.Conv2d(4 * width, 4 * width, 3, 1, 1)), nn.LeakyReLU(0.2)]
        super().__init__(*layers, spectral_norm(nn.Conv2d(4 * width, 1, 3, 1, 1)))


@dataclass
class State(Checkpoint):
    """Of `model.sharpen`."""

    FILE = "sharpening.pt"
    MODULES = ("decoder", "average", "discriminator", "decoder_optimizer", "discriminator_optimizer", "features")
    VALUES = ("step", "share", "rows", "recent")

    decoder: nn.Module
    average: AveragedModel
    discriminator: Discriminator
    decoder_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer
    features: Features
    step: int = 0
    share: float = 0.0
    """Gradient of the reconstruction over that of the discriminator, a running mean."""
    rows: list[dict[str, float]] = field(default_factory=list)
    """sharpening.csv."""
    recent: list[Tensor] = field(default_factory=list)
    """The terms (3,) of the steps since the last row."""


def sharpen(settings: Settings) -> Path:
    """Sharpen the decoder of a run as `settings` say; returns the folder of the run that results.

    Every random number is a function of the seed and the step, so that a resumed run goes on as if never stopped.

    Raises
    ------
    UserError
        The settings, the run or the folder will not do, or the loss is not finite.
    KeyboardInterrupt
        Ctrl-C or SIGTERM came; the run is saved.
    """
    model, out, settings = begin(settings)
    faces = load_faces(opening.settings_of(model.config), out)
    device = best_device()
    model.network.to(device)
    latent = Latent(**{name: tensor.to(device) for name, tensor in vars(model.latent).items()})
    resumed = (out / State.FILE).exists()
    state = new_state(model, faces, settings, device, taught=not resumed)
    if resumed:
        state.load(out, device)
        print(f"going on at step {state.step:,} of {settings.steps:,}")
    else:
        state.save(out)
    bar = tqdm(total=settings.steps, initial=state.step, unit="step", disable=None)
    with ctrl_c() as pressed, bar:
        while state.step < settings.steps and not pressed:
            step(state, model, latent, faces, settings, device)
            bar.update()
            last = state.step == settings.steps
            if state.step % settings.log_every == 0 or last:
                state.rows.append(row(state))
                state.recent.clear()
                if not all(map(math.isfinite, state.rows[-1].values())):
                    raise UserError(f"{out}: the loss is not finite at step {state.step}; a lower --lr helps.")
            if state.step % settings.save_every == 0 or last:
                state.rows[-1]["val_psnr"] = validation_psnr(model, state, faces, device)
                tqdm.write(told(state.rows[-1], settings))
                state.save(out)
    if pressed:
        state.save(out)
        print(
            f"stopped at step {state.step:,}; "
            f"python -m model.sharpen --run {typed(model.folder)} --out {typed(out)} --resume goes on"
        )
        raise KeyboardInterrupt
    finish(model, out, state, faces)
    return out


def begin(settings: Settings) -> tuple[SmileModel, Path, Settings]:
    """The model, the folder of the sharpened run, made or found again, and the settings that hold for it."""
    model = runs.load(settings.run)
    if model.kind != "cvae":
        raise UserError(f"{model.folder}: is a run of kind {model.kind}, expected a cvae; --run names another.")
    if "sharpened" in model.config:
        raise UserError(f"{model.folder}: is sharpened already; --run names another.")
    if not (model.folder / DEGREES).exists():
        raise UserError(
            f"{model.folder}: holds no {DEGREES}, the degrees of the faces that it learned from; "
            "--run names a run that model.train made."
        )
    out = settings.out or model.folder.with_name(f"{model.folder.name}-sharp")
    check(settings)
    config = runs.read_config(out) if (out / "config.json").exists() else {}
    if settings.resume:
        if "sharpened" not in config or not (out / State.FILE).exists():
            raise UserError(f"{out}: nothing to resume here (no {State.FILE}).")
        began = config["sharpened"]
        if began["model"] != model.hash:
            raise UserError(f"{out}: began with another model than {model.folder}, as {began['run']} was then.")
        known = {one.name for one in fields(Settings)} - opening.OF_THE_CALL
        held = replace(settings, **{name: value for name, value in began.items() if name in known})
        opening.refuse_changes(settings, held, out)
        return model, out, held
    if out.exists() and not (settings.force and "sharpened" in config):
        raise UserError(
            f"{out}: exists; --out names another folder; --resume goes on with a sharpening, --force replaces it."
        )
    if out.exists():
        shutil.rmtree(out)
    about = asdict(settings) | {"run": str(model.folder), "model": model.hash}
    runs.write_config(out, model.config | {"finished": False, "focus": 0.0, "run": str(out), "sharpened": about})
    for name in (DEGREES, READER):
        if (model.folder / name).exists():
            shutil.copy(model.folder / name, out)
    return model, out, settings


def check(settings: Settings) -> None:
    for name in ("steps", "batch", "features_steps", "log_every", "save_every"):
        least = 4 if name == "batch" else 1
        if getattr(settings, name) < least:
            raise UserError(f"--{name.replace('_', '-')} {getattr(settings, name)}: expected at least {least}.")
    for name in ("perceptual", "adversarial", "farthest", "seed"):
        if getattr(settings, name) < 0:
            raise UserError(f"--{name} {getattr(settings, name)}: expected 0 or more.")
    if settings.lr <= 0 or settings.save_every % settings.log_every:
        asked = f"--lr {settings.lr} --save-every {settings.save_every}"
        raise UserError(f"{asked}: expected more than 0, and a multiple of --log-every {settings.log_every}.")


def new_state(model: SmileModel, faces: Faces, settings: Settings, device: torch.device, *, taught: bool) -> State:
    """The beginning, with features that are `taught`, or not yet (a checkpoint will replace them)."""
    images = open_set(opening.settings_of(model.config).data)
    pictures, names = images.pictures(SIZE)
    metadata = images.metadata().set_index("image").reindex(names)
    if taught:
        how: dict[str, Any] = {"steps": settings.features_steps, "seed": settings.seed, "device": device}
        features = learn_persons(Features, pictures, faces.everyone, metadata, **how, title="features")
    else:
        features = begun(Features, known_attributes(metadata), settings.seed, device)
    features.eval().requires_grad_(False)
    torch.manual_seed(settings.seed)
    decoder = model.network.decoder.to(memory_format=torch.channels_last).requires_grad_(True).train()
    discriminator = Discriminator().to(device).to(memory_format=torch.channels_last)

    def optimizer(net: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(net.parameters(), settings.lr, betas=(0.5, 0.9), fused=True)

    average = AveragedModel(decoder, multi_avg_fn=moving_average(DECAY))
    return State(decoder, average, discriminator, optimizer(decoder), optimizer(discriminator), features)


def step(
    state: State, model: SmileModel, latent: Latent, faces: Faces, settings: Settings, device: torch.device
) -> None:
    """One step of the decoder and one of the discriminator."""
    batch = min(settings.batch, len(faces.everyone))
    more = batch // 2
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + state.step)
    mirrored = torch.rand(batch, generator=generator) < 0.5
    noise = torch.randn(batch + more, len(latent.mean), generator=generator).to(device)
    c = ((2 * torch.rand(more, generator=generator) - 1) * settings.farthest).to(device)
    x, _ = faces.batch(faces.order(state.step, batch, settings.seed), device, mirrored)
    x = x.contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), autocast(device):
        mu, log_var = model.network.encoder(x)
    z = mu + (0.5 * log_var).exp() * noise[:batch]  # (B, Z)
    made = latent.at(latent.draw(noise[batch:]), place(c, model.way))  # (M, Z)
    for group in (*state.decoder_optimizer.param_groups, *state.discriminator_optimizer.param_groups):
        group["lr"] = learning_rate(state.step, settings.steps, settings.lr)
    with autocast(device):
        drawn = state.decoder(torch.cat([z, made]))  # (B + M, 3, S, S)
    recon = drawn[:batch]
    if settings.adversarial:
        step_discriminator(state, x, drawn.detach(), device)
    mse = (recon - x).square().mean()
    perceived = perceptual(state.features, recon, x, device) if settings.perceptual else torch.ones_like(mse)
    loss = 0.5 * mse.log() + settings.perceptual * 0.5 * perceived.log()
    adversarial = torch.zeros((), device=device)
    if settings.adversarial and state.step >= WARM_UP:
        adversarial, share = adversary(state, drawn, recon, loss, device)
        state.share = 0.9 * state.share + 0.1 * share if state.share else share
        loss = loss + settings.adversarial * state.share * min(1.0, state.step / WARM_UP - 1) * adversarial
    state.decoder_optimizer.zero_grad()
    loss.backward()
    state.decoder_optimizer.step()
    state.average.update_parameters(state.decoder)
    state.step += 1
    state.recent.append(torch.stack([t.detach().float() for t in (mse, perceived, adversarial)]))


def step_discriminator(state: State, real: Tensor, made: Tensor, device: torch.device) -> None:
    """One step of the hinge loss on real pictures (B, 3, S, S) and made ones (N, 3, S, S)."""
    with autocast(device):
        said = state.discriminator(torch.cat([real, made])).float()
    loss = F.relu(1 - said[: len(real)]).mean() + F.relu(1 + said[len(real) :]).mean()
    state.discriminator_optimizer.zero_grad()
    loss.backward()
    state.discriminator_optimizer.step()


def adversary(state: State, drawn: Tensor, recon: Tensor, loss: Tensor, device: torch.device) -> tuple[Tensor, float]:
    """What the discriminator has against the pictures, and how many times stronger `loss` pulls at `recon`."""
    state.discriminator.requires_grad_(False)
    with autocast(device):
        said = state.discriminator(drawn).float()
    state.discriminator.requires_grad_(True)
    adversarial = -said.mean()
    if state.step % 10 and state.share:  # it moves slowly, and costs a way back
        return adversarial, state.share
    pull = torch.autograd.grad(loss, recon, retain_graph=True)[0].norm()
    push = torch.autograd.grad(-said[: len(recon)].mean(), drawn, retain_graph=True)[0][: len(recon)].norm()
    return adversarial, (pull / (push + 1e-9)).item()


def perceptual(features: Features, one: Tensor, other: Tensor, device: torch.device) -> Tensor:
    """Mean squared distance of the features of pictures (B, 3, S, S), at unit length over the channels."""
    with autocast(device):
        maps = features.maps(torch.cat([one, other]))
    parts = [F.normalize(m.float(), dim=1).chunk(2) for m in maps]
    return torch.stack([(a - b).square().sum(1).mean() for a, b in parts]).mean()


def row(state: State) -> dict[str, float]:
    """A row of sharpening.csv: means over the steps since the last row; PSNR in dB."""
    mse, perceived, adversarial = torch.stack(state.recent).mean(0).tolist()
    terms = {"psnr": -10 * math.log10(mse), "perceptual": perceived, "adversarial": adversarial}
    return {"step": state.step} | terms


@torch.no_grad()
def validation_psnr(model: SmileModel, state: State, faces: Faces, device: torch.device) -> float:
    """PSNR in dB, pooled, of faces that train nothing, drawn by the averaged decoder from the mean of their latents."""
    kept = evenly(np.flatnonzero(~faces.train), MOST_VALIDATION)
    errors = []
    for some in np.array_split(kept, -(-len(kept) // 256)):
        x, _ = faces.batch(some, device)
        with autocast(device):
            recon = state.average(model.network.encoder(x)[0])
        errors.append((recon - x).square().mean((1, 2, 3)).cpu())
    return -10 * math.log10(torch.cat(errors).mean()) if errors else math.nan


def told(row: dict[str, float], settings: Settings) -> str:
    line = f"step {row['step']:,}/{settings.steps:,}: {row['psnr']:.2f} dB, validation {row['val_psnr']:.2f} dB"
    return f"{line}, perceptual {row['perceptual']:.3f}, adversarial {row['adversarial']:.3f}"


def finish(model: SmileModel, out: Path, state: State, faces: Faces) -> None:
    """Save the sharpened model as a run like any other."""
    network, config = model.network, runs.read_config(out)
    network.decoder.load_state_dict(state.average.module.state_dict())
    device = next(network.eval().parameters()).device
    focus, latent, way = 0.0, model.latent, model.way
    if model.config.get("refine"):  # by what the decoder draws now
        focus, latent, way = refine(out, network, latent, way, faces, config["sharpened"]["seed"], device)
    runs.save_model(out, network, latent)
    with whole_file(out / "sharpening.csv") as aside:
        pd.DataFrame(state.rows).to_csv(aside, index=False)
    save_comparison(network, shown_faces(faces), out, device, focus)
    found = {"finished": True, "focus": focus, "way": way, "sharpening": state.rows[-1]}
    runs.write_config(out, config | found)
    for name in ("model.safetensors", "reconstructions.png", "sharpening.csv"):
        print(f"wrote {out / name}")
