"""The page of model.explore: what it shows, without a browser, and all of it in a real Chromium where there is one."""

import asyncio
import base64
import io
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from data.prepare import Drawn
from data.prepare import main as prepare
from model import explore, pictures, runs, sample, smile_model, views
from model.cvae import CVAE
from model.latent import fit_latent
from model.smile_model import SmileModel
from shell import UserError

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a network that has learned nothing, whose latent space holds a smile all the same."""
    folder = tmp_path_factory.mktemp("runs") / "untrained"
    folder.mkdir()
    torch.manual_seed(0)
    network = CVAE(size=32, latent=8, width=16)
    mu = 3 * torch.randn(400, 8)
    smile_model.save_model(folder, network, fit_latent([(mu, torch.full_like(mu, 0.1), mu[:, :1] / 3)]))
    runs.write_config(folder, {"kind": "cvae", "size": 32, "latent": 8, "width": 16, "finished": True})
    return folder


@pytest.fixture(scope="module")
def model(run: Path) -> SmileModel:
    return smile_model.load(run)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "faces"
    prepare(Drawn(count=1, size=64, data=folder))
    return next((folder / "images").iterdir())


def addresses(html: str) -> dict[str, bytes]:
    """What the addresses in a figure hold, by their kind."""
    found = re.findall(r'"data:([a-z/]+);base64,([^"]+)"', html)
    return {kind: base64.b64decode(content) for kind, content in found}


def test_the_face_is_the_one_that_sample_makes(model: SmileModel) -> None:
    theirs = pictures.to_uint8(model.sample(0.5, count=12, seed=3))[11].astype(int)
    assert np.abs(views.face(model, seed=3, identity=11, smile=0.5) - theirs).max() <= 1


def test_degree_identity_and_seed_each_change_the_face(model: SmileModel) -> None:
    faces = [views.face(model, *which) for which in ((0, 0, 0.0), (0, 0, 1.0), (0, 1, 0.0), (1, 0, 0.0))]
    assert len({face.tobytes() for face in faces}) == 4


def test_the_wall_holds_identity_i_at_row_i_over_8(model: SmileModel) -> None:
    wall, size = views.wall(model, seed=2, smile=-1), model.size
    for identity in (0, 7, 8, 42, 63):
        row, column = divmod(identity, 8)
        there = wall[row * size :, column * size :][:size, :size].astype(int)
        assert np.abs(there - views.face(model, 2, identity, -1)).mean() < 2  # the wall is in fast precision


def test_the_saved_picture_is_exact_and_its_row_has_the_columns_of_sample(model: SmileModel) -> None:
    face = views.face(model, 4, 9, 0.25)
    held = addresses(views.face_figure(face, 0.25, 9, 4, model.hash))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(held["image/png"]))), face)
    row = pd.read_csv(io.BytesIO(held["text/csv"]))
    assert row.columns.tolist() == sample.manifest([]).columns.tolist()
    assert row.iloc[0].tolist() == ["seed4_identity09_smile_+0.25.png", 0.25, 9, 4, model.hash]


@pytest.mark.parametrize(("smile", "beyond"), [(1.0, False), (-1.0, False), (1.05, True), (-3.0, True)])
def test_degrees_beyond_the_labels_are_called_extrapolated(model: SmileModel, smile: float, beyond: bool) -> None:
    one = views.face_figure(views.face(model, 0, 0, smile), smile, 0, 0, "")
    assert ("extrapolated" in one) is beyond
    assert ("extrapolated" in views.wall_figure(views.wall(model, 0, smile), smile, 0, 0)) is beyond


def test_a_photograph_at_the_degree_read_in_it_comes_back(model: SmileModel, drawn: Path) -> None:
    upload = views.open_upload(model, drawn)
    back = views.forced(model, upload, upload.smile).astype(int)
    assert np.abs(back - upload.picture).max() <= 1
    assert np.abs(views.forced(model, upload, upload.smile + 2).astype(int) - upload.picture).max() > 1


@pytest.mark.parametrize(("read", "stands"), [(0.333, 0.35), (-7.0, -3.0), (3.2, 3.0)])
def test_the_slider_starts_on_its_scale(read: float, stands: float) -> None:
    upload = views.Upload("a.png", np.zeros((32, 32, 3), np.uint8), read)
    assert views.start(upload) == stands


def test_a_text_called_jpg_is_one_sentence(model: SmileModel, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("no picture")
    with pytest.raises(UserError, match=r"^notes\.jpg: not a readable picture\.$"):
        views.open_upload(model, tmp_path / "notes.jpg")


def test_a_file_name_cannot_write_into_the_page(model: SmileModel) -> None:
    name = '"><script>alert(1)</script>.png'
    assert "<script" not in views.face_figure(views.face(model, 0, 0, 0), 0, name, None, "")
    assert "<script" not in views.empty_figure(name)


def command(*flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "model.explore", "--no-browser", *flags],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def free_port() -> int:
    with socket.socket() as there:
        there.bind((explore.HOST, 0))
        return int(there.getsockname()[1])


def test_a_missing_gradio_is_named_with_what_brings_it(tmp_path: Path) -> None:
    (tmp_path / "gradio.py").write_text("raise ModuleNotFoundError(name='gradio')")
    done = command("--port", str(free_port()), PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "pip install -r requirements-explore.txt" in done.stderr


def test_a_taken_port_is_one_sentence() -> None:
    with socket.socket() as there:
        there.bind((explore.HOST, 0))
        there.listen()
        port = there.getsockname()[1]
        with pytest.raises(UserError, match=f"--port {port}: cannot be served"):
            explore.check_port(port)


def test_a_model_without_a_smile_is_one_sentence(run: Path, tmp_path: Path) -> None:
    network, mu = CVAE(32, 8, 16, "vae"), torch.randn(400, 8)
    smile_model.save_model(tmp_path, network, fit_latent([(mu, torch.ones_like(mu), torch.empty(400, 0))]))
    runs.write_config(tmp_path, runs.read_config(run) | {"kind": "vae"})
    with pytest.raises(UserError, match="is a run of kind vae, which cannot show a degree of smile"):
        views.face(smile_model.load(tmp_path), 0, 0, 0.5)


@pytest.fixture(scope="module")
def address(run: Path) -> Iterator[str]:
    """The page, served by the command itself."""
    if not find_spec("gradio"):
        pytest.skip("needs gradio: pip install -r requirements-explore.txt")
    port = free_port()
    flags = ["--run", str(run), "--port", str(port), "--no-browser"]
    with subprocess.Popen(
        [sys.executable, "-m", "model.explore", *flags], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as server:
        assert server.stdout is not None
        said = b""
        while b"Next" not in said and (line := server.stdout.readline()):
            said += line
        try:
            assert b"Next" in said, said.decode()
            yield f"http://{explore.HOST}:{port}"
        finally:
            server.terminate()
            rest = server.stdout.read().decode()
        assert "Traceback" not in rest, rest


@pytest.mark.parametrize(
    ("host", "origin", "answered"),
    [
        ("127.0.0.1:7860", None, True),
        ("127.0.0.1:7860", "http://127.0.0.1:7860", True),
        ("localhost:9000", "http://localhost:9000", True),  # forwarded from a port of another machine
        ("evil.example:7860", "http://evil.example:7860", False),  # a name that was made to point here
        ("127.0.0.1:7860", "https://evil.example", False),
        ("127.0.0.1:7860", "null", False),
        ("127.0.0.1:7860", "http://127.0.0.1:8888", False),
    ],
)
def test_other_pages_of_the_browser_get_nothing(host: str, origin: str | None, answered: bool) -> None:
    sent: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message.get("status", 0))

    headers = [(b"host", host.encode())] + ([] if origin is None else [(b"origin", origin.encode())])
    asyncio.run(explore.OwnPage(app)({"type": "http", "headers": headers}, None, send))
    assert sent[0] == (200 if answered else 403)


def test_the_page_that_is_served_refuses_other_pages(address: str) -> None:
    with urllib.request.urlopen(f"{address}/config") as page:
        assert page.status == 200
    foreign = urllib.request.Request(f"{address}/config", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(foreign)


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page in Chromium; a request that leaves this machine, or an error in its console, fails the test."""
    wrong: list[str] = []
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    here = (address, "data:", "blob:")
    tab.on("request", lambda asked: None if asked.url.startswith(here) else wrong.append(asked.url))
    tab.goto(address)
    tab.wait_for_selector("#stage img")
    yield tab
    tab.close()
    assert not wrong


