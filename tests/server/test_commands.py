"""What a task can be told to do over REST."""

import pytest
from tests.server.world import World

from agent_swarm.domain.tasks import PauseReason

pytestmark = pytest.mark.anyio


async def test_given_a_waiting_task_when_it_is_cancelled_then_it_has_ended_and_the_event_tells_why(
    world: World,
) -> None:
    task_id = await world.file()

    task = await world.post(f"/api/tasks/{task_id}/cancel", {"reason": "not needed"})
    again = await world.post(f"/api/tasks/{task_id}/cancel")

    assert (task["status"], again["status"]) == ("cancelled", "cancelled")
    told = await world.get("/api/events", params={"taskId": task_id, "types": "task.cancelled"})
    assert [(event["actor"], event["data"]["reason"]) for event in told["events"]] == [("operator", "not needed")]


async def test_given_a_completed_task_when_it_is_cancelled_then_the_refusal_says_what_is_allowed(world: World) -> None:
    await world.file()
    attempt = await world.take(await world.register())
    await world.complete(attempt)

    answer = await world.call("POST", f"/api/tasks/{attempt.task_id}/cancel")

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (409, "illegalTransition")
    assert error["details"]["status"] == "completed"


async def test_given_a_running_task_when_it_is_paused_and_resumed_then_it_is_queued_again(world: World) -> None:
    await world.file()
    attempt = await world.take(await world.register())

    asked = await world.post(f"/api/tasks/{attempt.task_id}/pause")
    assert asked["status"] == "running"
    await world.pause(attempt, PauseReason.PERSON)
    paused = await world.get(f"/api/tasks/{attempt.task_id}")
    assert (paused["status"], paused["pauseReason"]) == ("paused", "person")

    assert (await world.post(f"/api/tasks/{attempt.task_id}/resume"))["status"] == "pending"


async def test_given_a_waiting_task_when_it_is_shelved_and_promoted_then_it_leaves_the_queue_and_returns(
    world: World,
) -> None:
    task_id = await world.file()

    assert (await world.post(f"/api/tasks/{task_id}/backlog"))["status"] == "backlog"
    assert (await world.post(f"/api/tasks/{task_id}/promote"))["status"] == "pending"
    assert (await world.call("POST", f"/api/tasks/{task_id}/promote")).status_code == 409


async def test_given_a_task_filed_into_the_backlog_when_it_is_promoted_then_it_waits_in_the_queue(world: World) -> None:
    task_id = await world.file(backlog=True)

    assert (await world.post(f"/api/tasks/{task_id}/promote"))["status"] == "pending"


@pytest.mark.parametrize(("sent", "kept"), [(0, 0), (100, 100), ("URGENT", 100), ("low", 25)])
async def test_given_a_waiting_task_when_its_priority_is_patched_then_it_has_it(
    world: World, sent: object, kept: int
) -> None:
    task_id = await world.file()

    answer = await world.call("PATCH", f"/api/tasks/{task_id}", json={"priority": sent})

    assert (answer.status_code, answer.json()["priority"]) == (200, kept)


async def test_given_a_waiting_task_when_what_it_says_is_patched_then_its_agent_is_told_that(world: World) -> None:
    task_id = await world.file("the first wording", title="First", tags=["ui"])
    changed = {"title": " Second  title", "prompt": "the second wording", "tags": ["web", "web"], "priority": "high"}

    answer = await world.call("PATCH", f"/api/tasks/{task_id}", json=changed)

    task = answer.json()
    assert (answer.status_code, task["title"], task["tags"], task["priority"]) == (200, "Second title", ["web"], 75)
    assert (task["promptPreview"], task["requires"]["anyTag"]) == ("the second wording", [])
    told = await world.get("/api/events", params={"taskId": task_id, "types": "task.edited"})
    assert [event["data"]["fields"] for event in told["events"]] == [["title", "prompt", "tags"]]


async def test_given_a_task_that_an_agent_has_when_it_is_patched_then_nothing_of_it_changes(world: World) -> None:
    task_id = await world.file("do it")
    await world.take(await world.register())

    answer = await world.call("PATCH", f"/api/tasks/{task_id}", json={"prompt": "do that", "priority": 99})

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "illegalTransition")
    task = await world.get(f"/api/tasks/{task_id}")
    assert (task["promptPreview"], task["priority"]) == ("do it", 50)
    same = await world.call("PATCH", f"/api/tasks/{task_id}", json={"prompt": "do it", "priority": 99})
    assert (same.status_code, same.json()["priority"]) == (200, 99)


@pytest.mark.parametrize(("required", "then"), [(["ui"], ["web"]), (["gpu"], ["gpu"])])
async def test_given_a_task_for_whoever_has_a_tag_when_its_tags_are_patched_then_that_follows_where_it_was_those_tags(
    world: World, required: list[str], then: list[str]
) -> None:
    task_id = await world.file(tags=["ui"], requires={"anyTag": required})

    answer = await world.call("PATCH", f"/api/tasks/{task_id}", json={"tags": ["web"]})

    assert (answer.json()["tags"], answer.json()["requires"]["anyTag"]) == (["web"], then)


@pytest.mark.parametrize(
    "body", [{}, {"priority": 101}, {"priority": None}, {"priority": 50, "agentId": "x"}, {"prompt": " "}]
)
async def test_given_a_bad_patch_when_it_is_sent_then_it_is_refused(world: World, body: object) -> None:
    task_id = await world.file()

    assert (await world.call("PATCH", f"/api/tasks/{task_id}", json=body)).status_code == 422


@pytest.mark.parametrize("verb", ["pause", "resume", "backlog", "promote", "cancel", "retry"])
async def test_given_a_command_when_it_is_sent_without_a_body_then_that_is_fine_and_surprises_are_not(
    world: World, verb: str
) -> None:
    task_id = await world.file()

    assert (await world.call("POST", f"/api/tasks/{task_id}/{verb}")).status_code in (200, 409)
    assert (await world.call("POST", f"/api/tasks/{task_id}/{verb}", json={"force": True})).status_code == 422


async def test_given_an_attempt_when_it_reports_progress_then_secrets_are_taken_out(world: World) -> None:
    await world.file()
    attempt = await world.take(await world.register())

    text = f"pushed with ghp_{'a' * 36} as {attempt.token}"
    task = await world.post(f"/api/tasks/{attempt.task_id}/progress", {"text": text}, token=attempt.token)

    assert task["progress"] == "pushed with [redacted] as [redacted]"
    assert task["status"] == "running"
    events = await world.get("/api/events", params={"types": "task.progressed"})
    assert [event["data"]["text"] for event in events["events"]] == [task["progress"]]


async def test_given_an_attempt_when_it_reports_on_another_task_then_it_is_denied(world: World) -> None:
    other = await world.file(priority=0)
    await world.file()
    attempt = await world.take(await world.register())

    answer = await world.call("POST", f"/api/tasks/{other}/progress", json={"text": "x"}, token=attempt.token)

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "denied")
