"""What is settled before a session begins."""

import math
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desktop import draw_faces
from PIL import Image

import sessions
from annotator.course import PRACTICE_SEED, changes, face_height, settle, visual_angle
from annotator.plan import Planned, order
from annotator.session import check_pictures, earlier_runs, faces_seen, note_differences, sides_taken
from annotator.settings import Settings
from annotator.sidecar import describe_course
from annotator.texts import ENGLISH, open_texts
from data.drawn import draw, identity
from data.images import ImageSet, open_set
from shell import UserError, flags

SETTINGS = Settings(repeats=0, practice=2, seed=3)


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageSet:
    monkeypatch.chdir(tmp_path)
    draw_faces(tmp_path, count=10)
    return open_set("data/faces")


def record(trials: list[Planned], **sidecar: object) -> list[sessions.Run]:
    with sessions.RunWriter("sessions", "alice", "faces", sidecar) as run:
        for number, trial in enumerate(trials, start=1):
            run.write(trial=number, trial_type=trial.trial_type, image=trial.image)
    return sessions.runs("sessions", "alice", "faces")


def test_all_subjects_see_the_same_faces_in_their_own_order(images: ImageSet) -> None:
    few = replace(SETTINGS, limit=5)
    one, two = (settle(replace(few, seed=seed), "alice", images, [], []) for seed in (1, 2))
    assert set(one.faces) == set(two.faces) == set(sessions.shown_first(images.names, 5))
    assert one.trials != two.trials


def test_a_session_that_goes_on_keeps_its_keys_and_its_seed(images: ImageSet) -> None:
    arrows = replace(SETTINGS, keys=("left", "right"))
    first = settle(arrows, "alice", images, [], [])
    earlier = record(first.trials[:1], **describe_course(first, [], open_texts("en")))
    assert first.responses == {"left": "not-smiley", "right": "smiley"}
    for settings in (arrows, replace(SETTINGS, keys=None, seed=None)):
        second = settle(settings, "alice", images, earlier, [])
        assert (list(second.responses.items()), second.seed) == (list(first.responses.items()), first.seed)
    with pytest.raises(UserError, match=r"--keys: .*run-01_beh.tsv was recorded with \{'left'.*; leave --keys out"):
        settle(replace(SETTINGS, keys=("right", "left")), "alice", images, earlier, [])
    with pytest.raises(UserError, match=r"--seed: .*run-01_beh.tsv was recorded with 3; leave --seed out"):
        settle(replace(SETTINGS, seed=4), "alice", images, earlier, [])


@pytest.mark.parametrize("share", [0.4, 0.0])
def test_a_session_that_goes_on_keeps_its_repeats(images: ImageSet, share: float) -> None:
    draw_faces(Path("many"), count=25)
    faces = open_set("many/data/faces")
    given, left_out = (replace(SETTINGS, repeats=repeats) for repeats in (share, Settings.repeats))
    first = settle(given, "alice", faces, [], [])
    earlier = record(first.trials[:12], **describe_course(first, [], open_texts("en")))
    for settings in (given, left_out):
        second = settle(settings, "alice", faces, earlier, [])
        assert second.trials == first.trials[12:]
        assert describe_course(second, earlier, open_texts("en"))["Repeats"] == share
    with pytest.raises(UserError, match=rf"--repeats: .*run-01_beh.tsv was recorded with {share}; leave --repeats out"):
        settle(replace(SETTINGS, repeats=0.5), "alice", faces, earlier, [])


def test_practice_comes_again_until_a_face_was_judged(images: ImageSet) -> None:
    first = settle(SETTINGS, "alice", images, [], [])
    earlier = record(first.practice[:1], Seed=first.seed)
    assert settle(SETTINGS, "alice", images, earlier, []).practice == first.practice
    earlier = record(first.trials[:1], Seed=first.seed)
    assert settle(SETTINGS, "alice", images, earlier, []).practice == []


def test_a_stopped_session_goes_on_in_its_order_without_practice(images: ImageSet) -> None:
    first = settle(replace(SETTINGS, seed=None), "alice", images, [], [])
    earlier = record(first.practice + first.trials[:4], Seed=first.seed)
    second = settle(replace(SETTINGS, seed=None), "alice", images, earlier, [])
    assert (second.seed, second.trials, second.done) == (first.seed, first.trials[4:], 4)
    assert len(first.practice) == 2
    assert second.practice == []
    assert second.total == first.total == 10


