"""What is drawn gets the fine detail back that a mean of squares takes, in all alike, and nothing else."""

import pytest
import torch
from torch.nn import functional as F

from model.focus import focus_amount, focused


@pytest.fixture
def faces() -> torch.Tensor:
    return torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def around(x: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)


def fine_power(x: torch.Tensor) -> torch.Tensor:
    return (x - around(x)).square().mean()


def blurred(x: torch.Tensor) -> torch.Tensor:
    return 0.4 * x + 0.6 * around(x)


def test_what_is_drawn_has_the_fine_power_of_the_faces_afterwards(faces: torch.Tensor) -> None:
    drawn = blurred(faces)
    parts = [(faces[:5], drawn[:5]), (faces[5:], drawn[5:])]
    amount = focus_amount(parts)
    assert fine_power(drawn) < 0.3 * fine_power(faces)
    torch.testing.assert_close(fine_power(focused(drawn, amount)), fine_power(faces), rtol=1e-4, atol=0)


def test_faces_with_detail_enough_are_left_as_they_are(faces: torch.Tensor) -> None:
    assert focus_amount([(blurred(faces), faces)]) == 0.0
    assert focused(faces, 0.0) is faces
    assert focus_amount([(faces, torch.zeros_like(faces))]) == 0.0


def test_light_and_colour_stay(faces: torch.Tensor) -> None:
    plain = torch.full((1, 3, 8, 8), 0.3)
    torch.testing.assert_close(focused(plain, 1.5), plain)
    torch.testing.assert_close(focused(faces, 1.5).mean(), faces.mean(), atol=0.01, rtol=0)
