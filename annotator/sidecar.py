"""What is kept of a run as a whole, beside its rows."""

import math
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import PIL

from annotator.course import Course, face_height, visual_angle
from annotator.texts import Texts
from data.decoding import size_in_file
from sessions import Run, content_hash
from sessions.schema import RESPONSES
from shell import version

if TYPE_CHECKING:
    from annotator.screen import Screen


def describe_course(course: Course, earlier: Sequence[Run], texts: Texts) -> dict[str, Any]:
    """What is known before the window opens."""
    settings = course.settings
    return {
        "Simulated": settings.simulate,
        "Continues": earlier[-1].path.name if earlier else None,
        "StartTime": now(),
        "Seed": course.seed,
        "Design": course.design,
        "Limit": settings.limit,
        "Repeats": settings.repeats,
        "RepeatsPlanned": course.repeats,
        "KeyMap": course.responses,
        "ResponseWords": {response: texts.get("keys", response) for response in RESPONSES},
        "PracticeTrials": len(course.practice),
        "PracticeSlowAfter": settings.slow_s,
        "BlockLength": settings.block,
        "FixationDuration": list(settings.fixation_s),
        "Timeout": settings.timeout_s,
        "BackgroundGrey": settings.grey,
        "Texts": texts.path.name,
        "Consent": None if course.done else texts.page("consent", **course.values),  # asked before the first face only
        "Instructions": texts.page("instructions"),
        "ImageSizes": sizes(course),
        "ImageSHA256": {name: content_hash(course.images.path(name)) for name in course.faces},
    }


def sizes(course: Course) -> list[tuple[int, int]]:
    """Each width and height in pixels that a picture of the course has, before it is scaled to the face's height."""
    found = {size_in_file(course.images.path(name)) for name in course.faces}
    return sorted(size for size in found if size is not None)


def describe_screen(screen: "Screen", course: Course) -> dict[str, Any]:
    """What the open window says about itself. Sizes in pixels, None where it cannot be known.

    Raises
    ------
    UserError
        The faces are larger than the screen.
    """
    settings = course.settings
    height = face_height(settings, screen.size[1], screen.monitor_width)
    return {
        "ScreenSize": list(screen.size),
        "FullScreen": not settings.windowed,
        "ScreenWidth_cm": settings.screen_width_cm,
        "ViewingDistance_cm": settings.distance_cm,
        "FaceHeight": height,
        "FaceHeight_deg": visual_angle(settings, height, screen.monitor_width),
        "VSync": screen.vsync,
        "RefreshRate": None if math.isnan(screen.refresh_s) else 1 / screen.refresh_s,
        "RefreshIntervalSD": None if math.isnan(screen.refresh_sd_s) else screen.refresh_sd_s,
        "KeyTimeSource": screen.key_source,
        "SoftwareVersions": {
            "SmileCVAE": version(),
            "Python": platform.python_version(),
            "System": platform.platform(),
            "Pillow": PIL.__version__,
            **screen.versions,
        },
    }


def now() -> str:
    """The time of day, for people; never for a reaction time."""
    return datetime.now(UTC).isoformat(timespec="seconds")
