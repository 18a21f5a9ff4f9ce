"""`--batch auto`: the batch is found by measurement, kept in the config, and used by a resumed run."""

import math
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from data.prepare import Drawn
from data.prepare import main as prepare
from model import batches, devices, fitting, runs, training
from model.batches import choose, fastest_batch
from model.cvae import CVAE
from model.devices import autocast
from model.faces import Faces
from model.train import Settings
from model.training import make_batch, train
from shell import UserError

CPU = torch.device("cpu")
ROOT = Path(__file__).parent.parent
TINY = Settings(kind="vae", size=16, latent=8, width=16, steps=4, batch="auto", log_every=2, save_every=2)


@pytest.fixture
def faces() -> Faces:
    """80 faces that are noise, of which every tenth is kept for validation."""
    pictures = np.random.default_rng(0).integers(0, 256, (80, 16, 16, 3), dtype=np.uint8)
    unknown = np.full(80, np.nan)
    return Faces(pictures, [f"{i}.png" for i in range(80)], np.arange(80) % 10 > 0, unknown, np.empty((80, 0)))


def test_the_smallest_batch_that_is_about_as_fast_as_the_fastest_is_chosen() -> None:
    assert choose({32: 50.0, 64: 98.0, 128: 100.0, 256: 99.0}) == 64
    assert choose({32: 50.0, 64: 96.0, 128: 100.0}) == 128


