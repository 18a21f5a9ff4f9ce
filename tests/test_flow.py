"""Latents that are faces: exact where theory has the answer, one person at every degree, degrees in even steps."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model import fitting, runs, smile_model
from model import flow as flow_module
from model.faces import load_faces
from model.flow import Flow, Velocity, drawn_times
from model.latent import Latent, fit_latent
from model.lessons import learn
from model.opening import settings_of
from model.prior import Settings
from model.prior_lesson import PriorLesson
from model.training import train
from model.way import STRAIGHT, place
from shell import UserError

Z = 6
KIND, WITHIN = 0.9, 0.19**0.5  # of variance 1


@pytest.fixture(scope="module")
def latent() -> Latent:
    """Of latents that vary together, with two read-outs."""
    generator = torch.Generator().manual_seed(0)
    mu = torch.randn(500, Z, generator=generator) @ torch.randn(Z, Z, generator=generator) + 2
    attributes = torch.stack([mu[:, 0] + 0.3 * mu[:, 1], mu[:, 1] - mu[:, 2]], 1) / 4
    return fit_latent([(mu, torch.full_like(mu, 0.01), attributes)])


@pytest.fixture
def noise() -> Tensor:
    return torch.randn(40, Z, generator=torch.Generator().manual_seed(1))


class TwoKinds(Velocity):
    """Knows exactly what faces are: two Gaussians around +-KIND in the last dimension, in the others one."""

    def forward(self, u: Tensor, t: Tensor, y: Tensor) -> Tensor:
        v = torch.zeros_like(u)
        cos, sin, last = t.cos(), t.sin().clamp(min=1e-3), u[:, -1]
        variance = WITHIN**2 * cos**2 + sin**2
        kind = KIND * (KIND * cos * last / variance).tanh()
        face = kind + WITHIN**2 * cos / variance * (last - kind * cos)  # the mean of x, given u
        v[:, -1] = (last * cos - face) / sin  # n cos - x sin, with n = (u - x cos) / sin
        return v


def unconditional(net: type[Velocity], latent: Latent) -> Flow:
    return Flow(net(8, torch.empty(5, 0), torch.zeros(Z)).requires_grad_(False), latent)


def of_faces_known(latent: Latent, net: type[Velocity] = Velocity) -> Flow:
    """Of 100 training faces two things are known; the smile goes with the first and the second dimension of x."""
    people = torch.randn(100, 2, generator=torch.Generator().manual_seed(2)) * torch.tensor([0.4, 10.0]) + 0.3
    smile = torch.tensor([0.6, -0.5] + [0.0] * (Z - 2))
    return Flow(net(8, people, smile).requires_grad_(False), latent)


@pytest.fixture
def fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_module, "TO_PERSON", 32)
    monkeypatch.setattr(flow_module, "TO_FACE", 32)


# ---- the flow


def test_untaught_it_draws_as_the_gaussian_does(latent: Latent, noise: Tensor) -> None:
    flow = unconditional(Velocity, latent)
    torch.testing.assert_close(flow.draw(flow.people(noise)), latent.draw(noise), rtol=0.01, atol=0.02)


def drawn_by_theory(noise: Tensor) -> Tensor:
    """In one dimension noise (N,) becomes what has the same share of all below it: (N,)."""
    x = torch.linspace(-4, 4, 8001)
    below = (torch.special.ndtr((x - KIND) / WITHIN) + torch.special.ndtr((x + KIND) / WITHIN)) / 2
    return x[torch.searchsorted(below, torch.special.ndtr(noise))]


@pytest.mark.usefixtures("fine")
def test_noise_becomes_the_face_that_theory_says(latent: Latent, noise: Tensor) -> None:
    flow = unconditional(TwoKinds, latent)
    x = latent.whitened(flow.draw(flow.people(noise)))
    torch.testing.assert_close(x[:, -1], drawn_by_theory(noise[:, -1]), atol=0.005, rtol=0)
    torch.testing.assert_close(x[:, :-1], noise[:, :-1], atol=1e-4, rtol=0)


def test_a_few_steps_come_near_it(latent: Latent, noise: Tensor) -> None:
    flow = unconditional(TwoKinds, latent)
    x = latent.whitened(flow.draw(flow.people(noise)))
    assert (x[:, -1] - drawn_by_theory(noise[:, -1])).square().mean().sqrt() < 0.1


def test_what_goes_with_the_smile_is_as_asked_and_all_else_stays(latent: Latent, noise: Tensor) -> None:
    """Untaught: where nothing else is learned, nothing else changes."""
    flow = of_faces_known(latent)
    people, degrees = flow.people(noise), torch.linspace(-1, 1, len(noise))
    x = latent.whitened(flow.draw(people, degrees))
    c = (degrees - flow.net.people[:, 0].mean()) / flow.net.people[:, 0].std(correction=0)
    w = flow.net.smile
    torch.testing.assert_close(x @ w / w.norm(), c * w.norm(), atol=1e-4, rtol=0)
    rest = noise - (noise @ w)[:, None] * w / w.square().sum()
    torch.testing.assert_close(x - c[:, None] * w, rest, atol=1e-3, rtol=0)
    own = flow.net.centre[0] + flow.net.scale[0] * people[:, Z]
    torch.testing.assert_close(flow.draw(people, own), flow.draw(people), atol=1e-5, rtol=0)


def test_people_have_what_is_known_of_training_faces(latent: Latent, noise: Tensor) -> None:
    flow = of_faces_known(latent)
    many = torch.randn(5000, Z, generator=torch.Generator().manual_seed(3))
    known = flow.people(many)[:, Z:] * flow.net.scale + flow.net.centre
    which = torch.cdist(known, flow.net.people, compute_mode="donot_use_mm_for_euclid_dist")
    assert which.min(1).values.max() < 1e-3  # each is one of the faces
    chosen = which.argmin(1).bincount(minlength=100)
    assert chosen.min() > 20 and chosen.max() < 85  # any of them as likely: 50 on average
    torch.testing.assert_close(flow.people(noise, 0.5), flow.people(noise) / 2)  # untaught, all is linear
    assert not flow.people(noise, 0.0).any()


def test_who_it_is_is_decided_before_the_smile_that_is_asked_for(latent: Latent, noise: Tensor) -> None:
    told: list[tuple[float, Tensor]] = []

    class Asked(Velocity):
        def forward(self, u: Tensor, t: Tensor, y: Tensor) -> Tensor:
            told.append((t.item(), y))
            return torch.zeros_like(u)

    flow = of_faces_known(latent, Asked)
    people = flow.people(noise)
    assert all(t > torch.pi / 4 and torch.equal(y, people[:, Z:]) for t, y in told)
    assert len(told) == 2 * flow_module.TO_PERSON
    told.clear()
    mean, deviation = flow.smiles
    flow.draw(people, mean + 2 * deviation)
    assert len(told) == 2 * flow_module.TO_FACE
    for t, y in told:
        assert t <= torch.pi / 4 + 1e-6
        torch.testing.assert_close(y[:, 0], torch.full((len(noise),), 2.0))
        assert torch.equal(y[:, 1:], people[:, Z + 1 :])


def test_the_net_is_told_how_much_noise_there_is(latent: Latent) -> None:
    """At t = pi/2 in float32, too, whose tangent is below 0."""
    told: list[Tensor] = []
    net = of_faces_known(latent).net
    net.embed[0].register_forward_hook(lambda module, given, found: told.append(given[0]))
    times = torch.tensor([0.0, torch.pi / 4, 1.5, torch.pi / 2])
    net(torch.zeros(4, Z), times, torch.zeros(4, 2))
    ratio = torch.tensor([flow_module.LEAST, 1.0, torch.tensor(1.5).tan().item(), flow_module.MOST])
    torch.testing.assert_close(told[0][:, : flow_module.LEVELS], (ratio.log()[:, None] * net.frequencies).sin())


def test_it_learns_at_all_times_between_face_and_noise() -> None:
    times = drawn_times(10_000, torch.Generator().manual_seed(0))
    assert times.min() > 0 and times.max() < torch.pi / 2
    assert times.tan().log().mean().item() == pytest.approx(-0.4, abs=0.05)


# ---- the model


QUICK = Settings(steps=12, batch=8, ema=0.5, log_every=2, save_every=4, width=16)


@pytest.fixture
def settings(drawn_run: Path, tmp_path: Path) -> Settings:
    return replace(QUICK, run=drawn_run, out=tmp_path / "whole")


def lesson_of(settings: Settings) -> PriorLesson:
    model = smile_model.load(settings.run)
    assert settings.run is not None
    faces = load_faces(settings_of(model.config), settings.run)
    return PriorLesson(model, faces, settings.run, settings, torch.device("cpu"))


@pytest.fixture(scope="module")
def whole(drawn_run: Path, tmp_path_factory: pytest.TempPathFactory) -> smile_model.SmileModel:
    """For reading only."""
    out = tmp_path_factory.mktemp("flow") / "whole"
    return smile_model.load(learn(replace(QUICK, run=drawn_run, out=out), PriorLesson))


def test_new_faces_change_and_given_ones_do_not(drawn_run: Path, whole: smile_model.SmileModel) -> None:
    plain = smile_model.load(drawn_run)
    z = plain.identities(3)
    assert not torch.equal(whole.identities(3), z)
    assert not torch.equal(whole.sample(0.5, 3), plain.sample(0.5, 3))
    assert torch.equal(whole.turned(z, 0.5), plain.turned(z, 0.5)) and torch.equal(whole.decode(z), plain.decode(z))
    assert torch.equal(whole.at(z, 0.5), plain.at(z, 0.5)) and torch.equal(whole.read(z), plain.read(z))
    assert whole.hash != plain.hash


def test_what_goes_with_the_smile_is_its_covariance_with_latents(settings: Settings) -> None:
    lesson = lesson_of(settings)
    net = lesson.net()
    x = lesson.model.latent.whitened(lesson.mean[0, lesson.faces.training])
    c = lesson.known[0, lesson.faces.training, 0]
    by_hand = ((c - c.mean())[:, None] * x).mean(0) / c.std(correction=0)
    torch.testing.assert_close(net.smile, by_hand, atol=0.01, rtol=0)
    assert 0 < net.smile.norm() <= 1.05  # a correlation
    assert len(net.people) == len(lesson.faces.training)
    torch.testing.assert_close(net.people.sort(0).values, lesson.known[0, lesson.faces.training].sort(0).values)


def test_past_the_ends_of_its_way_a_face_goes_along_the_straight_line(whole: smile_model.SmileModel) -> None:
    people = whole.people(3)
    z = whole.latents(people, 1.0)
    assert torch.equal(whole.latents(people, 1.0, exaggerate=True), z)
    torch.testing.assert_close(whole.latents(people, 3.0, exaggerate=True), whole.latent.move(z, 2.0))
    by = place(torch.tensor(3.0)) - 1
    torch.testing.assert_close(whole.latents(people, 3.0), whole.latent.move(z, by))


def test_face_i_of_a_seed_is_the_same_whatever_the_count(whole: smile_model.SmileModel) -> None:
    torch.testing.assert_close(whole.sample(0.0, 70, 0)[:2], whole.sample(0.0, 2, 0), rtol=0, atol=2 / 255)


def test_the_cycle_distance_is_that_of_whitened_latents(whole: smile_model.SmileModel) -> None:
    x = whole.sample(None, 3)
    z = whole.encode(x)
    assert whole.cycle_distance(z, x).max() < 1e-3
    one = whole.latent.draw(whole.latent.whitened(z) + torch.nn.functional.one_hot(torch.tensor(0), z.shape[1]))
    torch.testing.assert_close(whole.cycle_distance(one, x), torch.ones(3), rtol=1e-2, atol=1e-2)


def test_truncation_draws_faces_nearer_to_the_mean(whole: smile_model.SmileModel) -> None:
    far, near = (whole.latent.whitened(whole.identities(32, truncation=t)).square().mean() for t in (1.0, 0.5))
    assert near < 0.5 * far


@pytest.mark.usefixtures("few_show_how_a_smile_rises")
def test_degrees_of_a_refined_run_are_in_even_steps(settings: Settings, tmp_path: Path) -> None:
    assert settings.run is not None
    shutil.copytree(settings.run, tmp_path / "refined")
    runs.write_config(tmp_path / "refined", runs.read_config(settings.run) | {"refine": True})
    before = smile_model.load(tmp_path / "refined")
    after = smile_model.load(learn(replace(settings, run=tmp_path / "refined"), PriorLesson))
    plain = smile_model.load(learn(replace(settings, out=tmp_path / "plain"), PriorLesson))
    assert plain.drawn_way == STRAIGHT
    student = fitting.reader_of(after.folder)
    assert student is not None and isinstance(after.space, Flow)
    assert after.drawn_way == fitting.find_way(after.space, after.network, student, settings.seed, torch.device("cpu"))
    assert after.way == before.way
    taught_on, kept = (model.folder / "model.safetensors" for model in (before, after))
    assert taught_on.read_bytes() == kept.read_bytes()
    changed = runs.read_config(after.folder) | {"drawn_way": [-0.5, 0.1, 0.5]}
    first = after.hash
    runs.write_config(after.folder, changed)
    other = smile_model.load(after.folder)
    assert other.hash != first
    assert not torch.equal(other.sample(1.0, 2), after.sample(1.0, 2))


def test_a_model_without_a_condition_draws_whole_faces_too(drawn_run: Path, tmp_path: Path, settings: Settings) -> None:
    config = runs.read_config(drawn_run)
    tiny = replace(settings_of(config), kind="ae", run=tmp_path / "ae", steps=4, save_every=2, log_every=2)
    plain = smile_model.load(train(tiny))
    whole = smile_model.load(learn(replace(settings, run=plain.folder), PriorLesson))
    assert whole.prior is not None and whole.prior.people.shape[1] == 0
    assert not torch.equal(whole.sample(None, 2), plain.sample(None, 2))
    with pytest.raises(UserError, match="is a run of kind ae"):
        whole.sample(0.5, 2)


def test_a_damaged_file_is_one_sentence(whole: smile_model.SmileModel, tmp_path: Path) -> None:
    damaged = shutil.copytree(whole.folder, tmp_path / "damaged")
    (damaged / "prior.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match=r"prior\.safetensors: does not hold this run's model"):
        smile_model.load(damaged)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"dropout": 1.0}])
def test_impossible_settings_are_one_sentence(settings: Settings, wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match="--width"):
        learn(replace(settings, **wrong), PriorLesson)  # type: ignore[arg-type]
    assert settings.out is not None and not settings.out.exists()


def test_a_reader_that_is_gone_is_taught_anew(settings: Settings, tmp_path: Path) -> None:
    assert settings.run is not None
    shutil.copytree(settings.run, tmp_path / "old")
    (tmp_path / "old" / "reader.safetensors").unlink()
    whole = smile_model.load(learn(replace(settings, run=tmp_path / "old"), PriorLesson))
    assert whole.prior is not None and whole.prior.people.shape[1] == whole.latent.readout.shape[0]
    assert fitting.reader_of(whole.folder) is not None
