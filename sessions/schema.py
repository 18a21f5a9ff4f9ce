"""What a session file holds: BIDS, behavioural (https://bids-specification.readthedocs.io), one row per shown face.

sessions/dataset_description.json, participants.tsv, participants.json, README, task-smile_beh.json, .bidsignore
sessions/sub-alice/beh/sub-alice_task-smile_run-01_beh.tsv + .json
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

TASK = "smile"
MISSING = "n/a"
RESPONSES = {"smiley": 1.0, "not-smiley": -1.0}
TRIAL_TYPES = ("practice", "main", "repeat")
MAX_RESPONSE_TIME_S = 3600.0  # beyond an hour it is no reaction time: a wrong unit or a wrong column
MAX_TRIAL = 1_000_000_000  # beyond it is a slip, and floats soon stop telling whole numbers apart

PICTURE = r"[^/\\]+"  # the name of one: no path, and so not n/a either

# of each column of numbers: which ones it may hold (of one number or of many), and that in words
NUMBERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "trial": (lambda n: (n >= 1) & (n % 1 == 0) & (n <= MAX_TRIAL), "1, 2, ..."),
    "response_time": (
        lambda s: (s > 0) & (s <= MAX_RESPONSE_TIME_S),
        f"seconds above 0 and up to {MAX_RESPONSE_TIME_S:g}",
    ),
    "early_press": (lambda s: s < 0, "seconds below 0 or n/a"),
    "face_onset": (lambda s: s >= 0, "seconds from the start of the run"),
}

COLUMNS: dict[str, dict[str, Any]] = {
    "trial": {"LongName": "Trial number", "Description": "1, 2, ... in the order of the run."},
    "trial_type": {
        "LongName": "Type of trial",
        "Description": "What the trial is for.",
        "Levels": {
            "practice": "To learn the keys; never counted.",
            "main": "The first time that this subject judges this image.",
            "repeat": "An image that this subject has judged before, shown again to measure consistency.",
        },
    },
    "image": {"LongName": "Image", "Description": "File name of the shown face in the image set."},
    "response": {
        "LongName": "Response",
        "Description": "By the first of the two keys that was pressed after the face's onset; n/a where the time ran "
        "out, or the subject paused instead.",
        "Levels": {"smiley": "The face was judged to smile.", "not-smiley": "The face was judged not to smile."},
    },
    "response_time": {
        "LongName": "Response time",
        "Description": "From the onset of the face to the key press; n/a where there is no response.",
        "Units": "s",
    },
    "early_press": {
        "LongName": "Early press",
        "Description": "Time of a key press that came before the onset of the face, negative, from that onset; "
        "never taken for the answer. n/a where there was none.",
        "Units": "s",
    },
    "face_onset": {"LongName": "Onset of the face", "Description": "From the start of the run.", "Units": "s"},
}

TASK_SIDECAR = {
    "TaskName": TASK,
    "TaskDescription": "Faces are shown one by one; the subject presses smiley or not smiley as fast as possible.",
    **COLUMNS,
}

DATASET_DESCRIPTION = {
    "Name": "First impressions of smiles",
    "BIDSVersion": "1.10.0",
    "DatasetType": "raw",
    "GeneratedBy": [{"Name": "SmileCVAE"}],
}

PARTICIPANTS_SIDECAR = {"participant_id": {"Description": "The subject's id: letters and digits."}}

README = """\
First impressions of smiles
===========================

Subjects looked at faces one after the other and pressed "smiley" or "not smiley" as fast as they could.
Each row of a sub-*/beh/*_beh.tsv file is one shown face, each file one recording (run). All times are in seconds.
task-smile_beh.json describes the columns; the .json beside each run says which image set was shown (with a content
hash of every image), by which keys and on which display it was answered, and whether the subject was a simulation.
"""

BIDSIGNORE = "*.py\n__pycache__/\n"


def to_json(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def shown_first(names: Iterable[str], limit: int) -> list[str]:
    """The `limit` images that are shown first, the same for all subjects: `names` in the order of their SHA-256.

    Subjects who judge only some faces of a large set so judge the same ones, and a larger limit adds to a smaller one.
    """
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:limit]
