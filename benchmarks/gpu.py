"""Training on a GPU: pictures per second, share of what its bf16 matrix units can do, and time to a validation loss.

python -m benchmarks.gpu                                             # rates alone
python -m benchmarks.gpu --data data/utkface --cpu-run runs/utkface  # also the time to what a CPU reached in an hour
"""

import csv
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import shell
from data.images import DEFAULT


@dataclass(frozen=True)
class Settings:
    """Measure our training step on the GPU."""

    data: Path = DEFAULT
    """The image set for the time to a validation loss."""
    cpu_run: Path | None = None
    """A run that was trained on a CPU: its settings are used, and its best validation loss of the first hour."""
    batch: int = 512
    """Pictures per step."""
    steps: int = 100
    """Steps per figure."""


def main(settings: Settings) -> None:
    import torch

    if not torch.cuda.is_available():
        print("No GPU is at hand: nothing is measured.")
        return
    print(torch.cuda.get_device_name())
    ceiling = matmul_tflops()
    print(f"bf16 matrix products of 8,192: {ceiling:.0f} TFLOP/s")
    print(f"{'px':>4} {'compiled':>9} {'pictures/s':>11} {'TFLOP/s':>8} {'of the ceiling':>15}")
    for size in (64, 128):
        for compiled in (False, True):
            rate, tflops = training_rate(size, compiled, settings)
            print(f"{size:4} {'yes' if compiled else 'no':>9} {rate:11,.0f} {tflops:8.1f} {tflops / ceiling:15.1%}")
    if settings.cpu_run is not None:
        race(settings.data, settings.cpu_run)


def matmul_tflops() -> float:
    import torch

    n = 8192
    a, b = torch.randn(2, n, n, device="cuda", dtype=torch.bfloat16)
    return 2 * n**3 / seconds(lambda: a @ b, 50) / 1e12


def training_rate(size: int, compiled: bool, settings: Settings) -> tuple[float, float]:
    """Pictures per second of the training step on random pictures, and the TFLOP/s in it that are network."""
    import numpy as np
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from model.faces import Faces, resident
    from model.state import new_state
    from model.train import Settings as Training
    from model.training import training_step

    device = torch.device("cuda")
    count = 8 * settings.batch
    pictures = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    faces = Faces(pictures, [], np.ones(count, bool), np.zeros(count), np.zeros((count, 1)))
    faces = resident(faces, device)
    training = Training(size=size, batch=settings.batch)
    state = new_state(training, device)

    def step() -> None:
        training_step(state, state.network.terms, faces, settings.batch, training, device)
        state.recent.clear()

    with FlopCounterMode(display=False) as counter:
        step()
    if compiled:
        state.network.compile()
    step_s = seconds(step, settings.steps)
    return settings.batch / step_s, counter.get_total_flops() / step_s / 1e12


def race(data: Path, cpu_run: Path) -> None:
    """Train with the settings of `cpu_run`, and see when its best validation loss of the first hour is reached.

    Where it holds its smile reader's degrees they are taken from there.
    """
    from model import runs
    from model.faces import DEGREES, READER
    from model.train import Settings as Training
    from model.training import train

    config = json.loads((cpu_run / "config.json").read_text(encoding="utf-8"))
    target, cpu_s = min((loss, s) for loss, s in validations(cpu_run) if s <= 3600)
    known = {field.name: config[field.name] for field in fields(Training) if field.name in config}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        training = replace(
            Training(**known), data=data, run=run, hold=tuple(config["hold"]), force=False, refine=False, resume=True
        )
        runs.write_config(run, asdict(training))
        for name in (DEGREES, READER):
            if (cpu_run / name).exists():
                shutil.copy(cpu_run / name, run)
        train(training)
        found = validations(run)
        reached = [s for loss, s in found if loss <= target]
    when = f"{reached[0]:.0f} s of training" if reached else f"{min(found)[0]:.0f} at best"
    print(f"validation loss {target:.0f}: the CPU {cpu_s:.0f} s, the GPU {when}")


def validations(run: Path) -> list[tuple[float, float]]:
    """Validation loss and seconds of training, of each validation of a run."""
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return [(float(row["val_loss"]), float(row["seconds"])) for row in csv.DictReader(file) if row["val_loss"]]


def seconds(work: Callable[[], object], repeats: int) -> float:
    """The mean time of `work` on the GPU, after ten calls to warm up."""
    import torch

    for _ in range(10):
        work()
    torch.cuda.synchronize()
    start_s = time.perf_counter()
    for _ in range(repeats):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - start_s) / repeats


if __name__ == "__main__":
    shell.run(main, Settings)
