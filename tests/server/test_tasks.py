"""`/api/tasks`: filing, looking, filing again."""

from typing import Any

import pytest
from tests.server.world import World

from agent_swarm.domain.matching import AgentRole
from agent_swarm.protocol import limits

pytestmark = pytest.mark.anyio


async def test_given_a_prompt_when_it_is_filed_then_the_task_is_pending_and_titled_by_its_first_line(
    world: World,
) -> None:
    answer = await world.call("POST", "/api/tasks", json={"prompt": "\n  fix the   build \nall of it"})

    assert answer.status_code == 201
    task = answer.json()
    assert (task["status"], task["title"], task["priority"]) == ("pending", "fix the build", 50)
    assert task["createdBy"] == "operator"
    assert task["rootTaskId"] == task["id"]
    assert "prompt" not in task
    assert (await world.get(f"/api/tasks/{task['id']}"))["prompt"] == "\n  fix the   build \nall of it"


async def test_given_every_field_when_it_is_filed_then_all_of_them_are_kept(world: World) -> None:
    agent = await world.register(capabilities=("harness.script",), tags=("gpu",))
    project = await world.post("/api/projects", {"name": "site", "repoUrl": "https://example.com/site.git"})
    parent = await world.file()

    task = await world.post(
        "/api/tasks",
        {
            "prompt": "p",
            "title": " a  title ",
            "harness": "script",
            "model": "opus",
            "priority": "high",
            "tags": ["ui", "ui", "web"],
            "requires": {"tags": ["gpu"], "capabilities": ["net.*"]},
            "dependsOn": [{"task": parent, "onFailure": "wait"}],
            "agentId": agent.id.upper(),
            "project": "site",
            "parentTaskId": parent,
            "timeoutSeconds": 1.5,
            "startAt": "2030-01-01T00:00:00+01:00",
            "maxAttempts": 5,
        },
    )

    assert task["title"] == "a title"
    assert task["requires"] == {
        "tags": ["gpu"],
        "capabilities": ["harness.script", "net.*"],
        "agentId": agent.id,
        "anyTag": [],
    }
    assert (task["status"], task["openDependencies"]) == ("blocked", 1)
    assert (task["priority"], task["tags"], task["timeoutSeconds"]) == (75, ["ui", "web"], 1.5)
    assert (task["projectId"], task["parentTaskId"], task["rootTaskId"]) == (project["id"], parent, parent)
    assert (task["notBefore"], task["maxAttempts"]) == ("2029-12-31T23:00:00.000Z", 5)
    detail = await world.get(f"/api/tasks/{task['id']}")
    assert detail["dependsOn"] == [{"task": parent, "title": "do it", "status": "pending", "onFailure": "wait"}]
    upstream = await world.get(f"/api/tasks/{parent}")
    assert [edge["task"] for edge in upstream["dependants"]] == [task["id"]]


