"""Who looks and presses: a person at the keyboard (simulated.py has another)."""

from typing import TYPE_CHECKING, Any

from annotator.trial import Press

if TYPE_CHECKING:
    from annotator.page import Page
    from annotator.screen import Screen


class Person:
    """Whoever sits at the keyboard."""

    def __init__(self, screen: "Screen") -> None:
        self.screen = screen

    def describe(self) -> dict[str, Any]:
        """What the run's sidecar keeps of who presses."""
        return {}

    def reads(self, page: "Page", now_s: float) -> None:
        """`page` stands on the screen."""

    def sees(self, image: str, onset_s: float) -> None:
        """The face `image` stands on the screen since `onset_s`."""

    def wait_for_press(self, deadline_s: float) -> Press | None:
        """The next key that goes down or up, or None at the deadline. See `Screen.wait_for_press`."""
        return self.screen.wait_for_press(deadline_s)
