"""Walking through the latent space."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import opened

import model
from model import pictures, traverse
from model.traverse import Settings, main
from shell import UserError

pytestmark = pytest.mark.usefixtures("every_crop_is_a_face")


def test_principal_axes_are_orthogonal_and_rebuild_the_covariance(drawn_run: Path) -> None:
    faces = model.load(drawn_run)
    steps = torch.stack([axis.step for axis in traverse.axes(faces, pca=True)])
    torch.testing.assert_close(steps.T @ steps, faces.latent.factor @ faces.latent.factor.T, atol=1e-4, rtol=1e-3)
    lengths = steps.norm(dim=1)
    assert (lengths.diff() <= 1e-6).all()
    torch.testing.assert_close(steps @ steps.T, lengths.square().diag(), atol=1e-4, rtol=1e-3)


def test_every_dimension_comes_once_with_its_own_standard_deviation(drawn_run: Path) -> None:
    faces = model.load(drawn_run)
    found = traverse.axes(faces, pca=False)
    assert {axis.name for axis in found} == {f"z {i}" for i in range(8)}
    total = sum(axis.step for axis in found)
    torch.testing.assert_close(total.square(), (faces.latent.factor @ faces.latent.factor.T).diagonal())


def test_the_middle_of_each_walk_is_the_face_itself(drawn_run: Path) -> None:
    faces = model.load(drawn_run)
    at, stops = faces.identities(1)[0], torch.tensor([-1.0, 0.0, 1.0])
    itself = pictures.to_uint8(faces.decode(at[None]))[0].astype(int)
    for row in (
        traverse.walk(faces, at, traverse.axes(faces, True)[0].step, stops),
        traverse.walk_smile(faces, at, stops),
    ):
        assert np.abs(row[1] - itself).max() <= 1 and np.abs(row[0].astype(int) - row[2]).max() > 0


def test_a_walk_at_the_mean_face_and_at_a_given_one(
    drawn_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    face = next((drawn_run.parent / "faces/images").iterdir())
    main(Settings(axis="all", run=drawn_run, out=tmp_path))
    main(Settings(pca=True, axis="2", image=face, run=drawn_run, out=tmp_path))
    assert str(tmp_path / "latent.png") in capsys.readouterr().out
    every = opened(tmp_path / "traverse_dimensions.png")
    one = opened(tmp_path / f"traverse_axes_{face.stem}.png")
    assert every.height - one.height == 7 * (16 + pictures.GAP)  # 8 + smile against 1 + smile


def test_an_unknown_axis_is_one_sentence(drawn_run: Path) -> None:
    for wrong in ({"axis": "8"}, {"axis": "nose"}, {"steps": 1}, {"reach": 0.0}):
        with pytest.raises(UserError):
            main(Settings(run=drawn_run, **wrong))  # type: ignore[arg-type]


def test_a_training_records_the_activity_of_each_dimension(drawn_run: Path) -> None:
    table = pd.read_csv(drawn_run / "latent_activity.csv")
    assert table["step"].tolist() == [30, 60] and table.shape == (2, 9)
    assert (table.drop(columns="step") > 0).all(axis=None)
