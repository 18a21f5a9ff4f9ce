"""Make a stimulus set: people who do not exist, each at several degrees of smile, ready for the annotator.

    python -m model.stimuli --identities 40 --smiles -1 -0.5 0 0.5 1 --out data/stimuli
    python -m model.stimuli --match-luminance --out data/even      # one mean luminance and contrast for all
    python -m model.stimuli --ages 18 60 --out data/adults         # years as a net reads them, which may be wrong
    python -m model.stimuli --calibrated data/stimuli --smiles -0.5 0.5 --out data/graded   # degrees as people see them

The set holds images/, metadata.csv (who, which degree, what a judge reads), set.json (how it was made), conditions.csv
for PsychoPy and overview.png. People's answers to it become its calibration: `python -m annotator`, then `python -m
labeling.build`.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shell
from data.calibration import ASKED, IDENTITY, MADE_BY, MODEL, PERCEIVED, calibration_of, record_of, warn_of_simulation
from data.images import describe, read_about
from data.sources import judged_by_people, new_pictures, put_aside, put_labels_aside, refuse_old_pictures
from model.degrees import check_degrees, signed
from shell import UserError, progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.judges import Judges
    from model.screening import Floats, Screening
    from model.smile_model import SmileModel

    Faces = NDArray[np.uint8]  # (I, K, S, S, 3)

MOST_DRAWN = 10  # times the wanted identities; a model that needs more has another problem
MOST_DRAWN_BY_AGE = 100  # the same where ages are asked for: few may be that old
TOGETHER = 16  # identities that are decoded and judged at a time
SAMPLES = 128  # from which is learned what the model's faces look like
SAMPLES_SEED = 2**31 - 1
ANNOTATOR_SHOWS = 200  # its default --limit
Z = 1.645  # of a 90 % interval
SHOWN = 8  # identities in overview.png
OURS = re.compile(r"\d{4,}_[+-]?\d+\.\d+\.png")  # how pictures of a stimulus set are named


@dataclass(frozen=True)
class Settings:
    """Make a stimulus set: people who do not exist, each at several degrees of smile."""

    identities: int = 40
    """How many people."""
    smiles: tuple[float, ...] = (-1.0, -0.5, 0.0, 0.5, 1.0)
    """Degrees of smile, each person at all of them."""
    out: Path = Path("data/stimuli")
    """The image set to make."""
    run: Path | None = None
    """Folder of the run; by default the newest finished CVAE in runs/, else the model in model/pretrained/."""
    seed: int = 0
    """Of the identities; number i of a seed is the same person as in model.sample."""
    match_luminance: bool = False
    """Give all faces one mean luminance and one contrast."""
    calibrated: Path | None = None
    """A stimulus set of this model that people have judged: --smiles are degrees as people see them."""
    screening: bool = True
    """Leave out failures, people who change more than the smile, and near-duplicates, by the run's judges, and torn
    faces, by the model's encoder."""
    ages: tuple[float, float] | None = None
    """Youngest and oldest person, in years as the run's judges read them; by default all ages, babies too."""
    sessions: Path = Path("sessions")
    """Where recordings lie; a set that people have judged is never replaced."""
    force: bool = False
    """Replace a stimulus set that exists, unless people have judged it."""


def main(settings: Settings) -> None:
    check(settings)
    from model import smile_model

    model = smile_model.load(settings.run)
    print(f"model: {model.title}")
    asked = asked_degrees(settings, model.hash)
    # now, because a set that takes the place of the calibrated one puts its calibration aside
    calibration = None if settings.calibrated is None else record_of(settings.calibrated)
    judges = open_judges(model, settings.screening)
    with new_pictures(settings.out, settings.force) as images:
        numbers, faces, screening = draw(model, judges if settings.screening else None, asked, settings)
        who = person_columns(judges, faces)  # as the screening sees them, whatever is done to the light
        if settings.match_luminance:
            from model.luminance import match

            faces = match(faces.reshape(-1, *faces.shape[2:])).reshape(faces.shape)
        rows = list(named(numbers, settings.smiles, asked, settings.calibrated is not None))
        save(images, [row["image"] for row in rows], faces)
        read = read_columns(judges, faces)  # before the pictures take their place
        put_labels_aside(settings.out)
        put_aside(settings.out / "conditions.csv", "conditions")
    left_out = {} if screening is None else screening.left_out
    found = {
        "judge": None if judges is None else judges.name,
        "calibration": calibration,
        "thresholds": None if screening is None else screening.thresholds,
        "left_out": {reason: len(numbers) for reason, numbers in left_out.items()},
        "left_out_identities": left_out,
    }
    write_tables(settings, model, rows, {**read, **who}, found)
    write_overview(settings, faces)
    made = "1 person" if len(numbers) == 1 else f"{len(numbers)} people"
    print(f"{made} at {shell.counted(len(asked), 'degree')}" + (f"; left out: {told(left_out)}" if left_out else ""))
    limit = f" --limit {len(rows)}" if len(rows) > ANNOTATOR_SHOWS else ""
    print(f"Image set: {settings.out}")
    print(f"Next: python -m annotator --subject me --data {shell.typed(settings.out)}{limit}")


