"""Is the training loop fast? Against its floor, and against the loop of the published SmileCVAE on the same network.

python -m benchmarks.training --data data/utkface

The published loop is written from its description: a DataLoader with batches of 8 that decodes and resizes each picture
when it is asked for, plain Adam, `.item()` after every step. Ours is `model.training.training_step`. Both train one
network of 9.8 million parameters on pictures of 50 px with the same loss, at two thread settings. The floor is forward,
backward and optimizer step on one batch that is there already.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Dataset

import shell
from benchmarks.clock import timed
from data import ImageSet, is_validation, open_set
from data.decoding import decode
from data.images import DEFAULT
from model import training
from model.cvae import CVAE
from model.devices import autocast, keep_memory
from model.faces import Faces
from model.state import State, moving_average
from model.train import Settings as Training

SIZE = 50
LATENT = 128
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Settings:
    """Compare training loops: pictures per second, and seconds to one validation loss."""

    data: Path = DEFAULT
    """The image set."""
    threads: tuple[int, ...] = (1, 2)
    """Numbers of threads to try; the race to a validation loss is run with the best of each loop."""
    measured_s: float = 10.0
    """Seconds of steps per figure."""
    race_s: float = 300.0
    """Seconds that the published loop trains; its validation loss is what ours has to reach. 0: no race."""
    batch: int = 128
    """Of our loop; it is measured at 8 as well."""


class Plain(CVAE):
    """A plain convolutional VAE for pictures of 50 px: 9.8 million parameters, most of them in its dense layers."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.kind = "vae"
        self.encoder = PlainEncoder()  # type: ignore[assignment]
        self.decoder = PlainDecoder()  # type: ignore[assignment]


class PlainEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 32), (32, 64), (64, 128), (128, 256)):  # 25, 13, 7, 4 px
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
        self.trunk = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * 16, 1050), nn.ReLU())
        self.head = nn.Linear(1050, 2 * LATENT)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu, log_var = self.head(self.trunk(2 * x - 1)).float().chunk(2, dim=1)
        return mu, log_var.clamp(-12, 8)


class PlainDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Linear(LATENT, 1050), nn.ReLU(), nn.Linear(1050, 256 * 16), nn.ReLU()]
        layers += [nn.Unflatten(1, (256, 4, 4))]
        for before, after, size in ((256, 128, 7), (128, 64, 13), (64, 32, 25), (32, 3, 50)):
            layers += [nn.Upsample(size), nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, z: Tensor) -> Tensor:
        return 0.5 + 0.5 * self.layers(z).float()


def main(settings: Settings) -> None:
    keep_memory()  # as `model.train` does; here the published loop has it, too
    images = open_set(settings.data)
    faces = load(images)
    parameters = sum(p.numel() for p in Plain().parameters())
    print(
        f"{len(faces.training):,} training faces of {SIZE} px, {parameters / 1e6:.1f} million parameters, pictures/s:"
    )
    print(
        f"{'threads':>7} {'published':>10} {'ours, 8':>10} {'floor, 8':>10} {'of floor':>9} "
        f"{f'ours, {settings.batch}':>10} {f'floor, {settings.batch}':>10} {'of floor':>9} {'ours/published':>15}"
    )
    fastest: dict[str, tuple[float, int]] = {}
    for threads in settings.threads:
        torch.set_num_threads(threads)
        published = PublishedLoop(images).steps()
        few, many = OurLoop(faces, 8, settings), OurLoop(faces, settings.batch, settings)
        steps = [lambda: next(published), few.step, few.floor_step, many.step, many.floor_step]  # noqa: B023
        times_s = side_by_side(steps, settings.measured_s)
        theirs, ours_8, floor_8, ours, floor = np.array([8, 8, 8, settings.batch, settings.batch]) / times_s
        fastest["published"] = max(fastest.get("published", (0.0, 0)), (theirs, threads))
        fastest["ours"] = max(fastest.get("ours", (0.0, 0)), (ours, threads))
        print(
            f"{threads:7} {theirs:10.0f} {ours_8:10.0f} {floor_8:10.0f} {ours_8 / floor_8:9.1%} "
            f"{ours:10.0f} {floor:10.0f} {ours / floor:9.1%} {ours / theirs:15.1f}"
        )
    theirs, ours = fastest["published"][0], fastest["ours"][0]
    print(f"ours, with its best number of threads, against the published loop with its best: {ours / theirs:.1f} times")
    if settings.race_s:
        race(images, faces, settings, {name: threads for name, (_, threads) in fastest.items()})


