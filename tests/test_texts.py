"""The words that a subject reads, from files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from annotator.drawing import Artist, font_file
from annotator.page import compose, question
from annotator.texts import LANGUAGES, open_texts
from shell import UserError


def own(tmp_path: Path, old: str, new: str) -> Path:
    """English with a change."""
    path = tmp_path / "mine.toml"
    english = (LANGUAGES / "en.toml").read_text(encoding="utf-8")
    assert old in english
    path.write_text(english.replace(old, new), encoding="utf-8")
    return path


def test_a_page_has_its_words_and_keys() -> None:
    page = compose(open_texts("en"), "ready", (("space", "start"),), {"f": "smiley", "left": "not-smiley"}, block=50)
    assert page.title == "Ready?"
    assert "breaks: 50." in page.paragraphs[0]
    assert [(key.name, key.cap, key.meaning) for key in (*page.legend, *page.actions)] == [
        ("f", "F", "smiley"),
        ("left", "Left", "not smiley"),
        ("space", "Space", "Start"),
    ]


def test_empty_lines_separate_paragraphs() -> None:
    page = compose(open_texts("en"), "consent", subject="p07", faces=9, minutes=2)
    assert len(page.paragraphs) == 2
    assert "p07" in page.paragraphs[1]


def test_who_agrees_has_read_what_is_asked_kept_and_removed_and_the_page_fits_a_small_screen() -> None:
    actions = (("space", "agree"), ("escape", "leave"))
    page = compose(open_texts("en"), "consent", actions, subject="participant42", faces=10_000, minutes=333)
    text = " ".join(page.paragraphs)
    assert all(word in text for word in ("age", "sex", "handedness", "skip", "date and time", "removed later"))
    artist = Artist((1024, 600), 40)
    shown, empty = (np.asarray(artist.page(replace(page, paragraphs=some))) for some in (page.paragraphs, ()))
    foot = 600 - artist.px(14)
    assert (shown[foot - artist.px(1) : foot] == 40).all() and (shown[: artist.px(1)] == 40).all()
    assert (shown[foot:] == empty[foot:]).all()


def test_a_question_keeps_the_order_of_its_codes() -> None:
    assert [key.cap for key in question(open_texts("en"), "handedness", "LRA").legend] == ["L", "R", "B"]


def test_words_and_font_of_ones_own(tmp_path: Path) -> None:
    path = own(tmp_path, 'title = "Pause"', 'title = "Pausa"')
    path.write_text('font = "mine.ttf"\n' + path.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(UserError, match=r"the font .*mine.ttf is not there"):
        open_texts(str(path))
    (tmp_path / "mine.ttf").touch()
    texts = open_texts(str(path))
    assert compose(texts, "pause").title == "Pausa"
    assert texts.font == tmp_path / "mine.ttf"
    assert open_texts("en").font is None


def test_letters_that_would_be_boxes_and_a_font_that_is_none_are_named(tmp_path: Path) -> None:
    open_texts("en").check_letters(font_file())
    open_texts(str(own(tmp_path, "Thank you", "Спасибо, děkuji, grüße, ¿ευχαριστώ?"))).check_letters(font_file())
    with pytest.raises(UserError, match=r"mine.toml: SourceSansPro-Regular.ttf has no あうがとり;"):
        open_texts(str(own(tmp_path, "Thank you", "ありがとう"))).check_letters(font_file())
    (tmp_path / "mine.ttf").touch()
    with pytest.raises(UserError, match=r"mine.ttf: not a font"):
        open_texts("en").check_letters(tmp_path / "mine.ttf")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "Ready?"', "", "ready title is missing"),
        ("[pause]", "[pausa]", "pause is missing"),
        ('title = "Ready?"', "title = 3", "ready title is 3, expected a text"),
        ("breaks: {block}", "breaks: {blok}", r"ready text asks for \['blok'\], expected only \['block'\]"),
        ("breaks: {block}", "breaks: {block", "ready text .*braces"),
        ('L = { key = "l", word = "left" }', "", "handedness L is missing"),
    ],
)
def test_a_mistake_in_a_text_file_is_named_before_anything_is_shown(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        open_texts(str(own(tmp_path, old, new)))


def test_a_language_that_is_not_there_and_a_file_that_is_no_toml_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--texts xx: neither a language \(.*en.*\) nor a file"):
        open_texts("xx")
    (tmp_path / "bad.toml").write_text("= 1", encoding="utf-8")
    with pytest.raises(UserError, match=r"bad.toml: not a TOML file"):
        open_texts(str(tmp_path / "bad.toml"))


@pytest.mark.parametrize("key", ["r", "B", "escape"])
def test_answers_have_keys_that_can_be_told_apart(key: str, tmp_path: Path) -> None:
    path = own(tmp_path, 'A = { key = "b", word = "both" }', f'A = {{ key = "{key}", word = "both" }}')
    with pytest.raises(UserError, match=f"handedness has the key '{key}', expected one of its own"):
        open_texts(str(path))


def test_a_single_face_and_a_break_after_each_are_in_good_english() -> None:
    consent = compose(open_texts("en"), "consent", subject="p07", faces=1, minutes=2)
    ready = compose(open_texts("en"), "ready", block=1)
    assert not any("1 faces" in paragraph for paragraph in (*consent.paragraphs, *ready.paragraphs))
