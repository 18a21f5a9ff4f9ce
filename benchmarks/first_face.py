"""From the start of the annotator to its first face, with very many pictures in the set; then late flips and memory.

    python -m benchmarks.first_face          # Linux; needs Xvfb and python-xlib, as benchmarks.reaction_time does
    python -m benchmarks.first_face --images 22000 --starts 1 --trials 500 --busy

The set is made in a temporary folder: a thousand drawn faces, and links to them under other names. Somebody turns the
pages before the first face, pressing the space bar eight times a second; that is part of the time in both sets.
"""

import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import shell
from benchmarks.reaction_time import ROOT, busy_core, open_display

KEYS = {"space": 65, "f": 41, "j": 44}  # X keycodes
LATE_S = 0.025  # one and a half refreshes of 60 Hz, as in a run's LateFlips where the display has no refresh
FLAGS = "--practice 0 --repeats 0 --no-questions --block 1000000"
# VmHWM: what resource.getrusage calls the peak may be that of the process which started this one
PROGRAM = """
import runpy
from pathlib import Path
from annotator import slide

show = slide.show

def telling(*args, **options):
    shown = show(*args, **options)
    print("face", shown.onset_s, shown.delay_s, flush=True)
    return shown

slide.show = telling
try:
    runpy.run_module("annotator", run_name="__main__")
finally:
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    print("peak", int(status["VmHWM"].split()[0]) / 1024)
"""


@dataclass(frozen=True)
class Settings:
    """Start the annotator again and again, on a small and on a large image set, and judge faces of the large one."""

    images: int = 100_000
    """Pictures in the large set."""
    few: int = 1000
    """Pictures in the small set, of which the large one is made."""
    size: int = 200
    """Width and height of the pictures."""
    starts: int = 5
    """Of each; the median counts."""
    trials: int = 0
    """Faces of the large set that are then shown and answered."""
    busy: bool = False
    """Keep one processor core busy meanwhile."""


def main(settings: Settings) -> None:
    from data.drawn.source import prepare_drawn
    from data.prepare import Drawn

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare_drawn(Drawn(count=settings.few, size=settings.size, data=folder / "data" / "few"))
        link(folder / "data" / "few" / "images", folder / "data" / "many" / "images", settings.images)
        with busy_core() if settings.busy else nullcontext():
            print(f"load average {os.getloadavg()[0]:.1f}{', one core kept busy' if settings.busy else ''}")
            compare_starts(settings, folder)
            if settings.trials:
                judge_faces(settings, folder)


def compare_starts(settings: Settings, folder: Path) -> None:
    """Print the time to the first face in the small and in the large set."""
    times_s = {which: [] for which in ("few", "many")}
    for start in range(settings.starts):
        for which, times in times_s.items():
            with annotator(folder, which, f"{which}{start}") as session:
                times.append(next(session.faces)[0] - session.start_s)
    few_s, many_s = map(statistics.median, times_s.values())
    print(f"{settings.few:8,} pictures: {few_s:6.2f} s to the first face")
    print(f"{settings.images:8,} pictures: {many_s:6.2f} s to the first face, {many_s - few_s:.2f} s more")


def judge_faces(settings: Settings, folder: Path) -> None:
    """Print how late faces of the large set came, and the memory that the program took at most."""
    delays_s = []
    with annotator(folder, "many", "judge", "--limit", str(settings.trials)) as session:
        for _, delay_s in session.faces:
            delays_s.append(delay_s)
            session.keys = ["space"] if len(delays_s) == settings.trials else ["f", "j"]
    late = sum(delay_s > LATE_S for delay_s in delays_s)
    print(f"{len(delays_s):8,} faces: {late} later than {1000 * LATE_S:.0f} ms,", end=" ")
    print(f"median {1000 * statistics.median(delays_s):.2f} ms, largest {1000 * max(delays_s):.2f} ms", end="; ")
    print(f"peak memory {session.peak_mib:.0f} MiB")


def link(source: Path, target: Path, count: int) -> None:
    """`count` hard links in `target` to the pictures in `source`, in turn."""
    target.mkdir(parents=True)
    pictures = sorted(source.iterdir())
    for i in range(count):
        os.link(pictures[i % len(pictures)], target / f"{i:07d}.png")


class Session:
    """An annotator that runs."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self.start_s = time.perf_counter()
        self.program = program
        self.keys = ["space"]
        """What somebody presses in any order, eight times a second."""
        self.peak_mib = 0.0
        self.faces = self._faces()

    def _faces(self) -> Iterator[tuple[float, float]]:
        """Onset of each face, and how much later it came than at the time that was waited for, in seconds."""
        said = []
        for line in self.program.stdout or ():
            said.append(line)
            if line.startswith("face "):
                onset_s, delay_s = map(float, line.split()[1:])
                yield onset_s, delay_s
            elif line.startswith("peak "):
                self.peak_mib = float(line.split()[1])
        if self.program.wait():
            raise shell.UserError("the annotator failed: " + " ".join("".join(said).split()))


@contextmanager
def annotator(folder: Path, which: str, subject: str, *flags: str) -> Iterator[Session]:
    """The annotator on a display of its own, with somebody who presses keys until the block ends."""
    from Xlib import X
    from Xlib.display import Display
    from Xlib.ext import xtest

    with open_display() as name:
        display = Display(name)
        done = threading.Event()
        flags = ("--subject", subject, "--data", f"data/{which}", *FLAGS.split(), *flags)
        session = Session(
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *flags],
                cwd=folder,
                env={**os.environ, "DISPLAY": name, "PYTHONPATH": str(ROOT), "SDL_VIDEODRIVER": "x11"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )

        def press() -> None:
            while not done.wait(0.105):
                key = KEYS[random.choice(session.keys)]
                for event in (X.KeyPress, X.KeyRelease):
                    xtest.fake_input(display, event, key)
                    display.sync()
                    time.sleep(0.01)

        presser = threading.Thread(target=press)
        presser.start()
        try:
            yield session
        finally:
            done.set()
            presser.join()
            session.program.kill()
            session.program.wait()
            display.close()


if __name__ == "__main__":
    shell.run(main, Settings)
