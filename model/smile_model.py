"""A trained model: pictures to latents and back, people who do not exist, degrees of smile. `load` opens a run's."""

import hashlib
import json
import math
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model import runs
from model.cvae import CVAE
from model.detail_net import Detail, noise_of
from model.devices import Net, autocast, rounded
from model.flow import Flow, Velocity
from model.focus import focused
from model.latent import Latent
from model.way import BEYOND, STRAIGHT, degree, place
from shell import UserError, typed

DECODED = 64  # faces at a time: what fits into a processor's cache
RAISED = 16  # faces whose fine detail is raised at a time: what fits into one core's cache; twice as quick as 64
TOGETHER = 1024  # the same of latents that `model.flow` draws: twice as quick as 256
FEW = 8  # of fewer latents than this, a part is not filled up
PEOPLE = 100_000  # of a seed
REPLACED = 0.06  # change, in brightness, around a pixel at which most of what stood there goes
SLIGHT = 0.01  # by which rounding and interpolation may leave [0, 1]
Degrees = float | Tensor | Sequence[float]  # one for all faces, or one for each


class SmileModel:
    """A trained model. Pictures are (N, 3, S, S) float in [0, 1], latents z (N, Z), degrees a number or (N,).

    Everything is deterministic: z is the encoder's mean, and identity i of a seed is the same person at every degree,
    whatever the count. New faces are drawn at a degree by `latents`: along a straight line through the latent space, or
    where `model.prior` was at work, by `model.flow`. Given faces go along the line (`at`, `turned`, `shifted`). What
    takes a degree or reads one raises a UserError where the model, an AE or a VAE, knows none.
    """

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        network: CVAE,
        latent: Latent,
        prior: Velocity | None = None,
        detail: Detail | None = None,
    ) -> None:
        self.folder, self.config, self.network, self.latent = folder, config, network.eval(), latent
        self._files = folder.resolve()  # wherever the current directory is when they are read
        self.prior, self.detail = prior, detail
        self.space = latent if prior is None else Flow(prior, latent)
        self.size: int = config["size"]
        self.dimensions: int = config["latent"]
        self.kind: str = config["kind"]
        self.focus: float = config.get("focus", 0.0)
        self.way: tuple[float, ...] = tuple(config.get("way", STRAIGHT))
        self.drawn_way: tuple[float, ...] = self.way if prior is None else tuple(config.get("drawn_way", STRAIGHT))

    @cached_property
    def hash(self) -> str:
        """12 hex digits of the sha256 of all that decides what is drawn: weights, focus, ways. See `runs.name_of`."""
        with (self._files / "model.safetensors").open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        ways = [self.way] if self.prior is None else [self.way, self.drawn_way]
        digest.update(json.dumps([self.focus, *ways]).encode())
        for name in runs.LEARNED:
            path = self._files / name
            if path.exists():
                digest.update(path.read_bytes())
        return runs.name_of(digest.hexdigest())

    @cached_property
    def decoder(self) -> nn.Module:
        """The network's decoder to draw with, within `autocast` only.

        Where bfloat16 is quick it is a copy, which later changes of the network do not reach. To learn through it, take
        `network.decoder`.
        """
        return rounded(self.network.decoder)

    @property
    def shipped(self) -> bool:
        """Whether it is the model that comes with the project; nothing is written beside that one."""
        return self._files == runs.PRETRAINED.resolve()

    @property
    def results(self) -> Path:
        """Where what is made with it goes by default."""
        return runs.RUNS if self.shipped else self.folder

    @property
    def title(self) -> str:
        """Which model this is, in words."""
        if not self.shipped:
            return str(self.folder)
        return f"the one that comes with the project (model/pretrained); its licence: {self.licence}"

    @property
    def licence(self) -> str:
        """What is known of the licence of this model and its faces: that of the pictures it learned from."""
        return str(self.config.get("licence") or runs.licence_of(Path(self.config["data"])) or "unknown")

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Pictures (N, 3, S, S) -> z (N, Z). ValueError for what is no such pictures."""
        return torch.cat([self.network.encoder(some)[0] for some in self._pictures(x).split(256)])

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """z (N, Z) -> pictures (N, 3, S, S)."""
        return self._decode(z).clamp_(0, 1)

    @torch.no_grad()
    def picture(self, z: Tensor) -> Tensor:
        """New faces z (N, Z) -> pictures (N, 3, S, S): as `decode`, but with the detail of `model.detail_net`.

        Where the run has none it is the same.
        """
        if self.detail is None:
            return self.decode(z)
        z = z.to(self.latent.mean)
        x = self._decode(z, focus=0.0)
        for some, into in zip(z.split(DECODED), x.split(DECODED), strict=True):
            noise = noise_of(some, self.latent, self.size)
            with autocast(z.device):
                into += self.detail.draw(into, noise)
        return x.clamp_(0, 1)

    @torch.no_grad()
    def expressed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z (N, Z) of pictures x (N, 3, S, S), and what of them the model can express: fine detail is not raised."""
        z = self.encode(x)
        return z, self._decode(z, focus=0.0).clamp_(0, 1)

    @torch.no_grad()
    def cycle_distance(self, z: Tensor, x: Tensor) -> Tensor:
        """How far from z (N, Z) the encoder puts the pictures x (N, 3, S, S) that were drawn of it: (N,), whitened."""
        return (self.latent.whitened(self.encode(x)) - self.latent.whitened(z)).norm(dim=1)

    def read(self, z: Tensor) -> Tensor:
        """z (N, Z) of given faces -> the degree of smile that the model sees in them (N,), unclipped."""
        self.needs_condition("read a smile")
        return degree(self.latent.read(z), self.way)

    def people(self, which: int | Sequence[int], seed: int = 0, truncation: float = 1.0) -> Tensor:
        """People who do not exist, one a row: what `latents` makes faces of. The first `which`, or those numbers.

        A `truncation` below 1 draws them nearer to the mean face: more typical, less diverse (Karras et al., 2019).

        Raises
        ------
        UserError
            A seed has `PEOPLE`, and more are asked for, or fewer than none; or a truncation or a seed that is no such
            number.
        """
        numbers = list(which) if isinstance(which, Sequence | np.ndarray) else None
        count = operator.index(which) if numbers is None else max(numbers, default=-1) + 1  # type: ignore[arg-type]
        if count < 0 or min(numbers or [0]) < 0:
            raise UserError(f"people {which}: expected no negative number.")
        if not 0 <= truncation < math.inf:
            raise UserError(f"truncation {truncation}: expected 0 or more.")
        if seed < 0:
            raise UserError(f"seed {seed}: expected 0 or more.")
        if count > PEOPLE:
            raise UserError(f"{count:,} people of seed {seed}: a seed has {PEOPLE:,}; another seed has others.")
        drawn = np.random.default_rng(seed).standard_normal((count, self.dimensions), dtype=np.float32)
        chosen = drawn if numbers is None else drawn[numbers]
        noise = torch.from_numpy(chosen).to(self.latent.mean.device)
        return self._in_parts(lambda some: self.space.people(some, truncation), noise)

    def latents(self, people: Tensor, smile: Degrees | None = None, exaggerate: bool = False) -> Tensor:
        """z (N, Z) of N `people` at degree `smile`, a number or (N,); None: with the smile they happen to have.

        Beyond [-1, 1] the way that `model.way` makes for degrees levels off, for it leads out of the faces there; with
        `exaggerate` it goes straight on.

        Raises
        ------
        ValueError
            A degree is not finite, there are more or fewer of them than people, or `people` are not `self.people`'s.
        """
        if people.shape[1:] != (self.space.width,):
            wanted = f"(N, {self.space.width}), as SmileModel.people makes them"
            raise ValueError(f"expected people {wanted}; found {tuple(people.shape)}.")
        if smile is None:
            return self._in_parts(self.space.draw, people)
        self.needs_condition("show a degree of smile")
        return self.placed(people, place(_each(smile, people), self.drawn_way, None if exaggerate else BEYOND))

    def placed(self, people: Tensor, at: Tensor) -> Tensor:
        """z (N, Z) of N `people` at places (N,) on the way; past its ends they go along the straight line."""
        inside = at.clamp(self.drawn_way[0], self.drawn_way[-1])
        return self.latent.move(self._in_parts(self.space.draw, people, inside), at - inside)

    def _in_parts(self, draw: Callable[..., Tensor], *given: Tensor) -> Tensor:
        """What `draw` makes of the N rows of each of `given`, every row as in any company.

        Products of another size may be summed in another order, so a part is filled up. Of a few that `model.flow`
        draws this shows little (in float32 nothing, in bfloat16 two grey levels of 256 at most), and one face is there
        in a third of the time.
        """
        count = len(given[0])
        more = 0 if self.prior is not None and count < FEW else -count % DECODED
        size = DECODED if self.prior is None else TOGETHER
        filled = (torch.cat([one, one.new_zeros(more, *one.shape[1:])]).split(size) for one in given)
        return torch.cat([draw(*some) for some in zip(*filled, strict=True)])[:count]

    def identities(self, count: int, seed: int = 0, truncation: float = 1.0) -> Tensor:
        """z (count, Z) of `people`, each with the degree of smile they happen to have."""
        return self.latents(self.people(count, seed, truncation))

    def at(self, z: Tensor, smile: Degrees) -> Tensor:
        """Given faces z (N, Z) moved along the straight line to degree `smile`: everything else about them stays."""
        self.needs_condition("show a degree of smile")
        return self.latent.at(z, place(_each(smile, z), self.way))

    def turned(self, z: Tensor, smile: Degrees) -> Tensor:
        """Given faces z (N, Z) with their smile set to `smile`; the degree that a face has leaves it as it is.

        As `at`, but that a face beyond [-1, 1] starts from where it is on the way that levels off.
        """
        self.needs_condition("change a smile")
        return self.latent.move(z, place(_each(smile, z), self.way) - place(self.read(z), self.way))

    def shifted(self, z: Tensor, by: Degrees) -> Tensor:
        """Given faces z (N, Z) with their smile `by` degrees stronger, a number or (N,); 0 leaves them as they are."""
        self.needs_condition("change a smile")
        return self.turned(z, self.read(z) + _each(by, z))

    def sample(
        self,
        smile: Degrees | None,
        count: int = 64,
        seed: int = 0,
        *,
        truncation: float = 1.0,
        exaggerate: bool = False,
    ) -> Tensor:
        """`count` new faces at degree `smile` (None: as they come) -> (count, 3, S, S); see `people` and `latents`."""
        return self.picture(self.latents(self.people(count, seed, truncation), smile, exaggerate))

    @torch.no_grad()
    def edit(self, x: Tensor, *, smile: Degrees | None = None, shift: Degrees | None = None) -> Tensor:
        """The faces x (N, 3, S, S) with their smile set to `smile` (as `turned` does) or changed by `shift`.

        x + (decode(z') - decode(z)): what the model cannot express stays as it is, but for where much changes, for
        the old mouth would shine through the new one. A change of 0 returns x exactly.

        Raises
        ------
        ValueError
            Not exactly one of `smile` and `shift` is given, or x is no such pictures.
        """
        if (smile is None) == (shift is None):
            raise ValueError("give exactly one of smile and shift")
        x = self._pictures(x)
        z = self.encode(x)
        moved = self.turned(z, smile) if smile is not None else self.shifted(z, shift)  # type: ignore[arg-type]
        return self.changed(x, z, moved)

    @torch.no_grad()
    def changed(self, x: Tensor, z: Tensor, to: Tensor) -> Tensor:
        """Pictures x (N, 3, S, S) of latents z (N, Z) as they are with the latents `to` (N, Z); see `edit`."""
        before = self._decode(z)
        change = self._decode(to) - before
        side = 2 * round(self.size / 32) + 1
        near = F.avg_pool2d(change.abs().mean(1, keepdim=True), side, 1, side // 2, count_include_pad=False)
        replaced = 1 - torch.exp(-((near / REPLACED) ** 2))
        return (x + change - replaced * (x - before)).clamp(0, 1)

    def _decode(self, z: Tensor, focus: float | None = None) -> Tensor:
        focus = self.focus if focus is None else focus
        z = z.to(self.latent.mean)
        shape = (len(z), 3, self.size, self.size)
        x = torch.empty(shape, device=z.device, memory_format=torch.channels_last)
        for some, into in zip(z.split(DECODED), x.split(DECODED), strict=True):
            with autocast(z.device):  # on average a fifth of a grey level of 256 from float32, up to 2.6 times as fast
                drawn = self.decoder(some)
            for part, there in zip(drawn.split(RAISED), into.split(RAISED), strict=True):
                there.copy_(focused(part, focus))
        return x

    def _pictures(self, x: Tensor) -> Tensor:
        """Given pictures as the network takes them: of its precision, on its device. ValueError for anything else."""
        wanted = f"(N, 3, {self.size}, {self.size}) float in [0, 1], as model.pictures.to_tensor makes them of uint8"
        if not isinstance(x, Tensor):
            raise ValueError(f"expected pictures {wanted}; found a {type(x).__name__}.")
        if x.shape[1:] != (3, self.size, self.size) or not x.is_floating_point():
            raise ValueError(f"expected pictures {wanted}; found {tuple(x.shape)} of {x.dtype}.")
        if len(x) and not (x.min() >= -SLIGHT and x.max() <= 1 + SLIGHT):
            raise ValueError(f"expected pictures {wanted}; found {x.min().item():g} to {x.max().item():g}.")
        return x.to(self.latent.mean)

    def needs_condition(self, wish: str) -> None:
        """Raise a UserError that names the `wish` where the model knows no degree of smile."""
        if self.kind != "cvae":
            raise UserError(
                f"{self.folder}: is a run of kind {self.kind}, which cannot {wish}; --kind cvae trains one that can."
            )


def _each(smile: Degrees, rows: Tensor) -> Tensor:
    """A degree for each of N rows: (N,), of one number for all or one for each. ValueError for anything else."""
    smile = torch.as_tensor(smile, dtype=rows.dtype, device=rows.device)
    if smile.shape not in ((), (len(rows),)) or not smile.isfinite().all():
        raise ValueError(f"expected a finite degree, or {len(rows)} of them; found {smile.tolist()}.")
    return smile.expand(len(rows))


def load(run: str | os.PathLike[str] | None = None, device: str | torch.device = "cpu") -> SmileModel:
    """The model of a run folder; by default of the newest finished CVAE in `runs/` of the current directory.

    Where that has none it is the one that comes with the project; `title` says which one it is.

    Raises
    ------
    UserError
        There is no such run, it is not finished, or its files do not fit each other.
    """
    device = torch.device(device)
    folder = runs.newest() if run is None else Path(run)
    config = runs.read_config(folder)
    if not config.get("finished"):
        how = f"train --run {typed(folder)}"
        if command := config.get("command"):
            how = f"{command} --run {typed(config[command]['run'])} --out {typed(folder)}"
        raise UserError(f"{folder}: this training is not finished; python -m model.{how} --resume goes on.")
    path = folder / "model.safetensors"
    tensors = runs.read_tensors(path, device)
    try:
        latent = Latent(**of_latent(tensors))
        with torch.device("meta"):  # weights that are replaced at once need not be drawn
            network = CVAE(config["size"], config["latent"], config["width"], config["kind"])
        network.load_state_dict(tensors, assign=True)
        prior, detail = None, None
        if (path := folder / "prior.safetensors").exists():
            tensors = runs.read_tensors(path, device)
            net = Velocity(config["prior"]["width"], tensors["people"], tensors["smile"])
            prior = loaded(net.to(device), tensors)
        if (path := folder / "detail.safetensors").exists():
            detail = loaded(Detail().to(device), runs.read_tensors(path, device))
    except (RuntimeError, TypeError, KeyError, ValueError) as error:
        raise runs.does_not_fit(path, error) from error
    network = network.to(memory_format=torch.channels_last)
    return SmileModel(folder, config, network, latent, prior, detail)


def of_latent(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take the fields of `Latent` out of what a .safetensors file holds."""
    return {name.removeprefix("latent."): tensors.pop(name) for name in list(tensors) if name.startswith("latent.")}


def loaded(net: Net, tensors: Mapping[str, Tensor]) -> Net:
    """A net of `model.prior` or `model.detail`, ready to draw."""
    net.load_state_dict(tensors)
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def save_model(folder: Path, network: CVAE, latent: Latent) -> None:
    """Write model.safetensors."""
    tensors = dict(network.state_dict()) | {f"latent.{name}": tensor for name, tensor in vars(latent).items()}
    runs.write_tensors(folder / "model.safetensors", tensors)
