"""Trials in, labels out: cleaning, scoring, uncertainty, what the observers are worth.

labels = labeling.score(sessions.read("sessions", "faces"))   # or any table of subject, image, response, response_time
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labeling.labels import METHODS, assess, score

__all__ = ["METHODS", "assess", "score"]


def __getattr__(name: str) -> object:
    if name in __all__:  # pandas and scipy, which no --help waits for
        from labeling import labels

        return getattr(labels, name)
    raise AttributeError(f"module 'labeling' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
