"""From the start of the annotator to its first face, with very many pictures in the set, against a small set.

python -m benchmarks.first_face          # needs Xvfb and python-xlib, as benchmarks.reaction_time does

The set is made in a temporary folder: a thousand drawn faces, and links to them under other names. Somebody turns the
pages before the first face, pressing the space bar eight times a second; that is part of the time in both sets.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import shell
from benchmarks.reaction_time import ROOT, open_display

SPACE_KEY = 65  # X keycode
FLAGS = "--practice 0 --repeats 0 --no-questions --fixation-s 0.2 0.2"
PROGRAM = """
import runpy
from annotator import slide

show = slide.show

def telling(*args, **options):
    shown = show(*args, **options)
    print("face", shown.onset_s, flush=True)
    return shown

slide.show = telling
runpy.run_module("annotator", run_name="__main__")
"""


@dataclass(frozen=True)
class Settings:
    """Start the annotator again and again, on a small and on a large image set."""

    images: int = 100_000
    """Pictures in the large set."""
    few: int = 1000
    """Pictures in the small set, of which the large one is made."""
    starts: int = 5
    """Of each; the median counts."""


def main(settings: Settings) -> None:
    from data.drawn.source import prepare_drawn
    from data.prepare import Drawn

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare_drawn(Drawn(count=settings.few, size=64, data=folder / "data" / "few"))
        link(folder / "data" / "few" / "images", folder / "data" / "many" / "images", settings.images)
        times_s = {which: [] for which in ("few", "many")}
        for start in range(settings.starts):
            for which, times in times_s.items():
                times.append(start_to_first_face_s(folder, which, f"{which}{start}"))
    few_s, many_s = map(statistics.median, times_s.values())
    print(f"{settings.few:8,} pictures: {few_s:6.2f} s to the first face")
    print(f"{settings.images:8,} pictures: {many_s:6.2f} s to the first face, {many_s - few_s:.2f} s more")


def link(source: Path, target: Path, count: int) -> None:
    """`count` hard links in `target` to the pictures in `source`, in turn."""
    target.mkdir(parents=True)
    pictures = sorted(source.iterdir())
    for i in range(count):
        os.link(pictures[i % len(pictures)], target / f"{i:07d}.png")


def start_to_first_face_s(folder: Path, which: str, subject: str) -> float:
    """Seconds from starting the process to the moment when its first face is on the screen."""
    from Xlib import X
    from Xlib.display import Display
    from Xlib.ext import xtest

    with open_display() as name:
        display = Display(name)
        seen = threading.Event()

        def press() -> None:
            while not seen.wait(0.125):
                for event in (X.KeyPress, X.KeyRelease):
                    xtest.fake_input(display, event, SPACE_KEY)
                    display.sync()
                    time.sleep(0.02)

        start_s = time.perf_counter()
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "--subject", subject, "--data", f"data/{which}", *FLAGS.split()],
            cwd=folder,
            env={**os.environ, "DISPLAY": name, "PYTHONPATH": str(ROOT), "SDL_VIDEODRIVER": "x11"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        presser = threading.Thread(target=press)
        presser.start()
        said = []
        try:
            for line in program.stdout or ():
                said.append(line)
                if line.startswith("face "):
                    return float(line.split()[1]) - start_s
        finally:
            seen.set()
            presser.join()
            program.kill()
            program.wait()
            display.close()
    raise shell.UserError("the annotator ended before its first face: " + " ".join("".join(said).split()))


if __name__ == "__main__":
    shell.run(main, Settings)
