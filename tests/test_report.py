"""The report and the plan: complete from trials, useful from labels alone, safe with odd names."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import data
import sessions
import shell
from labeling import build, charts, plan, report
from labeling.confounds import confounds, rank_correlations_with_truth
from labeling.reliability import split_half
from labeling.scores import Terms
from labeling.votes import from_trials
from sessions import simulate
from shell import UserError


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty plain pictures whose gender goes along with their smile."""
    monkeypatch.chdir(tmp_path)
    folder = Path("data/faces")
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    smile = rng.uniform(-1, 1, 40)
    table = pd.DataFrame({"image": [f"{i:02d}.png" for i in range(40)], "true_smile": smile})
    table["gender"] = np.where(smile + rng.normal(0, 0.5, 40) > 0, "female", "male")
    table["age"] = rng.integers(18, 80, 40)
    table.to_csv(folder / "metadata.csv", index=False)
    for i, name in enumerate(table["image"]):
        Image.new("RGB", (32, 32), (6 * i, 100, 100)).save(folder / "images" / name)
    return folder


def test_the_report_of_a_build_has_what_a_reviewer_asks(faces: Path) -> None:
    simulate.main(simulate.Settings(subjects=4, limit=40))
    build.main(build.Settings())
    page = (faces / "labels.html").read_text(encoding="utf-8")
    for word in ("Distribution", "Most smiling", "Least smiling", "Reliability", "Krippendorff", "sim04", "Confounds"):
        assert word in page
    assert page.count("data:image/jpeg;base64,") >= 16
    assert "The labels go along with gender" in page
    assert "http" not in page.replace("http-equiv", "")  # self-contained


def test_the_account_beside_the_labels_has_what_a_methods_section_needs(faces: Path) -> None:
    simulate.main(simulate.Settings(subjects=4, limit=40))
    build.main(build.Settings(method="mean-vote", exclude=("sub-sim04",)))
    said = json.loads((faces / "labels.json").read_text(encoding="utf-8"))
    assert said["Settings"]["exclude"] == ["sub-sim04"] and said["Settings"]["method"] == "mean-vote"
    assert "Subjects left out by --exclude: sim04." in said["Notes"]
    assert list(said["Columns"]) == list(pd.read_csv(faces / "labels.csv").columns)
    assert list(said["Subjects"]) == ["sim01", "sim02", "sim03"] and said["Subjects"]["sim01"]["votes"] > 0
    assert 0 < said["Reliability"]["SplitHalf"] < said["Reliability"]["OfAllSubjects"] < 1
    expected = split_half(sessions.read(exclude=["sim04"], tell=lambda note: None), "mean-vote")
    assert expected is not None and said["Reliability"]["SplitHalf"] == round(expected.split_half, 4)
    assert said["GeneratedBy"]["Version"] == shell.version()


def test_a_report_by_labels_alone_does_not_take_the_place_of_a_fuller_one(faces: Path) -> None:
    simulate.main(simulate.Settings(subjects=2, limit=10))
    build.main(build.Settings())
    with pytest.raises(UserError, match="it says of subjects and reliability"):
        report.main(report.Settings())
    assert "Reliability" in (faces / "labels.html").read_text(encoding="utf-8")
    labels = pd.read_csv(faces / "labels.csv")
    labels.iloc[1:].to_csv(faces / "labels.csv", index=False)  # others than the report is of
    report.main(report.Settings())


def test_the_report_shows_no_picture_but_those_of_the_set(faces: Path) -> None:
    Image.new("RGB", (32, 32)).save(faces.parent / "private.png")
    pd.DataFrame({"image": ["../../private.png", "00.png"], "smile": [1.0, -1.0]}).to_csv(
        faces / "labels.csv", index=False
    )
    report.main(report.Settings())
    page = (faces / "labels.html").read_text(encoding="utf-8")
    assert "private" not in page and page.count("data:image/jpeg;base64,") == 2  # of 00.png, in two rows


