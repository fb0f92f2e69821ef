"""Triggers over REST and by the server: tasks that are filed, messages that are posted, and what is refused."""

from typing import Any

import pytest
from tests.server.mcp.speaking import says
from tests.server.world import Claim, World

from agent_swarm.domain import commands
from agent_swarm.domain.matching import AgentRole
from agent_swarm.domain.triggers import DEPTH
from agent_swarm.server.triggers import TriggerRunner
from agent_swarm.services.trigger_firing import Carrier

pytestmark = pytest.mark.anyio

REVIEW = {"createTask": {"prompt": "Review it", "title": "review", "includeResults": True}}


def runner_of(world: World) -> TriggerRunner:
    """The part of the server that acts, by hand."""
    context = world.app.context
    carrier = Carrier(context.rules, context.redactor)
    return TriggerRunner(world.store, carrier, context.courier, context.metrics)


async def act(world: World) -> None:
    """The server does what is due."""
    runner = runner_of(world)
    await runner.run_once()
    await runner.settle_down()


async def add(world: World, name: str = "tell", on: Any = "completed", **fields: Any) -> dict[str, Any]:
    does = fields.pop("do", REVIEW)
    made: dict[str, Any] = await world.post("/api/triggers", {"name": name, "on": on, "do": does, **fields})
    return made


async def completed(world: World, text: str = "done", **fields: Any) -> str:
    """A task that somebody has completed."""
    agent = next(iter(world.agents.values()), None) or await world.register()
    task_id = await world.file("do it", **fields)
    await world.complete(await world.take(agent), text)
    return task_id


async def tasks(world: World) -> list[dict[str, Any]]:
    """All there are, those that were filed first at the end."""
    found: list[dict[str, Any]] = (await world.get("/api/tasks", params={"limit": 200}))["tasks"]
    return found


async def deliveries(world: World, named: str = "tell") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.get(f"/api/triggers/{named}/deliveries"))["deliveries"]
    return found


async def refused(world: World, method: str, path: str, status: int, body: Any = None, **options: Any) -> Any:
    answer = await world.call(method, path, json=body, **options)
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


async def lead_of(world: World) -> Claim:
    """A lead's running attempt."""
    lead = await world.register("lead", role=AgentRole.LEAD)
    await world.file("lead it", agentId=lead.id)
    return await world.take(lead)


async def test_given_a_standing_trigger_when_a_task_completes_then_one_is_filed_below_it_with_what_it_came_to(
    world: World,
) -> None:
    made = await add(world)
    task_id = await completed(world, "all is green")
    await act(world)
    await act(world)
    review, _ = await tasks(world)
    assert (review["title"], review["parentTaskId"], review["createdBy"]) == ("review", task_id, "operator")
    claim = await world.claim(next(iter(world.agents.values())))
    assert "all is green" in (await world.frame_of(claim)).prompt
    (done,) = await deliveries(world)
    assert (done["status"], done["made"], done["event"], done["tries"]) == ("done", review["id"], "completed", 1)
    assert await world.get(f"/api/trigger-deliveries/{done['id']}") == done
    shown = await world.get(f"/api/triggers/{made['id']}")
    assert (shown["settled"], shown["failures"], shown["do"]) == (1, 0, REVIEW)
    metrics = (await world.call("GET", "/metrics")).text
    assert 'agent_swarm_trigger_firings_total{action="createTask",outcome="done"}' in metrics


async def test_given_a_task_with_triggers_when_it_fails_then_those_for_failures_act(world: World) -> None:
    wanted = [
        {"on": ["failed", "cancelled"], "do": {"createTask": {"prompt": "Look into it", "title": "look"}}},
        {"on": "completed", "do": REVIEW},
    ]
    task_id = await world.file("deploy", triggers=wanted)
    await world.fail(await world.take(await world.register()))
    await act(world)
    assert [one["title"] for one in await tasks(world)] == ["look", "deploy"]
    listed = (await world.get("/api/triggers", params={"taskId": task_id}))["triggers"]
    assert [one["on"] for one in listed] == [["failed", "cancelled"], ["completed"]]
    assert [one["taskId"] for one in listed] == [task_id, task_id]
    (done,) = await deliveries(world, listed[0]["id"])
    assert done["status"] == "done"
    assert (await world.get("/api/triggers"))["triggers"] == []


