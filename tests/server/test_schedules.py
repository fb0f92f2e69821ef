"""Schedules over REST and by the server's clock: what is started, when, by whom, and what is said where it is not."""

from typing import Any

import pytest
from tests.server.mcp.speaking import refuses, says
from tests.server.world import START, World

from agent_swarm.domain.matching import AgentRole
from agent_swarm.domain.time import SECOND, to_wire
from agent_swarm.server.schedules import ScheduleClock
from agent_swarm.testing.waiting import until

pytestmark = pytest.mark.anyio

TASK = {"prompt": "tidy up", "title": "tidy"}


def clock_of(world: World) -> ScheduleClock:
    """The part of the server that fires, by hand."""
    return ScheduleClock(world.store, world.app.context.rules, world.app.context.metrics)


async def add(world: World, name: str = "nightly", **fields: Any) -> dict[str, Any]:
    """A schedule of every 60 s, unless said otherwise."""
    when = {} if {"cron", "at", "everySeconds"} & fields.keys() else {"everySeconds": 60}
    work = {} if {"task", "tasks"} & fields.keys() else {"task": TASK}
    made: dict[str, Any] = await world.post("/api/schedules", {"name": name, **when, **work, **fields})
    return made


async def passes(world: World, seconds: float) -> float:
    """Time passes, and the server looks."""
    world.clock.advance(seconds)
    return await clock_of(world).run_once()


async def runs(world: World, name: str = "nightly") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.get(f"/api/schedules/{name}/runs"))["runs"]
    return found


async def tasks(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.get("/api/tasks"))["tasks"]
    return found


async def refused(world: World, method: str, path: str, status: int, body: Any = None, **options: Any) -> Any:
    answer = await world.call(method, path, json=body, **options)
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


async def test_given_a_schedule_when_its_time_comes_then_its_task_is_filed_once_and_says_why_it_is_there(
    world: World,
) -> None:
    made = await add(world)
    assert made["nextAt"] == to_wire(START + 60 * SECOND)
    assert await passes(world, 30) <= 5
    assert await tasks(world) == []
    await passes(world, 30)
    await passes(world, 0)
    (task,) = await tasks(world)
    assert (task["title"], task["scheduleId"], task["plannedAt"]) == ("tidy", made["id"], made["nextAt"])
    (run,) = await runs(world)
    assert (run["outcome"], run["status"], run["taskCount"]) == ("started", "open", 1)
    assert run["tasks"] == [{"id": task["id"], "title": "tidy", "status": "pending"}]
    shown = await world.get("/api/schedules/nightly")
    assert (shown["started"], shown["lastOutcome"], shown["task"]) == (1, "started", TASK)
    assert shown["rule"]["words"] == "every 1 min"
    metrics = (await world.call("GET", "/metrics")).text
    assert 'agent_swarm_schedule_runs_total{outcome="started"}' in metrics


async def test_given_a_graph_when_its_time_comes_then_all_of_it_is_filed_with_new_ids_each_time(world: World) -> None:
    graph = [{"ref": "a", "prompt": "first"}, {"prompt": "second", "dependsOn": ["a"]}]
    await add(world, tasks=graph, overlap="allow")
    await passes(world, 60)
    await passes(world, 60)
    made = await tasks(world)
    assert sorted(task["status"] for task in made) == ["blocked", "blocked", "pending", "pending"]
    assert (await world.get("/api/schedules/nightly"))["tasks"] == graph


async def test_given_a_server_that_sleeps_until_the_next_instant_when_that_changes_then_it_wakes(world: World) -> None:
    fired: list[str] = []
    unsubscribe = world.store.subscribe(
        lambda committed: fired.extend(event.type for event in committed.events if event.type == "schedule.fired")
    )
    await add(world, "early", at=to_wire(START + 30 * SECOND))
    world.clock.advance(30)
    assert not fired
    await add(world, "late", at=to_wire(START + 90 * SECOND))
    await until(lambda: fired, within=4)  # before the next sweep
    unsubscribe()
    assert [task["title"] for task in await tasks(world)] == ["tidy"]