def check(settings: Settings) -> None:
    """Raise a UserError for settings that make no sense, and for a set that must stay, before any work is done."""
    if settings.identities < 1 or settings.seed < 0:
        asked = f"--identities {settings.identities} --seed {settings.seed}"
        raise UserError(f"{asked}: expected at least 1, and 0 or more.")
    smiles = settings.smiles
    check_degrees("--smiles", smiles)
    if not smiles or len(set(smiles)) < len(smiles):
        raise UserError(f"--smiles {' '.join(map(str, smiles))}: expected numbers, each once.")
    if settings.ages is not None:
        check_ages(settings.ages, settings.screening)
    about = read_about(settings.out)
    if about and about.get("source") != MADE_BY:
        raise UserError(f"{settings.out}: holds pictures of another kind ({about.get('source')}); --out names another.")
    there = (settings.out / "images").iterdir() if (settings.out / "images").is_dir() else ()
    if not about and (foreign := next((path.name for path in there if not OURS.fullmatch(path.name)), None)):
        raise UserError(f"{settings.out}: holds pictures that were not made here ({foreign}); --out names another.")
    shown_by = judged_by_people(settings.out, settings.sessions)
    if shown_by is not None and (settings.out / "images").exists():
        raise UserError(
            f"{settings.out}: people have judged this set ({shown_by}), so it stays as it is; --out names another."
        )
    refuse_old_pictures(settings.out, settings.force)  # at once, not when all is loaded and fetched


def check_ages(ages: tuple[float, float], screening: bool) -> None:
    low, high = ages
    if not 0 <= low < high < math.inf:  # NaN is not either
        raise UserError(f"--ages {low:g} {high:g}: expected two ages in years, 0 or more, the lower one first.")
    if not screening:
        raise UserError("--ages: it is the screening that reads ages; leave out --no-screening.")


def asked_degrees(settings: Settings, model_hash: str) -> "Floats":
    """(K,) what the model is asked for."""
    import numpy as np

    if settings.calibrated is None:
        return np.array(settings.smiles)
    calibration = calibration_of(settings.calibrated, model_hash)
    warn_of_simulation(calibration)
    return np.array([calibration.to_asked(smile) for smile in settings.smiles])


def open_judges(model: "SmileModel", needed: bool) -> "Judges | None":
    """The judges of the model's run; None where they are not at hand, or read no smiles, and are not `needed`."""
    from model import judges

    try:
        made = judges.load(model.folder, fetch=needed)
        made.needs_map()
        return made
    except UserError as error:
        if needed:
            raise UserError(f"{error} --no-screening goes without.") from None
        return None


def draw(
    model: "SmileModel", judges: "Judges | None", asked: "Floats", settings: Settings
) -> "tuple[list[int], Faces, Screening | None]":
    """The first identities of the seed that pass: their numbers, their faces (I, K, S, S, 3), and who let them pass.

    Raises
    ------
    UserError
        Of ten times as many, or a hundred times where ages are asked for, not enough pass.
    """
    import numpy as np

    from model.smile_model import PEOPLE

    most = settings.identities
    if judges is not None:
        most = max(most, min((MOST_DRAWN if settings.ages is None else MOST_DRAWN_BY_AGE) * most, PEOPLE))
    people = model.people(most, settings.seed)
    screening = None if judges is None else open_screening(model, judges, asked, settings.ages)
    numbers: list[int] = []
    faces = []
    for first in progress(range(0, most, TOGETHER), "drawing", unit="batch"):
        rendered, cycle = render(model, people[first : first + TOGETHER], asked)
        for i, person in enumerate(rendered, start=first):
            if screening is None or screening.passes(i, person, cycle[i - first]):
                numbers.append(i)
                faces.append(person)
            if len(numbers) == settings.identities:
                return numbers, np.stack(faces), screening
    assert screening is not None
    way_out = "wider --ages" if settings.ages is not None else "--no-screening"
    raise UserError(
        f"{model.folder}: of {most} people drawn {len(numbers)} pass the screening, {settings.identities} are wanted "
        f"(left out: {told(screening.left_out)}); --smiles nearer to 0 or {way_out} make a set."
    )


def told(left_out: Mapping[str, Sequence[int]]) -> str:
    """How many were left out, by reason, the most frequent first."""
    by_count = sorted(left_out.items(), key=lambda item: -len(item[1]))
    return ", ".join(f"{len(numbers)} {reason}" for reason, numbers in by_count)


def render(model: "SmileModel", people: Any, asked: "Floats") -> "tuple[Faces, Floats]":
    """`people` (I, P) at the degrees `asked` (K,) -> faces (I, K, S, S, 3), and their cycle distances (I, K)."""
    import numpy as np

    from model.pictures import to_uint8

    faces, cycle = [], []
    for degree in asked:
        z = model.latents(people, float(degree))
        x = model.picture(z)
        faces.append(to_uint8(x))
        cycle.append(model.cycle_distance(z, x).double().cpu().numpy())
    return np.stack(faces, 1), np.stack(cycle, 1)


