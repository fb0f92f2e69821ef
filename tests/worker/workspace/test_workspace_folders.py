"""The personal and the shared folder."""

from pathlib import Path
from uuid import uuid4

import pytest

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.worker.workspace import folders_from_environment, open_folders
from agent_swarm.worker.workspace.errors import FolderUnusable

from .checkouts import AGENT


def test_given_a_worker_directory_when_the_folders_are_opened_then_they_are_where_the_seed_says(tmp_path: Path) -> None:
    worker_dir = tmp_path / ".agent-swarm/workers" / AGENT
    folders = open_folders(AGENT, worker_dir)
    assert folders.personal == worker_dir / "personal"
    assert folders.shared == tmp_path / ".agent-swarm/shared"
    assert dict(folders.own) == {
        kind: folders.shared / kind / AGENT for kind in ("thoughts", "memory", "downloads", "misc")
    }
    assert all(path.is_dir() for path in (folders.personal, *folders.own.values()))
    assert folders.personal.stat().st_mode & 0o777 == 0o700


def test_given_folders_in_the_environment_when_they_are_opened_then_those_are_used(tmp_path: Path) -> None:
    variables = {"AGENT_SWARM_PERSONAL_DIR": f"{tmp_path}/workspace/personal", "AGENT_SWARM_SHARED_DIR": ""}
    folders = folders_from_environment(AGENT, tmp_path / "a/workers" / AGENT, variables)
    assert folders.personal == tmp_path / "workspace/personal"
    assert folders.shared == tmp_path / "a/shared"
    variables = {"AGENT_SWARM_SHARED_DIR": f"{tmp_path}/workspace/shared"}
    folders = folders_from_environment(AGENT, tmp_path / "a/workers" / AGENT, variables)
    assert folders.own["memory"] == tmp_path / "workspace/shared/memory" / AGENT


def test_given_two_agents_when_both_open_the_shared_folder_then_each_has_its_own_part_and_reads_the_others(
    tmp_path: Path,
) -> None:
    ada, bob = (open_folders(str(uuid4()), tmp_path / "workers" / name, shared=tmp_path / "shared") for name in "ab")
    (ada.own["thoughts"] / "plan").write_text("1")
    assert (bob.shared / "thoughts" / ada.own["thoughts"].name / "plan").read_text() == "1"
    assert ada.own["thoughts"] != bob.own["thoughts"]


def test_given_folders_with_files_when_they_are_opened_again_then_the_files_stay(tmp_path: Path) -> None:
    for _ in range(2):
        folders = open_folders(AGENT, tmp_path / "workers/x")
        (folders.personal / "file").touch()
        (folders.own["misc"] / "file").touch()
    assert (folders.own["misc"] / "file").exists()


def test_given_a_link_in_place_of_an_agents_folder_when_it_is_opened_then_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shared/memory").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "shared/memory" / AGENT).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FolderUnusable, match="is a symbolic link, expected a directory"):
        open_folders(AGENT, tmp_path / "workers/x", shared=tmp_path / "shared")


def test_given_a_file_in_place_of_a_folder_when_it_is_opened_then_the_error_names_it_and_a_remedy(
    tmp_path: Path,
) -> None:
    (tmp_path / "shared").write_text("")
    with pytest.raises(FolderUnusable, match=f"cannot make the folder {tmp_path}/shared") as caught:
        open_folders(AGENT, tmp_path / "workers/x", shared=tmp_path / "shared")
    assert "chown" in caught.value.hint


def test_given_an_agent_id_that_is_none_when_folders_are_opened_then_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="agent id"):
        open_folders("../x", tmp_path)