def shown(page: Any) -> str:
    return str(page.get_attribute("#stage img", "src"))


def await_caption(page: Any, text: str) -> None:
    page.wait_for_function("text => document.querySelector('#stage').innerText.includes(text)", arg=text)


SET = """([range, value]) => {
    range.value = value;
    range.dispatchEvent(new Event("input", {bubbles: true}));
}"""


def move(page: Any, smile: float) -> None:
    page.evaluate(SET, [page.query_selector("#smile input[type=range]"), str(smile)])


def test_a_hundred_moves_in_a_row_end_at_the_last_one(page: Any) -> None:
    before = shown(page)
    for smile in np.linspace(-3, 3, 100).round(2):
        move(page, float(smile))
        time.sleep(0.01)
    await_caption(page, "+3.00")
    assert "extrapolated" in page.inner_text("#stage")
    assert shown(page) != before


def test_the_wall_follows_and_a_click_on_it_shows_one_face(page: Any) -> None:
    page.get_by_label("Wall of 64").click()
    page.wait_for_selector("#stage .wall")
    assert page.locator("#stage img").count() == 1
    before = shown(page)
    move(page, -1)
    await_caption(page, "-1.00")
    assert shown(page) != before
    box = page.locator("#stage img").bounding_box()
    page.mouse.click(box["x"] + 2.5 * box["width"] / 8, box["y"] + 1.5 * box["height"] / 8)
    await_caption(page, "Identity 10 of seed 0")


