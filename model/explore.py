"""Play with a model in the browser: a face that follows a slider, 64 of them, or a photograph of your own.

python -m model.explore                     # opens http://127.0.0.1:7860, seen by this machine alone
python -m model.explore --run runs/utkface --port 8000

It needs Gradio: pip install -r requirements-explore.txt
"""

import os
import signal
import socket
import sys
import threading
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import shell
from shell import UserError

if TYPE_CHECKING:
    from model.smile_model import SmileModel
    from model.views import Upload

HOST = "127.0.0.1"
ONE, ALL, OWN = "One face", "Wall of 64", "Your photograph"
START = 0.5
MAX_UPLOAD = "50mb"
TICKS = {-3: "−3", -1: "−1", 0: "0", 1: "+1", 3: "+3"}


@dataclass(frozen=True)
class Settings:
    """Play with a model in the browser."""

    run: Path | None = None
    """Folder of the run; by default the newest finished CVAE in runs/, else the model in model/pretrained/."""
    port: int = 7860
    """Of the page, http://127.0.0.1:PORT."""
    browser: bool = True
    """Open a browser."""


def main(settings: Settings) -> None:
    check_port(settings.port)
    for name in ("SIGTERM", "SIGHUP"):  # the terminal is closed, or the machine shut down
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, lambda *_: sys.exit(143))
    with TemporaryDirectory(prefix="smilecvae") as folder:  # photographs do not outlive the page
        gradio = import_gradio(Path(folder))
        from model import smile_model

        model = smile_model.load(settings.run)
        model.needs_condition("show a degree of smile")
        print(f"model: {model.title}")
        page = build(gradio, model)
        page.launch(
            server_name=HOST,
            server_port=settings.port,
            inbrowser=settings.browser,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            footer_links=[],
            theme=gradio.themes.Base(font="system-ui", font_mono="ui-monospace"),
            css_paths=Path(__file__).with_suffix(".css"),
            max_file_size=MAX_UPLOAD,
            app_kwargs={"middleware": [(OwnPage, (), {})]},
        )
        print(f"Next: open http://{HOST}:{settings.port} in a browser; Ctrl-C here ends it.")
        try:
            threading.Event().wait()
        finally:
            page.close(verbose=False)


