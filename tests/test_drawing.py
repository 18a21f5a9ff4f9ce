"""Pages as pictures."""

import numpy as np
import pytest
from PIL import Image, ImageFont

from annotator.drawing import Artist, contrast, fill_lines, font_file
from annotator.page import Key, Page

FULL = Page(
    title="A title",
    paragraphs=("Some words that stand on the page, so many that one line does not hold them all. " * 2, "More."),
    legend=(Key("f", "F", "not smiley"), Key("j", "J", "smiley")),
    progress=(0.5, "50 of 100"),
    actions=(Key("space", "Space", "Continue"), Key("escape", "Esc", "Pause")),
)
END = Page(title="Thanks", figures=(("0.61 s", "median time"), ("95 %", "same")), note="x" * 200, entry="33")


def ink(picture: Image.Image, grey: int) -> np.ndarray:
    """Where something is drawn."""
    return np.abs(np.asarray(picture, dtype=int) - grey) > 8


@pytest.mark.parametrize("size", [(1024, 768), (1280, 720), (2560, 1440), (3840, 2160), (1080, 1920)])
@pytest.mark.parametrize("page", [FULL, END])
def test_a_page_fits_every_screen_and_stands_in_its_middle(size: tuple[int, int], page: Page) -> None:
    drawn = ink(Artist(size, 40).page(page), 40)
    assert drawn.shape == (size[1], size[0])
    margin = size[1] // 60
    assert drawn.any()
    assert not drawn[:margin].any()
    assert not drawn[-margin:].any()
    columns = np.flatnonzero(drawn.any(axis=0))
    left, right = columns[0], size[0] - 1 - columns[-1]
    assert abs(left - right) < 0.03 * size[0]
    assert left > margin


LONG_WORDS = Page(
    title="Mit welcher Hand schreiben Sie?",
    legend=tuple(Key(cap.lower(), cap, "mit der rechten Hand") for cap in "LRB"),
    figures=(("0.61 s", "mittlere Antwortzeit aller Gesichter"),) * 3,
    actions=(
        Key("space", "Leertaste", "Ich habe alles gelesen und bin einverstanden"),
        Key("escape", "Esc", "Ich möchte nicht teilnehmen"),
    ),
)


@pytest.mark.parametrize("size", [(640, 480), (1024, 768), (1080, 1920), (1280, 720)])
def test_rows_of_keys_and_figures_with_long_words_never_leave_the_screen(size: tuple[int, int]) -> None:
    drawn = ink(Artist(size, 40).page(LONG_WORDS), 40)
    margin = size[0] // 60
    assert drawn.any()
    for edge in (drawn[:, :margin], drawn[:, -margin:], drawn[-margin:]):
        assert not edge.any()


@pytest.mark.parametrize("grey", [0, 40, 128, 255])
def test_text_stands_out_from_any_grey(grey: int) -> None:
    picture = np.asarray(Artist((1280, 720), grey).page(FULL), dtype=int)
    assert np.abs(picture - grey).max() > 100


def test_contrast_is_that_of_wcag() -> None:
    assert contrast(0, 255) == contrast(255, 0) == pytest.approx(21)
    assert contrast(119, 255) == pytest.approx(
        4.48, abs=0.01
    )  # #777777 on white, known as just too little for small type


@pytest.mark.parametrize("grey", range(0, 256, 5))
def test_every_ink_can_be_read_on_any_grey(grey: int) -> None:
    artist = Artist((1280, 720), grey)
    assert min(contrast(ink, grey) for ink in (artist.strong, artist.plain, artist.faint)) >= 3


@pytest.mark.parametrize("size", [(1024, 768), (1280, 720), (1080, 1920)])
def test_a_long_consent_is_set_smaller_and_stands_on_its_page_whole(size: tuple[int, int]) -> None:
    text = "word " * 150
    actions = (Key("space", "Space", "I agree"),)
    artist = Artist(size, 40)
    page, empty = (
        ink(artist.page(Page("Welcome", paragraphs, actions=actions)), 40) for paragraphs in ((text,) * 2, ())
    )
    foot = size[1] - artist.px(14)
    assert not page[foot - artist.px(1) : foot].any()
    assert (page[foot:] == empty[foot:]).all()
    assert not page[: artist.px(1)].any()


def test_the_cross_is_symmetric() -> None:
    cross = np.asarray(Artist((1280, 720), 40).cross())
    assert (cross == cross[::-1]).all()
    assert (cross == cross.swapaxes(0, 1)).all()


def test_lines_are_about_equal_but_a_path_that_fits_on_one_is_not_broken() -> None:
    artist, font = Artist((1280, 720), 40), ImageFont.truetype(font_file(), 22)
    words = artist.wrap("word " * 20, font)
    assert len(words) == 2
    assert len(words[0]) == pytest.approx(len(words[1]), rel=0.2)
    path = "sessions/sub-alice/beh/sub-alice_task-smile_run-01_beh.tsv:"
    assert path in artist.wrap(f"{path} No space left on this device, whatever it is called", font)


def test_lines_keep_within_the_width_and_lose_no_letter() -> None:
    font = ImageFont.truetype(font_file(), 20)
    text = "a few words and a/very/long/path/" + "x" * 80
    lines = fill_lines(text, font, 200)
    assert all(font.getlength(line) <= 200 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
