"""A virtual desktop (Xvfb) for tests that open a window, and a robot that presses keys on it from outside (XTEST)."""

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
KEYS = {"space": 65, "f": 41, "j": 44, "Escape": 9, "Return": 36, "3": 12, "l": 46}  # X keycodes of a PC keyboard


class Desktop:
    """An X display of our own."""

    def __init__(self, name: str) -> None:
        from Xlib.display import Display

        self.name = name
        self.display = Display(name)
        self.pressed_s: list[float] = []
        """When keys went down, on the clock of time.perf_counter: half-way through the question to the X server."""

    def press(self, key: str, hold_s: float = 0.03) -> None:
        """Press and release a key; return when the X server has done both."""
        from Xlib import X
        from Xlib.ext import xtest

        before_s = time.perf_counter()
        xtest.fake_input(self.display, X.KeyPress, KEYS[key])
        self.display.sync()
        self.pressed_s.append((before_s + time.perf_counter()) / 2)
        time.sleep(hold_s)
        xtest.fake_input(self.display, X.KeyRelease, KEYS[key])
        self.display.sync()
        time.sleep(0.01)  # SDL takes a press within 2 ms of the release for the repeat of a held key

    def press_and_see(self, key: str) -> None:
        """Press a key once something stands on the screen, and return when the screen has changed."""
        self.wait_until(lambda: any(hi > 0 for _, hi in self.screenshot().getextrema()))
        time.sleep(0.2)  # sooner a page is not turned
        before = self.screenshot().tobytes()
        self.press(key)
        self.wait_until(lambda: self.screenshot().tobytes() != before)

    def open_window(self) -> None:
        """Another window comes, and keys go to it."""
        from Xlib import X

        screen = self.display.screen()
        window = screen.root.create_window(0, 0, 50, 50, 0, screen.root_depth)
        window.map()
        self.display.sync()
        window.set_input_focus(X.RevertToParent, X.CurrentTime)
        self.display.sync()

    def close_windows(self) -> None:
        """Ask every window to close, as its button does."""
        from Xlib.protocol.event import ClientMessage

        protocols, delete = (self.display.intern_atom(name) for name in ("WM_PROTOCOLS", "WM_DELETE_WINDOW"))
        for window in self.display.screen().root.query_tree().children:
            data = (32, [delete, 0, 0, 0, 0])
            window.send_event(ClientMessage(window=window, client_type=protocols, data=data))
        self.display.sync()

    def wait_until(self, condition: Callable[[], bool], patience_s: float = 60) -> None:
        end_s = time.perf_counter() + patience_s
        while not condition():
            assert time.perf_counter() < end_s, "nothing happens on the screen"
            time.sleep(0.05)

    @contextmanager
    def pressing(self, key: str) -> Iterator[None]:
        """Somebody presses `key` again and again, as the space bar to turn pages."""
        done = threading.Event()

        def press() -> None:
            while not done.wait(0.15):
                self.press(key)

        presser = threading.Thread(target=press)
        presser.start()
        try:
            yield
        finally:
            done.set()
            presser.join()

    def screenshot(self) -> Image.Image:
        from Xlib import X

        root = self.display.screen().root
        size = root.get_geometry()
        raw = root.get_image(0, 0, size.width, size.height, X.ZPixmap, 0xFFFFFFFF)
        return Image.frombytes("RGB", (size.width, size.height), raw.data, "raw", "BGRX")

    def start(self, folder: Path, *flags: str, code: str | None = None) -> subprocess.Popen[str]:
        """`python -m annotator` with `flags` in `folder`, or the program text `code`, on this desktop."""
        what = ["-m", "annotator"] if code is None else ["-c", code]
        environment = {**os.environ, "DISPLAY": self.name, "PYTHONPATH": str(ROOT), "SDL_VIDEODRIVER": "x11"}
        return subprocess.Popen(
            [sys.executable, *what, *flags],
            cwd=folder,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def answer_everything(self, program: subprocess.Popen[str], seed: int = 0, until_s: float = 120) -> None:
        """Turn pages and answer faces at random until `program` ends."""
        rng = random.Random(seed)
        end_s = time.perf_counter() + until_s
        while program.poll() is None:
            assert time.perf_counter() < end_s, "the program does not come to its end"
            self.press(rng.choice(["space", "f", "j"]))
            time.sleep(rng.uniform(0.02, 0.12))


@contextmanager
def limited(program: subprocess.Popen[str], seconds: float = 60) -> Iterator[None]:
    """Kill `program` when the block takes longer, so that nobody waits for its words for ever."""
    watchdog = threading.Timer(seconds, program.kill)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def wait_for_line(program: subprocess.Popen[str], line: str) -> list[str]:
    """What `program` prints from now on, up to and with `line`."""
    assert program.stdout is not None
    printed = []
    with limited(program):
        for text in program.stdout:
            printed.append(text.removesuffix("\n"))
            if printed[-1] == line:
                return printed
    raise AssertionError(f"{line!r} was not printed, only {printed}")


def finish(program: subprocess.Popen[str]) -> str:
    """What `program` still prints until it ends."""
    assert program.stdout is not None
    with limited(program), program:
        return program.stdout.read()


@contextmanager
def open_desktop(width: int, height: int) -> Iterator[Desktop]:
    """Skips the test where there is no Xvfb or no python-xlib."""
    pytest.importorskip("Xlib", reason="python-xlib presses the keys")
    if shutil.which("Xvfb") is None:
        pytest.skip("no Xvfb for a virtual desktop")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as numbers:
            name = f":{numbers.readline().strip()}"
        desktop = Desktop(name)
        yield desktop
        desktop.display.close()
    finally:
        server.terminate()
        server.wait()


def draw_faces(folder: Path, count: int = 6) -> None:
    """An image set data/faces of plain coloured pictures in `folder`."""
    images = folder / "data" / "faces" / "images"
    images.mkdir(parents=True)
    for i in range(count):
        hue = np.random.default_rng(i).integers(80, 255, 3)
        Image.new("RGB", (64, 64), tuple(map(int, hue))).save(images / f"{i:03d}.png")
    rows = "".join(f"{i:03d}.png,{2 * i / (count - 1) - 1}\n" for i in range(count))
    (folder / "data" / "faces" / "metadata.csv").write_text(f"image,true_smile\n{rows}")
