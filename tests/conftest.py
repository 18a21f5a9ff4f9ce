"""What holds for all tests."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from PIL import Image

EXAMPLES = int(os.environ.get("EXAMPLES", "300"))  # of what reads and scores votes; 100,000 once, after a change of it
settings.register_profile("ours", deadline=None)  # a busy machine is no reason to fail
settings.load_profile("ours")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A real Chromium without a window, driven by playwright; the test is skipped where either is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("needs a Chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def drawn_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished tiny CVAE of 60 drawn faces (16 px, 8 latent dimensions); the set is in its config."""
    import pandas as pd

    from data.prepare import Drawn
    from data.prepare import main as prepare
    from model.train import Settings
    from model.training import train

    place = tmp_path_factory.mktemp("drawn")
    faces = place / "faces"
    prepare(Drawn(count=60, size=64, data=faces))
    known = pd.read_csv(faces / "metadata.csv")[:40].rename(columns={"true_smile": "smile"})
    known[["image", "smile"]].to_csv(faces / "labels.csv", index=False)
    tiny = Settings(data=faces, run=place / "run", size=16, latent=8, width=16, steps=60, batch=16)
    return train(replace(tiny, ema=0.9, reader_rounds=1, reader_steps=2, log_every=10, save_every=30))


def opened(path: Path) -> Image.Image:
    """The picture in a file, which is closed again."""
    with Image.open(path) as picture:
        picture.load()
        return picture.copy()


@pytest.fixture
def few_show_how_a_smile_rises(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of whether degrees are fitted, not of how well: thousands of drawn faces take most of their time."""
    from model import fitting

    monkeypatch.setattr(fitting, "ALONG", 16)


@pytest.fixture
def every_crop_is_a_face(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that saw 60 drawn faces for a second explains none well enough to know that they are faces."""
    from model import crops

    monkeypatch.setattr(crops, "LEAST_EXPLAINED", -float("inf"))
