"""Source: drawn faces as an image set. The true smile of each is known, so every stage can be measured against it."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from PIL import Image

from data.drawn import draw, faces
from data.images import describe, read_about
from data.sources import new_pictures, put_labels_aside
from shell import UserError, progress

if TYPE_CHECKING:
    from data.prepare import Drawn


def prepare_drawn(settings: "Drawn") -> Path:
    """Draw `settings.count` faces into the set `settings.data`; returns its folder.

    metadata.csv gets `true_smile` (in [-1, 1], never used in training) and each person's traits. A finished set
    that was drawn with the same settings is left as it is.

    Raises
    ------
    UserError
        The set exists with other pictures and `force` is off.
    """
    if settings.count < 1 or settings.seed < 0 or not 16 <= settings.size <= 2048:
        asked = f"--count {settings.count} --seed {settings.seed} --size {settings.size}"
        raise UserError(f"{asked}: expected at least 1 face, a seed of 0 or more, 16 to 2048 pixels.")
    drawn = {"count": settings.count, "seed": settings.seed, "size": settings.size}
    about = {"name": "drawn faces", "source": "data.prepare drawn", "licence": "CC0-1.0", **drawn}
    if not settings.force and read_about(settings.data) == about and (settings.data / "images").is_dir():
        print(f"{settings.data}: drawn already")
        return settings.data
    rows = []
    with new_pictures(settings.data, settings.force) as images:
        for face in progress(faces(settings.count, settings.seed), "drawing", settings.count, "face"):
            Image.fromarray(draw(face.identity, face.true_smile, settings.size)).save(images / face.file_name)
            rows.append({"image": face.file_name, "true_smile": face.true_smile, **face.traits})
        put_labels_aside(settings.data)
    describe(settings.data, pd.DataFrame(rows), about)
    print(f"{settings.count:,} faces drawn")
    return settings.data
