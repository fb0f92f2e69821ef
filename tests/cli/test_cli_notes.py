"""`agent-swarm memory`, `kv` and `approval` as people and scripts use it, against a server."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Run, started, told

pytestmark = pytest.mark.slow


def test_given_notes_when_they_are_searched_listed_shown_and_removed_then_each_command_says_what_it_did(
    swarm: Run, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text("how we deploy the shop\n")
    first = told(swarm, "memory", "store", "The staging database is reset every night", "--tag", "staging")
    swarm("memory", "store", "--name", "deploying", "--from-file", str(page))
    swarm("memory", "store", "--name", "piped", stdin="piped text\n")

    assert "staging database" in swarm("memory", "search", "DATABASE", "staging").out
    assert swarm("memory", "get", first["id"]).out == "The staging database is reset every night\n"
    assert [note["name"] for note in told(swarm, "memory", "list")["notes"]] == ["deploying", first["name"], "piped"]
    assert [note["id"] for note in told(swarm, "memory", "ls", "--tag", "staging")["notes"]] == [first["id"]]
    assert "some" in swarm("memory", "search", "deploy", "rockets").err
    assert "no note" in swarm("memory", "search", '"NEAR(').err
    assert "removed" in swarm("memory", "rm", first["id"]).out
    assert "no note has the id" in swarm("memory", "get", first["id"], code=1).err


def test_given_wrong_usage_of_notes_when_it_is_called_then_it_says_what_was_expected(swarm: Run) -> None:
    for arguments in (
        ("memory", "store", "x", "--from-file", "y"),
        ("memory", "store", "x", "--scope", "project"),
        ("memory", "store", "x", "--scope", "world:x"),
        ("memory", "search"),
        ("memory", "search", "x", "--limit", "51"),
    ):
        assert "Usage" in swarm(*arguments, code=2).err
    assert "no project" in swarm("memory", "store", "x", "--scope", "project:nowhere", code=1).err


def test_given_values_when_they_are_set_counted_compared_listed_and_removed_then_each_command_says_what_it_did(
    swarm: Run,
) -> None:
    assert swarm("kv", "set", "owner", "ada", "--if-version", "0").out.startswith('owner  "ada"  version ')
    assert "expected 0" in swarm("kv", "set", "owner", "bob", "--if-version", "0", code=1).err
    assert swarm("kv", "get", "owner").out == "ada\n"
    assert told(swarm, "kv", "set", "limits", '{"parallel": 4}', "--ttl", "3600")["expiresAt"]
    assert told(swarm, "kv", "set", "code", "7", "--text")["value"] == "7"
    assert [told(swarm, "kv", "incr", "n", "--by", by)["value"] for by in ("2", "-5")] == [2, -3]
    assert [one["key"] for one in told(swarm, "kv", "list")["values"]] == ["code", "limits", "n", "owner"]
    assert "removed owner" in swarm("kv", "rm", "owner").out
    assert "nothing is stored" in swarm("kv", "get", "owner", code=1).err
    assert "namespace" in swarm("kv", "list", "-n", "world", code=1).err


def test_given_what_an_agent_asks_when_people_list_show_and_answer_it_then_each_command_says_what_it_did(
    swarm: Run, server: dict[str, str], tmp_path: Path
) -> None:
    with started({**server, "HOME": str(tmp_path)}, "worker", "--harness", "script") as worker:
        questions = [{"text": "Now?"}, {"id": "who", "text": "Who?", "kind": "text"}]
        asking = f"ask {json.dumps({'title': 'Deploy?', 'questions': questions})}"
        task = told(swarm, "task", "add", "--harness", "script", "--title", "asks", f"{asking}\nresult done")
        asked = eventually(lambda: told(swarm, "approval", "list")["approvals"])[0]
        assert "Deploy?" in swarm("approval", "list").out
        shown = swarm("approval", "show", asked["id"])
        assert "q1: Now?" in shown.out
        assert f"agent-swarm approval answer {asked['id']} q1=yes who=…" in shown.err
        for verb in ("answer", "approve"):
            refused = swarm("approval", verb, asked["id"], code=2).err
            assert (
                f"more than a yes is asked for; answer with: agent-swarm approval answer {asked['id']} q1=yes"
                in refused
            )
        assert "not answered" in swarm("approval", "answer", asked["id"], "q1=yes", code=1).err
        assert "yes or no" in swarm("approval", "answer", asked["id"], "q1=maybe", "who=x", code=2).err
        assert "QUESTION=ANSWER" in swarm("approval", "answer", asked["id"], "yes", code=2).err
        with started(server, "approval", "show", asked["id"], "--wait", "--json") as waiting:
            assert "answered" in swarm("approval", "answer", asked["id"], "q1=yes", "who=ada", "--comment", "go").out
            assert json.loads(waiting.communicate(timeout=30)[0])["answers"] == {"q1": True, "who": "ada"}
        assert "first answer counts" in swarm("approval", "deny", asked["id"], code=1).err
        assert "→ yes" in swarm("approval", "show", asked["id"]).out
        eventually(lambda: told(swarm, "task", "show", task["id"])["status"] == "completed")
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=30)


@pytest.mark.parametrize("verb", ["answer", "approve"])
def test_given_a_gate_when_a_person_just_says_yes_then_it_opens(swarm: Run, tmp_path: Path, verb: str) -> None:
    file = tmp_path / "gated.yaml"
    file.write_text('{name: gated, stages: [{name: go, kind: noop, gate: {title: "Go?"}}]}')
    run = told(swarm, "workflow", "run", str(file))
    asked = eventually(lambda: told(swarm, "approval", "list")["approvals"])[0]
    assert f"agent-swarm approval answer {asked['id']} open=yes" in swarm("approval", "show", asked["id"]).err
    assert "answered" in swarm("approval", verb, asked["id"]).out
    eventually(lambda: told(swarm, "workflow", "show", run["id"])["status"] == "completed")


def eventually(look: Callable[[], Any]) -> Any:
    """What `look` finds, once it finds something; each look runs the program, which takes a while."""
    for _ in range(200):
        if found := look():
            return found
    raise AssertionError("it never came")