async def test_given_a_task_that_is_filed_once_more_when_it_ends_then_its_triggers_act_again(world: World) -> None:
    task_id = await world.file("deploy", triggers=[{"on": "cancelled", "do": REVIEW}])
    await world.post(f"/api/tasks/{task_id}/cancel")
    again = (await world.post(f"/api/tasks/{task_id}/retry"))["id"]
    await world.post(f"/api/tasks/{again}/cancel")
    await act(world)
    assert {one["parentTaskId"] for one in await tasks(world) if one["title"] == "review"} == {task_id, again}


async def test_given_a_graph_and_a_tool_when_tasks_are_filed_with_triggers_then_they_have_them(world: World) -> None:
    trigger = {"on": "cancelled", "do": REVIEW}
    batch = await world.post("/api/tasks/batch", {"tasks": [{"prompt": "a", "triggers": [trigger]}]})
    sent = await says(world, "send-task", {"tasks": [{"prompt": "b", "triggers": [trigger]}]})
    for task_id in (batch["tasks"][0]["id"], sent["tasks"][0]["id"]):
        await world.post(f"/api/tasks/{task_id}/cancel")
    await act(world)
    assert sum(one["title"] == "review" for one in await tasks(world)) == 2


async def test_given_a_trigger_that_fires_for_what_it_files_when_tasks_complete_then_the_storm_has_an_end(
    world: World,
) -> None:
    await add(world, "one", do={"createTask": {"prompt": "again"}})
    await add(world, "two", do={"createTask": {"prompt": "and again"}})
    await completed(world)
    agent = next(iter(world.agents.values()))
    for _ in range(DEPTH + 3):
        await act(world)
        for task in await tasks(world):
            if task["status"] == "pending":
                await world.complete(await world.take(agent))
    filed = len(await tasks(world)) - 1
    assert 2 * DEPTH <= filed <= 2 ** (DEPTH + 1) - 2
    codes = {one["code"] for name in ("one", "two") for one in await deliveries(world, name)}
    assert codes == {None, "triggerDepth"}
    assert all(task["status"] == "completed" for task in await tasks(world))


async def test_given_a_message_when_a_task_ends_then_who_filed_it_a_channel_or_an_agent_gets_it_once(
    world: World,
) -> None:
    ada = await world.register("ada")
    await world.post("/api/channels", {"name": "ops", "members": ["operator"]})
    text = "It is over"
    await add(world, "filer", "cancelled", do={"postMessage": {"text": text, "filer": True}})
    await add(world, "ops", "cancelled", do={"postMessage": {"text": text, "channel": "#ops"}})
    await add(world, "ada", "cancelled", do={"postMessage": {"text": text, "to": ["ada"], "includeResult": True}})
    task_id = await world.file("deploy it")
    await world.post(f"/api/tasks/{task_id}/cancel")
    await act(world)
    await act(world)
    said = (await world.get("/api/messages", params={"taskId": task_id}))["messages"]
    assert sorted((one["kind"], *one["to"]) for one in said) == [
        ("channel",),
        ("direct", f"agent:{ada.id}"),
        ("direct", "operator"),
    ]
    assert all(one["text"].startswith(f"{text}\n\nTask {task_id} (deploy it) is cancelled.") for one in said)
    assert {one["sender"] for one in said} == {"system"}


async def test_given_a_result_that_mentions_somebody_when_it_is_told_then_nobody_is_mentioned_by_it(
    world: World,
) -> None:
    await world.register("ada")
    await world.post("/api/channels", {"name": "ops", "members": ["operator"]})
    does = {"postMessage": {"text": "Done", "channel": "ops", "includeResult": True}}
    await add(world, do=does)
    task_id = await completed(world, "@ada @all do as I say")
    await act(world)
    (said,) = (await world.get("/api/messages", params={"taskId": task_id}))["messages"]
    assert "# @ada @all do as I say" in said["text"]
    assert said["mentions"] == []


async def test_given_what_a_trigger_names_is_gone_when_it_fires_then_it_is_refused_and_others_go_on(
    world: World,
) -> None:
    await world.post("/api/projects", {"name": "shop", "repoUrl": "https://git.example/shop"})
    await add(world, "broken", "cancelled", do={"createTask": {"prompt": "p", "project": "shop"}})
    await add(world, "fine", "cancelled")
    world.store._engine.projects.clear()  # type: ignore[attr-defined]  # nothing removes projects yet
    await world.post(f"/api/tasks/{await world.file('x')}/cancel")
    await act(world)
    (lost,) = await deliveries(world, "broken")
    assert (lost["status"], lost["code"]) == ("refused", "unknownReference")
    assert (await world.get("/api/triggers/broken"))["failures"] == 1
    assert [one["status"] for one in await deliveries(world, "fine")] == ["done"]


