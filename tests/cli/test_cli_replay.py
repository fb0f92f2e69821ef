"""`agent-swarm replay`: which recording is meant, and what is refused. Whole replays are in tests/e2e."""

from pathlib import Path

import pytest
from tests.cli.conftest import Run

TASK = "3f2a91bc-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("3f2a91bc",), 1, "no recording of 3f2a91bc is on this machine"),
        (("3f2a91bc",), 1, "the server has no copy"),
        (("../../etc",), 1, "names no attempt"),
        (("3f2a91bc/x",), 1, "names no attempt"),
        (("3f2a91bc", "--model", "m"), 2, "--fork-at"),
        (("3f2a91bc", "--fork-at", "0"), 2, "fork-at"),
    ],
)
def test_given_what_names_no_recording_when_it_is_replayed_then_it_is_said(
    words: tuple[str, ...], code: int, says: str, run: Run, tmp_path: Path
) -> None:
    ended = run("replay", *words, "--workers-dir", str(tmp_path))
    assert (ended.code, says in ended.err) == (code, True), ended


def test_given_a_swarm_with_a_data_dir_when_its_recordings_are_looked_for_then_it_is_where_up_keeps_its_workers(
    run: Run, tmp_path: Path
) -> None:
    own, of_up = tmp_path / "own", tmp_path / "swarm" / "workers"
    data_dir = {"DATA_DIR": str(of_up.parent)}
    assert f"in {tmp_path / 'home' / 'workers'}" in run("replay", "3f2a91bc", env=data_dir).err
    of_up.mkdir(parents=True)
    assert f"in {of_up}" in run("replay", "3f2a91bc", env=data_dir).err
    named = {**data_dir, "AGENT_SWARM_WORKER_DIR": str(own)}
    assert f"in {own}" in run("replay", "3f2a91bc", env=named).err


def test_given_recordings_of_two_tasks_when_a_short_id_fits_both_then_more_of_it_is_asked_for(
    run: Run, tmp_path: Path
) -> None:
    for task in (TASK, TASK.replace("01", "02")):
        folder = tmp_path / "agent" / "recordings" / task / "1"
        folder.mkdir(parents=True)
        (folder / "recording.jsonl").write_text("")
    assert "several tasks" in run("replay", "3f2a91bc", "--workers-dir", str(tmp_path)).err
    damaged = run("replay", TASK, "--workers-dir", str(tmp_path))
    assert damaged.code == 1 and "cannot be replayed" in damaged.err