UNKNOWN = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({}, 422, "invalidInput", "prompt"),
        ({"prompt": ""}, 422, "invalidInput", "prompt"),
        ({"prompt": " \n\t"}, 422, "invalidInput", "prompt"),
        ({"prompt": "a\x00b"}, 422, "invalidInput", "prompt"),
        ({"prompt": 7}, 422, "invalidInput", "prompt"),
        ({"prompt": "p" * (limits.PROMPT_BYTES + 1)}, 413, "tooLarge", "prompt"),
        ({"prompt": "ü" * (limits.PROMPT_BYTES // 2 + 1)}, 413, "tooLarge", "prompt"),
        ({"prompt": "p", "title": "  "}, 422, "invalidInput", "title"),
        ({"prompt": "p", "title": "t" * 201}, 422, "invalidInput", "title"),
        ({"prompt": "p", "priority": 101}, 422, "invalidInput", "priority"),
        ({"prompt": "p", "priority": 10**30}, 422, "invalidInput", "priority"),
        ({"prompt": "p", "priority": "soon"}, 422, "invalidInput", "priority"),
        ({"prompt": "p", "priority": True}, 422, "invalidInput", "priority"),
        ({"prompt": "p", "timeoutSeconds": 0}, 422, "invalidInput", "timeoutSeconds"),
        ({"prompt": "p", "timeoutSeconds": 1e300}, 422, "invalidInput", "timeoutSeconds"),
        ({"prompt": "p", "startAt": "tomorrow"}, 422, "invalidInput", "startAt"),
        ({"prompt": "p", "startAt": "2030-01-01T00:00:00"}, 422, "invalidInput", "startAt"),
        ({"prompt": "p", "startAt": "9999-12-31T23:59:59-23:59"}, 422, "invalidInput", "startAt"),
        ({"prompt": "p", "tags": ["t"] * 65}, 422, "invalidInput", "tags"),
        ({"prompt": "p", "tags": [""]}, 422, "invalidInput", "tags[0]"),
        ({"prompt": "p", "requires": {"tag": ["x"]}}, 422, "invalidInput", "requires.tag"),
        ({"prompt": "p", "harness": "emacs"}, 422, "unknownReference", "harness"),
        ({"prompt": "p", "project": "nowhere"}, 422, "unknownReference", "project"),
        ({"prompt": "p", "agentId": UNKNOWN}, 422, "unknownReference", "agentId"),
        ({"prompt": "p", "agentId": "ada"}, 422, "invalidInput", "agentId"),
        ({"prompt": "p", "parentTaskId": UNKNOWN}, 422, "unknownReference", "parentTaskId"),
        ({"prompt": "p", "dependsOn": [UNKNOWN]}, 422, "unknownReference", "dependsOn[0]"),
        ({"prompt": "p", "dependsOn": ["build"]}, 422, "unknownReference", "dependsOn[0]"),
        ({"prompt": "p", "dependsOn": [{"task": UNKNOWN, "onFailure": "shrug"}]}, 422, "invalidInput", "dependsOn[0]"),
        ({"prompt": "p", "ref": "x"}, 422, "invalidInput", "ref"),
        ({"prompt": "p", "maxAttempts": 0}, 422, "invalidInput", "maxAttempts"),
    ],
)
async def test_given_a_bad_field_when_it_is_filed_then_the_refusal_names_it_and_nothing_is_stored(
    world: World, body: dict[str, Any], status: int, code: str, field: str
) -> None:
    answer = await world.call("POST", "/api/tasks", json=body)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert error["details"]["field"].startswith(field)
    assert (await world.get("/api/tasks"))["tasks"] == []


async def test_given_several_harnesses_when_a_task_is_filed_then_the_first_is_required_and_all_are_told(
    world: World,
) -> None:
    filed = await world.call("POST", "/api/tasks", json={"prompt": "p", "harness": " claude, codex,claude"})
    task = filed.json()
    assert (task["harness"], task["requires"]["capabilities"]) == ("claude,codex", ["harness.claude"])
    wrong = await world.call("POST", "/api/tasks", json={"prompt": "p", "harness": "claude,emacs"})
    assert (wrong.status_code, wrong.json()["error"]["details"]["value"]) == (422, "emacs")


async def test_given_an_unknown_harness_when_it_is_filed_then_the_known_ones_are_named(world: World) -> None:
    answer = await world.call("POST", "/api/tasks", json={"prompt": "p", "harness": "emacs"})

    assert answer.json()["error"]["details"]["known"] == [
        "claude",
        "codex",
        "copilot",
        "gemini",
        "noop",
        "opencode",
        "pi",
        "script",
        "shell",
    ]


async def test_given_a_chain_of_parents_when_it_is_too_deep_then_the_next_is_refused(world: World) -> None:
    parent = await world.file()
    root = parent
    for _ in range(32):
        parent = await world.file(parentTaskId=parent)

    answer = await world.call("POST", "/api/tasks", json={"prompt": "p", "parentTaskId": parent})

    assert (answer.status_code, answer.json()["error"]["details"]["field"]) == (422, "parentTaskId")
    assert (await world.get(f"/api/tasks/{parent}"))["rootTaskId"] == root


async def test_given_a_batch_with_refs_when_it_is_filed_then_it_is_answered_in_the_order_sent(world: World) -> None:
    outside = await world.file("outside")
    batch = [
        {"ref": "ship", "prompt": "ship", "dependsOn": ["build", {"task": "test", "onFailure": "skip"}, outside]},
        {"ref": "test", "prompt": "test", "dependsOn": ["build"]},
        {"ref": "build", "prompt": "build"},
        {"prompt": "alone"},
    ]

    reply = await world.post("/api/tasks/batch", {"tasks": batch})

    assert [task["title"] for task in reply["tasks"]] == ["ship", "test", "build", "alone"]
    assert [task["status"] for task in reply["tasks"]] == ["blocked", "blocked", "pending", "pending"]
    assert reply["refs"] == {task["title"]: task["id"] for task in reply["tasks"][:3]}
    ship = await world.get(f"/api/tasks/{reply['refs']['ship']}")
    assert [edge["task"] for edge in ship["dependsOn"]] == [reply["refs"]["build"], reply["refs"]["test"], outside]


@pytest.mark.parametrize(
    ("tasks", "code", "told"),
    [
        ([], "invalidInput", "tasks"),
        ([{"prompt": "p", "ref": "a"}, {"prompt": "p", "ref": "a"}], "invalidInput", "tasks[1].ref"),
        ([{"prompt": "p", "ref": "a", "dependsOn": ["a"]}], "dependencyCycle", "a -> a"),
        (
            [{"prompt": "p", "ref": "a", "dependsOn": ["b"]}, {"prompt": "p", "ref": "b", "dependsOn": ["a"]}],
            "dependencyCycle",
            "a -> b -> a",
        ),
        ([{"prompt": "p"}, {"prompt": "p", "dependsOn": ["c"]}], "unknownReference", "tasks[1].dependsOn[0]"),
        ([{"prompt": "p"}, {"prompt": "p", "harness": "vi"}], "unknownReference", "tasks[1].harness"),
        ([{"prompt": "p"}, {"prompt": " "}], "invalidInput", "tasks[1].prompt"),
        (
            [{"prompt": "p", "ref": "a"}, {"prompt": "p", "dependsOn": ["a", {"task": "a", "onFailure": "wait"}]}],
            "invalidInput",
            "tasks[1].dependsOn[1]",
        ),
    ],
)
async def test_given_a_bad_batch_when_it_is_filed_then_none_of_it_is_stored(
    world: World, tasks: list[Any], code: str, told: str
) -> None:
    answer = await world.call("POST", "/api/tasks/batch", json={"tasks": tasks})

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, code)
    assert told in error["message"]
    assert (await world.get("/api/tasks"))["tasks"] == []