def test_the_balanced_design_goes_on_with_the_faces_it_began_with(images: ImageSet) -> None:
    balanced = replace(SETTINGS, design="balanced", limit=4)
    first = settle(balanced, "alice", images, [], images.names[:6])
    assert set(first.faces) == set(images.names[6:])
    sidecar = describe_course(first, [], open_texts("en"))
    earlier = record(first.trials[:1], **sidecar)
    second = settle(balanced, "alice", images, earlier, images.names[6:] * 9)
    assert second.trials == first.trials[1:]
    assert describe_course(second, earlier, open_texts("en"))["Continues"] == earlier[0].path.name


def test_the_balanced_design_begins_with_the_faces_that_no_subject_has_judged(images: ImageSet) -> None:
    balanced = replace(SETTINGS, design="balanced", limit=4)
    assert list(faces_seen(balanced, images)) == []
    first = settle(balanced, "alice", images, [], [])
    record([*first.practice, *first.trials, Planned(first.trials[0].image, "repeat")], Simulated=False)
    assert sorted(faces_seen(balanced, images)) == sorted(first.faces)
    second = settle(balanced, "bob", images, [], faces_seen(balanced, images))
    assert not set(first.faces) & set(second.faces)
    assert not list(faces_seen(replace(balanced, simulate=True), images))  # of a simulated observer they say nothing


