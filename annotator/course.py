"""What is settled before a session begins: which faces, in which order, how large, by which keys."""

import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from annotator import plan
from annotator.plan import Planned
from annotator.settings import Settings
from data.calibration import ASKED, IDENTITY
from data.decoding import decode
from data.images import ImageSet
from sessions import Run, shown_first
from shell import UserError

PRACTICE_SEED = 7_531_902  # of the drawn faces for practice; no image set is drawn with it
PRACTICE_SIZE = 256
ANSWER_S = 1.25  # for the duration that the subject is told: from a face to the next cross
PROCEDURE = {
    "Timeout": "--timeout-s",
    "FixationDuration": "--fixation-s",
    "FaceHeight": "in pixels",
    "Texts": "--texts",
    "BlockLength": "--block",
}
"""Of the sidecar: what a subject's sessions should have in common, though a change may be meant."""


@dataclass(frozen=True)
class Course:
    """One session of one subject."""

    settings: Settings
    design: str
    """fixed, balanced or list, as the subject's first run had it."""
    subject: str
    images: ImageSet
    faces: list[str]
    """All faces of this subject, also of earlier and later runs."""
    responses: dict[str, str]
    """Key name to response, from left to right."""
    practice: list[Planned]
    trials: list[Planned]
    """What is still to be shown."""
    repeats: int
    """Faces that are shown twice, also of earlier and later runs."""
    done: int
    """Trials of earlier runs."""
    seed: int
    """Of the order, the repeats and the jitter."""
    left_out: int
    """Faces that a larger --limit would add."""

    @property
    def total(self) -> int:
        return self.done + len(self.trials)

    @property
    def values(self) -> dict[str, Any]:
        """What the braces in the subject's texts stand for."""
        per_trial_s = sum(self.settings.fixation_s) / 2 + ANSWER_S
        minutes = max(2, round(self.total * per_trial_s / 60))
        return {"subject": self.subject, "faces": self.total, "minutes": minutes, "block": self.settings.block}

    def load(self, planned: Planned) -> Image.Image:
        """The picture of a trial. Raises BadPicture."""
        if planned.trial_type != "practice":
            return decode(self.images.path(planned.image), behind=self.settings.grey)
        from data.drawn import draw, identity

        face = identity(self.practice.index(planned), PRACTICE_SEED)
        return Image.fromarray(draw(face, planned.true_smile or 0.0, PRACTICE_SIZE))


def settle(
    settings: Settings,
    subject: str,
    images: ImageSet,
    earlier: Sequence[Run],
    seen: Iterable[str] = (),
    sides: Iterable[Mapping[str, str]] = (),
) -> Course:
    """The course of the next session.

    Parameters
    ----------
    earlier : the runs of this subject on these images; seed, keys, faces and repeats stay what they were.
    seen : for the balanced design, one image name per face that any subject was shown.
    sides : the keys of each other subject, see `Course.responses`; a new subject gets the rarer side.

    Raises
    ------
    UserError
        A flag asks for another seed, other keys or another share of repeats than those of the last run.
    """
    seed = _kept(earlier, "Seed", "--seed", settings.seed)
    if seed is None:
        seed = secrets.randbelow(2**31)
    asked = None if settings.keys is None else plan.responses(subject, settings.keys)
    repeats = _kept(earlier, "Repeats", "--repeats", None if settings.repeats == Settings.repeats else settings.repeats)
    if repeats is not None:
        settings = replace(settings, repeats=repeats)
    design = "list" if settings.images else _kept(earlier[:1], "Design", "--design", None) or settings.design
    faces, available = _choose_faces(settings, design, images, earlier, seen, seed)
    planned = plan.order(faces, seed, settings.repeats)
    rows = [row for run in earlier for row in run.rows()]
    trials = plan.remaining(planned, rows)
    practised = any(row["trial_type"] == "main" for row in rows)
    return Course(
        settings=settings,
        design=design,
        subject=subject,
        images=images,
        faces=faces,
        responses=_kept(earlier, "KeyMap", "--keys", asked) or plan.responses(subject, None, sides),
        practice=[] if practised else plan.practice(settings.practice, seed),
        trials=trials,
        repeats=len(planned) - len(faces),
        done=len(planned) - len(trials),
        seed=seed,
        left_out=available - len(faces),
    )


