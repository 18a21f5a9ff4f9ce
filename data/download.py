"""A large file from an http(s) address: streamed to disk, resumed after an interruption, its sha256 shown."""

import hashlib
import http.client
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from tqdm import tqdm

from shell import UserError

CHUNK = 1 << 20
TIMEOUT_S = 60


def download(address: str, folder: Path) -> Path:
    """Fetch `address` into `folder`; returns the file's path.

    A file of that name that is there is whole, and taken as it is. What an earlier, interrupted call left is continued
    where the server still has the same file (If-Range with its entity tag or date), and begun anew where not.

    Raises
    ------
    UserError
        The server cannot be reached, answers with an error, or the connection breaks; the next call goes on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = Path(urllib.parse.urlsplit(address).path).name or "download"
    if (folder / name).exists():
        return folder / name
    part, tag = folder / f".{name}.part", folder / f".{name}.tag"
    same = tag.read_text(encoding="utf-8") if tag.exists() else ""
    done = part.stat().st_size if part.exists() and same else 0
    headers = {"Range": f"bytes={done}-", "If-Range": same} if done else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=TIMEOUT_S) as answer:
            done = done if answer.status == 206 else 0  # 206: the rest only; 200: the whole file
            length = answer.headers.get("Content-Length")
            whole = None if length is None else done + int(length)
            tag.write_text(answer.headers.get("ETag") or answer.headers.get("Last-Modified") or "", encoding="utf-8")
            with (
                part.open("ab" if done else "wb") as file,
                tqdm(desc=name, total=whole, initial=done, unit="B", unit_scale=True, leave=False, disable=None) as bar,
            ):
                while chunk := answer.read(CHUNK):
                    file.write(chunk)
                    bar.update(len(chunk))
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left to fetch, or the file has shrunk: begin anew
            part.unlink()
            return download(address, folder)
        raise UserError(f"{address}: the server answers {error.code} {error.reason}.") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise UserError(f"{address}: {reason}; the same command goes on where it stopped.") from error
    if whole is not None and part.stat().st_size != whole:
        raise UserError(f"{address}: {part.stat().st_size:,} of {whole:,} bytes came; the same command goes on.")
    with part.open("rb") as file:
        print(f"sha256 of {name}: {hashlib.file_digest(file, 'sha256').hexdigest()}")
    tag.unlink()
    return part.replace(folder / name)
