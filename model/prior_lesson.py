"""The training of `model.flow`: which way from the latents of training faces to noise, and back."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model import outcome, runs
from model.devices import autocast
from model.faces import Faces
from model.flow import Velocity, drawn_times
from model.prior import Settings
from model.runs import SmileModel
from model.supplementing import Lesson
from shell import UserError, progress

ENCODED = 256  # faces at a time


class PriorLesson(Lesson):
    """The encoder does not change, so faces and their mirror images are encoded once: 4 KB each of 256 dimensions."""

    NAME = "prior"
    settings: Settings

    @staticmethod
    def check(settings: Settings) -> None:
        Lesson.check(settings)
        if settings.width < 1 or not 0 <= settings.dropout < 1:
            asked = f"--width {settings.width} --dropout {settings.dropout}"
            raise UserError(f"{asked}: expected at least 1, and 0 to below 1.")

    def __init__(self, model: SmileModel, faces: Faces, out: Path, settings: Settings, device: torch.device) -> None:
        super().__init__(model, faces, out, settings, device)
        self.find_reader()
        parts = np.array_split(np.arange(len(faces.names)), -(-len(faces.names) // ENCODED))
        found = [self._encoded(some) for some in progress(parts, "latents", unit="batch")]
        mean, deviation = (torch.cat(half, 1) for half in zip(*found, strict=True))
        self.mean, self.deviation = mean.to(device), deviation.to(device)  # (2, N, Z), mirrored the second

    @torch.inference_mode()
    def _encoded(self, where: NDArray[np.intp]) -> tuple[Tensor, Tensor]:
        both = []
        for mirrored in (False, True):
            x, _ = self.faces.batch(where, self.device, torch.full((len(where),), mirrored))
            with autocast(self.device):
                both.append(self.model.network.encoder(x))
        mean, log_variance = (torch.stack(two).float() for two in zip(*both, strict=True))
        return mean, (0.5 * log_variance).exp()

    def net(self) -> Velocity:
        return Velocity(self.model.dimensions, self.settings.width, self.settings.dropout).to(self.device)

    def loss(
        self, net: nn.Module, where: NDArray[np.intp], generator: torch.Generator, mirrored: Tensor | None = None
    ) -> Tensor:
        """The mean square error of the velocity: what a net that knows but the Gaussian has, is 1."""
        side = torch.zeros(len(where), dtype=torch.long) if mirrored is None else mirrored.long()
        at = side, torch.from_numpy(where)
        chance, noise = (torch.randn(len(where), self.model.dimensions, generator=generator) for _ in range(2))
        z = self.mean[at] + chance.to(self.device) * self.deviation[at]
        x, noise = self.model.latent.whitened(z), noise.to(self.device)
        t = drawn_times(len(x), generator).to(self.device)
        cos, sin = t.cos()[:, None], t.sin()[:, None]
        with autocast(self.device):
            found = net(x * cos + noise * sin, t)
        return (found - (noise * cos - x * sin)).square().mean()

    def keep(self, net: nn.Module) -> dict[str, object]:
        """The net; in a refined run the smile's read-out and direction and the way, fitted anew to what is drawn."""
        assert isinstance(net, Velocity)
        if not self.refined:
            return super().keep(net)
        model = runs.load(self.model.folder)
        cpu, seed = torch.device("cpu"), self.settings.seed
        latent, way = outcome.refit(self.out, model.network, model.latent, model.way, seed, cpu, net.cpu())
        runs.save_prior(self.out, net, latent)
        return {"way": way}
