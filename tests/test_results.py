"""What a subject is told at the end."""

from annotator.results import Results, summarise


def row(trial_type: str, image: str, response: str, response_time: str = "0.5") -> dict[str, str]:
    return {"trial_type": trial_type, "image": image, "response": response, "response_time": response_time}


def test_median_consistency_and_misses_leave_practice_out() -> None:
    rows = [
        row("practice", "p", "smiley", "9.0"),
        row("main", "a", "smiley", "0.4"),
        row("main", "b", "not-smiley", "0.6"),
        row("main", "c", "n/a", "n/a"),
        row("repeat", "a", "smiley", "0.7"),
        row("repeat", "b", "smiley", "0.8"),
        row("repeat", "c", "smiley", "0.6"),
    ]
    assert summarise(rows) == Results(trials=6, median_s=0.6, consistency=0.5, misses=1)


def test_a_face_at_which_the_subject_paused_is_no_miss() -> None:
    paused = row("main", "a", "n/a", "n/a") | {"ended_by": "interruption"}
    timed_out = row("main", "b", "n/a", "n/a") | {"ended_by": "timeout"}
    assert summarise([paused, timed_out]) == Results(2, None, None, misses=1)


def test_without_an_answer_there_is_no_median_and_no_consistency() -> None:
    assert summarise([]) == Results(0, None, None, 0)
    assert summarise([row("main", "a", "n/a", "n/a")]) == Results(1, None, None, 1)
