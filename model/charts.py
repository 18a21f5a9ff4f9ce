"""The page of an evaluation: what follows the degree of smile, and what stays, in plots that can be printed."""

from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from shell import percent, whole_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from model.evaluation import Evaluation

    Panel = Callable[[Axes, Evaluation], None]

INSIDE = (-1, -0.5, 0, 0.5, 1)
INK, GREY, MARK = "#1f4e79", "#9a9a9a", "#c0504d"


def save_page(found: "Evaluation", path: Path) -> Path:
    """Draw the page of an evaluation, A4 wide, as many panels as apply to the kind of model; returns its path."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    panels: list[Panel] = [_unseen, _shares]
    if found.by_degree:
        panels = [_control, _sweeps, _spread, _realism, _energy, _leakage, _shares, _unseen]
    rows = -(-len(panels) // 2)
    style: Any = {
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }
    with rc_context(style):
        figure = Figure(figsize=(8.27, 2.55 * rows + 0.8), layout="constrained")
        axes = figure.subplots(rows, 2)
        for axis, panel in zip(axes.flat, panels, strict=True):
            panel(axis, found)
        about = found.about
        figure.suptitle(
            f"{about['run']} ({about['kind']}), {about['faces']:,} unseen faces of {about['data']}", fontsize=11
        )
        figure.supxlabel(footnote(found), fontsize=7.5, color="#555555")
        with whole_file(path) as aside:
            figure.savefig(aside, dpi=200)
    return path


def footnote(found: "Evaluation") -> str:
    """What the judges are and how good, and what bands and bars mean."""
    names = {
        "smile_pearson": "smile, correlation with labels",
        "smile_sign_accuracy": "sign right",
        "female_area_under_curve": "female, area under the curve",
        "age_error_years": "age, mean error in years",
        "retrieval": "changed pictures found again",
    }
    said = [f"{names[key]}\u00a0{value:.2f}" for key, value in found.judges["validation"].items() if key in names]
    lines = ["Bands and bars: 95 % intervals. Dotted: what a perfect model would give."]
    lines += fill(f"Judges ({found.judges['judge']}), on validation faces: {'; '.join(said)}.", 120).splitlines()
    return "\n".join([*lines, *(fill(f"Note: {warning}", 120) for warning in found.judges["warnings"])])


def _degrees(axis: "Axes", found: "Evaluation", key: str) -> None:
    """One measure against the degree, with its band."""
    rows = [row for row in found.by_degree if key in row]
    x = [row["degree"].value for row in rows]
    axis.plot(x, [row[key].value for row in rows], "o-", color=INK, ms=3.5, lw=1.4)
    low, high = [row[key].low for row in rows], [row[key].high for row in rows]
    axis.fill_between(x, np.array(low, float), np.array(high, float), color=INK, alpha=0.2, lw=0)
    axis.set(xlabel="smile asked for", xticks=range(-3, 4) if min(x) < -1 else INSIDE)


def _control(axis: "Axes", found: "Evaluation") -> None:
    _degrees(axis, found, "read")
    axis.axline((0, 0), slope=1, color=GREY, ls=":", lw=1)
    values = found.figures["control"]
    axis.set(title="Smile read by the judge", ylabel="smile read")
    axis.text(
        0.03,
        0.97,
        f"rank correlation {values['rank correlation'].value:.2f}\nslope inside ±1 {values['slope inside'].value:.2f}",
        transform=axis.transAxes,
        va="top",
    )


def _sweeps(axis: "Axes", found: "Evaluation") -> None:
    x, sweeps = found.curves["sweep_degrees"], np.array(found.curves["sweeps"])
    axis.plot(x, sweeps[:30].T, color=INK, alpha=0.25, lw=0.8)
    axis.plot(x, sweeps.mean(0), color=MARK, lw=2, label=f"mean of {len(sweeps)}")
    share = found.figures["control"]["monotone"].value
    axis.set(title="Identities", xlabel="smile asked for", ylabel="smile read")
    least = found.figures["control"]["least rise inside"].value
    words = f"{percent(share)} never fall, to within\nthe judge's noise; the least rises by {least:.2f}"
    axis.text(0.97, 0.05, words, transform=axis.transAxes, ha="right")
    axis.set_xticks(INSIDE)
    axis.legend(loc="upper left")


def _spread(axis: "Axes", found: "Evaluation") -> None:
    _degrees(axis, found, "spread")
    axis.axhline(1, color=GREY, ls=":", lw=1)
    axis.set(title="Diversity", ylabel="distance between faces\n/ real faces'")
    axis.set_ylim(0, max(1.1, axis.get_ylim()[1]))


def _realism(axis: "Axes", found: "Evaluation") -> None:
    _degrees(axis, found, "frechet / floor")
    axis.axhline(1, color=GREY, ls=":", lw=1)
    axis.set(title="Realism", ylabel="Fréchet distance\n/ real against real")
    axis.set_ylim(bottom=0)


def _energy(axis: "Axes", found: "Evaluation") -> None:
    _degrees(axis, found, "energy")
    axis.axhline(1, color=GREY, ls=":", lw=1)
    axis.set(title="Sharpness", ylabel="gradient energy\n/ real faces'")
    axis.set_ylim(bottom=0)


def _leakage(axis: "Axes", found: "Evaluation") -> None:
    """What changes with the smile that should not; years in decades, so that one axis holds all."""
    figures = found.figures["leakage"]
    names = [name for name in figures if f"{name}, real faces" in figures]
    for i, name in enumerate(names):
        scale = 10 if name == "age" else 1
        _bar(axis, figures[name], i, scale)
        axis.plot(figures[f"{name}, real faces"].value / scale, i, "d", color=GREY, ms=4)
    axis.axvline(0, color=GREY, ls=":", lw=1)
    labels = ["age (decades)" if name == "age" else name for name in names]
    axis.set(title="What else changes", xlabel="per degree of smile (grey: among real faces)")
    axis.set_yticks(range(len(names)), labels)
    axis.set_ylim(len(names) - 0.5, -0.5)


def _shares(axis: "Axes", found: "Evaluation") -> None:
    wanted = [
        ("edits", "right way", "edit by ±0.7\nmoves the right way"),
        ("edits", "found again", "picture found\nafter the edit"),
        ("reconstruction", "found again", "picture found by\nits reconstruction"),
        ("reconstruction", "SSIM", "similarity (SSIM) of\nthe reconstruction"),
        ("diversity", "share of real", "distance between\nfaces / real"),
    ]
    shown = [(found.figures[g][n], title) for g, n, title in wanted if n in found.figures.get(g, {})]
    for i, (figure, _) in enumerate(shown):
        _bar(axis, figure, i, 1)
        at = (figure.value, i)
        axis.annotate(f"{figure.value:.2f}", at, (0, 5), textcoords="offset points", ha="center", fontsize=8)
        if figure.floor:
            axis.plot(figure.floor, i, "|", color=GREY, ms=10)
    axis.set(title="From 0 to 1 (grey: floor)", xlim=(0, 1.08))
    axis.set_yticks(range(len(shown)), [title for _, title in shown])
    axis.set_ylim(len(shown) - 0.5, -0.6)


def _bar(axis: "Axes", figure: Any, at: float, scale: float) -> None:
    low, high = (figure.value if x is None else x for x in (figure.low, figure.high))
    axis.plot(np.array([low, high]) / scale, [at, at], color=INK, lw=2.5, alpha=0.45, solid_capstyle="butt")
    axis.plot(figure.value / scale, at, "o", color=INK, ms=5)


def _unseen(axis: "Axes", found: "Evaluation") -> None:
    values = np.array(found.curves["psnr"])
    axis.hist(values, bins=min(40, max(5, len(values) // 10)), color=INK, alpha=0.6)
    axis.axvline(values.mean(), color=MARK, lw=2)
    words = f"mean {values.mean():.1f} dB"
    axis.text(0.97, 0.95, words, transform=axis.transAxes, ha="right", va="top", color=MARK)
    axis.set(title="Reconstruction of unseen faces", xlabel="PSNR (dB)", ylabel="faces")
