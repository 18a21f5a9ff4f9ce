"""What the subject reads: one TOML file per language in languages/, or a file of the user's own."""

import json
import tomllib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from PIL import ImageFont

from shell import UserError

LANGUAGES = Path(__file__).parent / "languages"
ENGLISH = LANGUAGES / "en.toml"


@dataclass(frozen=True)
class Texts:
    """The texts of one language, complete. Make one with `open_texts`."""

    path: Path
    content: dict[str, Any]

    @property
    def font(self) -> Path | None:
        """A font of the user's own, beside the text file."""
        return self.path.parent / self.content["font"] if "font" in self.content else None

    def get(self, section: str, name: str, **values: object) -> str:
        """One text with its braces filled in."""
        return str(self.content[section][name]).strip().format(**values)

    def page(self, section: str, **values: object) -> str:
        """Title and text of a page, its braces filled in."""
        return f"{self.get(section, 'title')}\n\n{self.get(section, 'text', **values)}"

    def check_letters(self, font: Path) -> None:
        """Raise UserError where the file `font` is no font, or letters of the texts would come out of it as boxes."""
        try:
            letters = ImageFont.truetype(font, 32)
        except OSError as error:
            raise UserError(f"{font}: not a font that can be read ({error}).") from None
        box = bytes(letters.getmask("\U0010ffff"))  # what stands for a letter that a font does not have
        written = sorted(set(json.dumps(self.content, ensure_ascii=False)))
        visible = [letter for letter in written if unicodedata.category(letter)[0] not in "CMZ"]
        missing = "".join(letter for letter in visible if bytes(letters.getmask(letter)) == box)
        if missing:
            raise UserError(
                f"{self.path}: {font.name} has no {missing[:20]}; "
                'bring a font that has, by a line such as font = "a_font.ttf" at the top.'
            )

    def choices(self, section: str, codes: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Of a question: the code of each answer to its key and its word."""
        return {code: (self.content[section][code]["key"], self.content[section][code]["word"]) for code in codes}


def open_texts(language: str) -> Texts:
    """The texts of a language that is there, such as `en`, or those in the file `language`.

    Raises
    ------
    UserError
        There is no such language or file, it is not TOML in UTF-8, a text is missing, or its braces are not those of
        the English text, two answers to a question have one key, or its font is not there.
    """
    path = LANGUAGES / f"{language}.toml"
    if not path.exists():
        path = Path(language)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in LANGUAGES.glob("*.toml")))
        raise UserError(f"--texts {language}: neither a language ({known}) nor a file.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a TOML file in UTF-8 ({error}).") from None
    _check(content, tomllib.loads(ENGLISH.read_text(encoding="utf-8")), f"{path}: ")
    _check_keys(content, path)
    if not isinstance(content.get("font", ""), str):
        raise UserError(f"{path}: font is {content['font']!r}, expected a file name in quotes.")
    texts = Texts(path, content)
    if texts.font is not None and not texts.font.is_file():
        raise UserError(f"{path}: the font {texts.font} is not there.")
    return texts


def _check(found: Any, expected: Any, where: str) -> None:
    if isinstance(expected, dict):
        for name, part in expected.items():
            if not isinstance(found, dict) or name not in found:
                raise UserError(f"{where}{name} is missing; {ENGLISH} shows all texts.")
            _check(found[name], part, f"{where}{name} ")
        return
    if not isinstance(found, str):
        raise UserError(f"{where}is {found!r}, expected a text in quotes.")
    try:
        unknown = _values(found) - _values(expected)
    except ValueError as error:
        raise UserError(f"{where}: {error}; braces stand for values, a brace itself is written twice.") from None
    if unknown:
        raise UserError(f"{where}asks for {sorted(unknown)}, expected only {sorted(_values(expected))} in braces.")


def _check_keys(content: dict[str, Any], path: Path) -> None:
    """Raise UserError where the answers of a question have one key twice, or one that cannot be an answer."""
    for section, texts in content.items():
        answers = texts.values() if isinstance(texts, dict) else ()
        taken: set[str] = set()
        for key in (answer["key"] for answer in answers if isinstance(answer, dict) and "key" in answer):
            if key in taken or key in ("escape", "return") or key != key.lower():
                raise UserError(
                    f"{path}: {section} has the key {key!r}, expected one of its own for each answer, in small letters,"
                    " and neither 'escape' nor 'return'."
                )
            taken.add(key)


def _values(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}
