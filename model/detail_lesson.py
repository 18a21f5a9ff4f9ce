"""The training of `model.detail_net`: what the decoder leaves out of training faces, under noise, is found again."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.detail_net import LEFT_OUT, Detail, drawn_levels
from model.devices import autocast
from model.lessons import Lesson


class DetailLesson(Lesson):
    NAME = "detail"

    def net(self) -> Detail:
        return Detail().to(self.device).to(memory_format=torch.channels_last)

    def loss(
        self, net: nn.Module, where: NDArray[np.intp], generator: torch.Generator, mirrored: Tensor | None = None
    ) -> Tensor:
        """The mean square error of what is found, as a share of what finding nothing new gives; see `Detail`."""
        x, z = self.encoded(where, generator, mirrored)
        with torch.no_grad(), autocast(self.device):
            y = self.model.network.decoder(z)
        left_out = x - y
        sigma = drawn_levels(len(x), generator).to(self.device)
        noisy = left_out + sigma[:, None, None, None] * torch.randn(x.shape, generator=generator).to(self.device)
        with autocast(self.device):
            found = net(noisy, y, sigma)
        weight = 1 / sigma**2 + 1 / LEFT_OUT**2  # (Karras et al., 2022, table 1)
        return ((found - left_out).square().mean((1, 2, 3)) * weight).mean()
