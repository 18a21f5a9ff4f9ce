"""The judges: whose labels teach them, what they learn, how they are stored; and the off-the-shelf nets' arithmetic."""

import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from data import is_validation, open_set
from data.prepare import Drawn
from data.prepare import main as prepare
from model import faceapi, judges, judging
from model.folds import READER_FOLDS, judge_labels, label_fold, may_teach_reader
from model.judge_nets import Attribute, contrast, known_attributes
from shell import UserError

NAMES = [f"{i:05d}.png" for i in range(2000)]


# whose labels


def test_no_label_teaches_both_the_reader_and_the_judge() -> None:
    config = {"kind": "cvae", "reader_folds": list(READER_FOLDS)}
    judge, warning = judge_labels(NAMES, config)
    reader = may_teach_reader(NAMES)
    assert not (judge & reader).any() and (judge | reader).all() and not warning
    assert reader.mean() == pytest.approx(0.9 * 3 / 5, abs=0.03)


def test_folds_have_nothing_to_do_with_the_validation_split() -> None:
    folds = np.array([label_fold(name) for name in NAMES])
    validation = np.array([is_validation(name) for name in NAMES])
    assert np.bincount(folds[validation], minlength=5).min() > 20


def test_a_run_that_does_not_say_so_leaves_its_judge_only_validation_faces() -> None:
    judge, warning = judge_labels(NAMES, {"kind": "cvae"})
    assert judge.tolist() == [is_validation(name) for name in NAMES] and not warning


def test_with_too_few_labels_the_judge_takes_all_and_says_so() -> None:
    judge, warning = judge_labels(NAMES[:100], {"kind": "cvae"})
    assert judge.all() and "not independent" in warning


def test_without_a_reader_all_labels_are_the_judges() -> None:
    assert judge_labels(NAMES[:100], {"kind": "vae"})[0].all()


