"""A page between trials, as data: what is written on it and which keys it shows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from annotator.texts import Texts

GO_ON = (("space", "continue"), ("escape", "pause"))
SKIP = (("return", "skip"), ("escape", "pause"))
START = (("space", "start"), ("escape", "pause"))
CLOSE = (("space", "close"),)
ACTIONS = {
    "consent": (("space", "agree"), ("escape", "leave")),
    "age": (("return", "continue"), ("escape", "pause")),
    "practice": START,
    "ready": START,
    "ready_no_break": START,
    "pause": (("space", "continue"), ("escape", "leave")),
    "cannot_write": (("space", "retry"), ("escape", "leave")),
    "thank_you": CLOSE,
    "goodbye": CLOSE,
    "declined": CLOSE,
    "not_saved": CLOSE,
}
"""The keys that end the page of a section, and the words in [actions] for what they do; on others those of `GO_ON`."""


@dataclass(frozen=True)
class Key:
    """A key of the keyboard and what it does."""

    name: str
    """As in `Press.key`."""
    cap: str
    """What is written on it."""
    meaning: str


@dataclass(frozen=True)
class Page:
    """Everything but the title may be missing."""

    title: str
    paragraphs: tuple[str, ...] = ()
    legend: tuple[Key, ...] = ()
    """Keys drawn large, side by side."""
    entry: str | None = None
    """What has been typed into a field so far."""
    figures: tuple[tuple[str, str], ...] = ()
    """Results and their captions."""
    progress: tuple[float, str] | None = None
    """The share that is done, and words for it."""
    note: str = ""
    """Small print."""
    actions: tuple[Key, ...] = ()
    """The keys that end the page, at its foot."""


def compose(
    texts: Texts,
    section: str,
    actions: tuple[tuple[str, str], ...] | None = None,
    responses: Mapping[str, str] | None = None,
    progress: tuple[int, int] | None = None,
    entry: str | None = None,
    figures: tuple[tuple[str, str], ...] = (),
    note: str = "",
    **values: object,
) -> Page:
    """The page of `section` in a text file, with `values` for the braces in its text.

    Parameters
    ----------
    actions : in place of those in `ACTIONS`.
    responses : key name to response, where the page shows the response keys.
    progress : trials done, and all trials.
    """
    paragraphs = texts.get(section, "text", **values).split("\n\n")
    ended = ACTIONS.get(section, GO_ON) if actions is None else actions
    shown = None
    if progress is not None:
        done, total = progress
        shown = (done / total, texts.get("progress", "words", done=done, total=total))
    return Page(
        title=texts.get(section, "title"),
        paragraphs=tuple(paragraph for paragraph in paragraphs if paragraph),
        legend=tuple(Key(name, cap(texts, name), texts.get("keys", word)) for name, word in (responses or {}).items()),
        entry=entry,
        figures=figures,
        progress=shown,
        note=note,
        actions=tuple(action(texts, name, word) for name, word in ended),
    )


def question(texts: Texts, section: str, codes: Iterable[str]) -> Page:
    """A question with one key per answer, which may be skipped."""
    answers = texts.choices(section, codes).values()
    return Page(
        title=texts.get(section, "title"),
        legend=tuple(Key(name, cap(texts, name), word) for name, word in answers),
        actions=tuple(action(texts, name, word) for name, word in SKIP),
    )


def action(texts: Texts, name: str, word: str) -> Key:
    """The key `name` with the text `word` of [actions]."""
    return Key(name, cap(texts, name), texts.get("actions", word))


def cap(texts: Texts, key: str) -> str:
    """What is written on a key."""
    return str(texts.content["keys"].get(key, key.capitalize()))
