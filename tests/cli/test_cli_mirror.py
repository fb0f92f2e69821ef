"""`agent-swarm swarm mirror`: native tasks on a real board, each once, whatever comes in between."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Ended, caller, clean_environment, serving

from agent_swarm.cli.mirror.kept import kept_for
from agent_swarm.cli.mirror.native import NativeTask, task_of_hook, tasks_in

TEAM = "session-abcd1234"
NOW = time.time()
ALONE = "0b5e3c1e-6f0a-4c57-9d5e-2f1a7c3b9e10"


def write(folder: Path, id_: str, status: str = "pending", **more: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"id": id_, "subject": f"task {id_}", "description": "do it", "status": status, **more}
    (folder / f"{id_}.json").write_text(json.dumps(content))


def test_given_lists_of_teams_and_others_when_they_are_read_then_what_is_strange_is_passed_over(
    tmp_path: Path,
) -> None:
    write(tmp_path / TEAM, "1", "in_progress", owner="ada")
    write(tmp_path / TEAM, "2", "dreaming")
    write(tmp_path / TEAM, "3", subject=7)
    write(tmp_path / ALONE, "1")
    (tmp_path / TEAM / "4.json").write_text("[")
    (tmp_path / TEAM / "5.json").write_text('{"id": "../../etc", "subject": "x"}')
    (tmp_path / TEAM / ".highwatermark").write_text("9")
    assert tasks_in(tmp_path, sessions=False, now=NOW) == [
        NativeTask(TEAM, "1", "task 1", "do it", "in_progress", "ada")
    ]
    assert len(tasks_in(tmp_path, sessions=True, now=NOW)) == 2
    assert tasks_in(tmp_path / "absent", sessions=True, now=NOW) == []


def test_given_a_list_that_nobody_wrote_in_for_a_week_when_lists_are_read_then_it_is_history(tmp_path: Path) -> None:
    write(tmp_path / TEAM, "1")
    assert len(tasks_in(tmp_path, sessions=False, now=NOW + 6 * 86400)) == 1
    assert tasks_in(tmp_path, sessions=False, now=NOW + 8 * 86400) == []


def test_given_what_a_hook_is_told_when_it_is_read_then_the_file_says_the_rest(tmp_path: Path) -> None:
    write(tmp_path / TEAM, "1", "in_progress")
    told = {"hook_event_name": "TaskCompleted", "task_id": "1", "team_name": TEAM, "teammate_name": "ada"}
    assert task_of_hook(told, tmp_path, "", sessions=False) == NativeTask(
        TEAM, "1", "task 1", "do it", "completed", "ada"
    )
    made = {"hook_event_name": "TaskCreated", "task_id": "9", "task_subject": "new  one", "team_name": TEAM}
    assert task_of_hook(made, tmp_path, "", sessions=False) == NativeTask(TEAM, "9", "new one")
    alone = {**made, "team_name": None, "session_id": ALONE}
    assert task_of_hook(alone, tmp_path, "", sessions=False) is None
    assert task_of_hook(alone, tmp_path, "", sessions=True) is not None
    for strange in ({}, {**made, "task_id": "../1"}, {**made, "hook_event_name": "Stop"}, {**made, "task_id": [1]}):
        assert task_of_hook(strange, tmp_path, "", sessions=True) is None


def test_given_a_task_that_has_ended_when_its_file_says_otherwise_then_it_stays_ended(tmp_path: Path) -> None:
    done = NativeTask(TEAM, "1", "a", status="completed")
    with kept_for(tmp_path, "server", seconds=1) as kept:
        kept.note([done], tmp_path)
        kept.note([NativeTask(TEAM, "1", "a", status="in_progress")], tmp_path)
    with kept_for(tmp_path, "server", seconds=1) as again:
        assert [one.status for one in again.waiting()] == ["completed"]


class Mirror:
    """The command on this test's files."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment = {
            **environment,
            "CLAUDE_CONFIG_DIR": str(folder / "claude"),
            "AGENT_SWARM_HOME": str(folder / "home"),
            "CLAUDE_CODE_TASK_LIST_ID": "",
        }
        self.team = folder / "claude" / "tasks" / TEAM
        self.run: Callable[..., Ended] = caller(self.environment, folder)

    def told(self, **variables: str) -> dict[str, int]:
        found: dict[str, int] = json.loads(self.run("swarm", "mirror", "--json", **variables).out)
        return found

    def board(self) -> dict[str, str]:
        found = json.loads(self.run("task", "list", "--json").out)["tasks"]
        return {task["title"]: task["status"] for task in found}


@pytest.mark.slow
def test_given_native_tasks_when_they_are_mirrored_again_and_again_then_each_stands_there_once(
    tmp_path: Path,
) -> None:
    with serving(clean_environment(tmp_path / "server-home"), tmp_path / "server") as environment:
        mirror = Mirror(environment, tmp_path)
        write(mirror.team, "1", "completed", owner="ada")
        write(mirror.team, "2", "in_progress")
        write(mirror.team, "3")
        assert mirror.told(SWARM_MIRROR="off") == {"told": 0, "waiting": 0}
        assert mirror.told() == {"told": 3, "waiting": 0}
        assert mirror.told() == {"told": 0, "waiting": 0}
        assert mirror.board() == {"task 1": "completed", "task 2": "backlog", "task 3": "backlog"}
        (mirror.team / "3.json").unlink()
        heard = {"hook_event_name": "TaskCompleted", "task_id": "2", "team_name": TEAM}
        hooked = mirror.run("swarm", "mirror", "--hook", stdin=json.dumps(heard))
        assert (hooked.out, hooked.err) == ("", "")
        assert mirror.board() == {"task 1": "completed", "task 2": "completed", "task 3": "cancelled"}
        done = json.loads(mirror.run("task", "list", "--json", "--status", "completed").out)["tasks"]
        assert {task["result"]["text"] for task in done if task["result"]} == {
            f"completed by ada in the team {TEAM}",
            f"completed in the team {TEAM}",
        }
        assert [one["status"] for one in json.loads(mirror.run("agent", "ls", "--json").out)["agents"]] == ["offline"]


@pytest.mark.slow
def test_given_a_task_that_a_person_ended_on_the_board_when_its_team_completes_it_then_that_end_stays(
    tmp_path: Path,
) -> None:
    with serving(clean_environment(tmp_path / "server-home"), tmp_path / "server") as environment:
        mirror = Mirror(environment, tmp_path)
        write(mirror.team, "1")
        mirror.told()
        mirror.run("task", "cancel", mirror.run("task", "list", "-q").out.strip())
        write(mirror.team, "1", "completed")
        assert mirror.told() == {"told": 1, "waiting": 0}
        assert mirror.board() == {"task 1": "cancelled"}


def test_given_a_server_that_is_down_when_hooks_tell_of_tasks_then_they_succeed_and_it_waits(
    tmp_path: Path,
) -> None:
    nobody = {**clean_environment(tmp_path / "x"), "AGENT_SWARM_URL": "http://127.0.0.1:9", "API_KEY": "k"}
    away = Mirror(nobody, tmp_path)
    heard = {"hook_event_name": "TaskCreated", "task_id": "1", "team_name": TEAM, "task_subject": "task 1"}
    hooked = away.run("swarm", "mirror", "--hook", stdin=json.dumps(heard))
    assert (hooked.out, hooked.err) == ("", "")
    assert away.run("swarm", "mirror", "--hook", stdin="not JSON").err == ""
    refused = away.run("swarm", "mirror", code=3)
    assert "to be told later: 1" in refused.err