async def test_given_what_a_schedule_names_is_gone_when_it_is_due_then_the_run_fails_and_others_go_on(
    world: World,
) -> None:
    await world.post("/api/projects", {"name": "shop", "repoUrl": "https://git.example/shop"})
    await add(world, "broken", task={"prompt": "p", "project": "shop"}, maxFailures=2)
    await add(world, "fine", overlap="allow")
    await forget_project(world)
    for _ in range(3):
        await passes(world, 60)
    failed = await runs(world, "broken")
    assert [run["code"] for run in failed] == ["unknownReference", "unknownReference"]
    assert "shop" in failed[0]["message"]
    shown = await world.get("/api/schedules/broken")
    assert (shown["status"], shown["pauseReason"], shown["failures"]) == ("paused", "failures", 2)
    told = await world.get("/api/schedules/broken/explain")
    assert [reason["code"] for reason in told["reasons"]] == ["paused", "failing"]
    assert len(await runs(world, "fine")) == 3
    assert (await refused(world, "POST", "/api/schedules/broken/run", 422))["code"] == "unknownReference"
    await world.post("/api/schedules/broken/resume")
    assert (await world.get("/api/schedules/broken"))["failures"] == 0


async def test_given_a_stopped_agent_when_a_schedule_files_for_it_then_the_task_waits_and_says_why(
    world: World,
) -> None:
    ada = await world.register("ada")
    await world.post(f"/api/agents/{ada.id}/stop", {})
    await add(world, task={**TASK, "agentId": ada.id})

    await passes(world, 60)

    (task,) = await tasks(world)
    assert (task["status"], [run["outcome"] for run in await runs(world)]) == ("pending", ["started"])
    told = await world.get(f"/api/tasks/{task['id']}/explain")
    assert [reason["code"] for reason in told["reasons"]] == ["agentStopped"]
    await world.post(f"/api/agents/{ada.id}/start", {})
    assert (await world.take(ada)).task_id == task["id"]


async def forget_project(world: World) -> None:
    """Nothing removes projects yet; their table is emptied behind everybody's back."""
    world.store._engine.projects.clear()  # type: ignore[attr-defined]  # a store in memory


async def test_given_the_kill_switch_when_time_passes_then_nothing_starts_and_afterwards_the_policy_holds(
    world: World,
) -> None:
    await add(world, "all", missed="all", overlap="allow")
    await add(world, "latest")
    await add(world, "skip", missed="skip")
    await world.post("/api/kill-switch", {"action": "activate", "reason": "r"})
    await passes(world, 60 * 5 + 90)
    told = await world.get("/api/schedules/all/explain")
    assert told["reasons"][0]["code"] == "killed"
    assert (await refused(world, "POST", "/api/schedules/all/run", 503))["code"] == "killed"
    await world.post("/api/kill-switch", {"action": "lift"})
    await passes(world, 0)
    numbers = {name: len(await runs(world, name)) for name in ("all", "latest", "skip")}
    assert numbers == {"all": 6, "latest": 1, "skip": 1}


async def test_given_the_kill_switch_of_a_swarm_when_time_passes_then_its_work_waits_and_the_rest_starts_in_time(
    world: World,
) -> None:
    await world.post("/api/swarms", {"name": "checkout"})
    await add(world, "in-it", task={**TASK, "swarm": "checkout"})
    await add(world, "beside", overlap="allow")
    await world.post("/api/kill-switch", {"action": "activate", "scope": "swarm", "id": "checkout"})
    clock = clock_of(world)
    world.clock.advance(60)
    assert await clock.run_once() > 1
    assert (len(await runs(world, "in-it")), len(await runs(world, "beside"))) == (0, 1)
    told = await world.get("/api/schedules/in-it/explain")
    assert told["reasons"][0]["code"] == "killed"
    await world.post("/api/kill-switch", {"action": "lift", "scope": "swarm", "id": "checkout"})
    await passes(world, 0)
    shown = await world.get("/api/schedules/in-it")
    assert (shown["started"], shown["failures"]) == (1, 0)


