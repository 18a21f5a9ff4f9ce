"""The commands as a newcomer types them: help, wrong flags, missing steps, no writing allowed; and what they share."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np  # whose BLAS is the one that is looked at
import pytest
import tyro
from threadpoolctl import threadpool_info

import shell
from annotator.settings import Settings
from model.degrees import check_degrees, signed

ROOT = Path(__file__).parent.parent
COMMANDS = ["annotator", "labeling.build", "sessions.simulate", "data.prepare"]
COMMANDS += [f"model.{name}" for name in ("train", "sample", "detail", "evaluate", "stimuli", "explore", "pack")]
COMMANDS += [f"model.{name}" for name in ("edit", "reconstruct", "traverse", "interpolate")]


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "SDL_VIDEODRIVER": "dummy"}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_tells_how_the_command_is_called(tmp_path: Path, command: str) -> None:
    done = run(tmp_path, command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: python -m {command}")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_flag_is_named_with_exit_code_2(tmp_path: Path, command: str) -> None:
    done = run(tmp_path, command, "--wrong-flag")
    assert done.returncode == 2
    assert "--wrong-flag" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "missing_step"),
    [
        (["labeling.build"], "python -m annotator"),
        (["sessions.simulate"], "python -m data.prepare drawn"),
        (["model.train"], "python -m data.prepare drawn"),
        (["model.sample", "--run", "runs/none"], "python -m model.train"),
        (["model.train", "--resume"], "no run to resume"),
        (["data.prepare", "utkface", "--source", "missing.tar"], "missing.tar"),
        (["data.prepare", "folder", "--source", "missing", "--name", "x"], "missing"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_out_of_order_a_command_names_the_missing_step(tmp_path: Path, command: list[str], missing_step: str) -> None:
    done = run(tmp_path, *command)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert missing_step in done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_flags_may_stand_in_a_file_and_of_one_that_comes_twice_the_last_counts(tmp_path: Path) -> None:
    study = tmp_path / "study.txt"
    study.write_text("# all see\n--data 'my faces'  --keys left right\n\n--images lists\\all.txt --limit 5\n")
    words = shell.arguments(["--subject", "a01", f"@{study}", "--limit", "7"])
    assert words[:5] == ["--subject", "a01", "--data", "my faces", "--keys"]
    assert words[5:] == ["left", "right", "--images", r"lists\all.txt", "--limit", "5", "--limit", "7"]
    settings = tyro.cli(Settings, args=words)
    assert (settings.data, settings.keys, settings.limit) == (Path("my faces"), ("left", "right"), 7)


def test_a_file_of_flags_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    missing, open_quote, other = tmp_path / "none.txt", tmp_path / "quote.txt", tmp_path / "latin.txt"
    open_quote.write_text("--limit 5\n--data 'my faces\n")
    other.write_bytes("--data Bögen".encode("latin-1"))
    for file, told in ((missing, "No such file"), (open_quote, "row 2: a quote"), (other, "expected flags in UTF-8")):
        done = run(tmp_path, "annotator", "--subject", "a01", f"@{file}")
        assert done.returncode == 2 and done.stderr.count("\n") == 1
        assert str(file) in done.stderr and told in done.stderr


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = run(tmp_path, "data.prepare", "drawn", "--count", "1")
    assert done.returncode == 2 and "Permission denied" in done.stderr and "Traceback" not in done.stderr


def test_output_may_be_cut_off() -> None:
    done = subprocess.run(
        f"{sys.executable} -m model.train --help | true",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    shell.write_text(path, "old")
    with pytest.raises(RuntimeError), shell.whole_file(path) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_who_may_read_a_file_and_where_it_lies_stay_when_it_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "vault").mkdir()
    kept, link = tmp_path / "vault/people.tsv", tmp_path / "people.tsv"
    kept.write_text("old")
    kept.chmod(0o600)
    link.symlink_to(kept)
    shell.write_text(link, "new")
    assert link.is_symlink() and kept.read_text() == "new" and kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_a_file_that_may_only_be_read_is_replaced_and_a_link_into_an_archive_does_not_write_there(
    tmp_path: Path,
) -> None:
    kept, link = tmp_path / "kept.csv", tmp_path / "labels.csv"
    kept.write_text("old")
    kept.chmod(0o444)
    link.symlink_to(kept)
    shell.write_text(link, "new")
    assert kept.read_text() == "old" and not link.is_symlink() and link.read_text() == "new"
    shell.write_text(kept, "newer")
    assert kept.read_text() == "newer" and kept.stat().st_mode & 0o777 == 0o444


def test_a_disk_without_room_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    with pytest.raises(OSError) as caught, shell.whole_file(path):
        raise OSError(28, "No space left on device")
    assert caught.value.filename == str(path)


def test_a_file_is_written_beside_its_place_with_the_same_suffix(tmp_path: Path) -> None:
    with shell.whole_file(tmp_path / "a.png") as aside:
        assert aside.parent == tmp_path and aside.suffix == ".png" and aside.name.startswith(".")
        aside.touch()


def test_the_version_is_that_of_the_project_and_in_a_clone_tells_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "smilecvae"\nversion = "1.2.3"\n', encoding="utf-8")
    monkeypatch.setattr(shell, "__file__", str(tmp_path / "shell.py"))
    assert shell.version.__wrapped__() == "1.2.3"
    monkeypatch.setattr(shell, "__file__", str(tmp_path / "elsewhere" / "shell.py"))
    assert shell.version.__wrapped__() == "unknown"
    monkeypatch.setattr(shell, "__file__", str(tmp_path / "shell.py"))
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    clean = shell.version.__wrapped__()
    assert re.fullmatch(r"1\.2\.3\+g[0-9a-f]{7,}", clean)
    with (tmp_path / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("# changed")
    assert shell.version.__wrapped__() == f"{clean}.dirty"
    for somebody in ('[project]\nname = "theirs"\nversion = "9"\n', "[tool.poetry]\n", "[project"):
        (tmp_path / "pyproject.toml").write_text(somebody, encoding="utf-8")
        assert shell.version.__wrapped__() == "unknown"


def test_without_a_standard_output_a_command_works_all_the_same(tmp_path: Path) -> None:
    code = "import sys; sys.stdout = None; import runpy; runpy.run_module('labeling.build', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE
    )
    assert done.returncode == 2 and b"Traceback" not in done.stderr


@pytest.mark.parametrize("degree", [1e39, -101.0, float("nan")])
def test_a_degree_far_beyond_any_face_is_one_sentence(degree: float) -> None:
    check_degrees("--smile", [-3.0, 3.0])
    with pytest.raises(shell.UserError, match=r"--smile 0\.0 .*: expected numbers from -100 to 100"):
        check_degrees("--smile", [0.0, degree])


def test_a_share_is_told_in_per_cent_that_no_line_breaks() -> None:
    assert [shell.percent(0.9), shell.percent(0.0125, 1), shell.percent(1)] == ["90\u00a0%", "1.2\u00a0%", "100\u00a0%"]


def test_long_lists_are_cut() -> None:
    assert shell.listed(["a", "b"]) == "a, b"
    assert shell.listed(list("abcdefghijklm")) == "a, b, c, d, e, f, g, h, i, j, and 3 more"


def test_what_is_to_take_one_thread_takes_one_and_gives_the_others_back() -> None:
    def threads() -> list[int]:
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    before = threads()
    assert before and set(shell.one_thread(threads)()) == {1}
    assert threads() == before


@pytest.mark.parametrize(
    ("degree", "written"),
    [(0.5, "+0.50"), (-3.0, "-3.00"), (-0.0, "0.00"), (0.123, "+0.123"), (np.float64(-1 / 3), "-0.3333333333333333")],
)
def test_a_degree_is_written_with_its_sign_and_with_as_many_digits_as_it_has(degree: float, written: str) -> None:
    assert signed(degree) == written
