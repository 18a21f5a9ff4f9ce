"""Shows pages to the subject and takes the keys that turn them."""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from PIL import Image

from annotator.drawing import Artist
from annotator.page import SKIP, Page, compose, question
from annotator.slide import ESCAPE, pauses
from annotator.subjects import Person
from annotator.texts import Texts
from annotator.trial import Press

if TYPE_CHECKING:
    from annotator.screen import Screen

DIGITS = set("0123456789")
OLDEST_YEARS = 120
UNSEEN_S = 0.15  # a key that goes down sooner after a page has come was meant for what stood there before


class Leave(Exception):
    """The subject wants to stop here."""


class Host:
    """Speaks to the subject, in the words of `texts`."""

    def __init__(self, screen: "Screen", subject: Person, texts: Texts) -> None:
        self.screen = screen
        self.subject = subject
        self.texts = texts
        self.artist = Artist(screen.size, screen.grey, texts.font)
        texts.check_letters(self.artist.fonts[False])
        self.held: set[str] = set()
        """Response keys that a trial saw going down and nobody saw coming up."""
        self.progress = (0, 0)
        """Trials done, and all trials."""
        self.responses: Mapping[str, str] = {}
        """Key name to response, for pages between faces."""

    def show(self, picture: Image.Image) -> float:
        """Show `picture` and return the time of the flip."""
        self.screen.draw(self.screen.load(picture))
        return self.screen.flip()

    def ask(self, page: Page, keys: Collection[str] | None = None) -> str:
        """Show `page` and return the first key pressed among `keys`, else among those of its actions.

        A page that nobody can have seen yet is not turned; what is typed into a field may be as quick as it likes.
        """
        shown_s = self.show(self.artist.page(page))
        self.subject.reads(page, shown_s)
        wanted = keys or {key.name for key in page.actions}
        while True:
            press = self.subject.wait_for_press(math.inf)
            if press is None:
                continue
            self._notice(press)
            seen = page.entry is not None or press.time_s >= shown_s + UNSEEN_S
            if press.down and press.key in wanted and seen:
                return press.key

    def turn(self, page: Page, keys: Collection[str] = ()) -> str:
        """Like `ask`, for pages on which Esc pauses; `keys` turn the page besides its actions."""
        while (key := self.ask(page, {action.name for action in page.actions} | set(keys))) == ESCAPE:
            self.pause()
        return key

    def pause(self) -> None:
        """Let the subject go on or, with Esc once more, leave.

        Raises
        ------
        Leave
        """
        progress = self.progress if self.progress[0] else None
        page = compose(self.texts, "pause", progress=progress, responses=self.responses)
        if self.ask(page) == ESCAPE:
            raise Leave

    def say(self, section: str, name: str, seconds: float) -> None:
        """A word in the middle of the screen."""
        shown_s = self.show(self.artist.text(self.texts.get(section, name), 4.0, self.artist.plain))
        while (press := self.subject.wait_for_press(shown_s + seconds)) is not None:
            self._notice(press)
            if pauses(press):
                self.pause()

    def choose(self, section: str, codes: Iterable[str]) -> str | None:
        """The code of the answer to a question, None where it is skipped."""
        keys = {key: code for code, (key, _) in self.texts.choices(section, codes).items()}
        return keys.get(self.turn(question(self.texts, section, codes), keys))

    def type_age(self) -> int | None:
        """An age in years, None where it is skipped."""
        typed = ""
        while True:
            page = compose(self.texts, "age", None if typed else SKIP, entry=typed)
            key = self.turn(page, DIGITS | {"backspace"})
            if key == "backspace":
                typed = typed[:-1]
            elif key in DIGITS and 1 <= int(typed + key) <= OLDEST_YEARS:
                typed += key
            elif key == "return":
                return int(typed) if typed else None

    def _notice(self, press: Press) -> None:
        if not press.down:
            self.held.discard(press.key)