async def test_given_a_lead_when_it_makes_a_schedule_then_its_tasks_are_below_its_own_within_its_caps(
    world: World,
) -> None:
    lead = await world.register("lead", role=AgentRole.LEAD)
    other = await world.register("other", role=AgentRole.LEAD)
    await world.file("lead it", agentId=lead.id)
    claim = await world.take(lead)
    body = {"name": "mine", "everySeconds": 60, "overlap": "allow", "task": TASK}
    made = await world.post("/api/schedules", body, token=claim.token)
    assert (made["agentId"], made["taskId"]) == (lead.id, claim.task_id)
    await world.complete(claim, "done")
    await passes(world, 60)
    (task,) = [one for one in await tasks(world) if one["scheduleId"]]
    assert (task["parentTaskId"], task["createdBy"]) == (claim.task_id, f"agent:{lead.id}")

    await world.file("lead it, too", agentId=other.id)
    foreign = await world.take(other)
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/run"), ("GET", "/runs"), ("GET", "/explain")):
        assert (await world.call(method, f"/api/schedules/mine{path}", token=foreign.token)).status_code == 404
    assert await world.get("/api/schedules", token=foreign.token) == {"schedules": [], "nextCursor": None}
    escape = {**body, "name": "escape", "task": {**TASK, "parentTaskId": claim.task_id}}
    assert (await refused(world, "POST", "/api/schedules", 403, escape, token=foreign.token))["code"] == "denied"


async def test_given_a_lead_whose_profile_files_no_tasks_any_more_when_its_schedule_is_due_then_the_run_fails(
    world: World,
) -> None:
    lead = await world.register("lead", role=AgentRole.LEAD, capabilities=("enforces.files", "enforces.network"))
    await world.file("lead it", agentId=lead.id)
    claim = await world.take(lead)
    await world.post("/api/schedules", {"name": "mine", "everySeconds": 60, "task": TASK}, token=claim.token)
    answer = await world.call("PUT", f"/api/agents/{lead.id}/permissions", json={"profile": "read-only"})
    assert answer.status_code == 200
    await passes(world, 60)
    assert [run["code"] for run in await runs(world, "mine")] == ["denied"]


async def test_given_a_run_that_is_asked_for_when_an_earlier_one_is_open_then_it_waits_or_is_refused(
    world: World,
) -> None:
    await add(world)
    first = await world.post("/api/schedules/nightly/run", headers={"Idempotency-Key": "k"})
    again = await world.post("/api/schedules/nightly/run", headers={"Idempotency-Key": "k"})
    assert first == again
    assert first["askedBy"] == "operator"
    assert (await refused(world, "POST", "/api/schedules/nightly/run", 409))["code"] == "conflict"
    told = await world.get("/api/schedules/nightly/explain")
    assert [reason["code"] for reason in told["reasons"]] == ["overlap"]
    await patch(world, "nightly", overlap="queue")
    waits = await world.post("/api/schedules/nightly/run")
    assert (waits["outcome"], waits["status"]) == ("queued", None)
    await world.post(f"/api/tasks/{first['tasks'][0]['id']}/cancel")
    await passes(world, 10)
    assert [run["outcome"] for run in await runs(world)] == ["started", "started"]


async def patch(world: World, named: str, **fields: Any) -> dict[str, Any]:
    answer = await world.call("PATCH", f"/api/schedules/{named}", json=fields)
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json()
    return changed


async def test_given_a_change_when_it_is_made_then_the_rest_stays_and_the_new_rule_counts(world: World) -> None:
    made = await add(world, until="2030-01-01T00:00:00Z", description="why")
    changed = await patch(world, "nightly", cron="0 9 * * *", timeZone="Asia/Tokyo", name="morning")
    assert (changed["description"], changed["until"], changed["version"]) == ("why", made["until"], 2)
    assert changed["rule"]["words"] == "0 9 * * * (Asia/Tokyo)"
    times = await world.get("/api/schedules/morning/next?count=2")
    assert times["local"][0].endswith("T09:00:00+09:00")
    assert times["times"][0] == changed["nextAt"]
    assert (await patch(world, "morning", until=None))["until"] is None
    assert (await world.call("GET", "/api/schedules/nightly")).status_code == 404
    await add(world, "nightly")
    assert (await refused(world, "PATCH", "/api/schedules/nightly", 409, {"name": "morning"}))[
        "code"
    ] == "alreadyExists"


