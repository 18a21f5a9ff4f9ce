"""Sharpening: the decoder alone learns, from a critic that knows which face a picture is to be of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model import fitting, opening, runs, sharpen_lesson, smile_model
from model.critic import Critic, Distortion
from model.detail import Settings as DetailSettings
from model.detail_lesson import DetailLesson
from model.faces import load_faces
from model.lessons import learn
from model.prior import Settings as PriorSettings
from model.prior_lesson import PriorLesson
from model.sharpen import Settings
from model.sharpen_lesson import Rivals, SharpenLesson
from model.way import place
from shell import UserError

CPU = torch.device("cpu")
FEW = {"steps": 12, "batch": 8, "log_every": 2, "save_every": 4}


@pytest.fixture
def settings(drawn_run: Path, tmp_path: Path) -> Settings:
    return Settings(drawn_run, tmp_path / "sharp", ema=0.5, **FEW)  # type: ignore[arg-type]


@pytest.fixture
def lesson(settings: Settings) -> SharpenLesson:
    model = smile_model.load(settings.run)
    faces = load_faces(opening.settings_of(model.config), settings.run)  # type: ignore[arg-type]
    return SharpenLesson(model, faces, settings.run, settings, CPU)  # type: ignore[arg-type]


def test_the_decoder_alone_changes(settings: Settings) -> None:
    before, after = smile_model.load(settings.run), smile_model.load(learn(settings, SharpenLesson))
    for name, tensor in before.network.state_dict().items():
        if not name.startswith("decoder"):
            torch.testing.assert_close(after.network.state_dict()[name], tensor, rtol=0, atol=0)
    for name, tensor in vars(before.latent).items():
        torch.testing.assert_close(getattr(after.latent, name), tensor, rtol=0, atol=0)
    z = before.identities(4)
    assert not torch.equal(after.decode(z), before.decode(z))
    assert after.way == before.way


def test_a_share_of_what_was_learned_is_kept(settings: Settings, tmp_path: Path) -> None:
    old = smile_model.load(settings.run)
    half = smile_model.load(learn(replace(settings, share=0.5), SharpenLesson))
    whole = smile_model.load(learn(replace(settings, share=1.0, out=tmp_path / "whole"), SharpenLesson))
    for one, two, three in zip(*(m.network.decoder.parameters() for m in (old, half, whole)), strict=True):
        torch.testing.assert_close(two, (one + three) / 2)


@pytest.mark.usefixtures("few_show_how_a_smile_rises")
def test_a_refined_model_gets_degrees_and_detail_of_what_it_draws_now(settings: Settings, tmp_path: Path) -> None:
    learn(PriorSettings(settings.run, tmp_path / "prior", **FEW), PriorLesson)  # type: ignore[arg-type]
    config = runs.read_config(tmp_path / "prior")
    runs.write_config(tmp_path / "prior", config | {"refine": True, "focus": 9.0})
    before = smile_model.load(tmp_path / "prior")
    after = smile_model.load(learn(replace(settings, run=tmp_path / "prior"), SharpenLesson))
    assert after.focus != 9.0
    assert after.prior is not None
    for name, tensor in before.prior.state_dict().items():  # type: ignore[union-attr]
        torch.testing.assert_close(after.prior.state_dict()[name], tensor, rtol=0, atol=0)
    student = fitting.reader_of(after.folder)
    assert student is not None
    assert after.drawn_way == fitting.find_way(after.space, after.network, student, settings.seed, CPU)
    assert not torch.equal(after.latent.readout[0], before.latent.readout[0])  # the smile's alone is fitted anew
    torch.testing.assert_close(after.latent.readout[1:], before.latent.readout[1:], rtol=0, atol=0)


def test_new_faces_lie_on_the_whole_way_and_keep_their_other_read_outs(lesson: SharpenLesson) -> None:
    half = len(lesson.bank) // 2
    places = lesson.latent.read(lesson.bank)
    low, high = place(torch.tensor([-3.0, 3.0]), lesson.model.drawn_way)
    assert low - 1e-4 <= places[half:].min() and places[half:].max() <= high + 1e-4
    middle, width = (low + high) / 2, high - low
    assert (places[half:] - middle).abs().mean() == pytest.approx(width.item() / 4, rel=0.03)
    standard = lesson._readouts(lesson.bank[:half])
    torch.testing.assert_close(standard.std(0), torch.ones(standard.shape[1]), rtol=0.03, atol=0)


def test_the_penalty_is_half_the_mean_squared_slope(lesson: SharpenLesson) -> None:
    class Linear(Critic):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
            return 3 * x.sum((1, 2, 3)), []

    rivals = Rivals(torch.nn.Identity(), Linear(16, 1))
    found = lesson._penalty(rivals, torch.rand(8, 3, 16, 16), torch.rand(8, 1))
    assert found.item() == pytest.approx(sharpen_lesson.PENALTY * 0.5 * 9 * 3 * 16 * 16)


def test_the_critic_never_pulls_through_its_own_part_of_the_loss(
    lesson: SharpenLesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `adversarial` 0 the critic's loss leaves the decoder alone: its gradient is that of the likeness."""
    net = lesson.net()
    where = lesson.faces.training[:8]
    lesson.settings = replace(lesson.settings, adversarial=0.0)
    grads = []
    for penalty in (0.0, 100.0):
        monkeypatch.setattr(sharpen_lesson, "PENALTY", penalty)
        torch.manual_seed(0)
        net.zero_grad()
        lesson.loss(net, where, torch.Generator().manual_seed(0)).backward()
        grads.append([p.grad.clone() for p in net.decoder.parameters() if p.grad is not None])
        assert all(p.grad is not None for p in net.critic.parameters())
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_picture_and_what_is_drawn_of_it_are_distorted_alike() -> None:
    torch.manual_seed(0)
    distortion, x = Distortion(64, CPU), torch.rand(64, 3, 16, 16)
    torch.testing.assert_close(distortion(x), distortion(x.clone()), rtol=0, atol=0)
    assert not torch.equal(Distortion(64, CPU)(x), distortion(x))


