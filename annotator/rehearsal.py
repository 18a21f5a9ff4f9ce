"""Before the first page of a session is shown: does each have room on this screen?"""

from collections.abc import Iterator

from annotator.course import Course
from annotator.host import Host
from annotator.page import Page, compose, question
from annotator.texts import Texts
from sessions import participants
from shell import UserError, percent


def check_pages(course: Course, host: Host) -> None:
    """Raise UserError for the first page whose text fits in no type, which somebody's own words may be too long for."""
    width, height = host.screen.size
    for section, page in pages(course, host.texts):
        if not host.artist.fits(page):
            raise UserError(
                f"{host.texts.path}, [{section}]: its text does not fit on this screen of {width} x {height} pixels "
                "even at the smallest type; shorten it."
            )


def pages(course: Course, texts: Texts) -> Iterator[tuple[str, Page]]:
    """Section and page, each as full as it may come."""
    for section in ("consent", "cannot_write"):
        yield section, compose(texts, section, **course.values)
    yield "age", compose(texts, "age", entry="")
    for section, about in participants.COLUMNS.items():
        if "Levels" in about:
            yield section, question(texts, section, about["Levels"])
    for section in ("instructions", "practice", "ready", "ready_no_break"):
        yield section, compose(texts, section, responses=course.responses, **course.values)
    yield "welcome_back", compose(texts, "welcome_back", progress=(course.total, course.total))
    for section in ("break", "pause"):
        yield section, compose(texts, section, progress=(course.total, course.total), responses=course.responses)
    results = {"median": "0.50 s", "consistency": percent(1), "misses": "0"}
    figures = tuple((value, texts.get("results", name)) for name, value in results.items())
    for section in ("thank_you", "goodbye", "declined", "not_saved"):
        yield section, compose(texts, section, figures=figures)
