"""Two processes train the model that one trains, and what is left when one of them is killed goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

import model
from data.prepare import Drawn
from data.prepare import main as prepare
from model import distributed, runs
from model.train import Settings
from model.training import train
from shell import UserError

ROOT = Path(__file__).parent.parent
TINY = Settings(
    size=16,
    latent=8,
    width=16,
    steps=50,
    batch=17,  # of which two processes take eight each
    lr=3e-3,
    reader_rounds=1,
    reader_steps=2,
    log_every=1,
    save_every=25,
    precision="fp32",
)
FLAGS = "--size 16 --latent 8 --width 16 --lr 3e-3 --reader-rounds 1 --reader-steps 2 --log-every 1 --precision fp32"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="starts and kills processes as Linux does")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/faces: 60 drawn faces, 40 of them labelled."""
    folder = tmp_path_factory.mktemp("together")
    prepare(Drawn(count=60, size=32, data=folder / "data/faces"))
    known = pd.read_csv(folder / "data/faces/metadata.csv")[:40].rename(columns={"true_smile": "smile"})
    known[["image", "smile"]].to_csv(folder / "data/faces/labels.csv", index=False)
    return folder


@pytest.fixture(autouse=True)
def _there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


COUNTED = """
import atexit, os
from pathlib import Path

def threads():  # but for those of pyarrow's allocator, which come when they like and hold nothing of ours
    names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    return len([name for name in names if name != "jemalloc_bg_thd"])

before = threads()
told = lambda: f"threads left: {threads() - before}\\n".encode()
atexit.register(lambda: os.write(2, told()))  # whole, beside the other process's
import shell
from model.train import Settings, main
shell.run(main, Settings)
"""


def start(*flags: str, program: tuple[str, ...] = ("-m", "--", "model.train")) -> subprocess.Popen[str]:
    """`torchrun` with two processes, each on one thread."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *program]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        [*command, *FLAGS.split(), *flags],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_until(condition: Callable[[], bool], program: subprocess.Popen[str], patience_s: float = 120) -> None:
    end_s = time.monotonic() + patience_s
    while not condition():
        assert program.poll() is None and time.monotonic() < end_s, program.communicate()
        time.sleep(0.05)


def process_of_rank(rank: int, program: subprocess.Popen[str]) -> int:
    """The process id of a worker."""
    children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
    found = [pid for pid in children if f"\0RANK={rank}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes()]
    return int(found[0])


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one_with_the_same_batch() -> None:
    program = start("--run", "runs/two", "--batch", "17", "--steps", "50", "--save-every", "25")
    one = train(replace(TINY, batch=16, run=Path("runs/one")))
    told, errors = program.communicate(timeout=120)
    assert program.returncode == 0, errors
    assert told.count("Run: runs/two") == 1  # one of them speaks
    alone, together = (pd.read_csv(run / "metrics.csv") for run in (one, Path("runs/two")))
    assert alone["loss"].iloc[-1] < alone["loss"].iloc[0] - 100
    compared = ["step", "pictures", "loss", "psnr", "kl", "smile", "val_loss"]
    pd.testing.assert_frame_equal(together[compared], alone[compared], rtol=1e-5, atol=1e-4, check_exact=False)
    z = model.load(one).identities(4)
    torch.testing.assert_close(model.load("runs/two").decode(z), model.load(one).decode(z), atol=0.02, rtol=0)


@pytest.mark.slow
def test_the_leader_finds_the_batch_while_the_others_wait() -> None:
    program = start("--run", "runs/auto", "--batch", "auto", "--steps", "2", "--save-every", "2")
    told, errors = program.communicate(timeout=120)
    assert program.returncode == 0, errors
    assert "pictures/s by batch" in told
    assert runs.read_config(Path("runs/auto"))["batch"] == 64  # each of the two takes 32


@pytest.mark.slow
def test_a_killed_process_ends_the_run_and_the_run_goes_on() -> None:
    flags = ("--run", "runs/killed", "--batch", "16", "--steps", "2000", "--save-every", "2", "--patience", "999")
    program = start(*flags)
    wait_until(Path("runs/killed/state.pt").exists, program)
    os.kill(process_of_rank(1, program), signal.SIGKILL)
    _, errors = program.communicate(timeout=90)
    assert program.returncode != 0
    assert (
        str(ROOT / "model") not in errors
    )  # no traceback of ours, be it that the other one saw the end of its peer or was told
    state = torch.load("runs/killed/state.pt", weights_only=True)
    assert 0 < state["step"] < 2000 and len(state["rows"]) == state["step"]
    resumed = start(*flags, "--resume")
    told = ""
    assert resumed.stdout is not None
    while "going on" not in told:
        told = resumed.stdout.readline()
        assert told, resumed.communicate()
    assert told == f"going on at step {state['step']} of 2,000\n"
    saved_s = Path("runs/killed/state.pt").stat().st_mtime
    wait_until(lambda: Path("runs/killed/state.pt").stat().st_mtime > saved_s, resumed)
    resumed.send_signal(signal.SIGTERM)  # as Ctrl-C: both stop at the same step, and the run is saved there
    told, errors = resumed.communicate(timeout=90)
    later = torch.load("runs/killed/state.pt", weights_only=True)
    assert later["step"] > state["step"] and f"stopped at step {later['step']:,}" in told
    assert not runs.read_config(Path("runs/killed")).get("finished")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "lr", "exit_code"), [("done", "3e-3", 0), ("failed", "1e30", 1)])
def test_no_thread_is_left_that_could_abort_a_process_at_its_end(
    name: str, lr: str, exit_code: int, tmp_path: Path
) -> None:
    script = tmp_path / "counted.py"
    script.write_text(COUNTED)
    program = start("--run", f"runs/{name}", "--batch", "16", "--steps", "2", "--lr", lr, program=("--", str(script)))
    _, errors = program.communicate(timeout=120)
    assert program.returncode == exit_code, errors
    left = [line for line in errors.splitlines() if line.startswith("threads left")]
    assert left and set(left) == {"threads left: 0"}, errors


def test_alone_nothing_is_shared() -> None:
    value = torch.ones(3, requires_grad=True)
    assert distributed.mean(value) is value
    assert (distributed.count(), distributed.leads(), distributed.part(7)) == (1, True, slice(0, 7))
    assert distributed.anyone(True) and not distributed.anyone(False)
    assert distributed.from_leader(lambda: "made") == "made"


def test_fewer_pictures_than_processes_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "count", lambda: 4)
    assert distributed.whole(11) == 8
    with pytest.raises(UserError, match="--batch 3: fewer pictures than the 4 processes"):
        distributed.whole(3)