def test_a_distortion_of_no_chance_leaves_the_picture() -> None:
    distortion, x = Distortion(2, CPU), torch.rand(2, 3, 16, 16)
    distortion.brighter = distortion.saturated = distortion.stronger = torch.full((2, 1, 1, 1), 0.5)
    distortion.move, distortion.cut = torch.full((2, 2), 0.5), torch.full((2, 2), -9.0)
    torch.testing.assert_close(distortion(x), x)
    distortion.move = torch.tensor([[0.99, 0.5], [0.5, 0.0]])  # rows from two further down; columns from two before
    moved = distortion(x)
    torch.testing.assert_close(moved[0, :, :-2], x[0, :, 2:])
    torch.testing.assert_close(moved[1, :, :, 2:], x[1, :, :, :-2])
    distortion.cut = torch.full((2, 2), 0.5)
    assert (distortion(x) == 0).all(1).float().mean().item() == pytest.approx((5 / 16) ** 2 + 2 / 16, abs=0.01)


@pytest.mark.parametrize("size", [8, 16, 64])
def test_a_critic_looks_down_to_four_pixels(size: int) -> None:
    said, maps = Critic(size, 5, width=16)(torch.rand(3, 3, size, size), torch.rand(3, 5))
    assert said.shape == (3,)
    assert [m.shape[-1] for m in maps] == [size // 2**i for i in range(1, size.bit_length() - 2)]


def test_what_cannot_be_sharpened_is_one_sentence(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--adversarial -1\.0 --share 0\.7: expected"):
        learn(replace(settings, adversarial=-1.0), SharpenLesson)
    detailed = learn(DetailSettings(settings.run, tmp_path / "detailed", **FEW), DetailLesson)  # type: ignore[arg-type]
    out = learn(settings, SharpenLesson)
    kept = (out / "model.safetensors").read_bytes()
    with pytest.raises(UserError, match="detail of another decoder"):
        learn(replace(settings, run=detailed, force=True), SharpenLesson)
    assert (out / "model.safetensors").read_bytes() == kept  # it was told before anything was replaced


def test_validation_tells_the_error_of_reconstructions(lesson: SharpenLesson) -> None:
    net = lesson.net()
    where = np.arange(8)
    told = lesson.held_out(net, where, torch.Generator().manual_seed(1)).item()
    x, z = lesson.encoded(where, torch.Generator().manual_seed(1))
    mse = (lesson.model.network.decoder(z) - x).square().mean().item()
    assert told == pytest.approx(0.5 * np.log(mse), rel=1e-3)
