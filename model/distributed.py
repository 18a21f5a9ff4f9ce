"""Several processes that train one model; in one process, as nearly always, all of this does nothing.

    torchrun --nproc-per-node=2 -m -- model.train        # without the -- torchrun takes --run for an option of its own

Each process takes its part of every batch, and PyTorch's DistributedDataParallel averages the gradients, by gloo on
CPUs and by NCCL on GPUs. The first process, the leader, alone makes the run's folder, writes and prints.
"""

import atexit
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from model.cvae import CVAE, Terms
from shell import UserError

T = TypeVar("T")
Loss = Callable[[Tensor, Tensor, Tensor], Terms]  # of pictures, degrees and noise

PATIENCE = timedelta(hours=2)  # the others wait while the leader reads smiles


def join() -> None:
    """Join the processes that torchrun started, if it did; all but the leader fall silent."""
    if not _launched():
        return
    import_module("torch.distributed.nn")  # its defaults would hold the group for ever, were it imported later
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("cpu:gloo,cuda:nccl", timeout=PATIENCE)
    else:
        distributed.init_process_group("gloo", timeout=PATIENCE)
    if not leads():
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")
    atexit.register(leave)  # after an error too


def leave() -> None:
    """From here on each process is alone.

    The threads of gloo end with the last that holds the group, a DistributedDataParallel included. They must: one that
    lets go of a tensor only when Python has begun to shut down aborts the process.
    """
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _launched() -> bool:
    return distributed.is_available() and distributed.is_torchelastic_launched()


def leads() -> bool:
    """Whether this process is the leader, also before joining and after leaving."""
    return not _launched() or os.environ["RANK"] == "0"


_apart = False


@contextmanager
def apart() -> Iterator[None]:
    """Inside, this process is alone, whatever the others do: for what the leader tries out while they wait."""
    global _apart
    _apart = True
    try:
        yield
    finally:
        _apart = False


def _together() -> bool:
    return distributed.is_initialized() and not _apart


def count() -> int:
    """Processes that train together."""
    return distributed.get_world_size() if _together() else 1


def whole(batch: int) -> int:
    """The largest number of pictures up to `batch` of which every process takes as many."""
    if batch < count():
        raise UserError(f"--batch {batch}: fewer pictures than the {count()} processes that share them.")
    return batch - batch % count()


def part(batch: int) -> slice:
    """Which of the pictures of a batch this process takes; `batch` is a multiple of `count()`."""
    share = batch // count()
    rank = distributed.get_rank() if _together() else 0
    return slice(rank * share, (rank + 1) * share)


def from_leader(make: Callable[[], T]) -> T:
    """What the leader made; the others wait for it."""
    if not distributed.is_initialized():
        return make()
    made: list[T] = [make() if leads() else None]  # type: ignore[list-item]
    distributed.broadcast_object_list(made, 0, device=torch.device("cpu"))
    return made[0]


@contextmanager
def leader_first() -> Iterator[None]:
    """The others begin with the block when the leader is through."""
    if not leads():
        anyone(False)
    yield
    if leads():
        anyone(False)


def mean(value: Tensor) -> Tensor:
    """The mean of `value` over the processes.

    Its gradient is that of this process's own value: DistributedDataParallel takes the mean over processes later.
    """
    if not _together():
        return value
    total = value.detach().clone()
    distributed.all_reduce(total)
    return value + (total / count() - value.detach())


def anyone(flag: bool) -> bool:
    """Whether `flag` is set in any process."""
    if not distributed.is_initialized():
        return flag
    flags = torch.tensor(int(flag))  # on the CPU: nobody waits for a GPU
    distributed.all_reduce(flags)
    return bool(flags)


def loss_of(network: CVAE) -> Loss:
    """The loss terms of a batch of which each process passes its part; gradients become those of the whole batch."""
    return DistributedDataParallel(_Loss(network), gradient_as_bucket_view=True) if count() > 1 else network.terms


class _Loss(nn.Module):
    def __init__(self, network: CVAE) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, c: Tensor, noise: Tensor) -> Terms:
        return self.network.terms(x, c, noise, mean)


@contextmanager
def unbroken(run: Path) -> Iterator[None]:
    """Ends the training in one sentence where another process is no longer there."""
    try:
        yield
    except RuntimeError as error:
        if count() > 1 and (isinstance(error, distributed.DistError) or "gloo" in str(error)):
            raise UserError(f"{run}: another process of this training has ended; --resume goes on.") from error
        raise
