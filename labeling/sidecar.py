"""labels.json beside labels.csv: how the labels were made and what they are worth, for papers and for programs.

Keys are named as in the sidecars of the recordings (BIDS). What is none is null.
"""

import json
import math
from datetime import date
from pathlib import Path
from typing import Any

import shell
from labeling.report import Recorded
from sessions import content_hash

FILE = "labels.json"
COLUMNS = {
    "image": "The picture's file name.",
    "smile": "Degree of smile, from -1 (not smiley) to 1 (smiley).",
    "smile_se": "Standard error of smile: the interval's width over 3.29.",
    "smile_low": "Lower end of the 90 % interval of the label that very many such subjects would give.",
    "smile_high": "Its upper end.",
    "votes": "Answers that count.",
    "subjects": "Who gave them.",
}


def write_sidecar(labels: Path, recorded: Recorded, asked: dict[str, Any]) -> Path:
    """Write labels.json beside the file `labels`; `asked` are the flags that it was made with."""
    found = recorded.reliability
    reliability = found and {
        "SplitHalf": round(found.split_half, 4),
        "Pictures": round(found.n_images, 1),
        "Subjects": found.n_subjects,
        "OfAllSubjects": round(found.full, 4),
        "AsByChance": found.by_chance,
    }
    content: dict[str, Any] = {
        "Description": "How labels.csv was made: a degree of smile for each picture.",
        "GeneratedBy": {"Name": "SmileCVAE", "Version": shell.version()},
        "Date": str(date.today()),
        "LabelsSHA256": content_hash(labels),
        "Settings": asked,
        "Notes": list(recorded.notes),
        "Reliability": reliability,
        "KrippendorffAlpha": _plain(recorded.alpha),
        "Procedure": dict(recorded.procedure) or None,
        "Columns": COLUMNS,
        "Subjects": {
            str(name): {column: _plain(value) for column, value in row.items()}
            for name, row in recorded.subjects.to_dict("index").items()
        },
    }
    path = labels.with_name(FILE)
    shell.write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return path


def describes(labels: Path) -> bool:
    """Whether there is a labels.json, and of these labels."""
    path = labels.with_name(FILE)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("LabelsSHA256") == content_hash(labels)


def _plain(value: Any) -> Any:
    """A number as JSON has it, to four digits; NaN is null."""
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, float):
        return value
    return round(value, 4) if math.isfinite(value) else None
