"""When a face comes on a display that refreshes, and when it is late."""

import math

import pygame
import pytest

from annotator import screen as module
from annotator.screen import Screen

REFRESH_S = 1 / 60


class Display:
    """Refreshes at fixed moments, and may drop frames."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.dropped = 0

    def flip(self) -> None:
        refreshes = math.floor(self.now_s / REFRESH_S + 1e-6) + 1 + self.dropped
        self.now_s = refreshes * REFRESH_S


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Display:
    display = Display()
    monkeypatch.setattr(pygame.display, "flip", display.flip)
    monkeypatch.setattr(module, "clock", lambda: display.now_s)
    return display


@pytest.mark.parametrize("dropped", [0, 1, 2])
def test_a_face_is_due_at_the_refresh_nearest_to_the_planned_time_and_each_dropped_frame_makes_it_later(
    display: Display, dropped: int
) -> None:
    screen = Screen()
    screen.vsync, screen.refresh_s = True, REFRESH_S
    screen._covered = pygame.Rect(0, 0, 0, 0)
    for i in range(100):
        display.now_s += 0.0123 * i % 1
        planned_s = display.now_s + 0.05
        display.dropped = 0
        due_s = screen.settle(planned_s)
        display.dropped = dropped
        assert abs(due_s - planned_s) <= REFRESH_S / 2 + 1e-5
        assert screen.flip(due_s) - due_s == pytest.approx(dropped * REFRESH_S, abs=1e-6)


def test_where_flips_do_not_wait_a_face_is_due_when_it_was_planned() -> None:
    assert Screen().settle(123.0) == 123.0