def open_screening(
    model: "SmileModel", judges: "Judges", asked: "Floats", ages: tuple[float, float] | None
) -> "Screening":
    """A screening that knows what samples of this model look like at the degrees `asked`.

    Raises
    ------
    UserError
        `ages` are asked for, but the judges read none.
    """
    import numpy as np

    from model.pictures import to_uint8
    from model.screening import Screening, learn_usual

    people = model.people(SAMPLES, SAMPLES_SEED)
    rendered, cycle = render(model, people, asked)
    if ages is not None and "age" not in judges.attributes(rendered[0]):
        raise UserError(f"{model.folder}: the judges read no ages, so --ages cannot choose; leave it out.")
    described = [judges.describe(faces) for faces in rendered.swapaxes(0, 1)]
    apart = (to_uint8(model.picture(model.latents(people, degree))) for degree in (-0.5, 0.5))
    sterner, happier = map(judges.describe, apart)
    return Screening(judges, learn_usual(np.stack(described, 1), sterner, happier, cycle), asked, ages)


def named(
    numbers: Sequence[int], smiles: Sequence[float], asked: "Floats", calibrated: bool
) -> Iterator[dict[str, Any]]:
    """Image, identity, asked and, where `calibrated`, perceived degree of each picture, in the order of the faces."""
    for number in numbers:
        for smile, wish in zip(smiles, asked, strict=True):
            row = {"image": f"{number:04d}_{signed(smile)}.png", IDENTITY: number, ASKED: round(float(wish), 6)}
            yield row | ({PERCEIVED: smile} if calibrated else {})


def save(images: Path, names: Sequence[str], faces: "Faces") -> None:
    """Write the faces (I, K, S, S, 3) as PNG, with fixed settings of its encoder."""
    from PIL import Image

    for name, face in zip(names, faces.reshape(-1, *faces.shape[2:]), strict=True):
        Image.fromarray(face).save(images / name, optimize=False, compress_level=6)


def read_columns(judges: "Judges | None", faces: "Faces") -> "dict[str, Floats]":
    """What the judge reads in each face, and the 90 % interval of that reading; nothing without a judge."""
    import numpy as np

    if judges is None:
        return {}
    read = np.concatenate([judges.smile(person) for person in faces])
    half = Z * judges.smile_error
    columns = {"read_smile": read, "read_low": read - half, "read_high": read + half}
    return {name: values.round(4) for name, values in columns.items()}


def person_columns(judges: "Judges | None", faces: "Faces") -> "dict[str, Floats]":
    """Who the judge takes each person for, age in years and p(female), as far as it reads them.

    Both are means over the person's degrees, the same in each of their rows: a smile alone makes a face read older or
    younger, and a set need not have a degree of 0.
    """
    import numpy as np

    if judges is None:
        return {}
    found = [judges.attributes(person) for person in faces]
    columns = {}
    for name, attribute, digits in (("read_age", "age", 1), ("read_female", "p(female)", 3)):
        if attribute in found[0]:
            means = np.array([attributes[attribute].mean() for attributes in found])
            columns[name] = means.round(digits).repeat(faces.shape[1])
    return columns


def write_tables(
    settings: Settings,
    model: "SmileModel",
    rows: Sequence[Mapping[str, Any]],
    read: "Mapping[str, Floats]",
    found: Mapping[str, Any],
) -> None:
    """conditions.csv, whose columns PsychoPy takes for variables, metadata.csv and set.json, which says `found` too."""
    import pandas as pd

    table = pd.DataFrame(rows)
    path = settings.out / "conditions.csv"
    with shell.whole_file(path) as aside:
        conditions = table.assign(image="images/" + table["image"]).rename(columns={"image": "image_file"})
        conditions.to_csv(aside, index=False, lineterminator="\n")
    metadata = table.assign(**read, **{MODEL: model.hash, "seed": settings.seed})
    about: dict[str, Any] = {
        "name": settings.out.resolve().name,
        "source": MADE_BY,
        "version": shell.version(),
        "licence": model.licence,
        "model": model.hash,
        "seed": settings.seed,
        "identities": settings.identities,
        "degrees": list(settings.smiles),
        "perceived": settings.calibrated is not None,
        "luminance_matched": settings.match_luminance,
        "screened": settings.screening,
        "ages": None if settings.ages is None else list(settings.ages),
    }
    describe(settings.out, metadata, {**about, **found})


def write_overview(settings: Settings, faces: "Faces") -> None:
    """overview.png: the first identities, one per row."""
    from model import pictures

    sheet = pictures.strip(list(faces[:SHOWN]), [signed(smile) for smile in settings.smiles])
    pictures.save(sheet, settings.out / "overview.png")


if __name__ == "__main__":
    shell.run(main, Settings)