def race(images: ImageSet, faces: Faces, settings: Settings, threads: dict[str, int]) -> None:
    """The published loop trains for a while; how soon is ours as good? Validation is not counted."""
    torch.set_num_threads(threads["published"])
    loop = PublishedLoop(images)
    steps, spent_s = loop.steps(), 0.0
    while spent_s < settings.race_s:
        spent_s += timed(lambda: next(steps))
    loss = training.validate(loop.network, faces, CPU, OurLoop.training(settings))["val_loss"]
    print(f"published loop, batch 8: validation loss {loss:.0f} after {spent_s:.0f} s")
    torch.set_num_threads(threads["ours"])
    for batch in (8, settings.batch):
        ours = OurLoop(faces, batch, settings)
        reached, trained_s = float("inf"), 0.0
        while reached > loss and trained_s < 2 * settings.race_s:
            until_s = trained_s + settings.race_s / 60
            while trained_s < until_s:
                trained_s += timed(ours.step)
            reached = training.validate(ours.state.averaged, faces, CPU, ours.settings)["val_loss"]
        print(f"our loop, batch {batch}: {reached:.0f} after {trained_s:.0f} s, {trained_s / spent_s:.2f} of its time")


def load(images: ImageSet) -> Faces:
    pictures, names = images.pictures(SIZE)
    train = np.array([not is_validation(name) for name in names])
    unknown = np.full(len(names), np.nan)
    return Faces(pictures, names, train, unknown, np.empty((len(names), 0)))


class Files(Dataset[Tensor]):
    """Each picture is decoded and resized whenever it is asked for."""

    def __init__(self, images: ImageSet) -> None:
        self.paths = [images.path(name) for name in images.names if not is_validation(name)]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> Tensor:
        return torch.from_numpy(np.asarray(decode(self.paths[i], SIZE)).transpose(2, 0, 1) / np.float32(255))


class PublishedLoop:
    """The loop of the published SmileCVAE, by its description."""

    def __init__(self, images: ImageSet) -> None:
        torch.manual_seed(0)
        self.network = Plain()
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-3)
        self.loader = DataLoader(Files(images), batch_size=8, shuffle=True, drop_last=True)

    def steps(self) -> Iterator[float]:
        """Train for ever; each step gives its loss."""
        while True:
            for x in self.loader:
                unknown = torch.full((len(x),), torch.nan)
                terms = self.network.terms(x, unknown, torch.randn(len(x), LATENT))
                self.optimizer.zero_grad()
                terms.loss.backward()
                self.optimizer.step()
                yield terms.loss.item()


class OurLoop:
    """`model.training.training_step`, on the other network."""

    def __init__(self, faces: Faces, batch: int, settings: Settings) -> None:
        torch.manual_seed(0)
        self.faces, self.batch, self.settings = faces, batch, self.training(settings)
        network = Plain().to(memory_format=torch.channels_last)
        average = AveragedModel(network, multi_avg_fn=moving_average(self.settings.ema))
        optimizer = torch.optim.AdamW(network.parameters(), betas=(0.9, 0.99), weight_decay=1e-2, fused=True)
        self.state = State(network, average, optimizer)
        self.preloaded = training.make_batch(faces, 0, batch, self.settings, CPU)

    @staticmethod
    def training(settings: Settings) -> Training:
        return Training(data=settings.data, kind="vae", latent=LATENT, steps=10**6, size=64)

    def step(self) -> None:
        training.training_step(self.state, self.state.network.terms, self.faces, self.batch, self.settings, CPU)
        if len(self.state.recent) == self.settings.log_every:
            torch.stack(self.state.recent).mean(0).tolist()
            self.state.recent.clear()

    def floor_step(self) -> None:
        """Forward, backward and optimizer on a batch that is there: no order, no pictures, no noise, no average."""
        with autocast(CPU):
            terms = self.state.network.terms(*self.preloaded)
        self.state.optimizer.zero_grad()
        terms.loss.backward()
        self.state.optimizer.step()


def side_by_side(steps: Sequence[Callable[[], object]], measured_s: float) -> NDArray[np.float64]:
    """Median seconds of each of several kinds of step, one of each in turn: a busy moment hits all of them.

    The median, for on a machine that does something else at times the mean says more of that.
    """
    for _ in range(3):
        for step in steps:
            step()
    gc.collect()
    times_s: list[list[float]] = []
    while np.sum(times_s) < len(steps) * measured_s:
        times_s.append([timed(step) for step in steps])
    return np.median(times_s, axis=0)


if __name__ == "__main__":
    shell.run(main, Settings)
