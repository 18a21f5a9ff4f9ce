"""What a finished model is given afterwards, by model.prior, model.sharpen and model.detail: their training is one."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import model
from model import detail, lesson_settings, lessons, pack, prior, runs, sharpen, smile_model
from model.detail_lesson import DetailLesson
from model.faces import Faces
from model.lessons import Lesson, learn
from model.prior_lesson import PriorLesson
from model.sharpen_lesson import SharpenLesson
from model.train import Settings as Train
from model.training import train
from shell import UserError

LESSONS: list[tuple[type[Lesson], type[lesson_settings.Settings]]] = [
    (DetailLesson, detail.Settings),
    (PriorLesson, prior.Settings),
    (SharpenLesson, sharpen.Settings),
]


@pytest.fixture(params=LESSONS, ids=lambda lesson: lesson[0].NAME)
def taught(request: pytest.FixtureRequest) -> tuple[type[Lesson], type[lesson_settings.Settings]]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def lesson(taught: tuple[type[Lesson], type[lesson_settings.Settings]]) -> type[Lesson]:
    return taught[0]


@pytest.fixture
def tiny(
    taught: tuple[type[Lesson], type[lesson_settings.Settings]], drawn_run: Path, tmp_path: Path
) -> lesson_settings.Settings:
    return taught[1](drawn_run, tmp_path / "out", steps=12, batch=8, ema=0.5, log_every=2, save_every=4)


def test_a_resumed_training_ends_as_one_never_stopped(
    lesson: type[Lesson], tiny: lesson_settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pd.read_csv(learn(tiny, lesson) / f"{lesson.NAME}.csv")
    step = lessons.training_step

    def power_cut(state: lessons.State, *rest: object) -> None:
        if state.step == 6:
            raise RuntimeError("power cut")
        step(state, *rest)  # type: ignore[arg-type]

    cut = replace(tiny, out=tiny.out.with_name("cut"))  # type: ignore[union-attr]
    monkeypatch.setattr(lessons, "training_step", power_cut)
    with pytest.raises(RuntimeError, match="power cut"):
        learn(cut, lesson)
    with pytest.raises(
        UserError, match=rf"not finished; python -m model.{lesson.NAME} --run \S+ --out {cut.out} --resume"
    ):
        smile_model.load(cut.out)
    monkeypatch.setattr(lessons, "training_step", step)
    resumed = pd.read_csv(learn(type(tiny)(tiny.run, cut.out, resume=True), lesson) / f"{lesson.NAME}.csv")
    pd.testing.assert_frame_equal(resumed, whole, check_exact=True)


def test_a_training_goes_on_with_its_model_and_its_settings_alone(
    lesson: type[Lesson], tiny: lesson_settings.Settings, tmp_path: Path
) -> None:
    begun_with = replace(tiny, out=learn(tiny, lesson))
    with pytest.raises(UserError, match="began with --steps 12, not 99"):
        learn(replace(begun_with, steps=99, resume=True), lesson)
    assert tiny.run is not None
    shutil.copytree(tiny.run, tmp_path / "other")
    runs.write_config(tmp_path / "other", runs.read_config(tiny.run) | {"focus": 0.5})
    with pytest.raises(UserError, match="began with another model"):
        learn(replace(begun_with, run=tmp_path / "other", resume=True), lesson)


def test_a_folder_is_replaced_only_by_force_and_only_if_it_is_ours(
    lesson: type[Lesson], tiny: lesson_settings.Settings, tmp_path: Path
) -> None:
    learn(tiny, lesson)
    with pytest.raises(UserError, match="exists"):
        learn(tiny, lesson)
    learn(replace(tiny, force=True), lesson)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="exists"):
        learn(replace(tiny, out=tmp_path / "mine", force=True), lesson)
    assert (tmp_path / "mine" / "notes.txt").exists()


def test_two_trainings_do_not_share_a_folder(lesson: type[Lesson], tiny: lesson_settings.Settings) -> None:
    assert tiny.out is not None
    with runs.alone(tiny.out), pytest.raises(UserError, match="another training writes here"):
        learn(tiny, lesson)
    learn(tiny, lesson)
    for change in ({"resume": True}, {"force": True}):
        with runs.alone(tiny.out), pytest.raises(UserError, match="another training writes here"):
            learn(replace(tiny, **change), lesson)  # type: ignore[arg-type]
    assert model.load(tiny.out)


def test_the_model_that_it_goes_on_with_is_never_replaced(
    lesson: type[Lesson], tiny: lesson_settings.Settings, tmp_path: Path
) -> None:
    first = learn(tiny, lesson)
    with pytest.raises(UserError, match="exists"):
        learn(replace(tiny, run=first, out=first, force=True), lesson)
    later = {DetailLesson: LESSONS[1], PriorLesson: LESSONS[2], SharpenLesson: LESSONS[1]}[lesson]  # type: ignore[index]
    second = learn(later[1](first, tmp_path / "second", steps=2, batch=8, log_every=2, save_every=2), later[0])
    with pytest.raises(UserError, match="exists"):  # what model.prior made of it is not model.detail's to replace
        learn(replace(tiny, out=second, force=True), lesson)
    assert model.load(first) and model.load(second)


def test_what_is_learned_again_is_kept_with_how_it_was_before(
    lesson: type[Lesson], tiny: lesson_settings.Settings
) -> None:
    first = model.load(learn(tiny, lesson))
    second = model.load(learn(replace(tiny, run=first.folder, out=None, seed=1), lesson))
    assert second.hash != first.hash
    record = second.config[lesson.NAME]
    assert record["seed"] == 1 and record["model"] == first.hash and record["before"] == first.config[lesson.NAME]


def test_model_train_does_not_go_on_with_it(lesson: type[Lesson], tiny: lesson_settings.Settings) -> None:
    with pytest.raises(UserError, match=f"was made by model.{lesson.NAME}"):
        train(replace(Train(), run=learn(tiny, lesson), resume=True))


@pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 0), (1, 2), (2, 1), (2, 0)])
def test_a_model_can_learn_one_after_the_other_and_is_given_away_packed(
    one: int, other: int, drawn_run: Path, tmp_path: Path
) -> None:
    folders = [drawn_run]
    for lesson, settings in (LESSONS[one], LESSONS[other]):
        few = settings(folders[-1], tmp_path / lesson.NAME, steps=12, batch=8, ema=0.5, log_every=2, save_every=4)
        folders.append(learn(few, lesson))
    models = [model.load(folder) for folder in folders]
    assert len({each.hash for each in models}) == 3
    both = models[-1]
    assert (both.prior is not None, both.detail is not None) == (1 in (one, other), 0 in (one, other))
    pack.main(pack.Settings(both.folder, tmp_path / "packed"))
    packed = model.load(tmp_path / "packed")
    assert (packed.prior is not None, packed.detail is not None) == (1 in (one, other), 0 in (one, other))
    files, kept = ({path.name for path in each.folder.glob("*.safetensors")} for each in (both, packed))
    assert kept == files - {"reader.safetensors"}
    assert (packed.sample(0.5, 2) - both.sample(0.5, 2)).abs().max() < 0.1


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch": 0}, {"lr": 0.0}, {"ema": 1.0}, {"save_every": 3}])
def test_impossible_settings_are_one_sentence(
    lesson: type[Lesson], tiny: lesson_settings.Settings, wrong: dict[str, float]
) -> None:
    with pytest.raises(UserError, match="expected"):
        learn(replace(tiny, **wrong), lesson)  # type: ignore[arg-type]
    assert tiny.out is not None and not tiny.out.exists()


def test_a_model_whose_faces_are_not_here_is_one_sentence(
    lesson: type[Lesson], tiny: lesson_settings.Settings, tmp_path: Path
) -> None:
    assert tiny.run is not None
    shutil.copytree(tiny.run, tmp_path / "moved")
    runs.write_config(tmp_path / "moved", runs.read_config(tiny.run) | {"data": "data/gone"})
    with pytest.raises(UserError, match="data/gone: no image set here"):
        learn(replace(tiny, run=tmp_path / "moved"), lesson)
    assert tiny.out is not None and not tiny.out.exists()


def test_one_stopped_before_its_first_checkpoint_resumes_too(
    lesson: type[Lesson], tiny: lesson_settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ctrl_c(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(lessons, "new_state", ctrl_c)
        learn(tiny, lesson)
    assert tiny.out is not None
    (tiny.out / "model.safetensors").unlink()  # stopped while files were copied
    assert model.load(learn(replace(tiny, resume=True), lesson)).config[lesson.NAME]["steps"] == tiny.steps


def test_a_set_without_faces_for_validation_teaches_all_the_same(
    lesson: type[Lesson], tiny: lesson_settings.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = lessons.load_faces

    def all_train(*given: Any) -> Faces:
        faces = load(*given)
        return replace(faces, train=np.ones_like(faces.train))

    monkeypatch.setattr(lessons, "load_faces", all_train)
    table = pd.read_csv(learn(tiny, lesson) / f"{lesson.NAME}.csv")
    assert table["val_loss"].isna().all()


def test_pictures_cannot_come_on_the_way(lesson: type[Lesson], tiny: lesson_settings.Settings, tmp_path: Path) -> None:
    assert tiny.run is not None
    images = shutil.copytree(runs.read_config(tiny.run)["data"], tmp_path / "faces") / "images"
    shutil.copytree(tiny.run, tmp_path / "run")
    runs.write_config(tmp_path / "run", runs.read_config(tiny.run) | {"data": str(tmp_path / "faces")})
    begun = replace(tiny, run=tmp_path / "run")
    learn(begun, lesson)
    shutil.copy(next(images.iterdir()), images / "new.png")
    with pytest.raises(UserError, match="began with other pictures than"):
        learn(replace(begun, resume=True), lesson)


def test_nothing_to_resume_is_one_sentence(lesson: type[Lesson], tiny: lesson_settings.Settings) -> None:
    with pytest.raises(UserError, match="nothing to resume"):
        learn(replace(tiny, resume=True), lesson)


def test_a_damaged_smile_reader_is_told_and_leaves_no_run(
    lesson: type[Lesson], tiny: lesson_settings.Settings, tmp_path: Path
) -> None:
    assert tiny.run is not None and tiny.out is not None
    damaged = Path(shutil.copytree(tiny.run, tmp_path / "damaged"))
    (damaged / "reader.safetensors").write_bytes(b"none")
    with pytest.raises(UserError, match=r"damaged/reader\.safetensors"):
        learn(replace(tiny, run=damaged), lesson)
    assert not tiny.out.exists()
