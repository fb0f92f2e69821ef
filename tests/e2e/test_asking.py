"""A real agent asks people: its run stops for the answer, over a restart of the server, and goes on with it."""

from typing import Any

import pytest

from agent_swarm.testing.real_swarm import RealSwarm

pytestmark = pytest.mark.slow

SCRIPT = """
say before
run echo once >> log.txt
ask into answer.json <<END
{"title": "Deploy?", "pause": true,
 "questions": [{"id": "where", "text": "Where?", "kind": "text"}]}
END
run cat log.txt; grep -o '"where": "[a-z]*"' answer.json > said.txt; cat said.txt
run test "$(wc -l < log.txt)" = 1
result deployed
"""


def script(ref: str, prompt: str) -> dict[str, Any]:
    return {"ref": ref, "title": ref, "harness": "script", "prompt": prompt}


def open_ones(swarm: RealSwarm) -> list[Any]:
    found: list[Any] = swarm.call("GET", "/api/approvals")["approvals"]
    return found


def test_given_a_script_that_asks_when_people_answer_or_not_then_it_goes_on_or_fails_each_once(
    swarm: RealSwarm,
) -> None:
    swarm.start_server()
    swarm.start_worker(slots=1)
    polling = 'ask {"title": "Poll?", "expiresInSeconds": 600}\nresult polled'
    denied = 'ask {"title": "Denied?", "pause": true}\nresult never'
    silent = 'ask {"title": "Silent?", "pause": true, "expiresInSeconds": 1}\nresult never'
    refs = swarm.file(script("asks", SCRIPT), script("denied", denied), script("silent", silent))
    swarm.wait_until(lambda: swarm.task(refs["asks"])["status"] == "paused", "the task pauses for its answer")
    swarm.kill_server()
    swarm.start_server()
    by_title = {one["title"]: one for one in open_ones(swarm)}
    explained = swarm.call("GET", f"/api/tasks/{refs['asks']}/explain")
    assert explained["reasons"][0]["details"]["approvalId"] == by_title["Deploy?"]["id"]

    swarm.call("POST", f"/api/approvals/{by_title['Deploy?']['id']}/answer", {"answers": {"where": "eu"}})
    swarm.wait_until(lambda: swarm.task(refs["asks"])["status"] == "completed", "the task goes on with its answer")
    swarm.wait_until(lambda: any(one["title"] == "Denied?" for one in open_ones(swarm)), "the second one asks")
    denying = next(one for one in open_ones(swarm) if one["title"] == "Denied?")
    swarm.call("POST", f"/api/approvals/{denying['id']}/answer", {"deny": True, "comment": "not today"})
    swarm.wait_until(
        lambda: {swarm.task(refs[ref])["status"] for ref in ("denied", "silent")} == {"failed"}, "a no ends the others"
    )

    done = swarm.task(refs["asks"])
    assert done["result"]["text"] == "deployed"
    assert swarm.call("GET", f"/api/tasks/{refs['asks']}/attempts")["attempts"][0]["outcome"] == "paused"
    assert "not today" in swarm.task(refs["denied"])["failure"]["message"]
    assert "expired" in swarm.task(refs["silent"])["failure"]["message"]
    told = [event["type"] for event in swarm.events() if event["type"].startswith("approval.")]
    assert sorted(told) == ["approval.answered"] * 2 + ["approval.asked"] * 3 + ["approval.expired"]

    later = swarm.file(script("polls", polling))
    swarm.wait_until(lambda: bool(open_ones(swarm)), "it asks and goes on")
    assert swarm.task(later["polls"])["status"] == "running"
    swarm.call("POST", f"/api/approvals/{open_ones(swarm)[0]['id']}/answer", {})
    swarm.wait_until(lambda: swarm.task(later["polls"])["status"] == "completed", "it saw the answer")
