"""Every grid, strip, curve and animation of the project's models: labelled, legible, usable in a paper."""

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


def degree(smile: float) -> str:
    """A degree of smile as it is written everywhere: +0.50, 0.00, -3.00."""
    if smile == 0:
        return "0.00"
    return f"{smile:+.2f}" if round(smile, 2) == smile else f"{smile:+}"


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


def save_curves(rows: Sequence[dict[str, float]], path: Path) -> Path:
    """The training's course: loss, reconstruction and KL against pictures seen; returns its path."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    panels = [("loss", "loss (nats per picture)"), ("psnr", "PSNR (dB)"), ("kl", "KL (nats per picture)")]
    with rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(11, 3), layout="constrained")
        axes = figure.subplots(1, len(panels))
        for axis, (name, label) in zip(axes, panels, strict=True):
            for key, line in ((name, "training"), (f"val_{name}", "validation")):
                shown = [(row["pictures"] / 1000, row[key]) for row in rows if np.isfinite(row.get(key, np.nan))]
                axis.plot(*np.array(shown).reshape(-1, 2).T, label=line, lw=1 if line == "training" else 2)
            axis.set(xlabel="pictures seen (thousands)", ylabel=label)
        start = rows[min(len(rows) - 1, len(rows) // 20)]["loss"]  # the first steps would flatten everything after
        axes[0].set_ylim(min(row["loss"] for row in rows) - 200, start)
        axes[0].legend(frameon=False)
        with whole_file(path) as aside:
            figure.savefig(aside, dpi=150)
    return path


def save_latent(
    path: Path,
    activity: NDArray[np.floating],
    noise: NDArray[np.floating],
    explained: NDArray[np.floating],
    mu: NDArray[np.floating],
    recorded: "pd.DataFrame | None",
) -> Path:
    """What the latent space holds, in four panels, or three without what was recorded; returns the path.

    Parameters
    ----------
    activity : (Z,) variance of each dimension's mean over faces
    noise : (Z,) mean variance of the encoder's noise in it
    explained : (Z,) share of the variance in the first 1, 2, ... principal axes
    mu : (N, Z) means of N faces
    recorded : (E, Z) the activity at each of E validations of the training, by step, if the run recorded it
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    order = np.argsort(-activity)
    ranks = np.arange(1, len(activity) + 1)
    with rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(11, 7.5), layout="constrained")
        (top_left, top_right), (left, right) = figure.subplots(2, 2)
        top_left.plot(ranks, activity[order], label="of its mean over faces", lw=2)
        if noise.any():
            top_left.plot(ranks, noise[order], label="of the encoder's noise", lw=1)
        top_left.set(
            title="Activity of each dimension", xlabel="dimension, most active first", ylabel="variance", yscale="log"
        )
        top_left.legend(frameon=False)
        top_right.plot(ranks, 100 * explained, lw=2)
        top_right.set(title="Principal axes", xlabel="axes", ylabel="variance explained (%)", ylim=(0, 102))
        beyond = np.linspace(-4, 4, 41)
        counts = np.stack([np.histogram(mu[:, i].clip(-4, 4), beyond, density=True)[0] for i in order], 1)
        shade = left.imshow(counts, "Blues", aspect="auto", origin="lower", extent=(0.5, len(order) + 0.5, -4, 4))
        figure.colorbar(shade, ax=left, label="density")
        if noise.any():  # an AE has neither noise nor a prior
            for edge in (-1, 1):  # the middle 68 % of the prior
                left.axhline(edge, color="C1", lw=1, label="prior, ± 1 standard deviation" if edge == 1 else None)
            left.legend(frameon=False, loc="upper right")
        left.set(title="Means of faces in each dimension", xlabel="dimension, most active first", ylabel="z")
        if recorded is None:
            right.set_axis_off()
        else:
            right.set(
                title="Activity over the training", xlabel="dimension, most active first", ylabel="validation at step"
            )
            shade = right.imshow(recorded.to_numpy()[:, order], "viridis", aspect="auto", interpolation="nearest")
            figure.colorbar(shade, ax=right, label="variance of the mean")
            shown = np.unique(np.linspace(0, len(recorded) - 1, min(len(recorded), 8)).astype(int))
            right.set_yticks(shown, [f"{recorded.index[i]:,}" for i in shown])
        with whole_file(path) as aside:
            figure.savefig(aside, dpi=150)
    return path


def to_uint8(x: "Tensor") -> Pictures:
    """Pictures as a tensor (N, 3, H, W) in [0, 1] -> (N, H, W, 3) uint8."""
    array: NDArray[np.float32] = np.asarray(x)
    return np.rint(array.clip(0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1)


def to_tensor(pictures: Pictures, device: "torch.device | str" = "cpu") -> "Tensor":
    """Pictures (N, H, W, 3) uint8 -> a tensor (N, 3, H, W) in [0, 1]."""
    import torch

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
