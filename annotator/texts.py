"""What the subject reads: one TOML file per language in languages/, or a file of the user's own."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shell import UserError

LANGUAGES = Path(__file__).parent / "languages"


@dataclass(frozen=True)
class Texts:
    """The texts of one language."""

    path: Path
    content: dict[str, Any]

    @property
    def font(self) -> Path | None:
        """A font of the user's own, beside the text file."""
        return self.path.parent / self.content["font"] if "font" in self.content else None

    def get(self, section: str, name: str, **values: object) -> str:
        """One text with its braces filled in.

        Raises
        ------
        UserError
            The file does not have it, or asks for a value that there is not.
        """
        where = f"{self.path}, [{section}] {name}"
        try:
            return str(self.content[section][name]).strip().format(**values)
        except (KeyError, TypeError) as error:
            if section in self.content and name in self.content[section]:
                raise UserError(f"{where}: {{{error.args[0]}}} is not known here, expected {sorted(values)}.") from None
            raise UserError(f"{where}: missing; {LANGUAGES / 'en.toml'} shows all texts.") from None
        except (ValueError, IndexError) as error:
            raise UserError(f"{where}: {error}; braces stand for values, a brace itself is written twice.") from None

    def choices(self, section: str, codes: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Of a question: the code of each answer to its key and its word."""
        try:
            return {code: (self.content[section][code]["key"], self.content[section][code]["word"]) for code in codes}
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{self.path}, [{section}]: {error} is missing; {LANGUAGES / 'en.toml'} shows all texts."
            ) from None


def open_texts(language: str) -> Texts:
    """The texts of a language that is there, such as `en`, or those in the file `language`.

    Raises
    ------
    UserError
        There is no such language or file, or the file is not TOML in UTF-8.
    """
    path = LANGUAGES / f"{language}.toml"
    if not path.exists():
        path = Path(language)
    try:
        return Texts(path, tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in LANGUAGES.glob("*.toml")))
        raise UserError(f"--texts {language}: neither a language ({known}) nor a file.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a TOML file in UTF-8 ({error}).") from None