def test_a_set_that_was_renamed_is_told_by_its_old_name(faces: Path) -> None:
    simulate.main(simulate.Settings(subjects=1, limit=10))
    renamed = faces.rename(faces.with_name("pictures"))
    with pytest.raises(UserError, match="recorded are faces; a set that was renamed needs its old name"):
        build.main(build.Settings(data=renamed))


def test_subjects_who_do_not_agree_have_no_reliability_and_the_report_says_so(faces: Path) -> None:
    rows = [f"{who},{i:02d}.png,{1 if (i % 2) == (who == 'a') else -1},0.{i + 50}" for who in "ab" for i in range(40)]
    Path("mine.csv").write_text("\n".join(["subject,image,response,response_time", *rows]) + "\n")
    build.main(build.Settings(trials=Path("mine.csv")))
    assert "No reliability can be told" in (faces / "labels.html").read_text(encoding="utf-8")


def test_the_report_works_from_labels_alone(faces: Path) -> None:
    truth = pd.read_csv(faces / "metadata.csv")
    table = pd.DataFrame({"stimulus_filename": truth["image"], "avg_encode": truth["true_smile"]})
    table.to_csv(faces / "labels_published.csv", index=False)
    report.main(report.Settings())
    page = (faces / "labels.html").read_text(encoding="utf-8")
    assert "Distribution" in page and "Confounds" in page and "Subjects" not in page


OF_THE_PAGE = """() => {
    const channels = colour => colour.match(/[\\d.]+/g).map(Number);
    const luminance = colour => channels(colour).slice(0, 3)
        .map(c => c / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = element => {
        const colour = getComputedStyle(element).backgroundColor;
        return channels(colour)[3] === 0 ? behind(element.parentElement) : colour;
    };
    const contrast = element => {
        const style = getComputedStyle(element);
        const [dark, light] = [element instanceof SVGElement ? style.fill : style.color, behind(element)]
            .map(luminance).sort((a, b) => a - b);
        return (light + 0.05) / (dark + 0.05);
    };
    const says = element => element.tagName !== "title" && [...element.childNodes].some(
        node => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    return {
        background: luminance(behind(document.body)),
        least_contrast: Math.min(...[...document.body.querySelectorAll("*")].filter(says).map(contrast)),
        pictures: [...document.images].map(picture => picture.naturalWidth),
        too_wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    };
}"""


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_can_be_read_in_light_in_dark_and_on_a_telephone(
    faces: Path, browser: Any, scheme: str, width: int
) -> None:
    simulate.main(simulate.Settings(subjects=3, limit=40))
    build.main(build.Settings())
    wrong: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.on("console", lambda said: wrong.append(said.text))
    page.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith(("file:", "data:")) else None)
    page.goto((faces / "labels.html").resolve().as_uri())
    found = page.evaluate(OF_THE_PAGE)
    page.close()
    assert not wrong
    assert found["background"] < 0.02 if scheme == "dark" else found["background"] > 0.9
    assert found["least_contrast"] >= 4.5  # what WCAG 2 asks of text
    assert len(found["pictures"]) >= 16 and all(found["pictures"])
    assert found["too_wide"] <= 0


