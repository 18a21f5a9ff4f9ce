"""Pages, and the keys that turn them."""

from collections.abc import Callable
from typing import cast

import pytest
from fake_screen import Event, FakeScreen
from PIL import Image

from annotator.host import Host, Leave
from annotator.page import Page, compose
from annotator.screen import Screen
from annotator.slide import AWAY
from annotator.subjects import Person
from annotator.texts import open_texts

TEXTS = open_texts("en")
ANSWERS = "FMO"


class Meeting:
    """A host in front of somebody who presses `keys`, one every fifth of a second."""

    def __init__(self, *keys: str) -> None:
        screen = cast(Screen, FakeScreen(Event(key, 0.2, down) for key in keys for down in (True, False)))
        self.host = Host(screen, Person(screen), TEXTS)
        self.pages: list[Page] = []
        self.host.artist.page = self.see  # type: ignore[method-assign]

    def see(self, page: Page) -> Image.Image:
        self.pages.append(page)
        return Image.new("L", (9, 9))

    @property
    def titles(self) -> list[str]:
        return [page.title for page in self.pages]


PAUSING: dict[str, Callable[[Host], object]] = {
    "a page": lambda host: host.turn(compose(TEXTS, "ready_no_break")),
    "a question": lambda host: host.choose("sex", ANSWERS),
    "the age": lambda host: host.type_age(),
    "a word": lambda host: host.say("feedback", "good", 5.0),
}


@pytest.mark.parametrize("where", PAUSING)
def test_escape_pauses_wherever_it_is_pressed_and_leaves_when_pressed_again(where: str) -> None:
    meeting = Meeting("escape", "x", "escape")
    with pytest.raises(Leave):
        PAUSING[where](meeting.host)
    assert meeting.titles[-1] == "Pause"


def test_a_page_that_nobody_can_have_seen_is_not_turned() -> None:
    early = [Event("space", 0.0, off_s=-0.5), Event("space", 0.1), Event("escape", 0.2)]
    screen = cast(Screen, FakeScreen(early))
    assert Host(screen, Person(screen), TEXTS).ask(compose(TEXTS, "pause")) == "escape"


def test_who_turns_to_another_window_in_the_midst_of_a_word_pauses() -> None:
    meeting = Meeting("escape")
    screen = cast(Screen, FakeScreen([Event(AWAY, 0.1, down=False), Event("escape", 0.2)]))
    meeting.host.screen, meeting.host.subject = screen, Person(screen)
    meeting.host.responses = {"f": "not-smiley", "j": "smiley"}
    with pytest.raises(Leave):
        meeting.host.say("feedback", "good", 5.0)
    assert meeting.titles == ["Pause"]
    assert [key.name for key in meeting.pages[0].legend] == ["f", "j"]


def test_after_a_pause_the_same_page_comes_again() -> None:
    meeting = Meeting("escape", "space", "m")
    assert meeting.host.choose("sex", ANSWERS) == "M"
    assert meeting.titles == ["What is your sex?", "Pause", "What is your sex?"]


@pytest.mark.parametrize(
    ("keys", "age"),
    [
        (("return",), None),
        (("3", "4", "return"), 34),
        (("3", "backspace", "return"), None),
        (("backspace", "0", "4", "0", "return"), 40),
        (("1", "2", "1", "x", "return"), 12),
    ],
)
def test_an_age_can_be_corrected_and_skipped_and_is_one_that_people_have(
    keys: tuple[str, ...], age: int | None
) -> None:
    meeting = Meeting(*keys)
    assert meeting.host.type_age() == age
    action = meeting.pages[-1].actions[0]
    assert (action.name, action.meaning) == ("return", "Skip" if age is None else "Continue")


def test_an_answer_is_a_press_and_no_release_and_no_other_key() -> None:
    meeting = Meeting("x", "j", "o")
    assert meeting.host.choose("sex", ANSWERS) == "O"
    screen = cast(Screen, FakeScreen([Event("m", 0.1, down=False), Event("f", 0.1), Event("o", 0.1)]))
    assert Host(screen, Person(screen), TEXTS).choose("sex", ANSWERS) == "F"
