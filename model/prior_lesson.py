"""The training of `model.flow`: which way from noise to the latents of training faces of which something is known."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model import fitting, smile_model
from model.devices import autocast
from model.faces import Faces, evenly, in_batches
from model.flow import Flow, Velocity, drawn_times
from model.lessons import Lesson
from model.prior import Settings
from model.smile_model import SmileModel
from model.way import STRAIGHT
from shell import UserError, progress

ENCODED = 256  # faces at a time
BANK = 2048  # faces whose read-outs new people have


class PriorLesson(Lesson):
    """The encoder does not change, so faces and their mirror images are encoded once: 4 KB each of 256 dimensions."""

    NAME = "prior"
    settings: Settings

    @staticmethod
    def check(settings: Settings, model: SmileModel) -> None:
        Lesson.check(settings, model)
        if settings.width < 1 or not 0 <= settings.dropout < 1:
            asked = f"--width {settings.width} --dropout {settings.dropout}"
            raise UserError(f"{asked}: expected at least 1, and 0 to below 1.")

    def __init__(self, model: SmileModel, faces: Faces, out: Path, settings: Settings, device: torch.device) -> None:
        super().__init__(model, faces, out, settings, device)
        self.student = self.find_reader()
        parts = in_batches(np.arange(len(faces.names)), ENCODED)
        found = [self._encoded(some) for some in progress(parts, "latents", unit="batch")]
        mean, deviation, known = (torch.cat(part, 1) for part in zip(*found, strict=True))
        self.mean, self.deviation = mean.to(device), deviation.to(device)  # (2, N, Z), mirrored the second
        self.known = known.to(device)  # (2, N, A)

    @torch.no_grad()
    def _encoded(self, where: NDArray[np.intp]) -> tuple[Tensor, Tensor, Tensor]:
        """Of faces and their mirror images: mean and deviation (2, B, Z) that the encoder gives, `_known` (2, B, A)."""
        both = []
        for mirrored in (False, True):
            x, _ = self.faces.batch(where, self.device, torch.full((len(where),), mirrored))
            with autocast(self.device):
                mean, variance = self.model.network.posterior(x)
            both.append((mean, variance.sqrt(), self._known(mean)))
        mean, deviation, known = (torch.stack(two) for two in zip(*both, strict=True))
        return mean, deviation, known

    def _known(self, z: Tensor) -> Tensor:
        """z (N, Z) -> (N, A): the smile that the reader sees in it, and the read-outs of all else that is held."""
        latent = self.model.latent
        if self.student is None:
            return z[:, :0]
        smile = fitting.read_decoded(self.model.network, self.student, z, self.device)
        return torch.cat([smile[:, None].to(z), (z - latent.mean) @ latent.readout[1:].T], 1)

    def net(self) -> Velocity:
        training = torch.from_numpy(self.faces.training)
        people = self.known[0, torch.from_numpy(evenly(self.faces.training, BANK))]
        order = torch.randperm(len(people), generator=torch.Generator().manual_seed(self.settings.seed))
        smile = torch.zeros(self.model.dimensions)
        net = Velocity(self.settings.width, people[order.to(people.device)], smile, self.settings.dropout)
        net = net.to(self.device)
        if self.student is not None:
            x, c = self.model.latent.whitened(self.mean[0, training]), net.standard(self.known[0, training])[:, :1]
            net.smile.copy_((x * c).mean(0))
        return net

    def loss(
        self, net: nn.Module, where: NDArray[np.intp], generator: torch.Generator, mirrored: Tensor | None = None
    ) -> Tensor:
        """The mean square error of the velocity; a net that knows only the Gaussian has 1."""
        assert isinstance(net, Velocity)
        side = torch.zeros(len(where), dtype=torch.long) if mirrored is None else mirrored.long()
        at = side, torch.from_numpy(where)
        chance, noise = (torch.randn(len(where), self.model.dimensions, generator=generator) for _ in range(2))
        z = self.mean[at] + chance.to(self.device) * self.deviation[at]
        x, noise = self.model.latent.whitened(z), noise.to(self.device)
        t = drawn_times(len(x), generator).to(self.device)
        cos, sin = t.cos()[:, None], t.sin()[:, None]
        with autocast(self.device):
            found = net(x * cos + noise * sin, t, net.standard(self.known[at]))
        return (found - (noise * cos - x * sin)).square().mean()

    def keep(self, net: nn.Module) -> dict[str, object]:
        """The net; in a refined run the way of its degrees, too."""
        assert isinstance(net, Velocity)
        super().keep(net)
        if not self.refined or self.student is None:
            return {"drawn_way": STRAIGHT}
        cpu = torch.device("cpu")
        model = smile_model.load(self.model.folder, cpu)
        flow = Flow(net.to(cpu), model.latent)
        return {"drawn_way": fitting.find_way(flow, model.network, self.student, self.settings.seed, cpu)}
