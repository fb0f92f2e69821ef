"""The commands against a real server, without workers: nothing moves unless a person moves it."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Ended, caller, started

Swarm = Callable[..., Ended]


@pytest.fixture
def swarm(server: dict[str, str], tmp_path: Path) -> Swarm:
    """`swarm("task", "list")`: the program as a process, to its end."""
    return caller(server, tmp_path)


def add(swarm: Swarm, *arguments: str) -> str:
    return swarm("task", "add", "-q", *arguments).out.strip()


def show(swarm: Swarm, task_id: str) -> Any:
    return json.loads(swarm("task", "show", task_id, "--json").out)


def test_given_a_task_when_shown_by_the_end_of_its_id_then_everything_about_it_is_there(swarm: Swarm) -> None:
    task_id = add(swarm, "Build\nthe docs", "--tags", "docs", "--needs", "gpu,harness.claude", "-p", "high")
    shown = swarm("task", "show", task_id[-8:]).out
    for fact in (task_id, "Build", "pending", "75", "docs", "gpu, harness.claude", "Build\nthe docs"):
        assert fact in shown
    assert "why it does not run" in shown


def test_given_tasks_when_listed_then_filters_pages_and_quiet_work(swarm: Swarm) -> None:
    first, second = add(swarm, "one", "--tags", "listed", "--backlog"), add(swarm, "two", "--tags", "listed")
    assert swarm("task", "list", "-q", "--tag", "listed").out.split() == [second, first]
    assert swarm("task", "list", "-q", "--tag", "listed", "--status", "backlog").out.split() == [first]
    page = json.loads(swarm("task", "list", "--tag", "listed", "--limit", "1", "--json").out)
    assert [task["id"] for task in page["tasks"]] == [second]
    rest = json.loads(swarm("task", "list", "--tag", "listed", "--cursor", page["nextCursor"], "--json").out)
    assert [task["id"] for task in rest["tasks"]] == [first]
    everything = json.loads(swarm("task", "list", "--all", "--json").out)
    assert everything["nextCursor"] is None
    assert {first, second} <= {task["id"] for task in everything["tasks"]}
    table = swarm("task", "ls", "--tag", "listed").out.splitlines()
    assert table[0].split() == ["ID", "STATUS", "PRIO", "AGENT", "TRY", "AGE", "TITLE"]
    assert table[1].startswith(f"{second[-8:]}  pending")


def test_given_a_task_when_steered_then_each_command_changes_its_status(swarm: Swarm) -> None:
    task_id = add(swarm, "steered")
    assert "backlog" in swarm("task", "backlog", task_id).out
    assert "pending" in swarm("task", "promote", task_id).out
    swarm("task", "priority", task_id, "urgent")
    assert show(swarm, task_id)["priority"] == 100
    refused = swarm("task", "resume", task_id, code=1)
    assert "it is pending" in refused.err
    assert "cancelled" in swarm("task", "cancel", task_id, "--reason", "not wanted").out
    again = json.loads(swarm("task", "retry", task_id, "--json").out)
    assert again["retryOf"] == task_id
    assert show(swarm, task_id)["status"] == "cancelled"


def test_given_a_task_with_a_schema_when_it_is_filed_from_a_file_then_it_has_it(swarm: Swarm, tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    path.write_text('{"type": "object", "required": ["answer"]}')
    task_id = add(swarm, "counted", "--result-schema", str(path), "--with-results", "--timeout", "10m")
    shown = show(swarm, task_id)
    assert (shown["resultSchema"]["required"], shown["includeResults"]) == (["answer"], True)
    assert "600 s" in swarm("task", "show", task_id).out
    path.write_text("[1]")
    assert "no JSON object" in swarm("task", "add", "x", "--result-schema", str(path), code=2).err
    path.write_text('{"type": "objekt"}')
    assert "at /type" in swarm("task", "add", "x", "--result-schema", str(path), code=1).err


def test_given_nobody_to_offer_a_task_to_when_it_is_offered_or_answered_then_that_is_said(swarm: Swarm) -> None:
    task_id = add(swarm, "offered")
    stranger = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"
    assert "does not exist" in swarm("task", "offer", task_id, stranger, "--for", "5m", code=1).err
    for verb in ("accept", "reject"):
        assert "never offered" in swarm("task", verb, task_id, code=1).err


def test_given_a_graph_when_explained_then_the_waiting_task_names_the_one_it_waits_for(swarm: Swarm) -> None:
    graph = [{"ref": "a", "prompt": "first of two"}, {"prompt": "second of two", "dependsOn": ["a"]}]
    filed = json.loads(swarm("task", "graph", "-", "--json", stdin=json.dumps(graph)).out)
    first, second = filed["tasks"]
    assert filed["refs"] == {"a": first["id"]}
    assert "blocked" in swarm("task", "explain", second["id"]).out
    explained = json.loads(swarm("task", "explain", second["id"], "--json").out)
    assert first["id"] in json.dumps(explained)
    third = add(swarm, "third", "--depends-on", f"{second['id'][-8:]}:skip")
    assert [edge["onFailure"] for edge in show(swarm, third)["dependsOn"]] == ["skip"]
    swarm("task", "cancel", first["id"])
    assert (show(swarm, second["id"])["status"], show(swarm, third)["status"]) == ("failed", "cancelled")


def test_given_a_task_that_is_waited_for_when_it_is_cancelled_then_the_waiter_exits_1(
    swarm: Swarm, server: dict[str, str]
) -> None:
    with started(server, "task", "add", "waited for", "--wait") as waiting:
        assert waiting.stderr is not None
        task_id = waiting.stderr.readline().split()[0]
        swarm("task", "cancel", task_id, "--reason", "never mind")
        out, err = waiting.communicate(timeout=30)
    assert waiting.returncode == 1
    assert out.startswith("cancelled")
    assert "never mind" in err


def test_given_ctrl_c_while_waiting_then_the_task_goes_on_and_it_exits_130(
    swarm: Swarm, server: dict[str, str]
) -> None:
    with started(server, "task", "add", "goes on", "--wait") as waiting:
        assert waiting.stderr is not None
        task_id = waiting.stderr.readline().split()[0]
        swarm("task", "priority", task_id, "1")
        assert "priority 1" in waiting.stderr.readline()  # it follows by now
        waiting.send_signal(signal.SIGINT)
        _, err = waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert f"agent-swarm task cancel {task_id[-8:]}" in err
    assert "Traceback" not in err
    assert show(swarm, task_id)["status"] == "pending"


def test_given_tasks_that_are_watched_when_all_have_ended_then_watching_ends(
    swarm: Swarm, server: dict[str, str]
) -> None:
    ids = [add(swarm, "watched"), add(swarm, "watched too")]
    with started(server, "task", "watch", *ids, "--json") as watching:
        assert watching.stderr is not None
        assert watching.stderr.readline().split() == [ids[0][-8:], "pending", "watched"]
        swarm("task", "cancel", *ids)
        out, _ = watching.communicate(timeout=30)
    assert watching.returncode == 1
    seen = [json.loads(line) for line in out.splitlines()]
    assert [event["type"] for event in seen] == ["task.cancelled"] * 2
    assert {event["taskId"] for event in seen} == set(ids)


def test_given_events_when_watched_from_the_first_then_the_past_comes_in_order(
    swarm: Swarm, server: dict[str, str]
) -> None:
    task_id = add(swarm, "told")
    swarm("task", "cancel", task_id)
    with started(server, "watch", "--after", "0", "--task", task_id, "--json") as watching:
        assert watching.stdout is not None
        events = [json.loads(watching.stdout.readline()) for _ in range(2)]
        watching.send_signal(signal.SIGINT)
    assert [event["type"] for event in events] == ["task.created", "task.cancelled"]
    assert events[0]["seq"] < events[1]["seq"]


def test_given_a_repository_then_tasks_can_name_it(swarm: Swarm, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path / "shop"], check=True)
    assert str(tmp_path / "shop") in swarm("repo", "add", str(tmp_path / "shop")).out
    assert swarm("repo", "ls").out.splitlines()[1].startswith("shop")
    assert json.loads(swarm("repo", "list", "--json").out)["projects"][0]["name"] == "shop"
    task_id = add(swarm, "in the shop", "--project", "shop")
    assert swarm("task", "list", "-q", "--project", "shop").out.strip() == task_id
    refused = swarm("task", "add", "nowhere", "--project", "market", code=1)
    assert "'market', which does not exist" in refused.err


def test_given_a_server_then_overview_agents_and_doctor_answer(swarm: Swarm) -> None:
    task_id = add(swarm, "waits here")
    assert "pending" in swarm("overview").out
    assert task_id in swarm("overview", "--json").out
    assert json.loads(swarm("agent", "ls", "--json").out) == {"agents": [], "nextCursor": None}
    assert "no agents" in swarm("agent", "ls").err
    assert "no agent has the id" in swarm("agent", "show", task_id, code=1).err
    checks = {check["name"]: check["status"] for check in json.loads(swarm("doctor", "--json").out)["checks"]}
    assert (checks["server"], checks["key"], checks["key file"]) == ("ok", "ok", "ok")


def test_given_a_task_without_an_attempt_then_its_log_says_where_to_look(swarm: Swarm) -> None:
    task_id = add(swarm, "no log yet")
    assert "task explain" in swarm("task", "logs", task_id).err
    assert "has no attempt 4" in swarm("task", "logs", task_id, "--attempt", "4", code=1).err


def test_given_a_key_of_another_server_then_it_exits_3(server: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agent_swarm", "task", "list"],
        env={**server, "API_KEY": "another"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "set API_KEY" in done.stderr