def test_the_balanced_design_mixes_the_degrees_and_identities_of_made_faces(images: ImageSet) -> None:
    made = {name: (i % 5 / 2 - 1, i // 5) for i, name in enumerate(images.names)}
    rows = "".join(f"{name},{degree},{identity}\n" for name, (degree, identity) in made.items())
    (images.folder / "metadata.csv").write_text(f"image,asked_smile,identity\n{rows}")
    for seed in range(20):
        course = settle(replace(SETTINGS, seed=seed, design="balanced", limit=6), "alice", images, [])
        degrees, identities = zip(*(made[face] for face in course.faces), strict=True)
        assert sorted(map(degrees.count, set(degrees))) == [1, 1, 1, 1, 2]
        assert identities.count(0) == 3
    (images.folder / "metadata.csv").unlink()
    assert len(settle(replace(SETTINGS, design="balanced", limit=6), "alice", images, []).faces) == 6


def test_a_new_subject_gets_the_rarer_side_and_keeps_it(images: ImageSet) -> None:
    first = settle(SETTINGS, "alice", images, [])
    earlier = record(first.trials[:1], Simulated=False, KeyMap=first.responses)
    taken = list(sides_taken(SETTINGS, images))
    assert taken == [first.responses]
    for subject in ("bob", "carol", "dave"):
        second = settle(SETTINGS, subject, images, [], sides=taken)
        assert second.responses["f"] != first.responses["f"]
    assert settle(SETTINGS, "alice", images, earlier, sides=taken * 9).responses == first.responses
    assert not list(sides_taken(replace(SETTINGS, simulate=True), images))


def test_damaged_files_of_somebody_else_stop_nobody(images: ImageSet) -> None:
    (run,) = record(settle(SETTINGS, "alice", images, []).trials[:1], Simulated=False)
    run.path.with_suffix(".json").write_text("{", encoding="utf-8")
    with sessions.RunWriter("sessions", "bob", "faces") as bobs:
        bobs.write(trial=1, trial_type="main", image="001.png")
    balanced = replace(SETTINGS, design="balanced")
    assert list(sides_taken(balanced, images)) == [{}]
    assert list(faces_seen(balanced, images)) == ["001.png"]
    run.path.with_suffix(".json").unlink()
    assert list(faces_seen(balanced, images)) == ["001.png"]


def test_what_the_subject_reads_stands_beside_the_answers(images: ImageSet) -> None:
    texts = open_texts("en")
    sidecar = describe_course(settle(SETTINGS, "alice", images, []), [], texts)
    assert texts.get("instructions", "title") in sidecar["Instructions"]
    assert texts.get("instructions", "text") in sidecar["Instructions"]
    assert "Number of faces: 10. It takes about 2 minutes." in sidecar["Consent"]
    assert "under the name alice." in sidecar["Consent"]
    assert sidecar["ResponseWords"] == {"smiley": "smiley", "not-smiley": "not smiley"}
    assert (sidecar["PracticeTrials"], sidecar["BlockLength"], sidecar["PracticeSlowAfter"]) == (2, 50, 1.2)


def test_the_sizes_of_the_pictures_are_kept_each_once(images: ImageSet) -> None:
    Image.new("RGB", (20, 30)).save(images.path("003.png"))
    images.path("004.png").write_bytes(b"no picture")
    sidecar = describe_course(settle(SETTINGS, "alice", images, []), [], open_texts("en"))
    assert sidecar["ImageSizes"] == [(20, 30), (64, 64)]


def test_the_words_of_the_answers_are_those_of_the_text_file(images: ImageSet) -> None:
    english = ENGLISH.read_text(encoding="utf-8")
    Path("own.toml").write_text(english.replace('smiley = "smiley"', 'smiley = "lächelt"', 1), encoding="utf-8")
    sidecar = describe_course(settle(SETTINGS, "alice", images, []), [], open_texts("own.toml"))
    assert sidecar["ResponseWords"] == {"smiley": "lächelt", "not-smiley": "not smiley"}


def test_who_goes_on_is_not_asked_for_consent_again_and_the_run_says_so(images: ImageSet) -> None:
    first = settle(SETTINGS, "alice", images, [])
    earlier = record(first.practice, **describe_course(first, [], open_texts("en")))
    only_practice = describe_course(settle(SETTINGS, "alice", images, earlier), earlier, open_texts("en"))
    assert only_practice["Consent"] == earlier[0].sidecar["Consent"]
    earlier = record(first.trials[:1], **only_practice)
    assert describe_course(settle(SETTINGS, "alice", images, earlier), earlier, open_texts("en"))["Consent"] is None


def test_who_comes_back_judges_no_other_pictures_under_the_same_names(images: ImageSet) -> None:
    course = settle(SETTINGS, "alice", images, [])
    seen, unseen = course.trials[0].image, course.trials[-1].image
    earlier = record(course.trials[:3], **describe_course(course, [], open_texts("en")))
    images.path(unseen).write_bytes(b"redrawn before it was shown")
    assert earlier_runs(SETTINGS, "alice", images) == earlier
    before = images.path(seen).read_bytes()
    images.path(seen).write_bytes(b"redrawn")
    with pytest.raises(
        UserError, match=rf"{seen}: not the picture that was judged in \S+run-01_beh\.tsv; .* --sessions"
    ):
        earlier_runs(SETTINGS, "alice", images)
    assert earlier_runs(SETTINGS, "bob", images) == []
    images.path(seen).write_bytes(before)
    assert earlier_runs(SETTINGS, "alice", images) == earlier
    images.path(seen).unlink()
    assert earlier_runs(SETTINGS, "alice", images) == earlier


def test_nobody_judges_another_set_under_the_name_of_one_that_somebody_has_judged(images: ImageSet) -> None:
    course = settle(SETTINGS, "alice", images, [])
    (run,) = record(course.trials[:6], **describe_course(course, [], open_texts("en")))
    seen, unseen = [trial.image for trial in course.trials[:6]], course.trials[-1].image

    def start(*names: str, simulate: bool = False) -> None:
        shown = {name: sessions.content_hash(images.path(name)) for name in names}
        check_pictures(replace(SETTINGS, simulate=simulate), "bob", images, shown)

    images.path(unseen).write_bytes(b"redrawn before it was shown")
    start(*images.names)
    before = images.path(seen[5]).read_bytes()
    images.path(seen[5]).write_bytes(b"redrawn")
    with pytest.raises(UserError, match=rf"{seen[5]}: not the picture .*sub-alice\S+run-01_beh\.tsv; .* another name"):
        start(*images.names)
    start(seen[0])  # the two pictures do not meet
    start(*images.names, simulate=True)
    images.path(seen[5]).write_bytes(before)
    for name in seen:
        images.path(name).write_bytes(b"another set")
    with pytest.raises(UserError, match="not the picture that was judged"):
        start(unseen)  # none of what alice judged
    check_pictures(SETTINGS, "alice", images, {})  # of oneself earlier_runs tells
    run.path.with_suffix(".json").write_text("{", encoding="utf-8")
    start(*images.names)


def test_few_pictures_are_read_to_tell_another_set(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    course = settle(SETTINGS, "alice", images, [])
    sidecar = describe_course(course, [], open_texts("en"))
    record(course.trials, **sidecar)
    read: list[str] = []

    def content_hash(path: Path) -> str:
        read.append(path.name)
        return str(sidecar["ImageSHA256"][path.name])

    monkeypatch.setattr(sessions, "content_hash", content_hash)
    check_pictures(SETTINGS, "bob", images, sidecar["ImageSHA256"])
    assert read == []
    check_pictures(SETTINGS, "bob", images, {})
    assert len(read) == 3


def test_what_is_changed_between_the_sessions_of_a_subject_is_named(images: ImageSet) -> None:
    course = settle(SETTINGS, "alice", images, [])
    sidecar = describe_course(course, [], open_texts("en"))
    assert changes([], sidecar) == []
    earlier = record(course.trials[:1], FaceHeight=540, **sidecar)
    assert changes(earlier, sidecar | {"FaceHeight": 540, "StartTime": "later"}) == []
    other = replace(SETTINGS, timeout_s=2.0, fixation_s=(0.5, 0.8), block=40, grey=50)
    sidecar = describe_course(settle(other, "alice", images, earlier), earlier, open_texts("en"))
    assert changes(earlier, sidecar | {"FaceHeight": 720, "Texts": "own.toml"}) == [
        "Timeout (--timeout-s) was 3.0 and is 2.0",
        "FixationDuration (--fixation-s) was [0.5, 1.0] and is [0.5, 0.8]",
        "FaceHeight (in pixels) was 540 and is 720",
        "Texts (--texts) was en.toml and is own.toml",
        "BlockLength (--block) was 50 and is 40",
    ]
    earlier[0].sidecar.pop("Timeout")  # an older recording
    assert changes(earlier, sidecar) == changes(earlier, sidecar | {"Timeout": 9.0})


def test_a_list_of_ones_own_replaces_the_common_one(images: ImageSet) -> None:
    Path("list.txt").write_text("007.png\n002.png\n")
    course = settle(replace(SETTINGS, images=Path("list.txt")), "alice", images, [], [])
    assert course.faces == ["007.png", "002.png"]


@pytest.mark.parametrize("flags", [{"images": Path("list.txt")}, {"design": "balanced", "limit": 4}])
def test_who_comes_back_without_the_flags_goes_on_with_the_same_faces(images: ImageSet, flags: dict[str, Any]) -> None:
    Path("list.txt").write_text("007.png\n002.png\n001.png\n")
    first = settle(replace(SETTINGS, **flags), "alice", images, [], [])
    sidecar = describe_course(first, [], open_texts("en"))
    earlier = record(first.trials[:1], **sidecar)
    second = settle(SETTINGS, "alice", images, earlier, [])
    assert second.trials == first.trials[1:]
    assert describe_course(second, earlier, open_texts("en"))["Design"] == sidecar["Design"]


def test_it_is_known_how_many_faces_a_larger_limit_would_add(images: ImageSet) -> None:
    Path("list.txt").write_text("007.png\n002.png\n001.png\n")
    listed = replace(SETTINGS, images=Path("list.txt"))
    assert [settle(replace(SETTINGS, limit=n), "alice", images, [], []).left_out for n in (4, 200)] == [6, 0]
    assert [settle(replace(listed, limit=n), "alice", images, [], []).left_out for n in (1, 200)] == [2, 0]
    balanced = replace(SETTINGS, design="balanced", limit=4)
    first = settle(balanced, "alice", images, [], [])
    earlier = record(first.trials[:1], **describe_course(first, [], open_texts("en")))
    assert [first.left_out, settle(balanced, "alice", images, earlier, []).left_out] == [6, 0]


@pytest.mark.parametrize(("repeats", "least"), [(0.1, 20), (0.02, 26), (1.0, 20)])
def test_a_set_that_is_too_small_for_repeats_is_no_surprise(
    images: ImageSet, capsys: pytest.CaptureFixture[str], repeats: float, least: int
) -> None:
    note_differences(settle(replace(SETTINGS, repeats=repeats), "alice", images, [], []))
    words = f"note: no face is shown a second time; --repeats {repeats:g} takes at least {least} faces, not 10.\n"
    assert capsys.readouterr().out == words
    assert len(order([f"{i}.png" for i in range(least)], 0, repeats)) > least
    assert len(order([f"{i}.png" for i in range(least - 1)], 0, repeats)) == least - 1
    note_differences(settle(SETTINGS, "alice", images, [], []))
    assert capsys.readouterr().out == ""


def test_practice_faces_are_in_no_set(images: ImageSet) -> None:
    course = settle(SETTINGS, "alice", images, [], [])
    assert {trial.image for trial in course.practice}.isdisjoint(images.names)
    assert course.load(course.trials[0]).size == (64, 64)


def test_the_size_of_a_face_is_a_share_of_the_screen_or_a_visual_angle() -> None:
    assert face_height(replace(SETTINGS, face_height=0.25), 1080, 1920) == 270
    # 57.3 cm away, one degree is one centimetre; 1920 pixels on 48 cm are 40 per centimetre
    degrees = replace(SETTINGS, face_degrees=5.0, distance_cm=57.3, screen_width_cm=48.0)
    assert face_height(degrees, 1080, 1920) == pytest.approx(200, abs=1)
    assert visual_angle(degrees, 200, 1920) == pytest.approx(5, abs=0.01)


def test_a_face_in_degrees_is_as_large_in_a_window_as_on_the_whole_screen() -> None:
    degrees = replace(SETTINGS, face_degrees=5.0, distance_cm=57.3, screen_width_cm=48.0)
    assert face_height(degrees, 810, 1920) == face_height(degrees, 1080, 1920)


def test_how_many_degrees_a_share_of_the_screen_is_can_be_told_where_the_lengths_are_given() -> None:
    measured = replace(SETTINGS, face_height=0.5, distance_cm=60.0, screen_width_cm=53.1)
    height = face_height(measured, 1080, 1920)
    assert height == 540
    assert visual_angle(measured, height, 1920) == pytest.approx(14.2, abs=0.05)  # 14.9 cm at 60 cm
    assert visual_angle(SETTINGS, height, 1920) is None


def test_a_face_that_the_screen_does_not_hold_at_its_degrees_is_refused() -> None:
    degrees = replace(SETTINGS, face_degrees=30.0, distance_cm=57.3, screen_width_cm=48.0)
    with pytest.raises(
        UserError, match=r"would be 1228 pixels high, but there are 1080; expected at most 26.5 degrees"
    ):
        face_height(degrees, 1080, 1920)
    assert face_height(replace(degrees, face_degrees=26.5), 1080, 1920) <= 1080


def test_how_often_faces_come_again_is_kept_as_asked_and_as_planned(images: ImageSet) -> None:
    course = settle(replace(SETTINGS, repeats=0.5), "alice", images, [], [])
    sidecar = describe_course(course, [], open_texts("en"))
    assert (sidecar["Repeats"], sidecar["RepeatsPlanned"], len(course.trials)) == (0.5, 0, 10)
    draw_faces(Path("many"), count=25)
    course = settle(replace(SETTINGS, repeats=0.4), "alice", open_set("many/data/faces"), [], [])
    assert (describe_course(course, [], open_texts("en"))["RepeatsPlanned"], len(course.trials)) == (10, 35)


def test_the_next_command_names_what_was_given_and_a_shell_reads_it_back() -> None:
    assert flags(SETTINGS, "data", "sessions") == ""
    some = replace(SETTINGS, sessions=Path("my study"), monitor=2, face_height=0.4)
    said = shlex.split(flags(some, "data", "sessions", "monitor", "face_height"))
    assert said == ["--sessions", "my study", "--monitor", "2", "--face-height", "0.4"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0},
        {"repeats": 1.5},
        {"block": 0},
        {"fixation_s": (1.0, 0.5)},
        {"fixation_s": (0.5, math.inf)},
        {"grey": 256},
        {"face_height": 0.0},
        {"keys": ("f", "f")},
        {"seed": -1},
        {"face_degrees": 5.0},
        {"screen_width_cm": 48.0},
        {"distance_cm": 57.0},
        {"face_degrees": 200.0, "screen_width_cm": 48.0, "distance_cm": 57.0},
        {"face_degrees": 5.0, "screen_width_cm": 0.0, "distance_cm": 57.0},
        {"face_degrees": 5.0, "screen_width_cm": 48.0, "distance_cm": -57.0},
        {"face_degrees": 5.0, "screen_width_cm": math.nan, "distance_cm": 57.0},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, object]) -> None:
    SETTINGS.check()
    with pytest.raises(UserError, match=r"expected|needs|belong together"):
        replace(SETTINGS, **wrong).check()  # type: ignore[arg-type]


def test_a_practice_face_has_the_smile_by_which_its_answer_is_called_right(images: ImageSet) -> None:
    course = settle(replace(SETTINGS, practice=4), "alice", images, [], [])
    for number, trial in enumerate(course.practice):
        assert trial.true_smile is not None
        shown, size = course.load(trial), 256
        expected, other = (draw(identity(number, PRACTICE_SEED), sign * trial.true_smile, size) for sign in (1, -1))
        np.testing.assert_array_equal(shown, expected)
        assert (expected != other).any()


def test_transparent_parts_of_a_face_have_the_grey_of_the_screen(images: ImageSet) -> None:
    course = settle(replace(SETTINGS, grey=40), "alice", images, [], [])
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(images.path(course.trials[0].image))
    assert (np.asarray(course.load(course.trials[0])) == 40).all()
