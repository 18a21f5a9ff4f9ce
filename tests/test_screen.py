"""When a face comes on a display that refreshes, and when it is late."""

import math
from collections.abc import Iterator

import pygame
import pytest

from annotator import screen as module
from annotator.record import LATE
from annotator.screen import Screen
from annotator.slide import SETTLE, SETTLE_S

REFRESH_S = 1 / 60


class Display:
    """Refreshes at fixed moments, and may drop frames."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.refresh_s = REFRESH_S
        self.dropped = 0
        self.flips: Iterator[int] = iter(())
        """How many frames the next flips drop, in turn."""
        self.count = 0

    def flip(self) -> None:
        self.count += 1
        refreshes = math.floor(self.now_s / self.refresh_s + 1e-6) + 1 + next(self.flips, self.dropped)
        self.now_s = refreshes * self.refresh_s


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


@pytest.mark.parametrize("dropped", [0, 1, 3])
def test_frames_dropped_on_the_way_make_a_face_late_too(display: Display, dropped: int) -> None:
    screen = Screen()
    screen.vsync, screen.refresh_s = True, REFRESH_S
    screen._covered = pygame.Rect(0, 0, 0, 0)
    late = 0
    for i in range(300):
        display.now_s += 0.0123 * i % 1
        display.flips = iter([0, dropped])
        due_s = screen.settle(display.now_s + 0.05)
        late += screen.flip(due_s) - due_s > LATE * REFRESH_S
    assert late == {0: 0, 1: 75, 3: 300}[dropped]  # a frame that is dropped early is made up for


@pytest.mark.parametrize("rate", [23.976, 29.97, 60, 144])
def test_at_any_refresh_rate_flips_come_before_the_face(display: Display, rate: float) -> None:
    display.refresh_s = 1 / rate
    screen = Screen()
    screen.vsync, screen.refresh_s = True, display.refresh_s
    for i in range(100):
        display.now_s += 0.0123 * i % 1
        display.count = 0
        screen.settle(display.now_s + max(SETTLE_S, SETTLE * screen.refresh_s))
        assert display.count


def test_where_flips_do_not_wait_a_face_is_due_when_it_was_planned() -> None:
    assert Screen().settle(123.0) == 123.0
