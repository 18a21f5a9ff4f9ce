"""Small charts as SVG that takes its colours from the page, so that it suits light, dark and paper."""

import re
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import ArrayLike


def number(value: float, form: str = "+.2f") -> str:
    """As text in the format `form`, for a sentence or a terminal; 0 has no sign."""
    text = format(value, form)
    return text.lstrip("+-") if float(text) == 0 else text


def prose(sentence: str) -> str:
    """As markup, with true minus signs before numbers."""
    return re.sub(r"(?<!\w)-(?=\d)", "−", escape(sentence))


def figure(value: float, form: str = "+.2f") -> str:
    """`number` as markup."""
    return prose(number(value, form))


def histogram(
    values: ArrayLike, low: float, high: float, bins: int, width: int, height: int, name: str, unit: str = ""
) -> str:
    """Bars of how many of `values` lie where in [low, high]; those beyond count in the last bars, whose end says so."""
    counts, edges = np.histogram(np.clip(np.asarray(values, dtype=float), low, high), bins, (low, high))
    step = width / bins
    bars = "".join(
        f'<rect x="{i * step + 0.5:.1f}" y="{height - h:.1f}" width="{step - 1:.1f}" height="{h:.1f}">'
        f"<title>{_tick(edges[i], low)} to {_tick(edges[i + 1], low)}{unit}: {n}</title></rect>"
        for i, (n, h) in enumerate(zip(counts, height * counts / max(counts.max(), 1), strict=True))
    )
    ticks = [low, (low + high) / 2, high] if width > 200 else [low, high]
    most = "≥ " if np.any(np.asarray(values, dtype=float) > high) else ""
    axis = _axis(ticks, low, high, width, height, unit, most)
    return _svg(width, height + 16, f'<g class="bars">{bars}</g>{axis}', name)


def intervals(smile: ArrayLike, low: ArrayLike, high: ArrayLike, width: int, height: int, name: str) -> str:
    """All labels from the lowest to the highest, each with its interval as a vertical line."""
    smile, low, high = (np.asarray(values, dtype=float) for values in (smile, low, high))
    order = np.argsort(smile, kind="stable")
    order = order[np.linspace(0, len(order) - 1, min(len(order), 600)).round().astype(int)]
    x = (np.arange(len(order)) + 0.5) * width / max(len(order), 1)

    def y(values: np.ndarray) -> np.ndarray:
        return (1 - values[order]) / 2 * height

    lines = "".join(f"M{a:.1f} {b:.1f}V{c:.1f}" for a, b, c in zip(x, y(low), y(high), strict=True))
    points = "".join(f"{'L' if i else 'M'}{a:.1f} {b:.1f}" for i, (a, b) in enumerate(zip(x, y(smile), strict=True)))
    points += "h0"  # a single one is a dot
    stroke = min(3.0, max(0.8, 0.6 * width / max(len(order), 1)))
    grid = "".join(
        f'<path class="grid" d="M0 {(1 - value) / 2 * height:.1f}H{width}"/>'
        f'<text x="{width + 6}" y="{(1 - value) / 2 * height + 4:.1f}">{_tick(value, -1)}</text>'
        for value in (-1, -0.5, 0, 0.5, 1)
    )
    body = f'{grid}<path class="interval" d="{lines}" stroke-width="{stroke:.1f}"/>'
    body += f'<path class="under" d="{points}"/><path class="line" d="{points}"/>'
    return _svg(width + 36, height, body, name, pad=8)


