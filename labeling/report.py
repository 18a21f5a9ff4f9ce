"""One page with what a reviewer asks of the labels: data/<set>/labels.html, self-contained.

    python -m labeling.report --data data/utkface     # of labels that are there already, without any trials

`labeling.build` writes it with everything; from a label table alone it shows what can be shown.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import shell

if TYPE_CHECKING:
    import pandas as pd

    from data import ImageSet
    from labeling.reliability import Reliability

THUMBNAIL = 96
SHOWN = 8  # faces per row of thumbnails


@dataclass(frozen=True)
class Settings:
    """Write the report on the labels that an image set has."""

    data: Path = Path("data/faces")
    """The image set."""


@dataclass(frozen=True)
class Recorded:
    """What is known of the trials behind the labels."""

    trials: "pd.DataFrame"
    subjects: "pd.DataFrame"
    """`labeling.subjects.describe`."""
    method: str
    notes: Sequence[str]
    """What was left out and decided, one sentence each."""
    reliability: "Reliability | None"
    alpha: float
    procedure: Mapping[str, str] = field(default_factory=dict)
    """`labeling.procedure.procedure`; nothing of a table made elsewhere."""


def main(settings: Settings) -> None:
    import data
    from labeling.sidecar import describes
    from shell import UserError

    images = data.open_set(settings.data)
    labels = images.labels()
    if labels.empty:
        raise UserError(f"{settings.data}: no labels; python -m labeling.build makes them from recorded sessions.")
    if (images.folder / "labels.html").exists() and describes(images.folder / "labels.csv"):
        raise UserError(
            f"{images.folder / 'labels.html'}: labeling.build wrote it, and what it says of subjects and reliability "
            "is not in the labels; labeling.build writes it anew."
        )
    print(write_report(images, labels))
    print("Next: open it in a browser.")


def write_report(images: "ImageSet", labels: "pd.DataFrame", recorded: Recorded | None = None) -> Path:
    """Write labels.html into the set's folder and return its path.

    `labels` has at least `image` and `smile`; sections whose data are not there are left out.
    """
    from data import calibration
    from labeling.calibration_section import calibration_section

    sections = [_overview(labels, recorded), _distribution(labels), _faces(images, labels)]
    if recorded is not None:
        sections += [_reliability(recorded), _subjects(recorded), _procedure(recorded)]
    if (images.folder / calibration.FILE).exists():
        sections.insert(1, calibration_section(calibration.read_calibration(images.folder)))
    sections.append(_confounds(labels, images.metadata_in_words()))
    title = f"Labels of {images.name}"
    path = images.folder / "labels.html"
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    body = "\n".join(filter(None, sections))
    page = PAGE.format(title=escape(title), style=style, body=body, date=date.today(), version=shell.version())
    shell.write_text(path, page)
    return path


def _overview(labels: "pd.DataFrame", recorded: Recorded | None) -> str:
    from labeling import charts

    figures = [(f"{len(labels):,}", shell.plural(len(labels), "face") + " labelled")]
    if recorded is not None:
        figures += [
            (f"{len(recorded.subjects):,}", shell.plural(len(recorded.subjects), "subject")),
            (f"{len(recorded.trials):,}", shell.plural(len(recorded.trials), "trial")),
            (f"{labels['votes'].sum():,}", f"{shell.plural(labels['votes'].sum(), 'vote')} counted"),
            (f"{labels['votes'].median():g}", "votes per face, median"),
        ]
    if "smile_se" in labels:
        figures.append((f"{labels['smile_se'].median():.2f}", "standard error, median"))
    tiles = "".join(f"<div><b>{value}</b><span>{escape(name)}</span></div>" for value, name in figures)
    notes = ""
    if recorded is not None:
        items = "".join(f"<li>{charts.prose(note)}</li>" for note in recorded.notes)
        notes = f"<p>Method: <b>{escape(recorded.method)}</b>.</p><ul>{items}</ul>"
    return f'<div class="tiles">{tiles}</div>{notes}'


def _distribution(labels: "pd.DataFrame") -> str:
    from labeling import charts

    name = f"How many of {shell.counted(len(labels), 'label')} lie where from -1 to 1"
    text = "<p>How many faces have which degree of smile, from −1 (not smiley) to +1 (smiley).</p>"
    text += charts.scrolled(charts.histogram(labels["smile"], -1, 1, 40, 820, 120, name), name)
    if {"smile_low", "smile_high"} <= set(labels):
        told = f"{shell.counted(len(labels), 'label')} from the lowest to the highest, with 90 % intervals"
        text += (
            "<p>All faces from the least to the most smiling. Each line is the 90 % interval of the label that very "
            "many subjects of the same kind would give.</p>"
            + charts.scrolled(
                charts.intervals(labels["smile"], labels["smile_low"], labels["smile_high"], 780, 220, told), told
            )
        )
    return _section("Distribution", text)


def _faces(images: "ImageSet", labels: "pd.DataFrame") -> str:
    from labeling import charts

    labels = labels[labels["image"].isin(images.names)]  # a table may name any file of this machine
    ordered = labels.sort_values(["smile", "image"])
    rows = [("Most smiling", ordered.iloc[::-1]), ("Least smiling", ordered)]
    if {"smile_low", "smile_high"} <= set(labels):
        straddling = labels[(labels["smile_low"] < 0) & (labels["smile_high"] > 0)]
        width = straddling["smile_high"] - straddling["smile_low"]
        disputed = straddling.loc[(straddling["smile"].abs() - width).sort_values(kind="stable").index]
        rows.append(("Most disputed: near 0, with the widest intervals", disputed))
    text = ""
    for name, table in rows:
        figures = [
            f'<figure><img src="{picture}" alt="{escape(str(row.image))}" width="{THUMBNAIL}" height="{THUMBNAIL}">'
            f'<figcaption title="{escape(str(row.image))}">{charts.figure(row.smile)}</figcaption></figure>'
            for row in table.head(SHOWN).itertuples()
            if (picture := _thumbnail(images.path(str(row.image))))
        ]
        if figures:
            text += f'<h3>{name}</h3><div class="faces">{"".join(figures)}</div>'
    return _section("Faces", text) if text else ""


def _thumbnail(path: Path) -> str:
    """The picture as a data URL, "" where it cannot be read."""
    from data.decoding import BadPicture, decode

    try:
        picture = decode(path, 2 * THUMBNAIL)  # sharp on dense displays
    except BadPicture:
        return ""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _reliability(recorded: Recorded) -> str:
    items = []
    found = recorded.reliability
    if found is not None:
        items.append(
            f"<li><b>Reliability {found.full:.2f}</b> (split-half {found.split_half:.2f}, by Spearman-Brown): "
            "how well these labels would correlate with labels by as many other subjects.</li>"
            f"<li><b>{found.more_to_halve_error:,} more subjects</b> like these would halve the error of the labels; "
            f"{found.subjects_for(0.9):,} subjects in all give a reliability of 0.90, "
            f"{found.subjects_for(0.95):,} of 0.95.</li>"
        )
        if found.by_chance:
            items.append(f"<li><b>Beware</b>: {found.doubt}.</li>")
    elif recorded.alpha == recorded.alpha:
        items.append(
            "<li><b>No reliability can be told</b>: labels by one half of the subjects do not go along with those by "
            "the other half, or the halves share fewer than three faces.</li>"
        )
    if recorded.alpha == recorded.alpha:
        words = "high" if recorded.alpha >= 0.8 else "moderate" if recorded.alpha >= 0.667 else "low"
        items.append(
            f"<li><b>Krippendorff's alpha {recorded.alpha:.2f}</b>: {words} agreement of single votes; 1 is perfect, "
            "0 is chance. Single votes may well disagree on faces that smile a little; the labels rest on many.</li>"
        )
    if not items:
        items = [
            "<li>It takes at least two subjects who judge the same faces to tell how reliable the labels are.</li>"
        ]
    return _section("Reliability", f"<ul>{''.join(items)}</ul>")


def _subjects(recorded: Recorded) -> str:
    from labeling import charts
    from labeling.votes import is_vote

    table = recorded.subjects
    answered = recorded.trials[is_vote(recorded.trials)].dropna(subset=["response_time"])
    times = dict(list(answered.groupby(answered["subject"].astype(str))["response_time"]))
    longest_s = max(1.0, round(4 * float(table["median_rt_s"].median(skipna=True) or 0), 0))
    columns = {
        "responses": table["votes"],
        "missed": _counts(table["missed"]),
        "pressed too early": _counts(table["anticipations"]),
        "under 0.15\N{NO-BREAK SPACE}s": _counts(table["fast_guesses"]),
        "median time": table["median_rt_s"].map(_seconds),
        "middle half": table["rt_iqr_s"].map(_seconds),
        "response times": [
            charts.histogram(times.get(name, []), 0, longest_s, 30, 120, 26, f"Response times of {name}", " s")
            for name in table.index
        ],
        "smiley": table["smiley"].map(_percent),
        "agreement": table["agreement"].map(_percent),
        "accuracy": table["accuracy"].map(_percent),
        "repeats alike": table["consistency"].map(_percent),
    }
    columns = {
        name: [str(cell) for cell in cells] for name, cells in columns.items() if any(cell != "" for cell in cells)
    }
    head = "".join(f"<th>{name}" for name in columns)
    rows = []
    for name, flags, *cells in zip(table.index, table["flags"], *columns.values(), strict=True):
        flag = f'<span class="flag">{escape(flags)}</span>' if flags else ""
        rows.append(f"<tr><th>{escape(name)}{flag}</th><td>{'<td>'.join(cells)}</tr>")
    text = (
        "<p>Agreement: the share of votes that are what most other subjects say. Accuracy: the estimated probability "
        "of a vote for what the face is, from all votes together; of few votes it is near everybody's mean.</p>"
        + charts.scrolled(
            f"<table><thead><tr><th>subject{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>", "Subjects"
        )
    )
    return _section("Subjects", text)


def _procedure(recorded: Recorded) -> str:
    from labeling import charts

    if not recorded.procedure:
        return ""
    rows = "".join(f"<tr><th>{name}<td>{escape(words)}</tr>" for name, words in recorded.procedure.items())
    text = "<p>What a methods section asks for, from the files of the recordings.</p>"
    table = f'<table class="facts"><tbody>{rows}</tbody></table>'
    return _section("Recordings", text + charts.scrolled(table, "Recordings"))


def _confounds(labels: "pd.DataFrame", metadata: "pd.DataFrame") -> str:
    from labeling import charts
    from labeling.confounds import WARN_ABOVE, confounds

    found = confounds(labels, metadata)
    if found.empty:
        return ""
    warned = ", ".join(
        f"{_spelled(row.what)} (r = {charts.number(row.r)})" for row in found[found["warn"]].itertuples()
    )
    warning = (
        f'<p class="warning"><b>The labels go along with {charts.prose(warned)}.</b> A model that learns from them may '
        "change this together with the smile.</p>"
        if warned
        else f"<p>Nothing that is known about the faces goes along with the labels by |r| &gt; {WARN_ABOVE} "
        "and more than chance would.</p>"
    )
    rows = "".join(
        f"<tr{' class=warned' if row.warn else ''}><th>{escape(_spelled(row.what))}<td>{charts.figure(row.r)}"
        f"<td>{charts.correlation_bar(row.r)}<td>{row.n:,}</tr>"
        for row in found.head(30).itertuples()
    )
    head = "<tr><th>metadata<th>r<th>−1 to +1<th>faces</tr>"
    table = f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"
    return _section("Confounds", warning + charts.scrolled(table, "Confounds"))


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>"


def _spelled(what: str) -> str:
    """A column of the metadata in words."""
    return what.replace("_", " ")


def _counts(column: "pd.Series") -> "pd.Series":
    """How often something was done by each subject; empty where nobody did it."""
    return column if column.any() else column.map(lambda _: "")


def _seconds(value: float) -> str:
    return "" if value != value else f"{value:.2f} s"


def _percent(value: float) -> str:
    return "" if value != value else shell.percent(value)


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
<footer>Made on {date} by SmileCVAE {version}.</footer>
</main>
</body>
</html>
"""

if __name__ == "__main__":
    shell.run(main, Settings)
