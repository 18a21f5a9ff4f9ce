"""Train, sample and edit faces by their degree of smile.

import model
faces = model.load("runs/cvae")                   # encode, decode, sample, edit: tensors in and out
stern = faces.sample(smile=-1, count=8, seed=0)   # (8, 3, 64, 64) in [0, 1]
laughing = faces.edit(stern, shift=2)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model import judges, pictures
    from model.smile_model import SmileModel, load

__all__ = ["SmileModel", "judges", "load", "pictures"]


def __getattr__(name: str) -> Any:  # torch takes seconds to import; --help does not need it
    if name in ("judges", "pictures"):
        return import_module(f"model.{name}")
    if name in __all__:
        from model import smile_model

        return getattr(smile_model, name)
    raise AttributeError(f"module 'model' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