async def test_given_the_kill_switch_when_a_task_ends_then_its_trigger_acts_when_it_is_lifted(world: World) -> None:
    await add(world, on="cancelled")
    task_id = await world.file("x")
    await world.post("/api/kill-switch", {"action": "activate", "reason": "r"})
    await world.command(commands.Cancel(task_id=task_id))
    await act(world)
    assert [one["status"] for one in await deliveries(world)] == ["pending"]
    await world.post("/api/kill-switch", {"action": "lift"})
    await act(world)
    assert [one["status"] for one in await deliveries(world)] == ["done"]


async def test_given_the_kill_switch_of_a_swarm_when_a_task_of_it_ends_then_its_trigger_waits_and_others_act(
    world: World,
) -> None:
    await world.post("/api/swarms", {"name": "checkout"})
    inside = await world.file("inside", swarm="checkout", triggers=[{"on": "cancelled", "do": REVIEW}])
    outside = await world.file("outside", triggers=[{"on": "cancelled", "do": REVIEW}])
    await world.post("/api/kill-switch", {"action": "activate", "scope": "swarm", "id": "checkout"})
    for task_id in (inside, outside):
        await world.command(commands.Cancel(task_id=task_id))
    await act(world)
    assert {one["parentTaskId"] for one in await tasks(world) if one["title"] == "review"} == {outside}
    await world.post("/api/kill-switch", {"action": "lift", "scope": "swarm", "id": "checkout"})
    world.clock.advance(10)
    await act(world)
    assert {one["parentTaskId"] for one in await tasks(world) if one["title"] == "review"} == {inside, outside}


async def test_given_a_trigger_that_is_paused_resumed_and_removed_then_it_acts_when_it_is_there(world: World) -> None:
    await add(world, on="cancelled", paused=True)
    shown = await world.get("/api/triggers/tell")
    assert (shown["status"], shown["pauseReason"]) == ("paused", "person")
    await world.post(f"/api/tasks/{await world.file('x')}/cancel")
    await world.post("/api/triggers/tell/resume")
    await world.post(f"/api/tasks/{await world.file('x')}/cancel")
    await act(world)
    assert len(await deliveries(world)) == 1
    await world.post("/api/triggers/tell/pause")
    removed = await world.call("DELETE", "/api/triggers/tell")
    assert removed.json()["name"] == "tell"
    assert (await refused(world, "GET", "/api/triggers/tell", 404))["code"] == "notFound"


@pytest.mark.parametrize(
    ("change", "field", "status"),
    [
        ({"do": {}}, "do", 422),
        ({"do": {**REVIEW, "webhook": {"url": "https://h.example"}}}, "do", 422),
        ({"on": []}, "on", 422),
        ({"on": "ended"}, "on", 422),
        ({"do": {"createTask": {"prompt": "p", "dependsOn": ["x"]}}}, "do.createTask.dependsOn", 422),
        ({"do": {"createTask": {"prompt": "p", "project": "none"}}}, "project", 422),
        ({"do": {"postMessage": {"text": "x"}}}, "do.postMessage.to", 422),
        ({"do": {"postMessage": {"text": "x", "filer": True, "channel": "c"}}}, "do.postMessage.to", 422),
        ({"do": {"postMessage": {"text": "x", "to": ["nobody"]}}}, "do.postMessage.to[0]", 422),
        ({"do": {"webhook": {"url": "ftp://h.example", "secret": "ref:env://X"}}}, "do.webhook.url", 422),
        ({"do": {"webhook": {"url": "https://h.example", "secret": "hunter2"}}}, "do.webhook.secret", 422),
        ({"project": "none"}, "project", 422),
        ({"swarm": "none"}, "swarm", 422),
        ({"agentId": "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"}, "agentId", 422),
    ],
)
async def test_given_a_trigger_that_says_nothing_or_names_nothing_when_it_is_added_then_the_refusal_names_the_field(
    world: World, change: dict[str, Any], field: str, status: int
) -> None:
    body = {"name": "t", "on": "failed", "do": REVIEW, **change}
    error = await refused(world, "POST", "/api/triggers", status, body)
    assert field in error["details"]["field"], error
    assert "hunter2" not in str(error)


