"""The self-test before a study: how steadily does this machine show faces, and how well does it time keys?

python -m annotator --timing
"""

import json
import math
import platform
import statistics
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from annotator.host import Host
from annotator.page import compose
from annotator.screen import Screen, WindowClosed
from annotator.settings import Settings
from annotator.sidecar import now
from annotator.slide import ESCAPE
from annotator.subjects import Person
from annotator.texts import open_texts
from shell import UserError, flags, percent, version, whole_file, write_text

FLIPS_S = 10.0
PACE_S = 1 / 60  # where flips do not wait for the display
WAKE_UPS = 200
NOBODYS_KEY = "f15"  # hardly any keyboard has it
PRESSES = 20
PATIENCE_S = 20.0  # for these presses


@dataclass(frozen=True)
class Report:
    """What was measured; times in seconds."""

    time: str
    machine: str
    """System and processor; not its name, which may be a person's."""
    versions: dict[str, str]
    screen_size: tuple[int, int]
    vsync: bool
    intervals_s: list[float]
    """Between flips, over `FLIPS_S`."""
    wake_ups_s: list[float]
    """From a press that another thread posts to the time that it gets."""
    key_sources: dict[str, int]
    """What timed the keys, and how many."""
    key_delays_s: list[float]
    """From the time of a key to the program having it."""

    @property
    def interval_s(self) -> float:
        return statistics.median(self.intervals_s)

    @property
    def late_flips(self) -> int:
        """Intervals of more than one and a half refreshes."""
        return sum(interval > 1.5 * self.interval_s for interval in self.intervals_s)


def self_test(settings: Settings) -> None:
    """Measure, judge, and keep a report and a picture in sourcedata/ beside the recordings."""
    if settings.sessions.exists() and not settings.sessions.is_dir():  # said before half a minute is spent
        raise UserError(f"--sessions {settings.sessions}: a file, expected a folder.")
    with Screen(settings.windowed, settings.monitor, settings.grey) as screen:
        host = Host(screen, Person(screen), open_texts(settings.texts))
        try:
            report = measure(screen, host)
        except WindowClosed:
            print("The window was closed; nothing was kept.")
            return
    verdict = judge(report)
    print("\n".join(verdict))  # first, for no disk may take the report
    name = f"timing_{platform.system()}-{platform.machine()}_{datetime.now():%Y-%m-%dT%H-%M-%S}"
    path = settings.sessions / "sourcedata" / f"{name}.json"
    write_text(path, json.dumps({"verdict": verdict, **asdict(report)}, indent=1) + "\n")
    plot(report, path.with_suffix(".png"))
    print(f"{path}\n{path.with_suffix('.png')}")
    print(f"Next: python -m annotator --subject me{flags(settings, 'data', 'sessions', 'texts', 'monitor', 'grey')}")


def measure(screen: Screen, host: Host) -> Report:
    """Raises WindowClosed."""
    host.show(host.artist.page(compose(host.texts, "timing_display", actions=(), seconds=round(FLIPS_S))))
    end_s = time.perf_counter() + FLIPS_S
    flips_s = [screen.flip()]
    while flips_s[-1] < end_s:
        flips_s.append(screen.flip(flips_s[-1] + PACE_S))
    wake_ups_s = wake_up_delays(screen)
    sources, delays_s = key_delays(screen, host)
    return Report(
        time=now(),
        machine=platform.platform(),
        versions={"SmileCVAE": version(), **screen.versions},
        screen_size=screen.size,
        vsync=screen.vsync,
        intervals_s=[after - before for before, after in pairwise(flips_s)],
        wake_ups_s=wake_ups_s,
        key_sources=dict(sources) or {screen.key_source: 0},
        key_delays_s=delays_s,
    )


