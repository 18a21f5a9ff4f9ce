"""The report's section on what people see when the model is asked for a degree: asked against perceived."""

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from data.calibration import ASKED, PERCEIVED, Calibration
from labeling import charts
from labeling.psychometric import FEWEST_DEGREES
from shell import percent, plural

if TYPE_CHECKING:
    import pandas as pd

STEPS = 120  # of a drawn curve


def calibration_section(calibration: Calibration) -> str:
    """Both curves, what they say in words, and their table, as HTML."""
    rows = "".join(
        f"<tr><th>{charts.figure(asked)}<td>{charts.figure(perceived)}"
        f"<td>{charts.figure(low)} to {charts.figure(high)}"
        f"<td>{percent(smiley)}<td>{votes:,}</tr>"
        for asked, perceived, low, high, smiley, votes in zip(
            calibration.asked,
            calibration.perceived,
            calibration.perceived_low,
            calibration.perceived_high,
            calibration.smiley,
            calibration.votes,
            strict=True,
        )
    )
    head = "<tr><th>asked<th>perceived<th>90 % interval<th>smiley<th>votes</tr>"
    return (
        f"<section><h2>Calibration</h2>{_words(calibration)}"
        f'<div class="pair">{_perceived_chart(calibration)}{_psychometric_chart(calibration)}</div>'
        + charts.scrolled(f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>", "Calibration")
        + "</section>"
    )


def findings(calibration: Calibration) -> list[str]:
    """What was found, in sentences."""
    low, high = map(charts.number, calibration.range)
    pse, pse_low, pse_high = map(charts.number, calibration.pse)
    slope, slope_low, slope_high = calibration.slope
    lowest, highest = calibration.asked[0], calibration.asked[-1]
    first, last, grows_from, grows_to = (
        charts.number(degree, "+g") for degree in (lowest, highest, calibration.grows_from, calibration.grows_to)
    )
    people = "the simulated subjects" if calibration.simulated else "people"
    lapses = f"{percent(calibration.lapse)} of the answers do not depend on the degree"
    if len(calibration.asked) < FEWEST_DEGREES:
        lapses = "of two degrees it is a guess, for how many answers do not depend on the degree cannot be told"
    said = [f"Asked for {first} to {last}, the model shows what {people} see as {low} to {high}."]
    if lowest <= calibration.pse[0] <= highest:
        said += [
            f"Half of the answers are smiley at {pse} (90 % interval {pse_low} to {pse_high}).",
            f"The slope there is {slope:.2f} per unit of asked degree ({slope_low:.2f} to {slope_high:.2f}); {lapses}.",
        ]
    else:
        said.append("At no asked degree are half of the answers smiley.")
    if calibration.grows_from >= calibration.grows_to:
        return [*said, "These answers do not tell any two asked degrees apart."]
    if calibration.grows_to < highest:
        said.append(f"From {grows_to} on, the answers cannot be told from those at {last}.")
    if calibration.grows_from > lowest:
        said.append(f"Up to {grows_from}, the answers cannot be told from those at {first}.")
    if calibration.grows_to == highest and calibration.grows_from == lowest:
        said.append("The answers grow over the whole asked range.")
    return said


def aims(calibration: Calibration, metadata: "pd.DataFrame") -> list[str]:
    """Whether faces that were made to be seen at a degree (`perceived_smile`) are: a sentence; none where none were."""
    if PERCEIVED not in metadata:
        return []
    wanted = dict(zip(metadata[ASKED], metadata[PERCEIVED], strict=True))
    ends = zip(
        calibration.asked, calibration.perceived, calibration.perceived_low, calibration.perceived_high, strict=True
    )
    said = [
        "{} as {} ({} to {})".format(*map(charts.number, (wanted[asked], seen, low, high)))
        for asked, seen, low, high in ends
        if asked in wanted
    ]
    return [f"Faces that were made to be seen as a degree are seen (90 % interval): {'; '.join(said)}."] if said else []


def _words(calibration: Calibration) -> str:
    people = ("simulated " if calibration.simulated else "") + plural(calibration.subjects, "subject")
    caution = (
        '<p class="warning">One subject: the intervals speak of other faces, not of other people, and the curve is too '
        "far from 0 (by a tenth or more), for by one vote a face is one thing or the other.</p>"
        if calibration.subjects == 1
        else ""
    )
    items = "".join(f"<li>{charts.prose(sentence)}</li>" for sentence in findings(calibration))
    return (
        f"<p>{calibration.subjects:,} {people} judged {calibration.identities:,} identities that the model "
        f"{escape(calibration.model)} made at known degrees of smile. Perceived is the mean label that very many such "
        f"subjects would give to faces of one degree. Intervals are of 90 %, over subjects and identities.</p>"
        f"{caution}<ul>{items}</ul>"
    )


def _perceived_chart(calibration: Calibration) -> str:
    points = list(
        zip(
            calibration.asked,
            calibration.perceived,
            calibration.perceived_low,
            calibration.perceived_high,
            strict=True,
        )
    )
    curve = [(x, calibration.to_perceived(x)) for x in _steps(calibration)]
    ends = (calibration.grows_from, calibration.grows_to)
    words = [
        (x, word)
        for x, word in zip(ends, ("alike up to here", "alike from here"), strict=True)
        if ends[0] < ends[1] and calibration.asked[0] < x < calibration.asked[-1]
    ]
    chart = charts.relation(
        points, curve, (-1, -0.5, 0, 0.5, 1), ("asked degree", "perceived degree"), words, same_scale=True
    )
    return f"<div><h3>Perceived degree; dotted: perceived as asked</h3>{chart}</div>"


def _psychometric_chart(calibration: Calibration) -> str:
    points = list(
        zip(calibration.asked, calibration.smiley, calibration.smiley_low, calibration.smiley_high, strict=True)
    )
    curve = [(x, calibration.probability(x)) for x in _steps(calibration)]
    pse = calibration.pse[0]
    inside = calibration.asked[0] < pse < calibration.asked[-1]
    chart = charts.relation(
        points,
        curve,
        (0, 0.25, 0.5, 0.75, 1),
        ("asked degree", "share of smiley"),
        [(pse, f"one half at {charts.number(pse)}")] if inside else [],
    )
    return f"<div><h3>Psychometric function</h3>{chart}</div>"


def _steps(calibration: Calibration) -> list[float]:
    return [float(x) for x in np.linspace(calibration.asked[0], calibration.asked[-1], STEPS)]
