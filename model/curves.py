"""The curves of a training, and what its latent space holds."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shell import whole_file

if TYPE_CHECKING:
    import pandas as pd


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
