"""Pages, the fixation cross and single words as grey pictures (Pillow), a pure function of words and screen.

Lengths are in units of a ninetieth of the screen's height, so that a page looks the same from 1024 x 768 to 4K.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import font_source_sans_pro
from PIL import Image, ImageDraw, ImageFont

from annotator.page import Key, Page

COLUMN = 96.0  # width of a page's text
MARGIN = 6.0  # free at the left and at the right of a row of keys
APART = 9.0  # between two keys or figures
LINE = 1.5  # distance between lines, in font sizes
TYPE = (4.0, 3.6, 3.2, 2.8, 2.4, 2.1, 1.8, 1.5, 1.2)  # of paragraphs: the largest with which a page holds its text
TOP = 3.0  # free above what stands on a page
READABLE = 3.0  # contrast of large type, by WCAG 2.2
SMOOTH = 4  # shapes are drawn this much larger and reduced, for smooth edges


def font_file(bold: bool = False) -> Path:
    """Source Sans Pro, which the package font-source-sans-pro brings along."""
    weight = "Semibold" if bold else "Regular"
    return Path(font_source_sans_pro.font_directory) / f"SourceSansPro-{weight}.ttf"


class Artist:
    """Draws for one screen.

    Parameters
    ----------
    size : width and height of the screen in pixels.
    grey : level of the background, 0 to 255; every ink can be read on it.
    font : a font file in place of the project's own.
    """

    def __init__(self, size: tuple[int, int], grey: int, font: Path | None = None) -> None:
        self.size = size
        self.unit = min(size[0] / 120, size[1] / 90)
        self.row_width = size[0] / self.unit - 2 * MARGIN
        self.fonts = {bold: font or font_file(bold) for bold in (False, True)}
        self.background = grey
        toward = 255 if contrast(255, grey) > contrast(0, grey) else 0
        inks = [[round(grey + share / 100 * (toward - grey)) for share in range(least, 101)] for least in (94, 74, 52)]
        self.strong, self.plain, self.faint = (
            next(level for level in levels if contrast(level, grey) >= READABLE) for levels in inks
        )
        self.rim, self.cap = (round(grey + share * (toward - grey)) for share in (0.30, 0.08))
        self._font = lru_cache(maxsize=None)(self._load_font)

    def page(self, page: Page) -> Image.Image:
        """The whole screen."""
        screen = Image.new("L", self.size, self.background)
        foot = self._foot(page.actions)
        room = self.size[1] - foot.height
        for size in TYPE:
            blocks = self._blocks(page, size)
            if self._fit(blocks, room):
                break
        y = max(0, (room - self._height(blocks)) // 2)
        for gap, block in blocks:
            y += self.px(gap)
            screen.paste(block, ((self.size[0] - block.width) // 2, y))
            y += block.height
        screen.paste(foot, ((self.size[0] - foot.width) // 2, room))
        return screen

    def fits(self, page: Page) -> bool:
        """Whether a page has room on the screen, be it in the smallest type."""
        foot, blocks = self._foot(page.actions), self._blocks(page, TYPE[-1])
        widest = max(part.width for part in (foot, *(block for _, block in blocks)))
        return widest <= self.size[0] and self._fit(blocks, self.size[1] - foot.height)

    def cross(self) -> Image.Image:
        """The fixation cross."""
        arm, thickness = self.px(1.8), max(2, self.px(0.4))
        side = 2 * arm + thickness
        cross = Image.new("L", (side, side), self.background)
        draw = ImageDraw.Draw(cross)
        draw.rectangle((arm, 0, arm + thickness - 1, side), self.plain)
        draw.rectangle((0, arm, side, arm + thickness - 1), self.plain)
        return cross

    def text(self, text: str, size: float, ink: int, bold: bool = False, width: float = COLUMN) -> Image.Image:
        """`text` centred in as few lines as `width` allows, the lines of about equal length."""
        font = self._font(size, bold)
        lines = self.wrap(text, font, width)
        step = round(LINE * font.size)
        longest = max(1, *(round(font.getlength(line)) for line in lines))
        block = Image.new("L", (longest, step * len(lines)), self.background)
        draw = ImageDraw.Draw(block)
        for i, line in enumerate(lines):
            draw.text((block.width / 2, step * (i + 0.5)), line, ink, font, anchor="mm")
        return block

    def wrap(self, text: str, font: ImageFont.FreeTypeFont, width: float = COLUMN) -> list[str]:
        """As few lines as `width` allows, as equal as can be without breaking a word that fits, such as a path."""
        width = float(self.px(width))
        lines = fill_lines(text, font, width)
        longest = max((font.getlength(word) for word in text.split()), default=0.0)
        while (
            len(lines) > 1
            and width * 0.97 > longest
            and len(narrower := fill_lines(text, font, width * 0.97)) == len(lines)
        ):
            width, lines = width * 0.97, narrower
        return lines

    def px(self, units: float) -> int:
        return round(units * self.unit)

    def _blocks(self, page: Page, size: float) -> list[tuple[float, Image.Image]]:
        """What stands on a page but its actions, each with the gap above it; paragraphs are set in `size`."""
        blocks = [(0.0, self.text(page.title, 7.0, self.strong, bold=True))]
        blocks += [(3.0 if i == 0 else size / 2, self.text(p, size, self.plain)) for i, p in enumerate(page.paragraphs)]
        if page.legend:
            blocks.append((6.0, self._legend(page.legend)))
        if page.entry is not None:
            blocks.append((5.0, self._entry(page.entry)))
        if page.figures:
            blocks.append((6.0, self._figures(page.figures)))
        if page.progress is not None:
            blocks.append((6.0, self._progress(*page.progress)))
        if page.note:
            blocks.append((4.0, self.text(page.note, 2.8, self.faint)))
        return blocks

    def _fit(self, blocks: Sequence[tuple[float, Image.Image]], room: int) -> bool:
        """Whether they are no higher than `room` pixels, some of which stay free above."""
        return self._height(blocks) <= room - self.px(TOP)

    def _height(self, blocks: Sequence[tuple[float, Image.Image]]) -> int:
        return sum(self.px(gap) + block.height for gap, block in blocks)

    def _load_font(self, size: float, bold: bool) -> ImageFont.FreeTypeFont:
        return ImageFont.truetype(self.fonts[bold], self.px(size))

    def _keycap(self, label: str, height: float) -> Image.Image:
        font = self._font(height * (0.52 if len(label) == 1 else 0.48), True)
        tall = self.px(height)
        wide = tall if len(label) == 1 else round(font.getlength(label)) + tall * 4 // 5
        cap = Image.new("L", (wide * SMOOTH, tall * SMOOTH), self.background)
        draw = ImageDraw.Draw(cap)
        edge, radius = max(1, round(tall * 0.022)) * SMOOTH, tall * SMOOTH // 6
        lip = round(tall * 0.07) * SMOOTH  # the front of the key, seen below its top
        draw.rounded_rectangle((0, 0, cap.width - 1, cap.height - 1), radius, self.rim)
        draw.rounded_rectangle((edge, edge, cap.width - 1 - edge, cap.height - 1 - lip), radius - edge, self.cap)
        cap = cap.reduce(SMOOTH)
        middle = (wide / 2, (tall - lip / SMOOTH) / 2)
        ImageDraw.Draw(cap).text(middle, label, self.strong, font, anchor="mm")
        return cap

    def _legend(self, keys: Sequence[Key]) -> Image.Image:
        """Keys side by side in cells of one width, so that two lie left and right of the middle."""
        room = self.row_width / len(keys) - APART
        parts = [
            self._column([self._keycap(key.cap, 12), self.text(key.meaning, 4.2, self.strong, True, room)], gap=1.5)
            for key in keys
        ]
        width = max(part.width for part in parts) + self.px(APART)
        cells = []
        for part in parts:
            cells.append(Image.new("L", (width, part.height), self.background))
            cells[-1].paste(part, ((width - part.width) // 2, 0))
        return self._row(cells, gap=0, top=True)

    def _foot(self, actions: Sequence[Key]) -> Image.Image:
        """The actions side by side, or one under the other where that is too wide, with free space above and below."""
        if not actions:
            return Image.new("L", (0, 0))
        parts = [self._action(key) for key in actions]
        keys = self._row(parts, gap=7)
        if keys.width > self.px(self.row_width):
            keys = self._column(parts, gap=2)
        foot = Image.new("L", (keys.width, keys.height + self.px(9)), self.background)
        foot.paste(keys, (0, self.px(4.5)))
        return foot

    def _action(self, key: Key) -> Image.Image:
        cap = self._keycap(key.cap, 5)
        room = self.row_width - cap.width / self.unit - 1.5
        return self._row([cap, self.text(key.meaning, 3.2, self.plain, width=room)], gap=1.5)

    def _figures(self, figures: Sequence[tuple[str, str]]) -> Image.Image:
        room = self.row_width / len(figures) - APART
        parts = [
            self._column([self.text(value, 8, self.strong, True), self.text(caption, 3.1, self.faint, width=room)], 0)
            for value, caption in figures
        ]
        return self._row(parts, APART, top=True)

    def _entry(self, typed: str) -> Image.Image:
        words = self.text(typed, 8, self.strong, bold=True)
        field = Image.new("L", (self.px(24), words.height + self.px(0.8)), self.background)
        field.paste(words, ((field.width - words.width) // 2, 0))
        draw = ImageDraw.Draw(field)
        draw.rectangle((0, field.height - max(2, self.px(0.3)), field.width, field.height), self.rim)
        return field

    def _progress(self, share: float, words: str) -> Image.Image:
        width, height = self.px(56) * SMOOTH, self.px(1.0) * SMOOTH
        bar = Image.new("L", (width, height), self.background)
        draw = ImageDraw.Draw(bar)
        draw.rounded_rectangle((0, 0, width - 1, height - 1), height // 2, self.cap)
        draw.rounded_rectangle((0, 0, max(height, round(width * share)) - 1, height - 1), height // 2, self.plain)
        return self._column([bar.reduce(SMOOTH), self.text(words, 3.1, self.faint)], gap=1.2)

    def _row(self, parts: Sequence[Image.Image], gap: float, top: bool = False) -> Image.Image:
        """Side by side, at one height in the middle or at the top."""
        space = self.px(gap)
        row = Image.new(
            "L",
            (sum(p.width for p in parts) + space * (len(parts) - 1), max(p.height for p in parts)),
            self.background,
        )
        x = 0
        for part in parts:
            row.paste(part, (x, 0 if top else (row.height - part.height) // 2))
            x += part.width + space
        return row

    def _column(self, parts: Sequence[Image.Image], gap: float) -> Image.Image:
        space = self.px(gap)
        column = Image.new(
            "L",
            (max(p.width for p in parts), sum(p.height for p in parts) + space * (len(parts) - 1)),
            self.background,
        )
        y = 0
        for part in parts:
            column.paste(part, ((column.width - part.width) // 2, y))
            y += part.height + space
        return column


def contrast(ink: int, ground: int) -> float:
    """Of two grey levels, 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted(
        (level / 255 / 12.92 if level <= 10 else ((level / 255 + 0.055) / 1.055) ** 2.4) for level in (ink, ground)
    )
    return (lighter + 0.05) / (darker + 0.05)


def fill_lines(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Words of `text` in lines of at most `width` pixels; a word that is longer, such as a path, is broken."""
    lines = [""]
    for word in text.split():
        if lines[-1] and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        if lines[-1]:
            lines.append("")
        for part in (word,) if font.getlength(word) <= width else word:
            if font.getlength(lines[-1] + part) > width:
                lines.append("")
            lines[-1] += part
    return lines