def test_new_identity_and_the_lock(page: Any) -> None:
    page.get_by_role("button", name="New identity").click()
    await_caption(page, "Identity 1 of seed 0")
    slider = page.locator("#smile input[type=range]")
    slider.focus()
    page.keyboard.press("ArrowRight")
    await_caption(page, "Identity 1 of seed 0 +0.55")
    page.get_by_label("Lock identity").uncheck()
    box = slider.bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    await_caption(page, "Identity 2 of seed 0 0.00")


def test_what_is_saved_is_what_is_shown(page: Any, model: SmileModel, tmp_path: Path) -> None:
    files = {}
    for name in ("Save picture", "Save manifest row"):
        with page.expect_download() as waiting:
            page.get_by_text(name).click()
        files[name] = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(files[name])
    face = views.face(model, 0, 0, explore.START)
    np.testing.assert_array_equal(np.asarray(Image.open(files["Save picture"])), face)
    assert pd.read_csv(files["Save manifest row"]).loc[0, "file"] == files["Save picture"].name


def test_a_text_is_refused_in_a_sentence_and_a_face_is_taken(page: Any, drawn: Path, tmp_path: Path) -> None:
    page.get_by_label("Your photograph").click()
    await_caption(page, views.FRAMING)
    (tmp_path / "notes.jpg").write_text("no picture")
    page.set_input_files("input[type=file]", tmp_path / "notes.jpg")
    await_caption(page, "notes.jpg: not a readable picture.")
    page.set_input_files("input[type=file]", drawn)
    await_caption(page, drawn.name)
    before = shown(page)
    move(page, 2)
    await_caption(page, "+2.00")
    assert shown(page) != before
