"""The verdict of the self-test, the presses it counts, and its thread when the window is closed."""

import threading
import time
from dataclasses import replace
from typing import cast

import pytest
from fake_screen import Event, FakeScreen
from PIL import Image

from annotator import timing
from annotator.host import Host
from annotator.page import Page
from annotator.screen import Screen, WindowClosed
from annotator.subjects import Person
from annotator.texts import open_texts
from annotator.timing import Report, judge, key_delays, wake_up_delays

PRESSED = Report(
    time="2025-01-01T12:00:00+00:00",
    machine="here",
    versions={},
    screen_size=(1920, 1080),
    vsync=True,
    intervals_s=[1 / 60] * 100,
    wake_ups_s=[0.005] * 100,
    key_sources={"x-server": 3},
    key_delays_s=[0.001] * 3,
)


def test_a_machine_whose_keys_the_x_server_times_is_fit() -> None:
    verdict, display, keys = judge(PRESSED)
    assert verdict == "Fit for reaction times."
    assert display.startswith("Display: 60.00 Hz")
    assert keys.startswith("Keys: timed by the X server's stamp")
    assert keys.endswith("3 presses seen.")


def test_keys_that_are_noticed_late_are_a_reservation() -> None:
    verdict, _, keys = judge(replace(PRESSED, key_sources={"wake-up": 3}))
    assert verdict == "With reservations: keys are noticed up to 5 ms late; close other programs."
    assert keys.startswith("Keys: timed by the moment at which the program wakes up")


def test_without_a_press_the_times_of_keys_are_untested() -> None:
    verdict, _, keys = judge(replace(PRESSED, key_sources={"x-server": 0}, key_delays_s=[]))
    assert verdict == "With reservations: no key was pressed, so that the times of keys are untested."
    assert keys.startswith("Keys: untested;")


def test_flips_that_come_late_and_flips_that_do_not_wait_are_reservations() -> None:
    late = [1 / 60] * 95 + [1 / 30] * 5
    verdict, display, _ = judge(replace(PRESSED, intervals_s=late))
    assert verdict == "With reservations: 5.0\u00a0% of the flips came late; close other programs."
    assert display.endswith("5 of 100 late.")
    verdict, display, _ = judge(replace(PRESSED, vsync=False))
    assert verdict.startswith("With reservations: flips do not wait for the display, so that a face may appear up to")
    assert display.startswith("Display: paced by the program")


def test_presses_are_counted_on_the_page_but_none_that_had_to_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "PRESSES", 3)
    presses = [Event("f", 0.1), Event("j", 0.1, off_s=-0.2), Event("j", 0.1, down=False), Event("j", 0.1)]
    screen = cast(Screen, FakeScreen([*presses, Event("escape", 0.1)]))
    host = Host(screen, Person(screen), open_texts("en"))
    pages: list[Page] = []
    monkeypatch.setattr(host.artist, "page", lambda page: pages.append(page) or Image.new("L", (9, 9)))
    sources, delays_s = key_delays(screen, host)
    assert sources == {"test": 2} and len(delays_s) == 2
    assert [page.progress[1] for page in pages if page.progress] == ["0 of 3", "1 of 3", "2 of 3"]


def test_nothing_is_posted_to_a_window_that_was_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    class ClosedAtOnce:
        posted = 0

        def post_press(self, key: str) -> None:
            self.posted += 1

        def wait_for_press(self) -> None:
            raise WindowClosed

    screen, threads = ClosedAtOnce(), threading.active_count()
    monkeypatch.setattr(timing, "WAKE_UPS", 10)
    with pytest.raises(WindowClosed):
        wake_up_delays(cast(Screen, screen))
    assert threading.active_count() == threads
    posted = screen.posted
    time.sleep(0.05)
    assert screen.posted == posted < 10