async def test_given_a_rule_when_it_is_asked_about_before_it_is_stored_then_its_times_are_told(world: World) -> None:
    told = await world.get("/api/schedules/next?cron=0+9+*+*+1-5&timeZone=Europe/Paris&count=3")
    assert len(told["times"]) == 3
    assert all("T09:00:00" in one for one in told["local"])
    assert (await world.get("/api/schedules"))["schedules"] == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cron": "* * * *"}, "cron"),
        ({"cron": "@daily", "timeZone": "Mars/Base"}, "timeZone"),
        ({"cron": "@daily", "everySeconds": 60}, "cron"),
        ({"everySeconds": 60, "timeZone": "UTC"}, "timeZone"),
        ({"everySeconds": 5}, "everySeconds"),
        ({"at": "2020-01-01T00:00:00Z"}, "at"),
        ({"at": "tomorrow"}, "at"),
        ({"at": "9999-12-31T23:59:59Z"}, "at"),
        ({"everySeconds": 60, "until": "2020-01-01T00:00:00Z"}, "until"),
        ({"everySeconds": 60, "task": TASK, "tasks": [TASK]}, "task"),
        ({"everySeconds": 60, "task": {"prompt": "p", "project": "nowhere"}}, "project"),
        ({"everySeconds": 60, "name": "no spaces"}, "name"),
    ],
)
async def test_given_what_cannot_be_when_it_is_sent_then_it_is_refused_and_nothing_is_stored(
    world: World, fields: dict[str, Any], field: str
) -> None:
    error = await refused(world, "POST", "/api/schedules", 422, {"name": "n", "task": TASK, **fields})
    assert field in str(error["details"])
    assert (await world.get("/api/schedules"))["schedules"] == []


async def test_given_many_schedules_and_runs_when_they_are_listed_then_pages_follow_each_other(world: World) -> None:
    for number in range(5):
        await add(world, f"s{number}", overlap="allow")
    first = await world.get("/api/schedules?limit=3")
    second = await world.get(f"/api/schedules?limit=3&cursor={first['nextCursor']}")
    names = [one["name"] for page in (first, second) for one in page["schedules"]]
    assert names == [f"s{number}" for number in range(5)]
    assert second["nextCursor"] is None
    for _ in range(4):
        await passes(world, 60)
    latest = await world.get("/api/schedules/s0/runs?limit=3")
    before = await world.get(f"/api/schedules/s0/runs?limit=3&cursor={latest['nextCursor']}")
    assert [run["number"] for page in (latest, before) for run in page["runs"]] == [4, 3, 2, 1]


async def test_given_a_request_to_add_that_comes_twice_then_one_schedule_is_there(world: World) -> None:
    body = {"name": "once", "everySeconds": 60, "task": TASK}
    answers = [await world.post("/api/schedules", body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert answers[0]["id"] == answers[1]["id"]
    removed = await world.call("DELETE", "/api/schedules/once")
    assert removed.status_code == 200
    assert (await world.get("/api/schedules"))["schedules"] == []


async def test_given_a_lead_when_it_uses_the_tools_then_it_makes_sees_runs_and_removes_its_own(world: World) -> None:
    lead = await world.register("lead", role=AgentRole.LEAD)
    await world.file("lead it", agentId=lead.id)
    claim = await world.take(lead)
    await add(world, "of-a-person")
    asked = {"name": "mine", "cron": "0 9 * * 1-5", "timeZone": "Europe/Paris", "tasks": [TASK], "overlap": "allow"}
    made = await says(world, "create-schedule", {**asked, "idempotencyKey": "k"}, token=claim.token)
    assert made["when"] == "0 9 * * 1-5 (Europe/Paris)"
    again = await says(world, "create-schedule", {**asked, "idempotencyKey": "k"}, token=claim.token)
    assert again == made
    listed = await says(world, "get-schedules", token=claim.token)
    assert [one["name"] for one in listed["schedules"]] == ["mine"]
    ran = await says(world, "schedule-action", {"name": "mine", "action": "run"}, token=claim.token)
    assert ran["run"]["outcome"] == "started"
    shown = await says(world, "get-schedules", {"name": "mine"}, token=claim.token)
    assert [run["number"] for run in shown["runs"]] == [1]
    for action, status in (("pause", "paused"), ("resume", "active"), ("delete", "active")):
        answer = await says(world, "schedule-action", {"name": "mine", "action": action}, token=claim.token)
        assert answer["status"] == status
    assert await says(world, "get-schedules", token=claim.token) == {}
    escape = {**asked, "name": "escape", "everySeconds": 60}
    assert (await refuses(world, "create-schedule", escape, token=claim.token))["code"] == "invalidInput"
