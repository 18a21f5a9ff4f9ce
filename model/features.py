"""What a person is told by, seen by a small net: the features that `model.sharpen` compares.

The net learns from training faces alone that two distorted views of one picture are one person (SimCLR, Chen et al.,
2020) and the free labels of metadata.csv: age, gender, race, where the set knows them. It never judges a result; the
nets that do are others (`model.judge_nets`).
"""

from torch import Tensor, nn
from torch.nn import functional as F

from model.judge_nets import Head

WIDTHS = (48, 96, 192)
DESCRIPTOR = 128


def conv(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1), nn.GroupNorm(8, after), nn.SiLU())


class Features(nn.Module):
    """Pictures (B, 3, S, S) in [0, 1] -> maps of features at S/2, S/4, S/8 and S/16, a descriptor, attributes."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        one, two, three = WIDTHS
        stem = nn.Sequential(nn.Conv2d(3, one, 4, 2, 1), nn.GroupNorm(8, one), nn.SiLU())
        self.stages = nn.ModuleList(
            [
                stem,
                nn.Sequential(conv(one, two, 2), conv(two, two, 1)),
                nn.Sequential(conv(two, three, 2), conv(three, three, 1)),
                conv(three, three, 2),
            ]
        )
        self.describe = nn.Linear(three * 16, DESCRIPTOR)
        self.attributes = Head(DESCRIPTOR, outputs)

    def maps(self, x: Tensor) -> list[Tensor]:
        found = [2 * x - 1]
        for stage in self.stages:
            found.append(stage(found[-1]))
        return found[1:]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """-> descriptors before they are brought to unit length (B, 128), attributes (B, A)."""
        h = self.describe(F.adaptive_avg_pool2d(self.maps(x)[-1], 4).flatten(1))
        return h, self.attributes(F.silu(h))
