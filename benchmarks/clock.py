"""How long something takes."""

import time
from collections.abc import Callable


def timed(work: Callable[[], object]) -> float:
    """How long one call takes, in seconds."""
    start_s = time.perf_counter()
    work()
    return time.perf_counter() - start_s


def best(work: Callable[[], object], repeats: int) -> float:
    """The shortest time of `repeats` calls in seconds: of the one that other processes disturbed least."""
    return min(timed(work) for _ in range(repeats))
