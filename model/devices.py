"""Where the arithmetic happens, and in which precision."""

import ctypes
import sys
import time
from contextlib import AbstractContextManager
from copy import deepcopy
from functools import cache
from typing import Literal, TypeVar

import torch
from torch import nn

Net = TypeVar("Net", bound=nn.Module)
Precision = Literal["auto", "fp32", "bf16"]
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of the C library's malloc.h


def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device, precision: Precision = "auto") -> AbstractContextManager[object]:
    """bfloat16 inside, or float32; `auto` is bfloat16 where the hardware multiplies it faster."""
    fast = multiplies_bf16(device.type) if precision == "auto" else precision == "bf16"
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)


def rounded(net: Net) -> Net:
    """`net` for `autocast`: a copy whose weights are rounded once, not at every call; in float32 the net itself.

    What it says there is the same to the last bit. Later changes of `net` do not reach the copy.
    """
    if not multiplies_bf16(next(net.parameters()).device.type):
        return net
    copy = deepcopy(net)
    for layer in copy.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.to(torch.bfloat16)
    return copy


@cache  # asked for at every step
def multiplies_bf16(device_type: str) -> bool:
    """Whether bfloat16 is multiplied in hardware, and faster than float32.

    A processor that can need not be faster: by avx512_bf16 alone, AMD's multiply twice as fast, Intel's at half the
    speed. So a processor is measured, in some 20 ms.
    """
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    abilities = torch.cpu.get_capabilities()
    if not (abilities.get("avx512_bf16") or abilities.get("amx_bf16")):
        return False
    return 1.2 * product_s(torch.bfloat16) < product_s(torch.float32)


def product_s(dtype: torch.dtype) -> float:
    """Seconds in which one thread multiplies two small matrices: the least of 20, whatever else is running."""
    a, shortest = torch.ones(256, 256, dtype=dtype), float("inf")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for _ in range(20):
        start = time.perf_counter()
        a @ a
        shortest = min(shortest, time.perf_counter() - start)
    torch.set_num_threads(threads)
    return shortest


def keep_memory() -> None:
    """Let memory that is freed be taken again as it is, by GNU's C library.

    By default that library returns large blocks to the system, which fills every page with zeros before it gives it out
    again: at batches of 128, a seventh of the time of a training step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, -1)
        mallopt(M_MMAP_MAX, 0)