async def test_given_a_batch_of_too_many_tasks_when_it_is_filed_then_it_is_refused(world: World) -> None:
    answer = await world.call("POST", "/api/tasks/batch", json={"tasks": [{"prompt": "p"}] * (limits.BATCH_TASKS + 1)})

    assert answer.status_code in (413, 422)


async def test_given_an_idempotency_key_when_the_request_is_repeated_then_one_task_exists(world: World) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first = await world.call("POST", "/api/tasks", json={"prompt": "p"}, headers=headers)
    again = await world.call("POST", "/api/tasks", json={"prompt": "p"}, headers=headers)
    other = await world.call("POST", "/api/tasks", json={"prompt": "q"}, headers=headers)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotencyMismatch")
    assert len((await world.get("/api/tasks"))["tasks"]) == 1


async def test_given_an_idempotency_key_when_a_batch_is_repeated_then_ids_and_refs_are_the_first_ones(
    world: World,
) -> None:
    body = {"tasks": [{"ref": "b", "prompt": "b", "dependsOn": ["a"]}, {"ref": "a", "prompt": "a"}]}
    headers = {"Idempotency-Key": "k-1"}

    first = await world.call("POST", "/api/tasks/batch", json=body, headers=headers)
    again = await world.call("POST", "/api/tasks/batch", json=body, headers=headers)

    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("key", ["", "with space", "k" * 256, "ünï"])
