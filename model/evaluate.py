"""Measure a trained model by judges that took no part in its training: figures in evaluation.json, a page of plots.

python -m model.evaluate                                     # the newest finished CVAE, judges trained on its faces
python -m model.evaluate --run runs/utkface --judge face-api # judges off the shelf, fetched once (13 MB)

Faces that trained nothing (validation) are the measure: every figure stands beside what they give against each other.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import shell
from shell import UserError

if TYPE_CHECKING:
    from model.evaluation import Evaluation


@dataclass(frozen=True)
class Settings:
    """Measure a trained model by judges that took no part in its training."""

    run: Path | None = None
    """Folder of the run; by default the newest finished CVAE in runs/, else the model in model/pretrained/."""
    data: Path | None = None
    """The image set; by default the one that the run was trained on."""
    judge: Literal["own", "face-api"] = "own"
    """own: nets trained here on the image set; face-api: nets of the npm package @vladmandic/face-api (MIT licence),
    downloaded once."""
    judges: Path | None = None
    """A run whose own judges are taken instead of training new ones, so that runs can be compared."""
    count: int = 2000
    """Faces per degree for realism, at most as many as there are validation faces."""
    identities: int = 100
    """Identities whose smiles are read at every degree."""
    judge_steps: int = 600
    """Training steps of own judges."""
    seed: int = 0
    """Of identities, judges, and which faces are edited."""
    out: Path | None = None
    """Folder for the results; by default the run's."""


def main(settings: Settings) -> None:
    for name in ("count", "identities", "judge_steps"):
        if getattr(settings, name) < 2:
            raise UserError(f"--{name.replace('_', '-')} {getattr(settings, name)}: expected at least 2.")
    if settings.judges is not None and settings.judge != "own":
        raise UserError(f"--judges {settings.judges} and --judge {settings.judge}: expected one of them.")
    if settings.seed < 0:
        raise UserError(f"--seed {settings.seed}: expected 0 or more.")
    from model import charts
    from model.evaluation import evaluate

    found = evaluate(settings)
    out = settings.out or found.place
    print(table(found))
    shell.write_text(out / "evaluation.json", found.as_json())
    print(f"wrote {out / 'evaluation.json'}")
    print(f"wrote {charts.save_page(found, out / 'evaluation.png')}")
    again = "face-api" if found.judges["judge"] == "own" else "own"
    aside = found.place / again
    command = f"python -m model.evaluate --run {shell.typed(found.folder)} --judge {again}"
    print(f"Next: {command} --out {shell.typed(aside)} asks other judges.")


def table(found: "Evaluation") -> str:
    """All figures, each with its interval and what is to be expected, and the ones that depend on the degree."""
    lines = ["", f"{'':44}{'value':>9}  {'95 % interval':>17}{'floor':>9}{'ceiling':>9}{'n':>7}"]
    for group, figures in found.figures.items():
        lines.append(group)
        for name, f in figures.items():
            between = "" if f.low is None or f.high is None else f"{number(f.low)} .. {number(f.high)}"
            title = f"  {name}" + (f" ({f.unit})" if f.unit else "")
            line = f"{title:44}{number(f.value):>9}  {between:>17}{number(f.floor):>9}{number(f.ceiling):>9}"
            lines.append(f"{line}{f.count:>7}")
    if found.by_degree:
        keys = list(dict.fromkeys(key for row in found.by_degree for key in row))
        lines += ["by degree", "".join(f"{key:>18}" for key in keys)]
        lines += ["".join(f"{number(row[k].value if k in row else None):>18}" for k in keys) for row in found.by_degree]
    said = ", ".join(f"{key.replace('_', ' ')} {number(value)}" for key, value in found.judges["validation"].items())
    lines += [f"judges ({found.judges['judge']}) on validation faces: {said}"]
    lines += [f"note: {warning}" for warning in found.judges["warnings"]]
    return "\n".join(lines)


def number(value: float | None) -> str:
    """Three digits that tell something; nothing for None."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.{1 if abs(value) >= 10 else 3}f}"


if __name__ == "__main__":
    shell.run(main, Settings)
