"""Grids, strips and animations of faces: labelled, legible, usable in a paper; and pictures as tensors and back."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from shell import whole_file

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from torch import Tensor

Pictures = NDArray[np.uint8]  # (N, H, W, 3)
GAP = 4  # pixels between faces
INK, PAPER = (40, 40, 40), (255, 255, 255)
FINER = 4  # than the sheet: type before it is made smaller


def grid(pictures: Pictures, columns: int = 8, title: str = "") -> Image.Image:
    """N faces in rows of `columns`, with a title above."""
    count, height, width, _ = pictures.shape
    rows = -(-count // columns)
    top = _line(width) if title else 0
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, top + rows * (height + GAP) + GAP), PAPER)
    for i, picture in enumerate(pictures):
        at = (GAP + i % columns * (width + GAP), top + GAP + i // columns * (height + GAP))
        sheet.paste(Image.fromarray(picture), at)
    if title:
        _write(sheet, title, (sheet.width / 2, top / 2 + GAP / 2), "mm", width)
    return sheet


def strip(rows: Sequence[Pictures], headings: Sequence[str], title: str = "", names: Sequence[str] = ()) -> Image.Image:
    """One identity per row, one heading per column, a name left of each row: R of (C, H, W, 3), C headings, R names."""
    _, height, width, _ = rows[0].shape
    faces = grid(np.concatenate(rows), len(headings))
    line = _line(width)
    top, left = line * (2 if title else 1), width if names else 0
    sheet = Image.new("RGB", (left + faces.width, faces.height + top), PAPER)
    sheet.paste(faces, (left, top))
    for i, heading in enumerate(headings):
        _write(sheet, heading, (left + GAP + i * (width + GAP) + width / 2, top - line / 2 + GAP / 2), "mm", width)
    for i, name in enumerate(names):
        _write(sheet, name, (left - GAP, top + GAP + i * (height + GAP) + height / 2), "rm", width)
    if title:
        _write(sheet, title, (sheet.width / 2, line / 2), "mm", width)
    return sheet


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """Two sheets of one height beside each other, with a gap."""
    sheet = Image.new("RGB", (left.width + right.width + 4 * GAP, max(left.height, right.height)), PAPER)
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width + 4 * GAP, 0))
    return sheet


def save(picture: Image.Image, path: Path) -> Path:
    """Write a picture whole or not at all; returns its path."""
    with whole_file(path) as aside:
        picture.save(aside)
    return path


def save_manifest(table: "pd.DataFrame", out: Path) -> Path:
    """Write OUT/manifest.csv, what each `file` of a folder shows; returns its path.

    Rows of an earlier one stay where their files are still there and were not made anew.
    """
    import pandas as pd

    from data.tables import read_csv

    path = out / "manifest.csv"
    if path.exists() and "file" in (before := read_csv(path)).columns:
        made = set(table["file"])
        stays = [file not in made and (out / file).exists() for file in before["file"].astype(str)]
        table = pd.concat([before[stays], table]) if any(stays) else table
    with whole_file(path) as aside:
        table.to_csv(aside, index=False, lineterminator="\n")
    return path


def save_animation(frames: Sequence[Path], path: Path) -> Path:
    """An endless GIF of picture files, five a second, the last one held for three; returns its path."""
    # one palette for all frames, of the last one: faces do not flicker
    pictures = [Image.open(frame).convert("RGB") for frame in frames]
    palette = pictures[-1].quantize(256, method=Image.Quantize.MEDIANCUT)
    quantized = [p.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for p in pictures]
    durations = [200] * (len(frames) - 1) + [3000]
    with whole_file(path) as aside:
        quantized[0].save(aside, save_all=True, append_images=quantized[1:], duration=durations, loop=0, optimize=True)
    return path


def to_uint8(x: "Tensor") -> Pictures:
    """Pictures as a tensor (N, 3, H, W) in [0, 1] -> (N, H, W, 3) uint8."""
    array: NDArray[np.float32] = x.detach().cpu().numpy()
    return np.rint(array.clip(0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1)


def needs_bytes(pictures: Pictures, least: int = 0) -> None:
    """Raise a ValueError unless these are pictures (N, S, S, 3) uint8, of at least `least` faces."""
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3 or len(pictures) < least:
        wanted = "pictures (N, S, S, 3) uint8, as model.pictures.to_uint8 makes them of tensors"
        raise ValueError(f"expected {wanted}; found {pictures.shape} of {pictures.dtype}.")


def to_tensor(pictures: Pictures, device: "torch.device | str" = "cpu") -> "Tensor":
    """Pictures (N, H, W, 3) uint8 -> a tensor (N, 3, H, W) in [0, 1]."""
    import torch

    needs_bytes(pictures)
    return torch.from_numpy(np.array(pictures)).to(device).permute(0, 3, 1, 2).float().div_(255)


def at_size(x: "Tensor", size: int) -> "Tensor":
    """Pictures (N, 3, S, S) at `size` pixels, smoothed before they are made smaller; as they are where they have it."""
    from torch.nn import functional as F

    return x if x.shape[-1] == size else F.interpolate(x, (size, size), mode="bilinear", antialias=True)


def _line(width: int) -> int:
    return max(14, width // 4)


def _write(sheet: Image.Image, text: str, at: tuple[float, float], anchor: str, width: int) -> None:
    """Drawn large and made smaller: small type of its own has letters and spaces of whole pixels, too narrow."""
    font = ImageFont.load_default(FINER * max(10, width * 0.18))
    left, top, right, bottom = font.getbbox(text, anchor=anchor)
    x, y = math.floor(left / FINER), math.floor(top / FINER)
    ink = Image.new("L", (FINER * (math.ceil(right / FINER) - x), FINER * (math.ceil(bottom / FINER) - y)))
    ImageDraw.Draw(ink).text((-FINER * x, -FINER * y), text, 255, font, anchor=anchor)
    small = ink.reduce(FINER)
    sheet.paste(INK, (round(at[0]) + x, round(at[1]) + y), small)