async def test_given_a_bad_idempotency_key_when_it_is_sent_then_it_is_refused(world: World, key: str) -> None:
    answer = await world.call("POST", "/api/tasks", json={"prompt": "p"}, headers={"Idempotency-Key": key.encode()})

    assert (answer.status_code, answer.json()["error"]["details"]["field"]) == (422, "header.Idempotency-Key")


async def test_given_an_ended_task_when_it_is_retried_then_a_new_task_asks_for_the_same(world: World) -> None:
    upstream = await world.file("first")
    task_id = await world.file("second", dependsOn=[upstream], tags=["ui"], priority=80, maxAttempts=2)
    ada = await world.register()
    await world.complete(await world.take(ada))
    await world.fail(await world.take(ada))

    again = await world.call("POST", f"/api/tasks/{task_id}/retry")

    task = again.json()
    assert again.status_code == 201
    assert (task["retryOf"], task["status"], task["priority"], task["tags"]) == (task_id, "pending", 80, ["ui"])
    assert (task["maxAttempts"], task["failures"], task["rootTaskId"]) == (2, 0, task["id"])
    detail = await world.get(f"/api/tasks/{task['id']}")
    assert detail["prompt"] == "second"
    assert [edge["task"] for edge in detail["dependsOn"]] == [upstream]


async def test_given_a_task_that_failed_with_its_upstream_when_it_is_retried_then_it_does_without_it(
    world: World,
) -> None:
    upstream = await world.file("first")
    task_id = await world.file("second", dependsOn=[upstream])
    await world.fail(await world.take(await world.register()))

    again = await world.post(f"/api/tasks/{task_id}/retry")

    assert (again["status"], again["openDependencies"]) == ("pending", 0)


async def test_given_a_task_that_has_not_ended_when_it_is_retried_then_it_is_refused(world: World) -> None:
    task_id = await world.file()

    answer = await world.call("POST", f"/api/tasks/{task_id}/retry", json={})

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "illegalTransition")


async def test_given_a_lead_at_work_when_it_files_a_task_then_it_belongs_to_the_leads_own(world: World) -> None:
    lead = await world.register("lead", role=AgentRole.LEAD)
    own = await world.file(agentId=lead.id)
    other = await world.file()
    attempt = await world.take(lead)

    child = await world.post("/api/tasks", {"prompt": "part"}, token=attempt.token)
    grandchild = await world.post("/api/tasks", {"prompt": "p", "parentTaskId": child["id"]}, token=attempt.token)
    elsewhere = await world.call("POST", "/api/tasks", json={"prompt": "p", "parentTaskId": other}, token=attempt.token)

    assert (child["parentTaskId"], child["rootTaskId"]) == (own, own)
    assert child["createdBy"] == f"agent:{lead.id}"
    assert grandchild["rootTaskId"] == own
    assert (elsewhere.status_code, elsewhere.json()["error"]["code"]) == (403, "denied")


async def test_given_a_worker_at_work_when_it_files_a_task_then_it_is_denied(world: World) -> None:
    await world.file()
    attempt = await world.take(await world.register())

    answer = await world.call("POST", "/api/tasks", json={"prompt": "p"}, token=attempt.token)

    assert answer.status_code == 403


async def test_given_an_attempt_when_it_reads_then_it_sees_its_task_and_its_dependencies_only(world: World) -> None:
    upstream = await world.file("first")
    own = await world.file("second", dependsOn=[upstream])
    other = await world.file("other", priority=0)
    ada = await world.register()
    await world.complete(await world.take(ada), "the result")
    attempt = await world.take(ada)
    assert attempt.task_id == own

    assert (await world.get(f"/api/tasks/{own}", token=attempt.token))["prompt"] == "second"
    assert (await world.get(f"/api/tasks/{upstream}", token=attempt.token))["result"]["text"] == "the result"
    for task_id in (other, UNKNOWN):
        answer = await world.call("GET", f"/api/tasks/{task_id}", token=attempt.token)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "denied")
