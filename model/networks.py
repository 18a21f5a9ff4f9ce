"""Encoder and decoder: plain convolutions, no batch norm, no transposed convolution.

Shapes trail the lines: B pictures, S their size in pixels (a power of two of at least 8), Z latent dimensions.
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F


def channels(size: int, width: int) -> list[int]:
    """Channels at size/2, size/4, ..., 4 pixels: doubling from `width`, at most 8 x `width`.

    Raises
    ------
    ValueError
        The size is no power of two of at least 8, or the width no multiple of 16 (channels are normalised in eights).
    """
    if size < 8 or size & (size - 1):
        raise ValueError(f"size {size}, expected a power of two of at least 8")
    if width < 16 or width % 16:
        raise ValueError(f"width {width}, expected a multiple of 16")
    levels = size.bit_length() - 3
    return [width * min(2**i, 8) for i in range(levels)]


class GroupNorm(nn.GroupNorm):
    """In float32, as autocast has it on a GPU; in bfloat16 a processor takes up to four times as long for it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float())


class Residual(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), the last convolution starting at zero."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = GroupNorm(8, features), GroupNorm(8, features)
        self.conv_1, self.conv_2 = (nn.Conv2d(features, features, 3, padding=1) for _ in range(2))
        nn.init.zeros_(self.conv_2.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_1(F.silu(self.norm_1(x)))  # (B, C, H, W)
        return x + self.conv_2(F.silu(self.norm_2(h)))  # (B, C, H, W)


class Encoder(nn.Module):
    """q(z|x): the mean and the log variance of each latent dimension."""

    def __init__(self, size: int, latent: int, width: int) -> None:
        super().__init__()
        widths = channels(size, width)
        layers: list[nn.Module] = []
        for before, after in pairwise([3, *widths]):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), GroupNorm(8, after), nn.SiLU()]
            if after >= 4 * width:  # where pictures are small, depth is cheap
                layers.append(Residual(after))
        self.trunk = nn.Sequential(*layers, nn.SiLU(), nn.Flatten())
        self.head = nn.Linear(widths[-1] * 16, 2 * latent)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # (B, 3, S, S) in [0, 1]
        h = self.trunk(2 * x - 1)  # (B, 16 C)
        mu, log_var = self.head(h).float().chunk(2, dim=1)
        return mu, log_var.clamp(-12, 8)  # (B, Z), (B, Z)


class Decoder(nn.Module):
    """The mean of p(x|z)."""

    def __init__(self, size: int, latent: int, width: int) -> None:
        super().__init__()
        widths = channels(size, width)[::-1]
        layers: list[nn.Module] = [nn.Linear(latent, widths[0] * 16), nn.Unflatten(1, (widths[0], 4, 4))]
        for before, after in pairwise([*widths, width // 2]):
            # nearest-neighbour, then convolve: no checkerboard, even far outside of what was trained on
            up = [nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1)]
            layers += up if before == width else [Residual(before), *up]  # where pictures are large, depth is dear
        layers += [GroupNorm(8, width // 2), nn.SiLU(), nn.Conv2d(width // 2, 3, 3, padding=1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:  # (B, Z)
        return 0.5 + 0.5 * self.layers(z).float()  # (B, 3, S, S), [0, 1] but for the model's error
