"""The window: pixels onto it, keys out of it, each with its time. The only file that knows pygame.

All times are seconds of `time.perf_counter`.
"""

import math
import os
import signal
import statistics
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")  # else a scaled Windows blurs and resizes faces
os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")  # a detour through a texture: 4 ms a flip instead of 0.1

import pygame
from PIL import Image

from annotator.key_time import WAKE_UP, X_SERVER, key_time, server_ms
from annotator.sdl import Sdl
from annotator.slide import AWAY, ESCAPE
from annotator.trial import Press
from shell import UserError

clock: Callable[[], float] = time.perf_counter

SLICE_S = 0.2  # a blocking wait returns this often, so that Python can run its signal handlers
WINDOW_SHARE = 0.75  # of the desktop, with --windowed
INVISIBLE = ("offscreen", "dummy")  # what SDL falls back to without a desktop
BLOCKS_S = 0.002  # flips that return sooner than this do not wait for the display, whatever was asked for


class WindowClosed(Exception):
    """The window was closed, or the process was told to end."""


class Screen:
    """An open window, as a context manager.

    Raises
    ------
    UserError
        No window can be opened, or there is no such monitor.
    """

    def __init__(self, windowed: bool = False, monitor: int = 1, grey: int = 40) -> None:
        self.windowed = windowed
        self.monitor = monitor
        self.grey = grey
        self.vsync = False
        self.refresh_s = math.nan
        """Median interval between flips that wait for the display; NaN where they do not."""
        self.refresh_sd_s = math.nan
        self.key_source = WAKE_UP
        """What is expected to time the keys; each press says what did."""
        self.monitor_width = 0
        """In pixels, those of `size`: of the whole monitor, also where the window is smaller."""
        self._handlers: dict[signal.Signals, Any] = {}
        self._told_to_end = False
        self._sdl: Sdl | None = None
        self._stamp_ms: int | None = None

    def __enter__(self) -> Self:
        # first, for Ctrl-C is lost where it meets pygame at loading its icon
        self._handlers = {sign: signal.signal(sign, self._end) for sign in (signal.SIGTERM, signal.SIGINT)}
        try:
            pygame.display.init()
            if pygame.display.get_driver() in INVISIBLE:
                raise pygame.error("no display found")
            self._surface = self._open()
        except UserError:
            self._close()
            raise
        except pygame.error as error:
            self._close()
            raise UserError(f"no window can be opened here ({error}); it needs a graphical desktop.") from None
        pygame.display.set_caption("Smiley or not smiley")
        pygame.mouse.set_visible(False)
        self._changed = self._surface.get_rect()
        """What the next flip has to show."""
        self._open_keyboard()
        self.draw()
        self.flip()
        if self.vsync:
            self._measure_refresh()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def _end(self, *_: object) -> None:
        """SIGINT or SIGTERM came: noted, for an event may be lost while the window opens, and told to who waits."""
        self._told_to_end = True
        with suppress(pygame.error):
            pygame.event.post(pygame.Event(pygame.QUIT))

    def _close(self) -> None:
        for sign, handler in self._handlers.items():
            signal.signal(sign, handler)
        pygame.display.quit()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._surface.get_size()

    @property
    def versions(self) -> dict[str, str]:
        return {"pygame": pygame.version.ver, "SDL": ".".join(map(str, pygame.get_sdl_version()))}

    def check_keys(self, names: Iterable[str]) -> None:
        """Raise UserError for a name that no press has (see `key_name`), for Esc, which pauses, and for a key that the
        keyboard has not."""
        for name in names:
            try:
                code = pygame.key.key_code(name)
                right = key_name(code)
            except ValueError:
                raise UserError(f"--keys {name}: no key is called so; expected names such as f or left.") from None
            if name != right:
                raise UserError(f"--keys {name}: expected {right}, as this key is called here.")
            if name == ESCAPE:
                raise UserError(f"--keys {name}: expected another key, as this one pauses.")
            if self._sdl is not None and not self._sdl.has_key(code):
                raise UserError(f"--keys {name}: no key of this keyboard writes it; expected another one, or a layout.")

    def load(self, picture: Image.Image) -> pygame.Surface:
        """`picture`, in mode RGB or L, as `draw` takes it."""
        if picture.mode == "RGB":
            return pygame.image.frombuffer(picture.tobytes(), picture.size, "RGB")
        surface = pygame.image.frombuffer(picture.tobytes(), picture.size, "P")
        surface.set_palette([(level, level, level) for level in range(256)])
        return surface

    def draw(self, picture: pygame.Surface | None = None) -> None:
        """Lay `picture` on the middle of an empty background; `flip` shows it."""
        self._surface.fill((self.grey,) * 3)
        size = (0, 0) if picture is None else picture.get_size()
        self._covered = pygame.Rect(0, 0, *size).move_to(center=self._surface.get_rect().center)
        self._changed.union_ip(self._covered)
        if picture is not None:
            self._surface.blit(picture, self._covered)

    def settle(self, due_s: float) -> float:
        """Flip the same again until just before `due_s`: a first flip may return at once, only the next ones wait.

        Returns the time of the refresh nearest to `due_s`, which is the next one unless frames were dropped on the way
        here; `due_s` where flips do not wait.
        """
        if not self.vsync:
            return due_s
        next_s = due_s
        while clock() < due_s - 1.5 * self.refresh_s:
            pygame.display.flip()
            next_s = clock() + self.refresh_s
        # the next one lies within half a refresh of due_s, and a little beyond where the display is not quite regular
        return next_s - max(0, math.floor((next_s - due_s) / self.refresh_s + 0.25)) * self.refresh_s

    def flip(self, due_s: float = 0.0) -> float:
        """Show what was drawn and return the time at which that was done: at the next refresh, or from `due_s` on."""
        if self.vsync:
            pygame.display.flip()
        else:
            time.sleep(max(0.0, due_s - clock()))
            pygame.display.update(self._changed)
        self._changed = self._covered.copy()
        return clock()

    def wait_for_press(self, deadline_s: float = math.inf) -> Press | None:
        """The next key that goes down or up, or None when it is `deadline_s`, to the millisecond.

        It is `AWAY` when the keys begin to go to another window.

        Raises
        ------
        WindowClosed
        """
        while True:
            event = self._next_event(min(deadline_s - clock(), SLICE_S))
            received_s = clock()
            if event.type == pygame.SYSWMEVENT:  # the raw event, right before the key that it turns into
                self._stamp_ms = server_ms(getattr(event, "event", b""))
            if event.type in (pygame.KEYDOWN, pygame.KEYUP):
                time_s, source = key_time(received_s, self._stamp_ms)
                self._stamp_ms = None
                return Press(key_name(event.key), time_s, source, event.type == pygame.KEYDOWN)
            if event.type == pygame.WINDOWFOCUSLOST:
                return Press(AWAY, received_s, WAKE_UP, down=False)
            if event.type == pygame.QUIT or self._told_to_end:
                raise WindowClosed
            if event.type == pygame.WINDOWEXPOSED:
                pygame.display.flip()
            if event.type == pygame.NOEVENT and deadline_s - received_s < 0.001:
                return None

    def post_press(self, key: str) -> None:
        """Queue a press that nobody made; from any thread."""
        pygame.event.post(pygame.Event(pygame.KEYDOWN, key=pygame.key.key_code(key)))

    def _open(self) -> pygame.Surface:
        desktops = pygame.display.get_desktop_sizes()
        if not 1 <= self.monitor <= len(desktops):
            raise UserError(f"--monitor {self.monitor}: expected 1 to {len(desktops)}, the monitors of this machine.")
        display = self.monitor - 1
        width, height = desktops[display]
        self.monitor_width = width
        if self.windowed:
            return pygame.display.set_mode((int(width * WINDOW_SHARE), int(height * WINDOW_SHARE)), display=display)
        if pygame.display.get_desktop_refresh_rates()[display]:  # 0: a virtual display, which never refreshes
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")  # pygame warns where only its slow renderer is to be had
                    flags = pygame.FULLSCREEN | pygame.SCALED
                    surface = pygame.display.set_mode((width, height), flags, display=display, vsync=1)
                self.vsync = True
                return surface
            except (pygame.error, Warning):
                pygame.display.quit()
                pygame.display.init()
        return pygame.display.set_mode((width, height), pygame.FULLSCREEN, display=display)

    def _open_keyboard(self) -> None:
        pygame.key.stop_text_input()  # an input method would hold keys back
        pygame.event.set_blocked(None)
        keys = [pygame.KEYDOWN, pygame.KEYUP, pygame.SYSWMEVENT]
        pygame.event.set_allowed([*keys, pygame.QUIT, pygame.WINDOWEXPOSED, pygame.WINDOWFOCUSLOST])
        with suppress(OSError, AttributeError):
            self._sdl = Sdl(pygame.event.__file__)
            if pygame.display.get_driver() == "x11":
                self._sdl.hand_on(pygame.SYSWMEVENT)
                self.key_source = X_SERVER
        if self.key_source == WAKE_UP:
            print("note: this system does not tell when a key was pressed; the moment of waking up for it is taken.")

    def _next_event(self, wait_s: float) -> pygame.Event:
        """The next event; NOEVENT when there was none for `wait_s`, less a part of a millisecond."""
        if wait_s < 0.001:
            return pygame.event.poll()
        if self._sdl is None:
            return pygame.event.wait(int(wait_s * 1000))
        self._sdl.wait(int(wait_s * 1000))
        return pygame.event.poll()

    def _measure_refresh(self, flips: int = 60) -> None:
        times_s = [self.flip() for _ in range(flips)]
        intervals_s = [after - before for before, after in pairwise(times_s[10:])]
        self.vsync = statistics.median(intervals_s) > BLOCKS_S
        if self.vsync:
            self.refresh_s = statistics.median(intervals_s)
            self.refresh_sd_s = statistics.stdev(intervals_s)


def key_name(code: int) -> str:
    """What the key with a code of pygame is called here: f, left, space; the keypad's keys like those above letters."""
    if code == pygame.K_KP_ENTER:
        return "return"
    name = pygame.key.name(code) or pygame.key.name(code, use_compat=False).lower()  # the second knows ö and é
    return name[1] if len(name) == 3 and name[0] == "[" else name  # pygame calls the keypad's digits [0] to [9]
