"""From the screen to the file, when the disk does not do its part."""

import shutil
from pathlib import Path

import sessions


def test_a_run_whose_folder_was_removed_is_made_anew_with_all_its_rows(tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    with sessions.RunWriter(folder, "alice", "faces", {"Seed": 7}) as run:
        for trial in (1, 2, 3):
            run.write(trial=trial, trial_type="main", image=f"{trial}.png")
            if trial == 2:
                shutil.rmtree(folder)
    (kept,) = sessions.runs(folder, "alice", "faces")
    assert [row["image"] for row in kept.rows()] == ["1.png", "2.png", "3.png"]
    assert kept.sidecar["Seed"] == 7
