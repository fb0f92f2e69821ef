"""Identities that survive a restart."""

from pathlib import Path

import pytest

from agent_swarm.cli.agent_ids import remembered_ids
from agent_swarm.cli.failures import CommandFailed


def test_given_a_restart_then_every_agent_has_the_id_it_had(tmp_path: Path) -> None:
    first = remembered_ids(tmp_path / "swarm", ["lead", "worker-1"])
    assert remembered_ids(tmp_path / "swarm", ["lead", "worker-1"]) == first
    assert len(set(first.values())) == 2


def test_given_more_or_fewer_agents_than_before_then_nobody_loses_an_id(tmp_path: Path) -> None:
    first = remembered_ids(tmp_path, ["lead", "worker-1"])
    assert remembered_ids(tmp_path, ["worker-1", "worker-2"])["worker-1"] == first["worker-1"]
    assert remembered_ids(tmp_path, ["lead"]) == {"lead": first["lead"]}


@pytest.mark.parametrize("content", ["", "[]", '{"lead": "ada"}', "\x00"])
def test_given_a_file_that_is_none_of_ours_then_it_is_named_and_kept(content: str, tmp_path: Path) -> None:
    file = tmp_path / "agents.json"
    file.write_text(content)
    with pytest.raises(CommandFailed, match=r"agents\.json") as refused:
        remembered_ids(tmp_path, ["lead"])
    assert f"rm {file}" in refused.value.hint
    assert file.read_text() == content