def _choose_faces(
    settings: Settings, design: str, images: ImageSet, earlier: Sequence[Run], seen: Iterable[str], seed: int
) -> tuple[list[str], int]:
    """The faces of a subject, and how many there would be without --limit."""
    if settings.images is not None:
        listed = plan.read_list(settings.images, images.names)
        return listed[: settings.limit], len(listed)
    if settings.design == design == "fixed":
        return shown_first(images.names, settings.limit), len(images.names)
    if earlier:
        faces = [name for name in earlier[0].sidecar["ImageSHA256"] if name in images.names]
        return faces, len(faces)
    return plan.least_seen(images.names, seen, settings.limit, seed, _kinds(images)), len(images.names)


def _kinds(images: ImageSet) -> dict[str, plan.Kinds]:
    """Per image of a set that a model made: the degree that was asked for and the identity, what is known of them."""
    if not (images.folder / "metadata.csv").exists():
        return {}
    table = images.metadata().set_index("image")
    known = [table[column].map(str) for column in (ASKED, IDENTITY) if column in table.columns]
    return dict(zip(table.index, zip(*known, strict=True), strict=True)) if known else {}


def _kept(earlier: Sequence[Run], item: str, flag: str, asked: Any) -> Any:
    """What the last run's sidecar says of `item`; without it what is `asked` for, None where nothing is."""
    recorded = earlier[-1].sidecar.get(item) if earlier else None
    if recorded is not None and asked not in (None, recorded):
        raise UserError(
            f"{flag}: {earlier[-1].path} was recorded with {recorded}; leave {flag} out to go on with that."
        )
    return asked if recorded is None else recorded


def changes(earlier: Sequence[Run], sidecar: Mapping[str, Any]) -> list[str]:
    """Of the settings in `PROCEDURE` each that is another one in `sidecar` than in the last of the runs `earlier`."""
    before = earlier[-1].sidecar if earlier else {}
    changed = [item for item in PROCEDURE if item in before and item in sidecar and before[item] != sidecar[item]]
    return [f"{item} ({PROCEDURE[item]}) was {before[item]} and is {sidecar[item]}" for item in changed]


def face_height(settings: Settings, height: int, monitor_width: int) -> int:
    """Height of a face in pixels, in a window of `height` pixels on a monitor that is `monitor_width` pixels wide.

    Raises
    ------
    UserError
        A face of --face-degrees is higher than the window.
    """
    distance = eye_distance(settings, monitor_width)
    if settings.face_degrees is None or distance is None:
        return max(1, round(settings.face_height * height))
    face = max(1, round(2 * distance * math.tan(math.radians(settings.face_degrees) / 2)))
    if face > height:
        raise UserError(
            f"--face-degrees {settings.face_degrees:g}: a face would be {face} pixels high, but there are {height}; "
            f"expected at most {math.floor(10 * degrees(height, distance)) / 10:g} degrees here."
        )
    return face


def visual_angle(settings: Settings, height: int, monitor_width: int) -> float | None:
    """Of `height` pixels in the middle of the screen, in degrees; None where the lengths it needs were not given."""
    distance = eye_distance(settings, monitor_width)
    return None if distance is None else degrees(height, distance)


def eye_distance(settings: Settings, monitor_width: int) -> float | None:
    """From the eyes to the screen, in pixels of a monitor that is `monitor_width` pixels wide; None where not given."""
    if settings.screen_width_cm is None or settings.distance_cm is None:
        return None
    return settings.distance_cm * monitor_width / settings.screen_width_cm


def degrees(height: float, distance: float) -> float:
    """The visual angle of `height` in the middle of what is seen from `distance`, in the same unit."""
    return 2 * math.degrees(math.atan2(height / 2, distance))
