"""One trial on the screen: cross, face, answer."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from annotator.subjects import Person
from annotator.trial import Outcome, Press, Trial

if TYPE_CHECKING:
    from annotator.screen import Screen

SETTLE_S = 0.05  # before a face is due: room to draw it and to fall in step with the display,
SETTLE = 2.5  # of which so many refreshes are needed
ESCAPE = "escape"
AWAY = "away"  # the key, as it were, of a window that keys no longer go to


class Escape(Exception):
    """The subject pressed Esc, to pause or to leave, or the window's keys go to another one."""


@dataclass(frozen=True)
class Slide:
    """How one face was shown and answered; times in seconds on the screen's clock."""

    outcome: Outcome
    onset_s: float
    fixation_s: float
    """From the cross to the face."""
    delay_s: float
    """How much later the face came than at the refresh that was waited for."""
    stop: Exception | None
    """What ended the trial before its time: Esc, the window closed, or an error."""


def show(
    screen: "Screen",
    subject: Person,
    image: str,
    picture: Image.Image,
    cross: Image.Image,
    trial: Trial,
    fixation_s: float,
    quiet: AbstractContextManager[None],
) -> Slide:
    """Show the cross for `fixation_s`, then `picture` (the face called `image`) until `trial` has its outcome.

    While the face waits, in `quiet`, nothing is drawn, flipped or computed. Whatever happens once the face is on the
    screen, the slide is returned, so that a face that was shown can be recorded.

    Raises
    ------
    Escape, WindowClosed
        Before the face was shown.
    """
    face = screen.load(picture)
    screen.draw(screen.load(cross))
    cross_s = screen.flip()
    due_s = cross_s + fixation_s
    settle_s = max(SETTLE_S, SETTLE * screen.refresh_s) if screen.refresh_s > 0 else SETTLE_S
    _feed(trial, subject, due_s - settle_s)
    with quiet:
        due_s = screen.settle(due_s)
        screen.draw(face)
        onset_s = screen.flip(due_s)
        stop = None
        try:
            _feed(trial, subject, onset_s)  # what waits in the queue now was pressed before there was a face
            trial.show(onset_s)
            subject.sees(image, onset_s)
            _answer(trial, subject, "face")
        except Exception as error:
            stop = error
    screen.draw()
    screen.flip()
    try:
        _answer(trial, subject, "release")
    except Exception as error:
        stop = error
    trial.interrupt()
    return Slide(trial.outcome, onset_s, onset_s - cross_s, onset_s - due_s, stop)


def _feed(trial: Trial, subject: Person, until_s: float) -> None:
    while (press := subject.wait_for_press(until_s)) is not None:
        _take(trial, press)


def _answer(trial: Trial, subject: Person, phase: str) -> None:
    while trial.phase == phase:
        press = subject.wait_for_press(trial.deadline_s)
        if press is None:
            trial.tick(trial.deadline_s)
        else:
            _take(trial, press)


def _take(trial: Trial, press: Press) -> None:
    if pauses(press):
        raise Escape
    trial.press(press)


def pauses(press: Press) -> bool:
    """Whether nobody is there for the next face."""
    return press.key == AWAY or (press.key == ESCAPE and press.down)