def test_only_batches_of_which_there_are_enough_faces_are_tried(
    faces: Faces, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(batches, "MEASURED_S", 0.0)
    assert fastest_batch(TINY, faces, CPU) in (32, 64)
    told = capsys.readouterr().out
    assert "32: " in told and "64: " in told and "128" not in told
    few = replace(faces, train=np.arange(80) < 20)
    assert fastest_batch(TINY, few, CPU) == 20


def test_what_takes_too_long_is_not_tried(faces: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BUDGET_S", 0.0)
    assert fastest_batch(TINY, faces, CPU) == 32


def test_a_machine_without_room_is_told_so(faces: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(batches, "training_step", full)
    with pytest.raises(UserError, match="not even 32 pictures fit"):
        fastest_batch(TINY, faces, CPU)


def test_the_batch_found_is_kept_and_resumed_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(Drawn(count=60, size=16))
    found = iter([24])
    monkeypatch.setattr(batches, "fastest_batch", lambda *_: next(found))
    run = train(TINY)
    assert runs.read_config(run)["batch"] == 24
    (run / "model.safetensors").unlink()
    train(replace(TINY, resume=True, run=run))  # measures nothing: only one was found
    assert runs.read_config(run)["batch"] == 24


def test_a_mirrored_picture_is_mirrored_and_pixels_come_channels_last(faces: Faces) -> None:
    where, mirrored = np.array([3, 5]), torch.tensor([True, False])
    x, _ = faces.batch(where, CPU, mirrored)
    assert x.is_contiguous(memory_format=torch.channels_last)
    expected = faces.pictures[where].astype(np.float32) / 255
    np.testing.assert_array_equal(x[0].permute(1, 2, 0), expected[0, :, ::-1])
    np.testing.assert_array_equal(x[1].permute(1, 2, 0), expected[1])


def test_pictures_on_the_device_give_the_batch_of_pictures_in_the_file(faces: Faces) -> None:
    there = replace(faces, resident=torch.from_numpy(faces.pictures))
    settings = replace(TINY, batch=16)
    for a, b in zip(make_batch(faces, 7, 16, settings, CPU), make_batch(there, 7, 16, settings, CPU), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


def test_pictures_on_one_device_come_to_the_one_that_is_asked_for(faces: Faces) -> None:
    there = replace(faces, resident=torch.from_numpy(faces.pictures).to("meta"))
    assert there.batch(np.array([3, 5]), torch.device("meta"))[0].device.type == "meta"
    elsewhere = replace(faces, resident=torch.from_numpy(faces.pictures))  # as after a training on a GPU
    x, c = elsewhere.batch(np.array([3, 5]), torch.device("meta"), torch.tensor([True, False]))
    assert x.device.type == c.device.type == "meta"


def test_parts_of_processes_make_up_the_batch_of_one(faces: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(TINY, batch=16)
    one = make_batch(faces, 3, 16, settings, CPU)
    parts = []
    for half in (slice(0, 8), slice(8, 16)):
        monkeypatch.setattr(training.distributed, "part", lambda _, half=half: half)
        parts.append(make_batch(faces, 3, 16, settings, CPU))
    for whole, *some in zip(one, *parts, strict=True):
        torch.testing.assert_close(torch.cat(some), whole, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(("can", "bf16_s", "expected"), [(True, 0.5, True), (True, 2.0, False), (False, 0.5, False)])
def test_bf16_is_taken_where_it_is_faster(
    can: bool, bf16_s: float, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": can})
    monkeypatch.setattr(devices, "product_s", lambda dtype: bf16_s if dtype == torch.bfloat16 else 1.0)
    assert devices.multiplies_bf16.__wrapped__("cpu") is expected


def test_measuring_leaves_the_threads_as_they_are() -> None:
    before = torch.get_num_threads()
    assert 0 < devices.product_s(torch.float32) < 1
    assert torch.get_num_threads() == before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of GNU's C library")
def test_kept_memory_is_taken_again_as_it_is() -> None:
    """In a process of its own, for it holds for the whole process."""
    count = """if True:
        import resource, torch
        from model.devices import keep_memory
        keep_memory()
        def faults():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            for _ in range(10):
                torch.ones(16, 2**20)  # 64 MiB, 16,384 pages
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        faults(), print(faults())
    """
    found = subprocess.run([sys.executable, "-c", count], capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(found.stdout) < 1000


def test_precision_is_what_was_asked_for() -> None:
    a = torch.ones(2, 2)
    for precision, expected in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with autocast(CPU, precision):  # type: ignore[arg-type]
            assert (a @ a).dtype == expected


def test_validation_is_the_mean_over_the_faces_that_train_nothing(faces: Faces) -> None:
    network = CVAE(16, 8, 16, kind="ae")
    found = training.validate(network, faces, CPU, replace(TINY, precision="fp32"))
    x, _ = faces.batch(np.arange(0, 80, 10), CPU)
    with torch.no_grad():
        mse = (network.eval()(x, torch.zeros(8, 8))[0] - x).square().mean().item()
    assert found["val_psnr"] == pytest.approx(-10 * math.log10(mse), rel=1e-5)
    assert found["val_loss"] == pytest.approx(3 * 16 * 16 / 2 * math.log(mse), rel=1e-5)


def test_each_epoch_has_its_own_order_and_what_one_leaves_out_comes_in_another(faces: Faces) -> None:
    epochs = [tuple(np.concatenate([faces.order(4 * e + i, 16, seed=0) for i in range(4)])) for e in range(8)]
    assert len(set(epochs)) == 8 and len(set(epochs[0])) == 64
    assert set(sum(epochs, ())) == set(faces.training)  # 72


def test_every_second_picture_of_a_batch_is_mirrored(faces: Faces) -> None:
    mirrored = []
    for step in range(40):
        x, plain = (
            make_batch(faces, step, 16, TINY, CPU)[0],
            faces.batch(faces.order(step, 16, 0), CPU)[0],
        )
        as_it_is, flipped = ((x == other).flatten(1).all(1) for other in (plain, plain.flip(3)))
        assert (as_it_is ^ flipped).all()
        mirrored += flipped.tolist()
    assert 0.42 < np.mean(mirrored) < 0.58


def test_the_rate_is_that_of_the_steps_since_the_row_above() -> None:
    before = {"step": 10, "seconds": 4.0}
    state = SimpleNamespace(recent=[torch.ones(4)], rows=[before], step=12, seconds=6.0)
    assert training.row(state, 16)["rate"] == 16  # type: ignore[arg-type]


@pytest.mark.parametrize(("most", "found"), [(100, 72), (10, 10)])
def test_the_latent_space_is_fitted_to_training_faces_but_not_to_millions(
    faces: Faces, monkeypatch: pytest.MonkeyPatch, most: int, found: int
) -> None:
    monkeypatch.setattr(fitting, "FITTED", most)
    encoded = list(fitting.encode_training_faces(CVAE(16, 8, 16, kind="vae"), faces, faces.attributes, CPU))
    assert sum(len(mu) for mu, _, _ in encoded) == found
