"""Pages that have no room on the screen are named before any is shown."""

from pathlib import Path
from typing import cast

import pytest
from desktop import draw_faces
from fake_screen import FakeScreen

from annotator.course import Course, settle
from annotator.host import Host
from annotator.rehearsal import check_pages, pages
from annotator.screen import Screen
from annotator.settings import Settings
from annotator.subjects import Person
from annotator.texts import ENGLISH, open_texts
from data.images import open_set
from shell import UserError

SIZES = [(640, 480), (1024, 768), (1280, 720), (1080, 1920)]


@pytest.fixture
def course(tmp_path: Path) -> Course:
    draw_faces(tmp_path)
    return settle(Settings(), "alice", open_set(tmp_path / "data" / "faces"), [])


def host(size: tuple[int, int], texts: str) -> Host:
    screen = FakeScreen([])
    screen.size = size
    return Host(cast(Screen, screen), Person(cast(Screen, screen)), open_texts(texts))


@pytest.mark.parametrize("size", SIZES)
def test_the_english_pages_have_room_on_every_screen(course: Course, size: tuple[int, int]) -> None:
    check_pages(course, host(size, "en"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("section", ["consent", "instructions", "ready", "break", "thank_you"])
def test_a_text_that_fits_in_no_type_is_named(
    course: Course, tmp_path: Path, section: str, size: tuple[int, int]
) -> None:
    title = f'[{section}]\ntitle = "'
    english = ENGLISH.read_text(encoding="utf-8")
    assert title in english
    own = tmp_path / "own.toml"
    own.write_text(english.replace(title, title + "word " * 1200), encoding="utf-8")
    with pytest.raises(UserError, match=rf"own.toml, \[{section}\]: .* screen of {size[0]} x {size[1]} pixels even at"):
        check_pages(course, host(size, str(own)))


def test_every_page_is_tried(course: Course) -> None:
    texts = open_texts("en")
    titled = {name for name, texts in texts.content.items() if "title" in texts}
    assert {name for name, _ in pages(course, texts)} == titled - {"timing_display", "timing_keys"}
