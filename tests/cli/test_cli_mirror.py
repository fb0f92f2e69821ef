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
    write(tmp_path / TEAM, "1", "in_progress", owner="ada", blockedBy=["2", 3, "../4", None, "2"])
    write(tmp_path / TEAM, "2", "dreaming")
    write(tmp_path / TEAM, "3", subject=7)
    write(tmp_path / ALONE, "1")
    (tmp_path / TEAM / "4.json").write_text("[")
    (tmp_path / TEAM / "5.json").write_text('{"id": "../../etc", "subject": "x"}')
    (tmp_path / TEAM / ".highwatermark").write_text("9")
    assert tasks_in(tmp_path, sessions=False, now=NOW) == [
        NativeTask(TEAM, "1", "task 1", "do it", "in_progress", "ada", ("2", "3"))
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


def test_given_tasks_that_wait_for_others_when_those_change_then_what_the_board_should_say_changes(
    tmp_path: Path,
) -> None:
    first = NativeTask(TEAM, "1", "build", status="in_progress", owner="ada")
    second = NativeTask(TEAM, "2", "test", "well", blocked_by=("1", "9"))
    with kept_for(tmp_path, "server", seconds=1) as kept:
        kept.note([first, second], tmp_path)
        for one in kept.waiting():
            one.told, one.words = one.status, kept.words_of(one)
        assert kept.waiting() == []
        assert kept.tasks[first.key].words["tags"] == ["claude-team", TEAM, "in-progress"]
        assert kept.tasks[second.key].words["tags"] == ["claude-team", TEAM, "waiting"]
        assert kept.tasks[second.key].words["prompt"].endswith("Waits for task 1: build")
        kept.note([NativeTask(TEAM, "1", "build", status="completed"), second], tmp_path)
    with kept_for(tmp_path, "server", seconds=1) as again:
        assert [one.id for one in again.waiting()] == ["1", "2"]
        assert again.words_of(again.tasks[second.key])["tags"] == ["claude-team", TEAM]


def test_given_a_task_that_was_refused_when_others_wait_then_those_come_first(tmp_path: Path) -> None:
    with kept_for(tmp_path, "server", seconds=1) as kept:
        kept.note([NativeTask(TEAM, "1", "build"), NativeTask(TEAM, "2", "test")], tmp_path)
        kept.tasks[f"{TEAM}/1"].failures = 1
        kept.save()
    with kept_for(tmp_path, "server", seconds=1) as again:
        assert [one.id for one in again.waiting()] == ["2", "1"]


def test_given_what_was_kept_before_words_were_when_it_is_read_then_the_board_is_told_them_once(tmp_path: Path) -> None:
    known = {"team": TEAM, "id": "1", "subject": "a", "description": "", "status": "pending", "owner": "", "key": "k"}
    content = {"agentId": ALONE, "tasks": {f"{TEAM}/1": {**known, "task_id": "t", "told": "pending"}}}
    (tmp_path / "server.json").write_text(json.dumps(content))
    with kept_for(tmp_path, "server", seconds=1) as kept:
        [one] = kept.waiting()
        one.words = kept.words_of(one)
        assert kept.waiting() == []


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

    def says(self, title: str) -> tuple[list[str], list[str]]:
        """The tags of a task that say how it stands, and what its text says of that."""
        found = json.loads(self.run("task", "list", "--json").out)["tasks"]
        [id_] = [task["id"] for task in found if task["title"] == title]
        task = json.loads(self.run("task", "show", id_, "--json").out)
        prompt = task["prompt"].split("\n\n")
        assert prompt[:2] == ["do it", f"Task {title.split()[1]} of the team {TEAM}, which works on it itself."]
        return [tag for tag in task["tags"] if tag not in ("claude-team", TEAM)], prompt[2:]

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
def test_given_native_tasks_when_their_team_goes_on_then_the_board_says_who_has_what_and_what_waits(
    tmp_path: Path,
) -> None:
    with serving(clean_environment(tmp_path / "server-home"), tmp_path / "server") as environment:
        mirror = Mirror(environment, tmp_path)
        write(mirror.team, "1")
        write(mirror.team, "2", subject="task two")
        mirror.told()
        write(mirror.team, "1", "in_progress", owner="ada")
        write(mirror.team, "2", subject="task 2", blockedBy=["1"])
        assert mirror.told() == {"told": 2, "waiting": 0}
        assert mirror.told() == {"told": 0, "waiting": 0}
        assert mirror.says("task 1") == (["in-progress"], ["In progress by ada."])
        assert mirror.says("task 2") == (["waiting"], ["Waits for task 1: task 1"])
        write(mirror.team, "1", "completed", owner="ada")
        write(mirror.team, "2", "in_progress", subject="task 2", owner="bob", blockedBy=["1"])
        assert mirror.told() == {"told": 2, "waiting": 0}
        assert mirror.says("task 2") == (["in-progress"], ["In progress by bob."])
        assert mirror.board() == {"task 1": "completed", "task 2": "backlog"}


@pytest.mark.slow
def test_given_an_answer_that_was_lost_when_the_task_has_changed_meanwhile_then_it_stands_there_once_as_it_is_now(
    tmp_path: Path,
) -> None:
    with serving(clean_environment(tmp_path / "server-home"), tmp_path / "server") as environment:
        mirror = Mirror(environment, tmp_path)
        for number in ("1", "2"):
            write(mirror.team, number)
        mirror.told()
        [path] = (tmp_path / "home" / "claude-tasks").glob("*.json")
        kept = json.loads(path.read_text())
        for one in kept["tasks"].values():
            one["task_id"] = one["told"] = ""
        path.write_text(json.dumps(kept))
        write(mirror.team, "1", "in_progress")
        (mirror.team / "2.json").unlink()
        assert mirror.told() == {"told": 2, "waiting": 0}
        assert mirror.says("task 1") == (["in-progress"], ["In progress."])
        assert mirror.board() == {"task 1": "backlog", "task 2": "cancelled"}
        assert len(json.loads(mirror.run("task", "list", "--json").out)["tasks"]) == 2


@pytest.mark.slow
def test_given_a_task_that_cannot_be_ended_when_others_come_then_those_are_told(tmp_path: Path) -> None:
    with serving(clean_environment(tmp_path / "server-home"), tmp_path / "server") as environment:
        mirror = Mirror({**environment, "SWARM_DEFAULT_ID": "dev"}, tmp_path)
        mirror.run("swarm", "create", "dev")
        write(mirror.team, "1")
        mirror.told()
        mirror.run("swarm", "pause", "dev")  # nothing in it is claimed
        write(mirror.team, "1", "completed")
        write(mirror.team, "2")
        refused = mirror.run("swarm", "mirror", code=1)
        assert "could not be claimed" in refused.err
        assert mirror.board() == {"task 1": "pending", "task 2": "backlog"}
        mirror.run("swarm", "resume", "dev")
        assert mirror.told() == {"told": 1, "waiting": 0}
        assert mirror.board() == {"task 1": "completed", "task 2": "backlog"}


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
