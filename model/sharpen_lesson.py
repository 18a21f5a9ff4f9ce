"""The training of `model.sharpen`: the decoder learns to draw what a critic takes for pictures of faces.

A decoder that learns by squared error draws the mean of all faces that share a latent, and a mean is smooth. Here the
decoder, and it alone, goes on to learn, from two kinds of pictures at once. A reconstruction r of a face x is held to

    1/2 log MSE(r, x) + 1/2 log P(r, x)

P being the MSE of what the critic sees in them, each brought to unit length over its channels (Larsen et al., 2016;
Zhang et al., 2018). Reconstructions and new faces, half of them as they come and half at a random place of the smile's
way, are held to what the critic, too, learns: to look like faces with their read-outs of smile, gender, age and race
(conditional GAN, Mirza and Osindero, 2014; loss and R1 penalty as in StyleGAN2, Karras et al., 2020). With the
read-outs as a condition it cannot ask of a laughing face to laugh less, though few training faces do.

What is kept lies between the old weights and the learned ones (network interpolation, Wang et al., 2018).
"""

import math
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from model import fitting, smile_model
from model.critic import Critic, Distortion
from model.devices import autocast
from model.faces import Faces
from model.lessons import Lesson
from model.sharpen import Settings
from model.smile_model import SmileModel
from model.way import place
from shell import UserError

BANK = 16_384  # new faces that are drawn from, half of them as they come
FARTHEST = 3.0  # degrees
PENALTY = 0.1  # of the critic's slope at real faces
PENALISED = 8  # it is measured at every eighth of them


class Rivals(nn.Module):
    """Decoder and critic: each has its own part of one loss."""

    def __init__(self, decoder: nn.Module, critic: Critic) -> None:
        super().__init__()
        self.decoder, self.critic = decoder, critic


