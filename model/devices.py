"""Where the arithmetic happens, and in which precision."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Literal

import torch

Precision = Literal["auto", "fp32", "bf16"]


def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device, precision: Precision = "auto") -> AbstractContextManager[object]:
    """bfloat16 inside, or float32; `auto` is bfloat16 where the hardware multiplies it (about twice as fast)."""
    fast = multiplies_bf16(device.type) if precision == "auto" else precision == "bf16"
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)


@cache  # asked for at every step
def multiplies_bf16(device_type: str) -> bool:
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported()
    abilities = torch.cpu.get_capabilities()
    return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))
