"""What every command shares: flags from a settings dataclass, errors in one sentence, files that appear whole.

A command is a function of one frozen dataclass. Its fields are default, type, help text and flag at once:

    @dataclass(frozen=True)
    class Settings:
        \"\"\"Make faces at a degree of smile.\"\"\"
        count: int = 64
        \"\"\"Faces per degree.\"\"\"

    if __name__ == "__main__":
        shell.run(main, Settings)

Flags can stand in a file, too, which is named by @FILE among the flags.
"""

import os
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, wraps
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class UserError(Exception):
    """Something that the user can mend, told in one sentence: file, row, found, expected."""


def run(main: Callable[[Any], object], settings_type: Any) -> None:
    """Parse the flags of `settings_type`, call `main(settings)`, and leave with 0, 2 (user's error), 130 (Ctrl-C) or
    141 (whoever read the output is gone).

    `settings_type` is a dataclass, or a union of dataclasses for a command with subcommands.
    """
    import __main__

    if __main__.__spec__ is None:
        command = Path(sys.argv[0]).name
    else:
        command = "python -m " + __main__.__spec__.name.removesuffix(".__main__")
    if sys.stdout is None:  # closed, or a program without a console
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")
    # what is told is seen at once, in a log file too, and a name that the terminal cannot write is no crash
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    try:
        import tyro

        settings = tyro.cli(settings_type, prog=command, args=arguments(sys.argv[1:]))
        main(settings)
        sys.stdout.flush()
    except UserError as error:
        fail(str(error))
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output went away (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except ModuleNotFoundError as error:
        fail(f"The Python package '{error.name}' is missing: pip install -r requirements.txt brings it.")
    except OSError as error:  # read-only folder, full disk, a file where a folder should be
        if error.filename is None and error.strerror is None:
            raise
        fail(f"{error.filename or 'A file'}: {error.strerror}.")


def arguments(words: Iterable[str]) -> list[str]:
    """`words`, each @FILE among them replaced by the flags in it. Of a flag that comes twice, the last one counts."""
    read = (_flags_in(Path(word[1:])) if word.startswith("@") and len(word) > 1 else [word] for word in words)
    return list(chain.from_iterable(read))


def _flags_in(path: Path) -> list[str]:
    """The flags in a file: as in the command line, on any number of lines.

    A line that begins with # is a comment, and what has a blank in it stands in quotes. A backslash is a backslash.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{path}: expected flags in UTF-8.") from None
    found = []
    for row, line in enumerate(lines, start=1):
        lexer = shlex.shlex("" if line.lstrip().startswith("#") else line, posix=True)
        lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
        try:
            found += list(lexer)
        except ValueError:
            raise UserError(f"{path}, row {row}: a quote that is not closed.") from None
    return found


def flags(settings: Any, *names: str) -> str:
    """Those of the fields `names` of a command's settings that differ from their default, for the next command.

    As they are typed: " --data 'my study'".
    """
    values = {name: getattr(settings, name) for name in names}
    return "".join(
        f" --{name.replace('_', '-')} {typed(value)}"
        for name, value in values.items()
        if value != getattr(type(settings), name)
    )


def typed(value: object) -> str:
    """`value` as a shell reads it back."""
    return subprocess.list2cmdline([str(value)]) if os.name == "nt" else shlex.quote(str(value))


def plural(number: int, noun: str) -> str:
    """`noun`, in the plural unless `number` is 1."""
    return noun if number == 1 else f"{noun}s"


def counted(number: int, noun: str) -> str:
    """As "1 face" and "2 faces"."""
    return f"{number} {plural(number, noun)}"


def percent(share: float, digits: int = 0) -> str:
    """`share` as "90 %", which no line breaks."""
    return f"{100 * share:.{digits}f}\u00a0%"


def listed(names: Sequence[str], most: int = 10) -> str:
    """`names` in a row, the first `most` and how many more."""
    return ", ".join(names[:most]) + (f", and {len(names) - most} more" if len(names) > most else "")


def fail(message: str) -> NoReturn:
    """Say `message` on stderr and leave with exit code 2."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside `path` to write to; on success it is fsynced and renamed to `path`, on failure removed.

    So a file appears whole or not at all, whenever the process is killed.
    """
    path = Path(path)
    target = path.resolve()  # where a link leads is where the file lies; one into a read-only archive is replaced
    if path.is_symlink() and (not target.exists() or target.stat().st_mode & 0o222):
        path = target
    path.parent.mkdir(parents=True, exist_ok=True)
    # the real suffix stays last, because writers such as Pillow choose the format by it
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    replaced = path.exists()
    try:
        if replaced:
            aside.touch(mode=0o600)
        yield aside
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        if replaced:  # who may read it stays as it is
            shutil.copymode(path, aside)
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if error.errno and error.filename in (None, str(aside)):  # a full disk names no file, a refused rename this one
            error.filename = str(path)
        raise
    finally:
        with suppress(PermissionError):  # Windows removes no open file
            aside.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, refusal: str | None = None) -> Iterator[None]:
    """Hold the lock file `path`. Where another process holds it, raise UserError(refusal), or wait if that is None.

    The system releases the lock when the process ends, however it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        try:
            if sys.platform == "win32":
                import msvcrt

                while True:
                    file.seek(0)
                    try:
                        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                        break
                    except PermissionError:
                        if refusal is not None:
                            raise
                        time.sleep(0.05)  # LK_LOCK itself gives up after ten seconds
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX if refusal is None else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise UserError(refusal or f"{path}: another process holds this lock.") from None
        except OSError as error:  # a file system without locks does not say of which file it speaks
            error.filename = str(path)
            raise
        yield


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in `folder` outlast a power cut (a no-op where folders cannot be opened)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    with whole_file(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")


def one_thread(function: Callable[P, T]) -> Callable[P, T]:
    """Decorator: `function` as it is, with one thread for the linear algebra beneath NumPy and SciPy.

    With more, each of thousands of small products may wait for a core: where another program keeps one busy, a search
    for a few parameters takes 12 to 20 times as long.
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> T:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, "blas"):
            return function(*args, **kwargs)

    return limited


@cache
def version() -> str:
    """Of this project; in a clone with its commit, as 0.1.0+g1a2b3c4, and .dirty where files were changed since.

    "unknown" where somebody took the packages alone.
    """
    root = Path(__file__).parent
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        project = {}
    if project.get("name") != "smilecvae":
        return "unknown"
    number: str = project["version"]
    git = ["git", "-C", str(root), "describe", "--always", "--dirty=.dirty", "--exclude=*"]
    try:
        commit = subprocess.run(git, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):  # no git here
        commit = ""
    return f"{number}+g{commit}" if commit and (root / ".git").exists() else number


def progress(things: Iterable[T], title: str, total: int | None = None, unit: str = "it") -> Iterable[T]:
    """`things`, with a bar on the terminal while they are gone through (none where the output is no terminal)."""
    from tqdm import tqdm

    bar: Iterable[T] = tqdm(things, title, total, leave=False, disable=None, unit=unit)
    return bar
