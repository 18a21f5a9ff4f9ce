"""What a subject is told at the end."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Results:
    """A summary of one subject's trials."""

    trials: int
    median_s: float | None
    """Median response time; None without an answer."""
    consistency: float | None
    """Share of repeated faces that got the same answer both times; None where none was answered twice."""
    misses: int
    """Faces that waited in vain; one at which the subject paused is none."""


def summarise(rows: Iterable[Mapping[str, str]]) -> Results:
    """Results of `rows`, as text from the session file, practice left out."""
    counted = [row for row in rows if row["trial_type"] != "practice"]
    answered = [row for row in counted if row["response"] != "n/a"]
    first = {row["image"]: row["response"] for row in answered if row["trial_type"] == "main"}
    again = [row for row in answered if row["trial_type"] == "repeat" and row["image"] in first]
    return Results(
        trials=len(counted),
        median_s=statistics.median(float(row["response_time"]) for row in answered) if answered else None,
        consistency=sum(row["response"] == first[row["image"]] for row in again) / len(again) if again else None,
        misses=sum(row["response"] == "n/a" and row.get("ended_by") != "interruption" for row in counted),
    )
