"""One trial, as a state machine driven by keys and times of every kind."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.trial import RELEASE_S, Press, Trial

RESPONSES = {"f": "not-smiley", "j": "smiley"}


def trial(timeout_s: float = 3.0, held: tuple[str, ...] = ()) -> Trial:
    return Trial(RESPONSES, timeout_s, held)


def down(key: str, time_s: float) -> Press:
    return Press(key, time_s, "test")


def up(key: str, time_s: float) -> Press:
    return Press(key, time_s, "test", down=False)


def test_the_first_press_after_the_onset_is_the_answer_and_its_release_ends_the_trial() -> None:
    t = trial()
    t.show(10.0)
    t.press(down("j", 10.5))
    assert (t.phase, t.deadline_s) == ("release", 10.5 + RELEASE_S)
    t.press(down("f", 10.51))
    t.press(up("j", 10.625))
    assert t.phase == "done"
    assert (t.outcome.response, t.outcome.response_time_s, t.outcome.press_duration_s) == ("smiley", 0.5, 0.125)
    assert (t.outcome.ended_by, t.outcome.key_source) == ("press", "test")


def test_no_press_until_the_timeout_is_a_miss() -> None:
    t = trial(timeout_s=2.0)
    t.show(10.0)
    t.tick(11.9)
    assert t.phase == "face"
    t.tick(12.0)
    assert (t.phase, t.outcome.response, t.outcome.ended_by) == ("done", None, "timeout")


def test_a_press_that_is_delivered_in_time_but_was_made_too_late_is_a_miss() -> None:
    t = trial(timeout_s=2.0)
    t.show(10.0)
    t.press(down("f", 12.001))
    assert (t.phase, t.outcome.response) == ("done", None)


def test_a_press_before_the_face_is_kept_and_is_not_the_answer() -> None:
    t = trial()
    t.press(down("j", 9.5))
    t.press(up("j", 9.6))
    t.press(down("j", 9.75))
    t.show(10.0)
    assert (t.phase, t.outcome.early_press_s) == ("face", -0.25)
    t.press(down("j", 10.1))  # still held: a repeat of the same press
    assert t.phase == "face"
    t.press(up("j", 10.2))
    t.press(down("j", 10.25))
    assert t.outcome.response_time_s == 0.25
    assert t.outcome.early_press_s == -0.25


def test_a_press_made_before_the_onset_and_delivered_after_it_is_early() -> None:
    t = trial()
    t.show(10.0)
    t.press(down("f", 9.875))
    assert (t.phase, t.outcome.early_press_s) == ("face", -0.125)


def test_a_press_delivered_before_the_onset_but_stamped_after_it_is_early() -> None:
    t = trial()
    t.press(down("f", 10.002))  # waited in the queue during the flip, and was stamped as it was taken out
    t.show(10.0)
    assert t.phase == "face"
    assert t.outcome.early_press_s is not None
    assert -1e-9 < t.outcome.early_press_s < 0


def test_a_key_held_from_the_trial_before_answers_only_when_pressed_anew() -> None:
    t = trial(held=("f",))
    t.show(10.0)
    t.press(down("f", 10.2))
    assert t.phase == "face"
    t.press(up("f", 10.3))
    t.press(down("f", 10.4))
    assert t.outcome.response == "not-smiley"


def test_a_key_that_is_not_released_does_not_hold_the_trial_up() -> None:
    t = trial()
    t.show(10.0)
    t.press(down("f", 10.5))
    t.tick(10.5 + RELEASE_S)
    assert (t.phase, t.outcome.press_duration_s, t.held) == ("done", None, {"f"})


def test_an_interrupted_trial_keeps_an_answer_that_was_given() -> None:
    unanswered, answered = trial(), trial()
    unanswered.show(10.0)
    unanswered.interrupt()
    assert (unanswered.phase, unanswered.outcome.ended_by) == ("done", "interruption")
    answered.show(10.0)
    answered.press(down("f", 10.5))
    answered.interrupt()
    assert (answered.outcome.response, answered.outcome.ended_by) == ("not-smiley", "press")


def test_a_face_is_shown_once() -> None:
    t = trial()
    t.show(10.0)
    with pytest.raises(ValueError, match="shown once"):
        t.show(11.0)


times = st.floats(-5, 5)  # the face comes at 0; clocks may step back
happenings = st.lists(
    st.one_of(
        st.builds(Press, st.sampled_from(["f", "j", "space"]), times, st.just("test"), st.booleans()),
        times,
        st.just("interrupt"),
    )
)


@given(before=happenings, after=happenings, timeout_s=st.floats(0.1, 3), held=st.sets(st.sampled_from("fj")))
def test_whatever_happens_there_is_no_answer_before_the_onset_and_at_most_one(
    before: list[object], after: list[object], timeout_s: float, held: set[str]
) -> None:
    t = Trial(RESPONSES, timeout_s, held)
    order = ["fixation", "face", "release", "done"]
    answers = []

    def feed(happening: object) -> None:
        phase = t.phase
        if isinstance(happening, Press):
            t.press(happening)
        elif isinstance(happening, float):
            t.tick(happening)
        else:
            t.interrupt()
        assert order.index(t.phase) >= order.index(phase)
        if t.outcome.response is not None:
            answers.append((t.outcome.response, t.outcome.response_time_s))

    for happening in before:
        if happening != "interrupt":
            feed(happening)
    assert (t.phase, t.outcome.response) == ("fixation", None)
    t.show(0.0)
    fresh = set(RESPONSES) - held
    if any(isinstance(happening, Press) and happening.down and happening.key in fresh for happening in before):
        assert t.outcome.early_press_s is not None
    for happening in after:
        feed(happening)
    t.tick(math.inf)
    outcome = t.outcome
    assert len(set(answers)) <= 1
    assert (outcome.response is None) == (outcome.response_time_s is None) == (outcome.ended_by != "press")
    if outcome.response_time_s is not None:
        assert 0 < outcome.response_time_s <= timeout_s
    assert outcome.early_press_s is None or outcome.early_press_s < 0
    assert outcome.press_duration_s is None or outcome.press_duration_s >= 0
    if t.phase == "release":  # infinity minus infinity: only a tick past the deadline ends it
        t.tick(t.deadline_s)
    assert t.phase == "done"
