"""The training of `model.flow`: the latents of training faces, under noise, are found again."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from model import opening, outcome, runs
from model.devices import autocast
from model.faces import READER, Faces, load_faces
from model.flow import Denoiser, drawn_levels
from model.prior import Settings
from model.reader import Student
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
        if self.refined:  # its smile reader has to be in the run when degrees are fitted anew
            load_faces(opening.settings_of(model.config), out)
        parts = np.array_split(np.arange(len(faces.names)), -(-len(faces.names) // ENCODED))
        found = [self._encoded(some) for some in progress(parts, "latents", unit="batch")]
        mean, deviation = (torch.cat(half, 1) for half in zip(*found, strict=True))
        self.mean, self.deviation = mean.to(device), deviation.to(device)  # (2, N, Z), mirrored the second

    @property
    def refined(self) -> bool:
        """Whether degrees were fitted to drawn faces."""
        return self.model.kind == "cvae" and bool(self.model.config.get("refine"))

    @torch.inference_mode()
    def _encoded(self, where: NDArray[np.intp]) -> tuple[Tensor, Tensor]:
        both = []
        for mirrored in (False, True):
            x, _ = self.faces.batch(where, self.device, torch.full((len(where),), mirrored))
            with autocast(self.device):
                both.append(self.model.network.encoder(x))
        mean, log_variance = (torch.stack(two).float() for two in zip(*both, strict=True))
        return mean, (0.5 * log_variance).exp()

    def net(self) -> Denoiser:
        return Denoiser(self.model.dimensions, self.settings.width, self.settings.dropout).to(self.device)

    def loss(
        self, net: nn.Module, where: NDArray[np.intp], generator: torch.Generator, mirrored: Tensor | None = None
    ) -> Tensor:
        """The mean square error of what is found, as a share of what finding nothing new gives; see `Denoiser`."""
        side = torch.zeros(len(where), dtype=torch.long) if mirrored is None else mirrored.long()
        at = side, torch.from_numpy(where)
        noise, more = (torch.randn(len(where), self.model.dimensions, generator=generator) for _ in range(2))
        z = self.mean[at] + noise.to(self.device) * self.deviation[at]
        x = self.model.latent.whitened(z)
        sigma = drawn_levels(len(x), generator).to(self.device)
        with autocast(self.device):
            found = net(x + sigma[:, None] * more.to(self.device), sigma)
        weight = 1 + 1 / sigma**2  # (Karras et al., 2022, table 1)
        return ((found - x).square().mean(1) * weight).mean()

    def finish(self, net: nn.Module) -> dict[str, object]:
        if not self.refined or not (self.out / READER).exists():
            return {}
        assert isinstance(net, Denoiser)
        cpu, seed = torch.device("cpu"), self.settings.seed
        student = Student()
        student.load_state_dict(load_file(self.out / READER))
        model = runs.load(self.model.folder)
        latent, way = outcome.fit_degrees(model.latent, model.network, student.eval(), seed, cpu, net.cpu())
        runs.save_model(self.out, model.network, latent)
        return {"way": way}