# own judges


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data/faces: 300 drawn faces, 60 of them labelled by their true smile."""
    folder = tmp_path_factory.mktemp("place")
    prepare(Drawn(count=300, size=64, data=folder / "faces"))
    known = pd.read_csv(folder / "faces/metadata.csv")[:60]
    known.assign(smile=0.5 * known["true_smile"])[["image", "smile"]].to_csv(folder / "faces/labels.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def made(place: Path) -> judges.Judges:
    return judging.make_judges("own", open_set(place / "faces"), {"kind": "cvae"}, steps=4, seed=0)


def test_where_the_truth_is_known_it_teaches_and_labels_give_the_scale(place: Path, made: judges.Judges) -> None:
    images = open_set(place / "faces")
    pictures, names = images.pictures(64)
    truth = images.metadata().set_index("image").reindex(names)["true_smile"].to_numpy()
    said = made.smile(pictures)
    unseen = [i for i, name in enumerate(names) if is_validation(name)]
    assert np.corrcoef(said[unseen], truth[unseen])[0, 1] > 0.4
    labels = images.labels().set_index("image").reindex(names)["smile"].to_numpy()
    labelled = np.isfinite(labels)
    assert np.polyfit(labels[labelled], said[labelled], 1) == pytest.approx([1, 0], abs=1e-6)
    free = sum(not is_validation(name) for name, known in zip(names, labelled, strict=True) if not known)
    assert made.about["taught_by"] == {"truth": free} and not made.about["warnings"]


def test_descriptors_have_unit_length_and_attributes_are_in_range(place: Path, made: judges.Judges) -> None:
    pictures = open_set(place / "faces").pictures(64)[0][:20]
    np.testing.assert_allclose(np.linalg.norm(made.describe(pictures), axis=1), 1)
    said = made.attributes(pictures)
    assert {"age", "p(female)"} <= said.keys()
    assert ((said["p(female)"] > 0) & (said["p(female)"] < 1)).all()


def test_stored_judges_say_the_same(place: Path, made: judges.Judges, tmp_path: Path) -> None:
    pictures = open_set(place / "faces").pictures(64)[0][:20]
    judges.save(made, tmp_path)
    again = judges.load(tmp_path)
    np.testing.assert_allclose(again.smile(pictures), made.smile(pictures), atol=1e-6)
    np.testing.assert_allclose(again.describe(pictures), made.describe(pictures), atol=1e-6)
    assert again.about == json.loads(json.dumps(made.about))


def test_judges_of_other_faces_are_others(place: Path, made: judges.Judges, tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    shutil.copytree(place / "faces", folder)
    recipes = [judging.recipe("own", open_set(folder), {"kind": "cvae"}, steps=4, seed=0)]
    assert recipes[0].items() <= made.about.items()
    known = pd.read_csv(folder / "metadata.csv")
    known.assign(age=known["age"] + 1).to_csv(folder / "metadata.csv", index=False)
    recipes.append(judging.recipe("own", open_set(folder), {"kind": "cvae"}, steps=4, seed=0))
    (folder / "images" / known["image"].iloc[-1]).unlink()
    recipes.append(judging.recipe("own", open_set(folder), {"kind": "cvae"}, steps=4, seed=0))
    assert len({recipe["faces"] for recipe in recipes}) == 3


def test_a_run_without_judges_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"python -m model.evaluate --run"):
        judges.load(tmp_path)


def test_damaged_judges_are_one_sentence(made: judges.Judges, tmp_path: Path) -> None:
    judges.save(made, tmp_path)
    (tmp_path / "judges.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match="does not hold judges"):
        judges.load(tmp_path)


def test_categories_are_one_however_they_are_written_and_unknown_ones_teach_nothing() -> None:
    table = pd.DataFrame({"gender": ["male", "female", None], "race": [0.0, 2.0, np.nan], "age": [20, 40, np.nan]})
    age, gender, race = known_attributes(table)
    assert gender.categories == ("female", "male") and race.categories == ("0", "2")
    assert race.targets(table["race"]).tolist() == [0, 1, -100]
    assert gender.reading(torch.zeros(1, 2)).keys() == {"p(female)"}
    assert age.reading(torch.zeros(1, 1))["age"] == 30
    assert race.loss(torch.zeros(3, 2), torch.tensor([-100, -100, -100])) == 0


def test_of_two_genders_the_probability_is_that_of_female() -> None:
    for categories, at in ((("0", "1"), 1), (("female", "male"), 0)):
        said = torch.full((1, 2), -9.0)
        said[0, at] = 9.0
        assert Attribute("gender", categories=categories).reading(said)["p(female)"][0] > 0.99


def test_where_genders_are_1_and_2_none_is_taken_for_female() -> None:
    assert Attribute("gender", categories=("1", "2")).reading(torch.zeros(1, 2)).keys() == {"p(2)"}


def test_two_views_of_one_picture_are_to_be_alike() -> None:
    views = torch.eye(4)
    assert contrast(views, views) < contrast(views, views.roll(1, 0))


# off the shelf


def test_weights_are_unpacked_as_tensorflow_js_stores_them() -> None:
    stored = bytes([0, 10, 255]) + np.array([1.5, -2], "<f4").tobytes()
    entries = [
        {"name": "a", "shape": [3], "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1.0}},
        {"name": "b", "shape": [2]},
    ]
    weights = faceapi.unpack(entries, stored)
    assert weights["a"].tolist() == [-1, 4, 126.5] and weights["b"].tolist() == [1.5, -2]


def test_filters_come_in_torchs_layout() -> None:
    values = np.arange(2 * 2 * 3 * 4, dtype="<f4")
    entry = {"name": "filters", "shape": [2, 2, 3, 4]}
    filters = faceapi.unpack([entry], values.tobytes())["filters"]
    assert filters.shape == (4, 3, 2, 2)
    assert filters[1, 2, 0, 1] == values.reshape(2, 2, 3, 4)[0, 1, 2, 1]
    entry = {"name": "depthwise_filter", "shape": [2, 2, 12, 1]}
    assert faceapi.unpack([entry], values.tobytes())["depthwise_filter"].shape == (12, 1, 2, 2)


def test_resizing_is_tensorflows_old_way() -> None:
    x = torch.tensor([0.0, 10, 20]).expand(1, 1, 3, 3)
    wide = faceapi.resize(x, 6)[0, 0, 0]
    assert wide.tolist() == pytest.approx([0, 5, 10, 15, 20, 20])


def test_padding_is_tensorflows_same() -> None:
    x = torch.ones(1, 1, 4, 4)
    assert faceapi.same(x, 3, 2).shape == (1, 1, 5, 5)  # one pixel, last
    assert faceapi.same(x, 3, 2)[0, 0, 0, 0] == 1 and faceapi.same(x, 3, 2)[0, 0, -1, -1] == 0
    assert faceapi.same(x, 3, 1).shape == (1, 1, 6, 6)


def test_an_archive_that_is_not_the_package_is_refused_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faceapi, "CACHE", tmp_path)
    faceapi.archive().write_bytes(b"something else")
    with pytest.raises(UserError, match="sha512"):
        faceapi.fetch()
    assert not faceapi.archive().exists()


def test_offline_is_one_sentence_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faceapi, "CACHE", tmp_path)
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9/")
    with pytest.raises(UserError, match=r"^http://127.0.0.1:9/@vladmandic/face-api/-/.*copy it into .*\.$") as told:
        faceapi.fetch()
    assert str(tmp_path) in str(told.value) and "--judge own" not in str(told.value)  # there may be no image set
    with pytest.raises(UserError, match=r"copy it into .*, or take --judge own, which needs no download\.$"):
        faceapi.fetch("take --judge own, which needs no download")


def test_a_run_judged_off_the_shelf_needs_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faceapi, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9/")
    (tmp_path / "judges.json").write_text(json.dumps({"judge": "face-api"}))
    with pytest.raises(UserError, match="--judge face-api brings it"):
        judges.load(tmp_path, fetch=False)
    with pytest.raises(UserError, match=r"^http://127.0.0.1:9/"):
        judges.load(tmp_path)


def test_the_nets_run_on_weights_from_an_archive(tmp_path: Path) -> None:
    nets = faceapi.FaceApi(fake_package(tmp_path / "package.tgz"))
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    assert nets.happiness(pictures).shape == (3,)
    assert np.linalg.norm(nets.describe(pictures), axis=1) == pytest.approx(1)
    assert nets.attributes(pictures).keys() == {"age", "p(female)"}


def fake_package(path: Path) -> Path:
    """An archive as npm's with nets of the right shapes and random weights."""
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for net, shapes in (
            ("face_expression", expression_shapes()),
            ("face_recognition", recognition_shapes()),
            ("age_gender", age_gender_shapes()),
        ):
            entries, content = [], b""
            for name, shape in shapes.items():
                fan_in = max(1, int(np.prod(shape[:-1])))
                scale = {"dtype": "uint8", "scale": 2 / 255 / fan_in**0.5, "min": -1 / fan_in**0.5}
                entries.append({"name": name, "shape": list(shape), "quantization": scale})
                content += np.random.default_rng(len(name)).integers(0, 256, shape, dtype=np.uint8).tobytes()
            manifest = json.dumps([{"weights": entries, "paths": [f"{net}_model.bin"]}]).encode()
            for end, data in ((".bin", content), ("-weights_manifest.json", manifest)):
                member = tarfile.TarInfo(f"package/model/{net}_model{end}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return path


Shapes = dict[str, tuple[int, ...]]


def plain(name: str, size: int, before: int, after: int) -> Shapes:
    return {f"{name}/filters": (size, size, before, after), f"{name}/bias": (after,)}


def separable(name: str, before: int, after: int) -> Shapes:
    depthwise: Shapes = {f"{name}/depthwise_filter": (3, 3, before, 1)}
    return depthwise | {f"{name}/pointwise_filter": (1, 1, before, after), f"{name}/bias": (after,)}


def expression_shapes() -> Shapes:
    shapes: Shapes = {}
    for block, (before, after) in enumerate(((3, 32), (32, 64), (64, 128), (128, 256))):
        first = f"dense{block}/conv0"
        shapes |= separable(first, before, after) if block else plain(first, 3, before, after)
        for layer in (1, 2, 3):
            shapes |= separable(f"dense{block}/conv{layer}", after, after)
    return shapes | {"fc/weights": (256, 7), "fc/bias": (7,)}


def recognition_shapes() -> Shapes:
    shapes: Shapes = {}

    def layer(name: str, size: int, before: int, after: int) -> None:
        shapes.update(plain(f"{name}/conv", size, before, after))
        shapes.update({f"{name}/scale/weights": (after,), f"{name}/scale/biases": (after,)})

    layer("conv32_down", 7, 3, 32)
    before = 32
    for width, names in ((32, "123"), (64, "d123"), (128, "d12"), (256, "d12o")):
        for name in names:
            title = {"d": f"conv{width}_down", "o": f"conv{width}_down_out"}.get(name, f"conv{width}_{name}")
            layer(f"{title}/conv1", 3, before, width)
            layer(f"{title}/conv2", 3, width, width)
            before = width
    return shapes | {"fc": (256, 128)}


def age_gender_shapes() -> Shapes:
    shapes = plain("entry_flow/conv_in", 3, 3, 32)
    for name, before, after in (
        ("entry_flow/reduction_block_0", 32, 64),
        ("entry_flow/reduction_block_1", 64, 128),
        ("exit_flow/reduction_block", 128, 256),
    ):
        shapes |= separable(f"{name}/separable_conv0", before, after)
        shapes |= separable(f"{name}/separable_conv1", after, after)
        shapes |= plain(f"{name}/expansion_conv", 1, before, after)
    for block in (0, 1):
        for layer in (0, 1, 2):
            shapes |= separable(f"middle_flow/main_block_{block}/separable_conv{layer}", 128, 128)
    shapes |= separable("exit_flow/separable_conv", 256, 512)
    heads: Shapes = {"fc/age/weights": (512, 1), "fc/age/bias": (1,)}
    return shapes | heads | {"fc/gender/weights": (512, 2), "fc/gender/bias": (2,)}


def test_attributes_as_other_sets_write_them() -> None:
    known = known_attributes(pd.DataFrame({"age": ["20-29", "30-39"], "gender": ["m", "w"]}))
    assert [attribute.name for attribute in known] == ["gender"]
    assert list(known[0].reading(torch.zeros(1, 2))) == ["p(w)"]


def test_a_gender_that_nobody_knows_says_nothing_of_the_judge() -> None:
    class Right:
        def describe(self, pictures: judges.Pictures) -> judging.Floats:
            return np.eye(len(pictures))

        def happiness(self, pictures: judges.Pictures) -> judging.Floats:
            return np.zeros(len(pictures))

        def attributes(self, pictures: judges.Pictures) -> dict[str, judging.Floats]:
            return {"p(female)": pictures[:, 0, 0, 0] / 255}

    pictures = np.zeros((4, 8, 8, 3), np.uint8)
    pictures[:, 0, 0, 0] = 200, 10, 250, 250
    made = judges.Judges(Right(), {"judge": "own", "data": "x"})
    judging.examine(made, pictures, np.arange(4), pd.DataFrame({"gender": ["female", "male", None, None]}))
    assert made.about["validation"]["female_area_under_curve"] == 1


def test_labels_that_are_all_alike_have_no_scale(place: Path) -> None:
    with pytest.raises(UserError, match="all 12 labels are 1"):
        judging.on_label_scale(np.linspace(0, 1, 12), np.ones(12), open_set(place / "faces"))