def key_delays(screen: Screen, host: Host) -> tuple[Counter[str], list[float]]:
    """What timed the presses, and seconds from the time of each to the program having it; the page counts them.

    Raises
    ------
    WindowClosed
    """

    def show_count() -> float:
        done = (len(delays_s), PRESSES)
        page = compose(host.texts, "timing_keys", ((ESCAPE, "skip"),), progress=done, presses=PRESSES)
        return host.show(host.artist.page(page))

    sources: Counter[str] = Counter()
    delays_s: list[float] = []
    shown_s = show_count()
    deadline_s = shown_s + PATIENCE_S
    while len(delays_s) < PRESSES and (press := screen.wait_for_press(deadline_s)) is not None:
        received_s = time.perf_counter()
        if press.key == ESCAPE:
            break
        if press.down and press.time_s >= shown_s:  # an earlier one had to wait for the page
            sources[press.source] += 1
            delays_s.append(received_s - press.time_s)
            shown_s = show_count()
    return sources, delays_s


def wake_up_delays(screen: Screen) -> list[float]:
    """Seconds from a press that another thread posts to its time, as this thread, waiting for keys, takes it.

    Raises
    ------
    WindowClosed
    """
    sent_s: list[float] = []
    closed = threading.Event()

    def send() -> None:
        while len(sent_s) < WAKE_UPS and not closed.wait(0.01):
            sent_s.append(time.perf_counter())
            screen.post_press(NOBODYS_KEY)

    sender = threading.Thread(target=send)
    sender.start()
    stamped_s: list[float] = []
    try:
        while len(stamped_s) < WAKE_UPS:
            press = screen.wait_for_press()
            if press is not None and press.key == NOBODYS_KEY:
                stamped_s.append(press.time_s)
    finally:
        closed.set()
        sender.join()
    return [stamped - sent for sent, stamped in zip(sent_s, stamped_s, strict=True)]


def judge(report: Report) -> list[str]:
    """The verdict in plain words, the most important sentence first."""
    flips = len(report.intervals_s)
    late_share = report.late_flips / flips
    spread_s = statistics.pstdev(report.intervals_s)
    wake_up_s = statistics.median(report.wake_ups_s)
    slowest_s = sorted(report.wake_ups_s)[math.ceil(0.95 * len(report.wake_ups_s)) - 1]
    stamped = report.key_sources.get("x-server", 0) > 0
    problems = []
    if not report.vsync:
        problems.append(
            "flips do not wait for the display, so that a face may appear up to one refresh later than recorded"
        )
    if late_share > 0.01:
        problems.append(f"{percent(late_share, 1)} of the flips came late; close other programs")
    if not report.key_delays_s:
        problems.append("no key was pressed, so that the times of keys are untested")
    elif not stamped and slowest_s > 0.002:
        problems.append(f"keys are noticed up to {1000 * slowest_s:.0f} ms late; close other programs")
    pace = f"{1 / report.interval_s:.2f} Hz" if report.vsync else "paced by the program"
    display = (
        f"Display: {pace}, {1000 * report.interval_s:.2f} ms between flips, SD {1000 * spread_s:.2f} ms, "
        f"{report.late_flips} of {flips} late."
    )
    if not report.key_delays_s:
        source = "untested"
    else:
        source = "timed by " + (
            "the X server's stamp, to 1 ms" if stamped else "the moment at which the program wakes up"
        )
    keys = (
        f"Keys: {source}; woken within {1000 * wake_up_s:.2f} ms (median), "
        f"{1000 * slowest_s:.2f} ms ({percent(0.95)}); {len(report.key_delays_s)} presses seen."
    )
    verdict = "Fit for reaction times." if not problems else f"With reservations: {'; '.join(problems)}."
    return [verdict, display, keys]


def plot(report: Report, path: Path) -> None:
    """Histograms of the flips, the wake-ups and the keys."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    for axes, (title, values_s) in zip(
        figure.subplots(1, 3),
        (
            (f"Between flips (n = {len(report.intervals_s)})", report.intervals_s),
            (f"Press posted to its time (n = {len(report.wake_ups_s)})", report.wake_ups_s),
            (f"Key's time to program awake (n = {len(report.key_delays_s)})", report.key_delays_s),
        ),
        strict=True,
    ):
        axes.hist([1000 * value for value in values_s], bins=60, color="0.35")
        axes.set_title(title, fontsize=10)
        axes.set(xlabel="ms", ylabel="count", yscale="log" if values_s else "linear")
        axes.locator_params(axis="x", nbins=5)
        axes.spines[["top", "right"]].set_visible(False)
    with whole_file(path) as aside:
        figure.savefig(aside, dpi=130)