def relation(
    points: Sequence[tuple[float, float, float, float]],
    curve: Sequence[tuple[float, float]],
    y_ticks: Sequence[float],
    axes: tuple[str, str],
    marks: Sequence[tuple[float, str]] = (),
    same_scale: bool = False,
    width: int = 390,
    height: int = 270,
) -> str:
    """Points (x, y, low, high) with their intervals and a curve (x, y); `axes` names x and y.

    `marks` are vertical lines with a word each; `same_scale` adds the line on which y is x.
    """
    xs = [x for x, *_ in points]
    left, right = min(xs), max(xs)
    bottom, top = min(y_ticks), max(y_ticks)

    def at(x: float, y: float) -> str:
        return f"{(x - left) / (right - left) * width:.1f} {(top - y) / (top - bottom) * height:.1f}"

    grid = "".join(
        f'<path class="grid" d="M{at(left, y)}H{width}"/>'
        f'<text x="-14" y="{(top - y) / (top - bottom) * height + 4:.1f}" text-anchor="end">{_tick(y, bottom)}</text>'
        for y in y_ticks
    )
    x_ticks = "".join(
        f'<text x="{(x - left) / (right - left) * width:.1f}" y="{height + 20}" text-anchor="middle">'
        f"{_tick(x, left)}</text>"
        for x in (xs if len(xs) <= 9 else np.linspace(left, right, 5).round(2))
    )
    first, last = max(left, bottom), min(right, top)
    diagonal = f'<path class="aside" d="M{at(first, first)}L{at(last, last)}"/>' if same_scale and first < last else ""
    verticals = "".join(
        f'<path class="aside" d="M{at(x, bottom)}V0"/>'
        f'<text x="{(x - left) / (right - left) * width:.1f}" y="-6" text-anchor="middle">{prose(word)}</text>'
        for x, word in marks
    )
    line = "".join(f"{'L' if i else 'M'}{at(x, y)}" for i, (x, y) in enumerate(curve))
    bars = "".join(f"M{at(x, low)}L{at(x, high)}" for x, _, low, high in points)
    dots = "".join(
        '<circle cx="{}" cy="{}" r="4"><title>{}: {}</title></circle>'.format(
            *at(x, y).split(), _tick(x, left), _tick(round(y, 2), bottom)
        )
        for x, y, *_ in points
    )
    names = (
        f'<text x="{width / 2}" y="{height + 40}" text-anchor="middle">{escape(axes[0])}</text>'
        f'<text x="-44" y="{height / 2}" text-anchor="middle" transform="rotate(-90 -44 {height / 2})">'
        f"{escape(axes[1])}</text>"
    )
    body = (
        f'{grid}{x_ticks}{diagonal}{verticals}<path class="interval" stroke-width="5" d="{bars}"/>'
        f'<path class="line" d="{line}"/><g class="bars">{dots}</g>{names}'
    )
    box = f"-56 -20 {width + 72} {height + 66}"
    return f'<svg viewBox="{box}" width="{width + 72}" {_named(f"{axes[1]} against {axes[0]}")}>{body}</svg>'


def correlation_bar(r: float, width: int = 160, height: int = 12) -> str:
    """A bar from 0 to r on a scale from -1 to 1."""
    middle = width / 2
    x, length = min(middle, middle + r * middle), abs(r) * middle
    body = (
        f'<path class="grid" d="M0 {height / 2}H{width}M{middle} 0V{height}"/>'
        f'<g class="bars"><rect x="{x:.1f}" y="2" width="{length:.1f}" height="{height - 4}"/></g>'
    )
    return _svg(width, height, body)  # the number stands beside it


def scrolled(markup: str, name: str) -> str:
    """What may be wider than a telephone, to be moved sideways by keys too."""
    return f'<div class="wide" tabindex="0" role="region" aria-label="{escape(name)}">{markup}</div>'


def _tick(value: float, lowest: float) -> str:
    """With a sign where the axis that begins at `lowest` has both."""
    return figure(value, "+g" if lowest < 0 else "g")


def _axis(ticks: Sequence[float], low: float, high: float, width: int, height: int, unit: str, most: str) -> str:
    labels = []
    for i, tick in enumerate(ticks):
        anchor = "start" if i == 0 else "end" if i == len(ticks) - 1 else "middle"
        x = (tick - low) / (high - low) * width
        word = (most if i == len(ticks) - 1 else "") + _tick(tick, low) + escape(unit)
        labels.append(f'<text x="{x:.1f}" y="{height + 13}" text-anchor="{anchor}">{word}</text>')
    return f'<path class="grid" d="M0 {height}H{width}"/>' + "".join(labels)


def _svg(width: float, height: float, body: str, name: str = "", pad: int = 0) -> str:
    box = f"{-pad} {-pad} {width + 2 * pad} {height + 2 * pad}"
    return f'<svg viewBox="{box}" width="{width + 2 * pad}" {_named(name)}>{body}</svg>'


def _named(name: str) -> str:
    """What says to a screen reader that there is a chart, and which one; without a name, that there is none."""
    return f'role="img" aria-label="{escape(name)}"' if name else 'aria-hidden="true"'