def test_the_report_prints_dark_on_white_whatever_the_screen(faces: Path, browser: Any) -> None:
    simulate.main(simulate.Settings(subjects=3, limit=40))
    build.main(build.Settings())
    page = browser.new_page(color_scheme="dark")
    page.goto((faces / "labels.html").resolve().as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    found = page.evaluate(OF_THE_PAGE)
    sheets = page.pdf(prefer_css_page_size=True).count(b"/Type /Page\n")
    page.close()
    assert found["background"] == 1 and found["least_contrast"] >= 4.5
    assert 2 <= sheets <= 4


def test_a_confound_kept_as_a_code_is_named_by_the_word_of_the_set(faces: Path) -> None:
    table = pd.read_csv(faces / "metadata.csv")
    table[["image", "true_smile"]].rename(columns={"true_smile": "smile"}).to_csv(faces / "labels.csv", index=False)
    table["gender"] = (table["gender"] == "female").astype(int)
    table.to_csv(faces / "metadata.csv", index=False)
    (faces / "set.json").write_text(json.dumps({"levels": {"gender": {"0": "male", "1": "female"}}}))
    report.main(report.Settings())
    r = table["gender"].corr(table["true_smile"])
    said = charts.prose(f"The labels go along with gender = female (r = {r:+.2f})")
    assert said in (faces / "labels.html").read_text("utf-8")


def test_the_report_without_labels_says_so(faces: Path) -> None:
    with pytest.raises(UserError, match=r"no labels; python -m labeling\.build"):
        report.main(report.Settings())


def test_names_from_outside_are_text_in_the_report(faces: Path) -> None:
    lines = [f"<script>,{i:02d}.png,{1 if i % 2 else -1},0.{i + 11}" for i in range(40)]
    Path("mine.csv").write_text("\n".join(["subject,image,response,response_time", *lines]) + "\n")
    build.main(build.Settings(trials=Path("mine.csv")))
    page = (faces / "labels.html").read_text(encoding="utf-8")
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_unreadable_pictures_are_no_reason_to_fail(faces: Path) -> None:
    simulate.main(simulate.Settings(limit=40))
    for path in (faces / "images").iterdir():
        path.write_bytes(b"no picture")
    build.main(build.Settings())
    assert "data:image" not in (faces / "labels.html").read_text(encoding="utf-8")


def test_confounds_are_numbers_and_levels_but_never_the_truth() -> None:
    rng = np.random.default_rng(0)
    smile = rng.uniform(-1, 1, 400)
    metadata = pd.DataFrame(
        {
            "image": [str(i) for i in range(400)],
            "true_smile": smile,
            "gender": (smile + rng.normal(0, 1, 400) > 0).astype(int),
            "race": rng.integers(0, 5, 400),
            "hair": np.where(smile > 0.9, "red", rng.choice(["fair", "dark"], 400)),
            "age": rng.integers(1, 90, 400),
            "remark": [f"remark {i}" for i in range(400)],
        }
    )
    found = confounds(pd.DataFrame({"image": metadata["image"], "smile": smile}), metadata).set_index("what")
    assert {"gender", "age", "race = 0", "race = 4", "hair = red"} <= set(found.index)
    assert not any(what.startswith(("true_", "remark")) for what in found.index)
    assert found.loc["gender", "r"] == pytest.approx(np.corrcoef(metadata["gender"], smile)[0, 1])
    assert found.loc["gender", "warn"] and not found.loc["age", "warn"]


def test_metadata_may_have_a_smile_of_its_own_and_a_truth_in_words(faces: Path) -> None:
    table = pd.read_csv(faces / "metadata.csv")
    table["smile"] = table["true_smile"] / 2
    table["true_gender"] = table.pop("gender")
    table.to_csv(faces / "metadata.csv", index=False)
    simulate.main(simulate.Settings(limit=40))
    build.main(build.Settings())
    labels = pd.read_csv(faces / "labels.csv")
    assert list(rank_correlations_with_truth(labels, table)) == ["true_smile"]
    expected = labels.set_index("image")["smile"].corr(table.set_index("image")["smile"])
    assert confounds(labels, table).set_index("what").loc["smile", "r"] == pytest.approx(expected)


def test_practice_counts_as_practice_and_its_pictures_are_not_missed(
    faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sessions.RunWriter("sessions", "alice", data.open_set(faces).name) as run:
        for trial, image in enumerate(("practice-01.png", "01.png", "02.png"), start=1):
            trial_type = "practice" if trial == 1 else "main"
            run.write(trial=trial, trial_type=trial_type, image=image, response="smiley", response_time=0.6)
    build.main(build.Settings())
    said = capsys.readouterr().out
    assert "left out" not in said
    line = next(line for line in said.splitlines() if line.split()[:1] == ["alice"])
    assert line.split()[1:3] == ["3", "1"]


def test_who_misses_every_face_is_named(faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{who},{i:02d}.png,{answer},0.5" for who, answer in (("p1", 1), ("p2", 0), ("p3", "")) for i in range(24)]
    Path("mine.csv").write_text("\n".join(["subject,image,response,response_time", *rows]) + "\n")
    build.main(build.Settings(trials=Path("mine.csv")))
    note = "Without a single answer: p3 (24 faces missed)."
    assert note in capsys.readouterr().out
    assert note in (faces / "labels.html").read_text(encoding="utf-8")


def test_practice_is_in_no_histogram(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[float] = []

    def histogram(values: object, low: float, high: float, *rest: object) -> str:
        times.extend(values if low == 0 else [])  # type: ignore[call-overload]
        return ""

    monkeypatch.setattr(charts, "histogram", histogram)
    with sessions.RunWriter("sessions", "alice", data.open_set(faces).name) as run:
        for trial, trial_type in enumerate(("practice", "main", "main"), start=1):
            answer = {"image": f"{trial:02d}.png", "response": "smiley", "response_time": trial / 2}
            run.write(trial=trial, trial_type=trial_type, **answer)  # type: ignore[arg-type]
    build.main(build.Settings())
    assert times == [1.0, 1.5]


def test_a_negative_seed_is_one_sentence() -> None:
    with pytest.raises(UserError, match="--seed -1: expected 0 or more"):
        plan.main(plan.Settings(seed=-1))


def test_a_plan_grows_with_subjects_and_is_drawn(faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    simulate.main(simulate.Settings(subjects=3, limit=40))
    plan.main(plan.Settings(subjects=(1, 12), repeats=2, reliability=0.5))
    said = capsys.readouterr().out
    assert "votes per face: a reliability of 0.5" in said and "The pilot's own labels have a reliability of" in said
    rows = [line.split() for line in said.splitlines()]
    one, twelve = (float(row[1]) for row in rows if row[:1] in (["1"], ["12"]) and len(row) == 4)
    assert one < twelve
    with Image.open(faces / "plan.png") as picture:
        assert picture.size == (900, 540)


def test_a_plan_counts_people_where_each_judges_a_part() -> None:
    parts = {"a": range(20), "b": range(10, 30), "c": range(20, 40)}
    rows = [(who, f"{i}.png", 1.0, 0.5) for who, some in parts.items() for i in some]
    trials = pd.DataFrame(rows, columns=["subject", "image", "response", "response_time"])
    assert plan.people(from_trials(trials), 8) == "; 16 if each judges 20 of 40 faces, as in the pilot"
    assert plan.people(from_trials(trials[trials["subject"] == "a"]), 8) == ""


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("a,00.png,1,0.5\na,01.png,1,0.5\nb,02.png,1,0.5\nb,03.png,1,0.5", "at least 3 of the same faces: 0"),
        (
            "\n".join(f"{s},0{i}.png,1,{600 + i}" for s in "ab" for i in range(4)),
            "a: the response times look like milli",
        ),
    ],
)
def test_a_plan_needs_shared_faces_and_times_in_seconds(faces: Path, rows: str, reason: str) -> None:
    Path("mine.csv").write_text(f"subject,image,response,response_time\n{rows}\n")
    with pytest.raises(UserError, match=reason):
        plan.main(plan.Settings(trials=Path("mine.csv")))


def test_a_plan_from_coin_flips_is_doubted(faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    names = [path.name for path in (faces / "images").iterdir()]
    rows = [f"{s},{name},{rng.choice([-1, 1])},{rng.uniform(0.4, 0.9):.3f}" for s in "abcd" for name in names]
    Path("mine.csv").write_text("\n".join(["subject,image,response,response_time", *rows]) + "\n")
    plan.main(plan.Settings(trials=Path("mine.csv"), subjects=(5,), repeats=1))
    assert "as they may by chance" in capsys.readouterr().out


def test_how_to_read_a_table_takes_a_table(faces: Path) -> None:
    for how in ({"rename": ("rt=response_time",)}, {"responses": ("f=smiley",)}):
        with pytest.raises(UserError, match="--trials names it"):
            build.main(build.Settings(**how))  # type: ignore[arg-type]


def test_a_plan_needs_two_subjects(faces: Path) -> None:
    with sessions.RunWriter("sessions", "alice", data.open_set(faces).name) as run:
        run.write(trial=1, trial_type="main", image="00.png", response="smiley", response_time=0.5)
    with pytest.raises(UserError, match="at least two subjects"):
        plan.main(plan.Settings())


def test_a_last_bar_that_holds_all_longer_times_says_so() -> None:
    assert "≥ 2 s" in charts.histogram([0.5, 2.5], 0, 2, 30, 120, 26, "times", " s")
    assert "≥" not in charts.histogram([0.5, 1.5], 0, 2, 30, 120, 26, "times", " s")


def test_build_turns_the_votes_of_swapped_keys_round_before_it_counts_them(faces: Path) -> None:
    rows = [
        f"{who},{i:02d}.png,{(1 if i % 2 else -1) * (-1 if who == 'c' else 1)},0.6" for who in "abc" for i in range(40)
    ]
    Path("mine.csv").write_text("\n".join(["subject,image,response,response_time", *rows]) + "\n")
    asked = build.Settings(trials=Path("mine.csv"), method="mean-vote")
    for fix, size in ((False, 1 / 3), (True, 1.0)):
        build.main(replace(asked, fix_swapped=fix))
        smile = pd.read_csv(faces / "labels.csv")["smile"]
        np.testing.assert_allclose(smile, [size if i % 2 else -size for i in range(40)])


def test_a_plan_foretells_what_theory_says_of_subjects_who_are_all_alike() -> None:
    trials = pd.DataFrame({"subject": "a", "image": np.arange(2000), "response": 1.0, "response_time": 0.5})
    alike = {"boundary": 1.5, "start": 0.5, "non_decision_s": 0.3, "gain": 0.8, "drift_bias": 0.4, "drift_noise": 0.0}
    ones, none = np.ones(2000), np.zeros(2000, bool)
    fitted = Terms(ones, ones, 0.0, "identity", none, subjects={name: np.array([v]) for name, v in alike.items()})
    asked = plan.Settings(subjects=(1, 4), repeats=2, method="mean-vote")
    table = plan.simulate(from_trials(trials), fitted, asked)
    d = np.random.default_rng(1).standard_normal(1_000_000)
    vote = np.tanh(1.5 * (0.8 * d + 0.4) / 2)  # its mean, given the drift (Cox and Miller 1965)
    of_one = vote.var() / (1 - vote.mean() ** 2)
    np.testing.assert_allclose(table["reliability"], [of_one, 4 * of_one / (1 + 3 * of_one)], atol=0.04)


def test_a_confound_of_few_faces_is_no_warning() -> None:
    z = np.linalg.qr(np.column_stack([np.ones(20), np.random.default_rng(0).normal(size=(20, 2))]))[0][:, 1:]
    metadata = pd.DataFrame({"image": [str(i) for i in range(20)], "width": 0.3 * z[:, 0] + np.sqrt(0.91) * z[:, 1]})
    found = confounds(pd.DataFrame({"image": metadata["image"], "smile": z[:, 0]}), metadata).iloc[0]
    assert found["r"] == pytest.approx(0.3) and not found["warn"]  # two standard errors are 0.45


def test_a_truth_on_a_bent_scale_is_followed_all_the_same() -> None:
    images = [str(i) for i in range(20)]
    labels = pd.DataFrame({"image": images, "smile": np.linspace(-1, 1, 20)})
    truth = pd.DataFrame({"image": images, "true_smile": np.exp(5 * labels["smile"])})
    assert rank_correlations_with_truth(labels, truth) == {"true_smile": pytest.approx(1)}
