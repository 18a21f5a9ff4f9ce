"""How exactly are reaction times recorded? Keys are pressed from outside, at known times, side by side with others.

    python -m benchmarks.reaction_time
    python -m benchmarks.reaction_time --others /path/to/venv/bin/python      # one with PsychoPy and Expyriment

On a virtual display (Xvfb) each recorder shows a picture after a cross and tells when it was there; this process then
presses a key through XTEST and notes when, on the same monotonic clock. The table is recorded minus injected time.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import shell

ROOT = Path(__file__).parent.parent
F_KEY = 41  # X keycode
DOUBT_S = 0.001  # a press that took longer to send was not made at a known time, and does not count


@dataclass(frozen=True)
class Settings:
    """Compare recorded with injected reaction times."""

    trials: int = 200
    """Per recorder."""
    others: Path | None = None
    """A Python that has psychopy, psychtoolbox and expyriment."""
    busy: bool = False
    """Keep one processor core busy meanwhile."""
    seed: int = 0
    """Of the injected reaction times, uniform from 0.2 to 0.5 s."""


def main(settings: Settings) -> None:
    recorders = {"annotator": Path(sys.executable)}
    if settings.others is not None:
        recorders |= dict.fromkeys(("psychopy-ptb", "psychopy-event", "expyriment"), settings.others)
    print(f"load average {os.getloadavg()[0]:.1f}{', one core kept busy' if settings.busy else ''}")
    print(f"{'recorded - injected, ms':24} {'mean':>6} {'sd':>6} {'largest':>8} {'trials':>7}")
    with busy_core() if settings.busy else nullcontext():
        for name, python in recorders.items():
            errors_ms = [1000 * error_s for error_s in measure(name, python, settings)]
            if len(errors_ms) < 2:
                print(f"{name:24} did not run")
                continue
            mean, sd, largest = statistics.mean(errors_ms), statistics.stdev(errors_ms), max(errors_ms, key=abs)
            print(f"{name:24} {mean:6.2f} {sd:6.2f} {largest:8.2f} {len(errors_ms):7}", flush=True)


def measure(recorder: str, python: Path, settings: Settings) -> list[float]:
    """Recorded minus injected reaction time of each answered trial, in seconds."""
    from Xlib import X
    from Xlib.display import Display
    from Xlib.ext import xtest

    rng = random.Random(settings.seed)
    errors_s: list[float] = []
    injected_s: float | None = None
    with open_display() as name, tempfile.TemporaryDirectory() as folder:
        display = Display(name)
        program = subprocess.Popen(
            [python, ROOT / "benchmarks" / "recorders.py", recorder, str(settings.trials)],
            cwd=folder,
            env={**os.environ, "DISPLAY": name, "PYTHONPATH": str(ROOT), "SDL_AUDIODRIVER": "dummy"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for line in program.stdout or ():
            message = json.loads(line) if line.startswith("{") else {}
            if "onset_s" in message:
                time.sleep(rng.uniform(0.2, 0.5))
                before_s = time.perf_counter()
                xtest.fake_input(display, X.KeyPress, F_KEY)
                display.flush()  # on its way; an answer of the server may have to wait for what the recorder draws
                after_s = time.perf_counter()
                known = after_s - before_s <= DOUBT_S
                injected_s = (before_s + after_s) / 2 - message["onset_s"] if known else None
                time.sleep(0.03)
                xtest.fake_input(display, X.KeyRelease, F_KEY)
                display.sync()
            elif message.get("response_time_s") is not None and injected_s is not None:
                errors_s.append(message["response_time_s"] - injected_s)
        program.wait()
        display.close()
    return errors_s


@contextmanager
def open_display() -> Iterator[str]:
    """The name of a virtual X display."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x768x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as numbers:
            yield f":{numbers.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


@contextmanager
def busy_core() -> Iterator[None]:
    """One processor core is kept busy inside."""
    load = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        load.kill()
        load.wait()


if __name__ == "__main__":
    shell.run(main, Settings)