class SharpenLesson(Lesson):
    NAME = "sharpen"
    settings: Settings

    @staticmethod
    def check(settings: Settings, model: SmileModel) -> None:
        Lesson.check(settings, model)
        if not 0 <= settings.adversarial < math.inf or not 0 < settings.share <= 1:
            asked = f"--adversarial {settings.adversarial} --share {settings.share}"
            raise UserError(f"{asked}: expected 0 or more, and more than 0 to 1.")
        if model.kind != "cvae" or model.detail is not None:
            what = "is a run with the detail of another decoder" if model.kind == "cvae" else f"is of kind {model.kind}"
            raise UserError(f"{model.folder}: {what}; --run names a CVAE that model.detail did not go on with.")

    def __init__(self, model: SmileModel, faces: Faces, out: Path, settings: Settings, device: torch.device) -> None:
        super().__init__(model, faces, out, settings, device)
        self.student = self.find_reader() if self.refined else None
        self.latent = model.latent
        over_faces = (self.latent.readout @ self.latent.factor).norm(dim=1)
        self.spread = over_faces.clamp(min=1e-6)  # (A,) of read-outs; of one that never varies it is 0
        people = model.people(BANK, settings.seed).split(BANK // 2)
        generator = torch.Generator().manual_seed(settings.seed)
        low, high = place(torch.tensor([-FARTHEST, FARTHEST]), model.drawn_way)
        places = low + (high - low) * torch.rand(BANK // 2, generator=generator)
        self.bank = torch.cat([model.latents(people[0]), model.placed(people[1], places.to(device))])

    @property
    def file(self) -> Path:
        return self.out / "model.safetensors"

    def net(self) -> Rivals:
        decoder = deepcopy(self.model.network.decoder).requires_grad_(True)
        critic = Critic(self.model.size, len(self.spread))
        rivals = Rivals(decoder, critic).to(self.device)
        return rivals.to(memory_format=torch.channels_last)

    def optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(net.parameters(), self.settings.lr, betas=(0.0, 0.99), fused=True)

    def loss(
        self, net: nn.Module, where: NDArray[np.intp], generator: torch.Generator, mirrored: Tensor | None = None
    ) -> Tensor:
        assert isinstance(net, Rivals)
        x, z = self.encoded(where, generator, mirrored)
        count = len(x)
        z = torch.cat([z, self.bank[torch.randint(len(self.bank), (count,), generator=generator).to(self.device)]])
        y = self._readouts(z)  # (2 B, A)
        with autocast(self.device):
            drawn = net.decoder(z)  # (2 B, 3, S, S)
        distortion, other = Distortion(count, self.device), Distortion(count, self.device)
        real = distortion(x)
        again, new = distortion(drawn[:count]), other(drawn[count:])

        with autocast(self.device):
            said, maps = net.critic(torch.cat([real, again, new]).detach(), torch.cat([y[:count], y]))
        critic = F.softplus(-said[:count]).mean() + F.softplus(said[count:]).mean() + self._penalty(net, real, y)

        net.critic.requires_grad_(False)
        with autocast(self.device):  # one after the other: gradients of a part of the maps would be copied twice
            said_again, drawn_maps = net.critic(again, y[:count])
            said_new, _ = net.critic(new, y[count:])
        net.critic.requires_grad_(True)
        pairs = zip(maps, drawn_maps, strict=True)
        seen = torch.stack([_apart(one[:count].detach(), other) for one, other in pairs]).mean()
        likeness = 0.5 * (drawn[:count] - x).square().mean().log() + 0.5 * seen.log()
        realism = F.softplus(-torch.cat([said_again, said_new])).mean()
        return likeness + self.settings.adversarial * realism + critic

    def _readouts(self, z: Tensor) -> Tensor:
        """Of smile, gender, age and race, in standard deviations: z (B, Z) -> (B, A)."""
        return (z - self.latent.mean) @ self.latent.readout.T / self.spread

    def _penalty(self, net: Rivals, real: Tensor, y: Tensor) -> Tensor:
        """R1, the critic's mean squared slope at real faces (Mescheder et al., 2018)."""
        some = real[::PENALISED].detach().requires_grad_(True)
        said, _ = net.critic(some, y[: len(real) : PENALISED])
        (slope,) = torch.autograd.grad(said.sum(), some, create_graph=True)
        return 0.5 * PENALTY * slope.square().sum((1, 2, 3)).mean()

    def held_out(self, net: nn.Module, where: NDArray[np.intp], generator: torch.Generator) -> Tensor:
        """1/2 log MSE of reconstructions: what the critic asks for has no value of its own."""
        assert isinstance(net, Rivals)
        x, z = self.encoded(where, generator)
        with autocast(self.device):
            return 0.5 * (net.decoder(z) - x).square().mean().log()

    def keep(self, net: nn.Module) -> dict[str, object]:
        """The model with its new decoder; in a refined run with fine detail, read-out and ways by what it draws now."""
        assert isinstance(net, Rivals)
        model = smile_model.load(self.model.folder)  # as it was, and on the processor, where degrees are fitted
        network = model.network
        for weight, learned in zip(network.decoder.parameters(), net.decoder.parameters(), strict=True):
            weight.data.lerp_(learned.to(weight.device), self.settings.share)
        focus, latent, way, drawn_way = 0.0, model.latent, model.way, model.drawn_way
        if self.refined:
            network, seed = network.to(self.device), self.settings.seed
            focus, latent, way = fitting.refine(network, latent, way, self.faces, self.student, seed, self.device)
            if model.prior is not None and self.student is not None:
                drawn_way = fitting.find_way(model.space, network, self.student, seed, self.device)
        smile_model.save_model(self.out, network, latent)
        return {"focus": focus, "way": way} | ({} if model.prior is None else {"drawn_way": drawn_way})


def _apart(one: Tensor, other: Tensor) -> Tensor:
    """The mean squared distance of maps (B, C, H, W) at unit length over their channels."""
    one, other = one.float(), other.float()
    over = torch.linalg.vecdot(one, one, dim=1) * torch.linalg.vecdot(other, other, dim=1)
    return 2 - 2 * (torch.linalg.vecdot(one, other, dim=1) * over.clamp(min=1e-24).rsqrt()).mean()