async def test_given_a_webhook_with_a_task_when_it_names_no_secret_then_it_is_refused(world: World) -> None:
    body = {"prompt": "p", "triggers": [{"on": "failed", "do": {"webhook": {"url": "https://h.example"}}}]}
    error = await refused(world, "POST", "/api/tasks", 422, body)
    assert error["details"]["field"] == "triggers[0].do.webhook.secret"


async def test_given_a_server_without_an_encryption_key_when_it_is_to_make_a_secret_then_it_says_so(
    world: World,
) -> None:
    body = {"name": "t", "on": "failed", "do": {"webhook": {"url": "https://h.example"}}}
    assert (await refused(world, "POST", "/api/triggers", 409, body))["code"] == "encryptionKeyMissing"


async def test_given_a_lead_when_it_files_with_triggers_then_what_they_file_is_its_own_within_its_caps(
    world: World,
) -> None:
    claim = await lead_of(world)
    worker = await world.register("worker")
    child = {"prompt": "c", "title": "child", "agentId": worker.id, "triggers": [{"on": "completed", "do": REVIEW}]}
    filed = await world.post("/api/tasks", child, token=claim.token)
    await world.complete(await world.take(worker))
    await act(world)
    (review,) = [one for one in await tasks(world) if one["title"] == "review"]
    assert (review["parentTaskId"], review["rootTaskId"]) == (filed["id"], claim.task_id)
    assert review["createdBy"].startswith("agent:")


async def test_given_a_message_of_an_agents_trigger_when_it_is_posted_then_the_agent_is_its_sender(
    world: World,
) -> None:
    claim = await lead_of(world)
    does = {"postMessage": {"text": "your child is over", "filer": True}}
    body = {"prompt": "c", "triggers": [{"on": "cancelled", "do": does}]}
    filed = await world.post("/api/tasks", body, token=claim.token)
    await world.post(f"/api/tasks/{filed['id']}/cancel")
    await act(world)
    (said,) = (await world.get("/api/messages", params={"taskId": filed["id"]}))["messages"]
    assert (said["sender"], said["to"]) == (filed["createdBy"], [filed["createdBy"]])


async def test_given_a_running_agent_when_it_wants_a_webhook_or_a_standing_trigger_then_it_is_refused(
    world: World,
) -> None:
    claim = await lead_of(world)
    does = {"webhook": {"url": "https://h.example", "secret": "ref:env://X"}}
    body = {"prompt": "p", "triggers": [{"on": "failed", "do": does}]}
    assert (await refused(world, "POST", "/api/tasks", 403, body, token=claim.token))["code"] == "denied"
    standing = {"name": "t", "on": "failed", "do": REVIEW}
    assert (await refused(world, "POST", "/api/triggers", 403, standing, token=claim.token))["code"] == "denied"


async def test_given_a_lead_whose_profile_files_no_tasks_any_more_when_its_trigger_fires_then_it_is_refused(
    world: World,
) -> None:
    lead = await world.register("lead", role=AgentRole.LEAD, capabilities=("enforces.files", "enforces.network"))
    await world.file("lead it", agentId=lead.id)
    claim = await world.take(lead)
    body = {"prompt": "c", "triggers": [{"on": "cancelled", "do": REVIEW}]}
    filed = await world.post("/api/tasks", body, token=claim.token)
    answer = await world.call("PUT", f"/api/agents/{lead.id}/permissions", json={"profile": "read-only"})
    assert answer.status_code == 200
    await world.post(f"/api/tasks/{filed['id']}/cancel")
    await act(world)
    (trigger,) = (await world.get("/api/triggers", params={"taskId": filed["id"]}))["triggers"]
    (delivery,) = await deliveries(world, trigger["id"])
    assert delivery["code"] == "denied"
    assert "lets it file no tasks" in delivery["message"]


async def test_given_more_deliveries_than_a_page_when_they_are_read_then_the_latest_come_first(world: World) -> None:
    await add(world, on="cancelled")
    ended = []
    for _ in range(5):
        ended.append(await world.file("x"))
        await world.post(f"/api/tasks/{ended[-1]}/cancel")
        world.clock.advance(1)
    await act(world)
    found, cursor = [], None
    while True:
        options = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = await world.get("/api/triggers/tell/deliveries", params=options)
        found += [one["taskId"] for one in page["deliveries"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert found == ended[::-1]
    bad = await world.call("GET", "/api/triggers/tell/deliveries", params={"cursor": "x"})
    assert bad.status_code == 422
