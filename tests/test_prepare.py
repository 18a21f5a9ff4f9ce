"""The sources of image sets: drawn faces, a folder, UTKFace from a folder, an archive or a server."""

import functools
import gzip
import io
import tarfile
import threading
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

import data
from data import archives
from data.prepare import Drawn, Folder, Utkface, main
from shell import UserError

NAMES = ["18_1_0_20170105183259439.jpg.chip.jpg", "62_0_3_20170110223927225.jpg.chip.jpg"]
MALFORMED = "39_1_20170116174525125.jpg.chip.jpg"  # no race: three pictures of UTKFace are named so


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def jpeg(colour: str = "grey") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def make_tar(path: Path, names: list[str], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(jpeg())
            archive.addfile(info, io.BytesIO(jpeg()))
    return path


def source(kind: str) -> str:
    names = [f"UTKFace/{name}" for name in [*NAMES, MALFORMED]]
    if kind == "zip":
        with zipfile.ZipFile("UTKFace.zip", "w") as archive:
            for name in names:
                archive.writestr(name, jpeg())
        return "UTKFace.zip"
    if kind == "folder":
        for name in names:
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_bytes(jpeg())
        return "UTKFace"
    return str(make_tar(Path(f"UTKFace.{kind}"), names, "w:gz" if kind == "tar.gz" else "w"))


@pytest.mark.parametrize("kind", ["folder", "tar", "tar.gz", "zip"])
def test_utkface_from_every_form(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(Utkface(source(kind)))
    images = data.open_set("data/utkface")
    assert images.names == tuple(NAMES)
    assert images.path(NAMES[0]).read_bytes() == jpeg()
    assert images.metadata()[["age", "gender", "race"]].to_numpy().tolist() == [[18, 1, 0], [62, 0, 3]]
    words = images.metadata_in_words()[["age", "gender", "race"]]
    assert words.to_numpy().tolist() == [[18, "female", "White"], [62, "male", "Indian"]]
    assert f"{MALFORMED}: its name is not [age]" in capsys.readouterr().out


def test_labels_are_imported_and_those_without_a_picture_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("labels.csv").write_text(f",stimulus_filename,avg_encode\n0,{NAMES[0]},0.5\n1,me.png,1\n")
    main(Utkface(source("tar"), labels=Path("labels.csv")))
    assert data.open_set("data/utkface").labels()["image"].tolist() == [NAMES[0]]
    assert "me.png: has a label but no picture" in capsys.readouterr().out


def test_labels_of_other_pictures_make_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    Path("labels.csv").write_text(",stimulus_filename,avg_encode\n0,me.png,1\n")
    main(Utkface(source("tar"), labels=Path("labels.csv")))
    assert "no label is of a picture of this set" in capsys.readouterr().out
    assert not Path("data/utkface/labels_published.csv").exists()


def test_pictures_that_are_none_and_ages_of_nobody_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(source("folder"))
    empty, cut, old = (f"{age}_0_0_20170110223927225.jpg.chip.jpg" for age in ("1", "2", "999"))
    (folder / empty).write_bytes(b"")
    (folder / cut).write_bytes(jpeg()[:300])
    (folder / old).write_bytes(jpeg())
    main(Utkface(str(folder)))
    assert data.open_set("data/utkface").names == tuple(NAMES)
    said = capsys.readouterr().out
    assert f"{empty}: the file is empty" in said and f"left out {cut}: " in said
    assert f"{old}: an age of 999 years" in said
    assert sorted(path.name for path in Path("data/utkface/images").iterdir()) == NAMES


@pytest.mark.parametrize("name", ["../evil.jpg", "/evil.jpg", "a/../../evil.jpg", "C:/evil.jpg", "..\\evil.jpg"])
def test_a_member_that_would_land_outside_is_refused(name: str) -> None:
    make_tar(Path("bad.tar"), [NAMES[0], name])
    with pytest.raises(UserError, match="outside of the folder"):
        main(Utkface("bad.tar"))
    assert not Path("data/utkface").exists()


def test_an_encrypted_archive_is_one_sentence() -> None:
    content = bytearray(Path(source("zip")).read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # set the flag of encryption in every header
        start = content.find(signature)
        while start >= 0:
            content[start + at] |= 1
            start = content.find(signature, start + 1)
    Path("locked.zip").write_bytes(content)
    with pytest.raises(UserError, match="encrypted"):
        main(Utkface("locked.zip"))


def test_links_in_an_archive_are_not_followed() -> None:
    Path("secret").write_text("secret")
    with tarfile.open("bad.tar", "w") as archive:
        info = tarfile.TarInfo(NAMES[0])
        info.type, info.linkname = tarfile.SYMTYPE, str(Path("secret").resolve())
        archive.addfile(info)
    with pytest.raises(UserError, match="no readable picture named like"):
        main(Utkface("bad.tar"))


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_zip_unpacks_no_more_than_it_says(packing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile("bomb.zip", "w", packing) as archive:
        archive.writestr(NAMES[0], bytes(50_000_000))
    content = bytearray(Path("bomb.zip").read_bytes())
    at = content.find(b"PK\x01\x02") + 24
    content[at : at + 4] = (1000).to_bytes(4, "little")  # the size, as the list of contents tells it
    Path("bomb.zip").write_bytes(content)
    tracemalloc.start()
    with suppress(UserError):
        list(archives.members(Path("bomb.zip")))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_a_tar_whose_header_is_as_large_as_a_bomb_is_none() -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 400_000_000
    with gzip.open("bomb.tar.gz", "wb", 1) as file:
        file.write(header.tobuf(tarfile.USTAR_FORMAT) + bytes(10_000_000))
    tracemalloc.start()
    with pytest.raises(UserError, match="neither a folder nor"):
        list(archives.members(Path("bomb.tar.gz")))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "no such file"), (b"text", "neither a folder nor"), (b"PK\x03\x04rubbish", "neither")],
)
def test_a_wrong_source_is_one_sentence(content: bytes | None, complaint: str) -> None:
    if content is not None:
        Path("x.tar").write_bytes(content)
    with pytest.raises(UserError, match=rf"x\.tar: {complaint}"):
        main(Utkface("x.tar"))


@pytest.mark.parametrize("cut", [False, True], ids=["damaged", "cut"])
def test_a_damaged_header_is_not_the_end_of_an_archive(cut: bool) -> None:
    make_tar(Path("bad.tar"), NAMES)
    with tarfile.open("bad.tar") as archive:
        at = archive.getmembers()[1].offset
    content = bytearray(Path("bad.tar").read_bytes())
    content[at + 100 : None if cut else at + 110] = b"x" * 10
    Path("bad.tar").write_bytes(content)
    with pytest.raises(UserError, match="the archive is damaged"):
        main(Utkface("bad.tar"))


def test_a_damaged_archive_leaves_the_old_set_alone() -> None:
    main(Utkface(source("tar")))
    whole = Path(source("tar.gz")).read_bytes()
    Path("cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="damaged"):
        main(Utkface("cut.tar.gz", force=True))
    assert data.open_set("data/utkface").names == tuple(NAMES)


class Server(ThreadingHTTPServer):
    """Serves one file on localhost; understands ranges; `cut` is how many bytes the first answer gives at most."""

    def __init__(self, content: bytes, cut: int | None) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(Answer))
        self.content, self.cut, self.ranges = content, cut, list[str | None]()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/UTKFace.tar"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        wanted = self.headers.get("Range")
        server.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.headers["If-Range"] == '"v1"' else 0
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"v1"')
        self.end_headers()
        self.wfile.write(body if server.cut is None else body[: server.cut])
        server.cut = None

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[functools.partial[Server]]:
    servers: list[Server] = []

    def start(content: bytes, cut: int | None = None) -> Server:
        server = Server(content, cut)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    yield functools.partial(start)
    for server in servers:
        server.shutdown()
        server.server_close()


def test_utkface_from_an_address(serve: functools.partial[Server], capsys: pytest.CaptureFixture[str]) -> None:
    server = serve(Path(source("tar")).read_bytes())
    main(Utkface(server.address))
    assert data.open_set("data/utkface").names == tuple(NAMES)
    assert "sha256 of UTKFace.tar: " in capsys.readouterr().out
    assert sorted(p.name for p in Path("data/utkface").iterdir()) == ["images", "metadata.csv", "set.json"]


def test_an_interrupted_download_goes_on_where_it_stopped(serve: functools.partial[Server]) -> None:
    server = serve(Path(source("tar")).read_bytes(), cut=1000)
    with pytest.raises(UserError, match="goes on"):
        main(Utkface(server.address))
    main(Utkface(server.address))
    assert server.ranges == [None, "bytes=1000-"]
    assert data.open_set("data/utkface").names == tuple(NAMES)


def test_what_was_downloaded_whole_is_not_fetched_again_after_a_copy_that_was_stopped(
    serve: functools.partial[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    server = serve(Path(source("tar")).read_bytes())
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("data.utkface._copy", stop)
        main(Utkface(server.address))
    main(Utkface(server.address))
    assert server.ranges == [None]
    assert sorted(p.name for p in Path("data/utkface").iterdir()) == ["images", "metadata.csv", "set.json"]


def test_a_download_that_is_no_set_is_not_kept(serve: functools.partial[Server]) -> None:
    with pytest.raises(UserError, match="neither a folder nor"):
        main(Utkface(serve(b"no archive").address))
    assert not Path("data/utkface/.download").exists()


def test_a_file_of_ones_own_is_never_taken_for_the_download(serve: functools.partial[Server]) -> None:
    own = Path("data/utkface/UTKFace.tar")
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    main(Utkface(serve(Path(source("tar")).read_bytes()).address))
    assert own.read_bytes() == b"mine" and data.open_set("data/utkface").names == tuple(NAMES)


def test_a_server_that_is_not_there_is_one_sentence(serve: functools.partial[Server]) -> None:
    server = serve(b"")
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError, match=r"127\.0\.0\.1.*goes on where it stopped"):
        main(Utkface(server.address))


def test_a_folder_becomes_a_set_with_bad_pictures_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine/sub").mkdir(parents=True)
    Path("mine/a.jpg").write_bytes(jpeg())
    Path("mine/sub/a.jpg").write_bytes(jpeg("red"))
    Path("mine/broken.jpg").write_bytes(b"no")
    Path("mine/phone.HEIC").write_bytes(jpeg())
    Path("mine/bell\a.jpg").write_bytes(jpeg())
    main(Folder(Path("mine"), "mine"))
    assert data.open_set("data/mine").names == ("a.jpg", "sub_a.jpg")
    said = capsys.readouterr().out
    assert "broken.jpg: not a readable picture" in said
    assert "phone.HEIC: .HEIC is not read; expected .bmp, .jpeg" in said
    assert r"bell\x07.jpg': its name is not plain text" in said


@pytest.mark.parametrize("name", ["../x", "", ".hidden", "a/b"])
def test_a_set_has_a_plain_name(name: str) -> None:
    Path("mine").mkdir()
    with pytest.raises(UserError, match="expected letters"):
        main(Folder(Path("mine"), name))


def test_a_folder_without_pictures_makes_no_set() -> None:
    Path("mine").mkdir()
    with pytest.raises(UserError, match="no readable picture"):
        main(Folder(Path("mine"), "mine"))
    assert not Path("data/mine").exists()


def test_drawn_faces_have_a_true_smile_and_the_same_bytes_for_one_seed() -> None:
    main(Drawn(count=3, size=32))
    main(Drawn(count=2, size=32, data=Path("data/again")))
    images, again = data.open_set("data/faces"), data.open_set("data/again")
    assert images.path(images.names[1]).read_bytes() == again.path(again.names[1]).read_bytes()
    pd.testing.assert_frame_equal(images.metadata()[:2], again.metadata())
    assert images.metadata()["true_smile"].between(-1, 1).all()


def test_a_set_is_drawn_once_and_never_replaced_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    main(Drawn(count=2, size=32))
    main(Drawn(count=2, size=32))
    assert "drawn already" in capsys.readouterr().out
    with pytest.raises(UserError, match="--force replaces"):
        main(Drawn(count=3, size=32))
    (Path("data/faces/labels.csv")).write_text("image,smile\n00000.png,0\n")
    main(Drawn(count=3, size=32, force=True))
    assert len(data.open_set("data/faces").names) == 3
    assert len(data.open_set("data/faces").labels()) == 0  # they were those of other faces
    assert Path("data/faces/labels_of_old_pictures.csv").exists()
    Path("data/faces/labels.csv").write_text("image,smile\n00000.png,1\n")
    main(Drawn(count=3, size=32, force=True))
    asides = [Path(f"data/faces/labels_of_old_pictures{end}.csv").read_text()[-2] for end in ("", "_2")]
    assert asides == ["0", "1"]  # each is kept


def test_a_table_that_lies_there_is_put_aside_whosever_it_is() -> None:
    Path("notes").mkdir()
    Path("notes/metadata.csv").write_text("mine")
    main(Drawn(count=2, size=32, data=Path("notes")))
    assert Path("notes/metadata_of_old_pictures.csv").read_text() == "mine"


def test_a_swap_that_was_killed_half_way_loses_nothing() -> None:
    main(Drawn(count=2, size=32))
    Path("data/faces/images").rename("data/faces/.images.old")
    with pytest.raises(UserError, match="--force replaces"):
        main(Drawn(count=3, size=32))
    assert len(data.open_set("data/faces").names) == 2


def test_imported_labels_keep_their_degrees() -> None:
    Path("labels.csv").write_text(f",stimulus_filename,avg_encode\n0,{NAMES[1]},-0.25\n1,me.png,1\n2,{NAMES[0]},0.5\n")
    main(Utkface(source("tar"), labels=Path("labels.csv")))
    assert data.open_set("data/utkface").labels().values.tolist() == [[NAMES[0], 0.5], [NAMES[1], -0.25]]
