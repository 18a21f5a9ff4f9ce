"""Session files: schema, durable writer, strict reader, simulated observers. What is recorded lies in this folder too.

with sessions.RunWriter("sessions", "alice", "faces", sidecar={...}) as run:
    run.write(trial=1, trial_type="main", image="x.png", response="smiley", response_time=0.612, ...)
trials = sessions.read("sessions", "faces")
"""

from typing import TYPE_CHECKING

from sessions.files import Run, check_subject, content_hash, has_rows, runs
from sessions.schema import shown_first
from sessions.writer import RunWriter

if TYPE_CHECKING:
    from sessions.reader import read

__all__ = ["Run", "RunWriter", "check_subject", "content_hash", "has_rows", "read", "runs", "shown_first"]


def __getattr__(name: str) -> object:
    if name == "read":  # pandas, which the annotator does not wait for
        from sessions.reader import read

        return read
    raise AttributeError(f"module 'sessions' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