class OwnPage:
    """Answers its own page alone. Others in the browser may send requests here, or give their own name this address."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", ()))
        host = headers.get(b"host", b"")
        ours = host.partition(b":")[0] in (HOST.encode(), b"localhost")
        if scope["type"] != "http" or (ours and headers.get(b"origin", b"http://" + host) == b"http://" + host):
            await self.app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 403, "headers": []})
        await send({"type": "http.response.body", "body": b"This page is for the machine that it runs on."})


def check_port(port: int) -> None:
    """Raise UserError where no page can be served."""
    if not 1 <= port <= 65535:
        raise UserError(f"--port {port}: expected 1 to 65535.")
    with socket.socket() as there:
        if os.name == "posix":  # a port that was just left is free
            there.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            there.bind((HOST, port))
        except OSError as error:
            raise UserError(
                f"--port {port}: cannot be served ({error.strerror}); another --port may be free."
            ) from error


def import_gradio(folder: Path) -> Any:
    """Gradio, silent towards the world, keeping its files in `folder`.

    Raises
    ------
    UserError
        It is not installed.
    """
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "GRADIO_TEMP_DIR": str(folder)}
    try:
        return import_module("gradio")
    except ModuleNotFoundError as error:
        raise UserError(
            f"model.explore needs '{error.name}': pip install -r requirements-explore.txt brings it."
        ) from error


def build(gr: Any, model: "SmileModel") -> Any:
    """The page, a gradio.Blocks. Everything on its stage comes from `model.views`."""
    from model import views

    model_hash = model.hash

    def show(view: str, smile: float, seed: int | None, identity: int | None, upload: "Upload | None") -> str:
        seed, identity = int(seed or 0), int(identity or 0)
        if view == ALL:
            return views.wall_figure(views.wall(model, seed, smile), smile, identity, seed)
        if view == ONE:
            return views.face_figure(views.face(model, seed, identity, smile), smile, identity, seed, model_hash)
        if upload is None:
            return views.empty_figure(views.FRAMING)
        return views.face_figure(views.forced(model, upload, smile), smile, upload.name, None, model_hash)

    def turn(view: str) -> tuple[Any, Any]:
        return gr.update(visible=view != OWN), gr.update(visible=view == OWN)

    def next_identity(seed: int | None, identity: int | None) -> tuple[int, int]:
        following = int(seed or 0) * views.IDENTITIES + int(identity or 0) + 1
        return divmod(following, views.IDENTITIES)

    def unless_locked(locked: bool, view: str, seed: int | None, identity: int | None) -> tuple[Any, Any]:
        return (gr.skip(), gr.skip()) if locked or view != ONE else next_identity(seed, identity)

    def pick(view: str, event: gr.EventData) -> tuple[Any, Any]:
        return (ONE, int(event.at)) if view == ALL else (gr.skip(), gr.skip())

    def receive(path: str) -> tuple[Any, Any, str]:
        try:
            upload = views.open_upload(model, Path(path))
        except UserError as error:
            return None, gr.skip(), views.empty_figure(str(error))
        finally:
            Path(path).unlink(missing_ok=True)
        return upload, (smile := views.start(upload)), show(OWN, smile, 0, 0, upload)

    with gr.Blocks(title="SmileCVAE", analytics_enabled=False, fill_width=True) as page:
        upload = gr.State()
        with gr.Row(elem_id="top"):
            gr.HTML("<h1>SmileCVAE</h1>")
            view = gr.Radio([ONE, ALL, OWN], value=ONE, label="View", show_label=False, container=False, elem_id="view")
        with gr.Row(elem_id="page"):
            with gr.Column(elem_id="left"):
                stage = gr.HTML(show(ONE, START, 0, 0, None), elem_id="stage", js_on_load=PICK)
            with gr.Column(elem_id="right"):
                smile = gr.Slider(
                    -views.MOST,
                    views.MOST,
                    START,
                    step=views.STEP,
                    precision=2,
                    label="Smile",
                    buttons=[],
                    elem_id="smile",
                )
                gr.HTML(ticks(views.MOST), elem_id="ticks")
                with gr.Column(elem_id="who") as who:
                    with gr.Row():
                        identity = gr.Number(
                            0, label="Identity", precision=0, minimum=0, maximum=views.IDENTITIES - 1, min_width=80
                        )
                        seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=2**32 - 1, min_width=80)
                    new = gr.Button("New identity", variant="primary", elem_id="new")
                    lock = gr.Checkbox(
                        True,
                        label="Lock identity",
                        info="Unlocked, each move ends on someone new.",
                        container=False,
                        elem_id="lock",
                    )
                with gr.Column(elem_id="own", visible=False) as own:
                    choose = gr.UploadButton(
                        "Choose a photograph", file_types=["image"], variant="primary", elem_id="choose"
                    )
                    gr.HTML("<p>It stays on this machine and is not kept.</p>")
        gr.HTML(footer(model, model_hash), elem_id="foot")

        inputs = [view, smile, seed, identity, upload]
        live = {
            "fn": show,
            "inputs": inputs,
            "outputs": stage,
            "show_progress": "hidden",
            "trigger_mode": "always_last",  # moves never pile up: the newest one waits, those between are dropped
            "concurrency_id": "model",
        }
        quiet = {"show_progress": "hidden", "concurrency_id": "model"}
        smile.input(**live)
        seed.input(**live)
        identity.input(**live)
        view.change(turn, view, [who, own], **quiet).then(**live)
        new.click(next_identity, [seed, identity], [seed, identity], **quiet).then(**live)
        smile.release(unless_locked, [lock, view, seed, identity], [seed, identity], **quiet).then(**live)
        stage.click(pick, view, [view, identity], **quiet)
        choose.upload(receive, choose, [upload, smile, stage], **quiet)
    page.queue(default_concurrency_limit=1)
    return page


PICK = """element.addEventListener("click", event => {
    if (event.target.tagName === "A" || !element.querySelector(".wall img")) return;
    const box = element.querySelector("img").getBoundingClientRect();
    const column = Math.floor(8 * (event.clientX - box.left) / box.width);
    const row = Math.floor(8 * (event.clientY - box.top) / box.height);
    if (row >= 0 && row < 8 && column >= 0 && column < 8) trigger("click", {at: 8 * row + column});
});"""


def ticks(most: float) -> str:
    """The scale under the slider: where people judged, and what lies beyond."""
    words = {-1: "stern", 1: "laughing"}
    marks = "".join(
        f'<span style="--at: {(tick + most) / (2 * most):.4f}">{name}<small>{words.get(tick, "")}</small></span>'
        for tick, name in TICKS.items()
    )
    return f'<div class="scale">{marks}</div><p>Beyond ±1 no label reaches: extrapolated.</p>'


def footer(model: "SmileModel", model_hash: str) -> str:
    from html import escape

    return f"<p><b>{escape(model.folder.name)}</b> <code>{model_hash}</code> {model.size} × {model.size} pixels</p>"


if __name__ == "__main__":
    shell.run(main, Settings)
