"""Workflows in a whole server: what its runner does by itself, what waits for people, and what for agents."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.server.sessions import add_user, session_of
from tests.server.world import Claim, RegisteredAgent, World

from agent_swarm.domain.matching import RUNNER_CAPABILITY, AgentRole
from agent_swarm.domain.roles import Role
from agent_swarm.domain.tasks import PauseReason
from agent_swarm.store.base import Committed
from agent_swarm.testing.waiting import until

pytestmark = pytest.mark.anyio


class Watched:
    """A world, and what has been heard of each of its tasks."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.heard: set[tuple[str, str]] = set()
        self.unsubscribe = world.store.subscribe(self._hear)

    def _hear(self, committed: Committed) -> None:
        self.heard.update((event.subject_id, event.type) for event in committed.events)

    async def run(self, *stages: dict[str, Any], given: dict[str, Any] | None = None, **fields: Any) -> str:
        """Start a workflow of these stages."""
        workflow = {"name": "w", "stages": list(stages), **fields}
        body = {"workflow": workflow, "inputs": given or {}}
        run_id: str = (await self.world.post("/api/workflows", body))["id"]
        return run_id

    async def shown(self, run_id: str) -> Any:
        return await self.world.get(f"/api/workflows/{run_id}")

    async def stage(self, run_id: str, name: str) -> Any:
        (found,) = [one for one in (await self.shown(run_id))["stages"] if one["name"] == name]
        return found

    async def heard_of(self, subject_id: str, *types: str) -> None:
        await until(lambda: any((subject_id, one) in self.heard for one in types))

    async def ended(self, run_id: str) -> Any:
        """The run, once it is over."""
        await self.heard_of(run_id, "task.completed", "task.failed", "task.cancelled")
        return await self.shown(run_id)


@pytest.fixture
def watched(world: World) -> Iterator[Watched]:
    watched = Watched(world)
    yield watched
    watched.unsubscribe()


def stage(name: str, kind: str = "noop", **fields: Any) -> dict[str, Any]:
    return {"name": name, "kind": kind, **fields}


def says(name: str, text: str, **fields: Any) -> dict[str, Any]:
    return stage(name, "builtin", uses="format", **{"with": {"text": text, **fields.pop("data", {})}}, **fields)


async def test_given_stages_that_need_no_worker_when_run_then_each_sees_what_those_before_it_came_to(
    watched: Watched,
) -> None:
    run_id = await watched.run(
        stage("begin"),
        says("hello", "hello {{ inputs.who }}", needs=["begin"]),
        says("again", "{{ stages.hello.output }}!", needs=["hello"]),
        inputs={"who": {}},
        outputs={"said": "{{ stages.again.output }}"},
        given={"who": "ada"},
    )

    run = await watched.ended(run_id)

    assert run["status"] == "completed", run
    assert run["outputs"] == {"said": "hello ada!"}
    assert [one["outcome"] for one in run["stages"]] == ["completed"] * 3


async def test_given_a_condition_that_does_not_hold_when_run_then_the_stage_is_skipped_and_others_see_that(
    watched: Watched,
) -> None:
    run_id = await watched.run(
        stage("never", **{"if": "inputs.n > 3"}),
        says("after", "{{ stages.never.status }}", needs=["never"]),
        inputs={"n": {"type": "number"}},
        given={"n": 3},
    )

    run = await watched.ended(run_id)

    assert [(one["outcome"], one["output"]) for one in run["stages"]] == [("skipped", ""), ("completed", "skipped")]


async def test_given_a_list_when_a_stage_is_for_each_then_its_items_come_to_one_list_in_their_order(
    watched: Watched,
) -> None:
    run_id = await watched.run(
        says("each", "{{ index }}: {{ item }}", foreach="inputs.names", maxParallel=2),
        inputs={"names": {"type": "list"}},
        outputs={"all": "{{ stages.each.data }}"},
        given={"names": ["a", "b", "c", "d", "e"]},
    )

    run = await watched.ended(run_id)

    assert [one["output"] for one in run["outputs"]["all"]] == ["0: a", "1: b", "2: c", "3: d", "4: e"]
    assert len(run["stages"][0]["items"]) == 5


async def test_given_an_empty_list_when_a_stage_is_for_each_then_it_has_come_to_nothing(watched: Watched) -> None:
    run_id = await watched.run(says("each", "{{ item }}", foreach=[]), outputs={"all": "{{ stages.each.data }}"})

    assert (await watched.ended(run_id))["outputs"] == {"all": []}


async def test_given_a_stage_that_fails_when_run_then_what_needs_it_fails_and_the_run_says_why(
    watched: Watched,
) -> None:
    broken = stage("broken", "builtin", uses="fail", **{"with": {"message": "no such thing"}})
    run_id = await watched.run(broken, stage("after", needs=["broken"]), stage("beside"))

    run = await watched.ended(run_id)

    assert run["status"] == "failed"
    assert "stage 'broken' failed: no such thing" in run["message"]
    assert [one["status"] for one in run["stages"]] == ["failed", "failed", "completed"]


async def test_given_a_stage_that_may_fail_when_it_does_then_the_run_goes_on_and_others_see_it(
    watched: Watched,
) -> None:
    broken = stage("broken", "builtin", uses="fail", continueOnError=True, **{"with": {"message": "no such thing"}})
    run_id = await watched.run(
        broken, says("after", "{{ stages.broken.status }}: {{ stages.broken.output }}", needs=["broken"])
    )

    run = await watched.ended(run_id)

    assert run["status"] == "completed"
    assert run["stages"][1]["output"] == "failed: no such thing"


async def test_given_a_gate_when_a_person_opens_it_then_the_stage_goes_on(watched: Watched) -> None:
    gated = stage("gated", gate={"title": "Release {{ inputs.v }}?"})
    run_id = await watched.run(gated, inputs={"v": {}}, given={"v": "1.2"})
    task_id = (await watched.stage(run_id, "gated"))["taskId"]
    await watched.heard_of(task_id, "task.paused")
    (asked,) = (await watched.world.get("/api/approvals"))["approvals"]
    assert (asked["title"], asked["id"]) == ("Release 1.2?", (await watched.stage(run_id, "gated"))["approvalId"])

    await watched.world.post(f"/api/approvals/{asked['id']}/answer", {"answers": {"open": True}})

    assert (await watched.ended(run_id))["status"] == "completed"


async def test_given_a_gate_when_a_person_denies_it_then_the_stage_fails(watched: Watched) -> None:
    run_id = await watched.run(stage("gated", gate={"title": "Go?"}))
    task_id = (await watched.stage(run_id, "gated"))["taskId"]
    await watched.heard_of(task_id, "task.paused")
    (asked,) = (await watched.world.get("/api/approvals"))["approvals"]

    await watched.world.post(f"/api/approvals/{asked['id']}/answer", {"deny": True})

    assert "nobody has opened its gate" in (await watched.ended(run_id))["message"]


async def taken(watched: Watched, agent: Any, run_id: str, name: str) -> Claim:
    """The task that a stage has filed for an agent, claimed and started."""
    task_id = (await watched.stage(run_id, name))["taskId"]
    await watched.heard_of(task_id, "task.paused")
    return await watched.world.take(agent)


async def test_given_a_stage_for_an_agent_when_that_is_done_then_others_see_its_result_and_build_on_its_work(
    watched: Watched,
) -> None:
    agent = await watched.world.register("ada")
    run_id = await watched.run(
        stage("plan", "swarm", prompt="plan {{ inputs.what }}"),
        stage("between", needs=["plan"]),
        stage("build", "swarm", prompt="build: {{ stages.plan.data.steps[1] }}", needs=["between"]),
        stage("never", needs=["build"]),
        inputs={"what": {}},
        given={"what": "a house"},
    )
    plan = await taken(watched, agent, run_id, "plan")
    assert (await watched.world.get(f"/api/tasks/{plan.task_id}"))["prompt"] == "plan a house"
    await watched.world.complete(plan, "a plan", {"steps": ["dig", "wall"]})

    build = await taken(watched, agent, run_id, "build")

    task = await watched.world.get(f"/api/tasks/{build.task_id}")
    assert task["prompt"] == "build: wall"
    assert [one["task"] for one in task["dependsOn"]] == [plan.task_id]
    await watched.world.complete(build, "built")
    run = await watched.ended(run_id)
    assert (run["status"], run["stages"][2]["output"]) == ("completed", "built")


async def test_given_a_task_of_an_agent_that_fails_for_good_when_it_has_then_its_stage_fails(
    watched: Watched,
) -> None:
    agent = await watched.world.register("ada")
    run_id = await watched.run(stage("plan", "swarm", prompt="plan", retries=0))
    await watched.world.fail(await taken(watched, agent, run_id, "plan"))

    assert "stage 'plan' failed: it broke" in (await watched.ended(run_id))["message"]


async def test_given_a_run_when_it_is_cancelled_then_so_is_everything_below_it(watched: Watched) -> None:
    run_id = await watched.run(stage("plan", "swarm", prompt="plan"), stage("after", needs=["plan"]))
    task_id = (await watched.stage(run_id, "plan"))["taskId"]
    await watched.heard_of(task_id, "task.paused")

    await watched.world.post(f"/api/workflows/{run_id}/cancel", {"reason": "not wanted"})

    run = await watched.shown(run_id)
    assert {one["status"] for one in run["stages"]} <= {"cancelled", "failed"}
    assert run["status"] == "cancelled"
    assert run["stages"][0]["items"][0]["status"] == "failed"


async def test_given_a_worker_that_offers_what_runners_offer_when_a_part_waits_then_it_does_not_get_it(
    watched: Watched,
) -> None:
    agent = await watched.world.register("mallory", capabilities=("runner.workflow",))
    run_id = await watched.run(stage("gated", gate={"title": "Go?"}))
    await watched.heard_of((await watched.stage(run_id, "gated"))["taskId"], "task.paused")

    with pytest.raises(AssertionError, match="nothing to claim"):
        await watched.world.claim(agent)


async def test_given_a_task_for_runners_that_is_no_part_when_it_is_claimed_then_it_fails_and_nothing_is_run(
    watched: Watched,
) -> None:
    await watched.ended(await watched.run(stage("begin")))
    task_id = await watched.world.file("rm -rf /", requires={"capabilities": ["runner.workflow"]})

    await watched.heard_of(task_id, "task.failed")

    task = await watched.world.get(f"/api/tasks/{task_id}")
    assert task["failure"]["code"] == "noWorkflow"


async def test_given_a_stage_whose_expression_finds_nothing_when_run_then_it_fails_and_says_what_is_there(
    watched: Watched,
) -> None:
    run_id = await watched.run(stage("a"), says("b", "{{ stages.a.data.x }}", needs=["a"]))

    assert "there is no stages.a.data.x" in (await watched.ended(run_id))["message"]


async def test_given_a_file_with_faults_when_sent_then_all_are_told_with_their_lines(world: World) -> None:
    source = "name: w\nstages:\n  - {name: a, kind: noop, if: x.y}\n  - {name: c, kind: shell, run: 'x {{ y }}'}\n"

    refused = await world.call("POST", "/api/workflows", json={"source": source})

    body = refused.json()
    assert refused.status_code == 422, body
    assert [(one["line"], one["where"]) for one in body["error"]["details"]["problems"]] == [
        (3, "stage 'a', if"),
        (4, "stage 'c', run"),
    ]


async def test_given_a_project_that_does_not_exist_when_run_then_nothing_is_started(world: World) -> None:
    workflow = {"name": "w", "stages": [stage("a"), stage("b", "swarm", prompt="p", project="nowhere")]}

    refused = await world.call("POST", "/api/workflows", json={"workflow": workflow})

    assert "stage 'b'" in refused.json()["error"]["message"]
    assert (await world.get("/api/tasks"))["tasks"] == []


async def test_given_runs_when_listed_then_the_latest_comes_first_over_pages(watched: Watched) -> None:
    ids = []
    for _ in range(3):
        ids.append(await watched.run(stage("a")))
        watched.world.clock.advance(1)

    page = await watched.world.get("/api/workflows?limit=2")
    rest = await watched.world.get(f"/api/workflows?limit=2&cursor={page['nextCursor']}")

    assert [one["id"] for one in (*page["runs"], *rest["runs"])] == ids[::-1]
    assert rest["nextCursor"] is None


async def test_given_a_stage_that_waits_when_a_person_pauses_and_resumes_it_then_it_goes_on(watched: Watched) -> None:
    agent = await watched.world.register("ada")
    run_id = await watched.run(stage("plan", "swarm", prompt="plan"))
    claim = await taken(watched, agent, run_id, "plan")
    await watched.world.pause(claim, PauseReason.PERSON)
    await watched.world.post(f"/api/tasks/{claim.task_id}/resume")

    await watched.world.complete(await watched.world.take(agent))

    assert (await watched.ended(run_id))["status"] == "completed"


async def test_given_a_schedule_of_a_workflow_when_its_time_comes_then_a_run_begins_with_what_was_stored(
    watched: Watched,
) -> None:
    workflow = {"name": "w", "stages": [says("hello", "hello {{ inputs.who }}")], "inputs": {"who": {}}}
    body = {"name": "s", "everySeconds": 60, "workflow": {"workflow": workflow, "inputs": {"who": "ada"}}}
    made = await watched.world.post("/api/schedules", body)
    assert made["workflow"]["inputs"] == {"who": "ada"}

    started = await watched.world.post("/api/schedules/s/run")

    (run,) = (await watched.world.get("/api/workflows"))["runs"]
    assert run["id"] in [one["id"] for one in started["tasks"]]
    ended = await watched.ended(run["id"])
    assert (ended["status"], ended["stages"][0]["output"]) == ("completed", "hello ada")
    assert (await watched.world.get(f"/api/tasks/{run['id']}"))["scheduleId"] == made["id"]


async def test_given_a_workflow_that_lacks_an_input_when_it_is_scheduled_then_it_is_refused(world: World) -> None:
    workflow = {"name": "w", "stages": [stage("a")], "inputs": {"who": {}}}

    refused = await world.call(
        "POST", "/api/schedules", json={"name": "s", "everySeconds": 60, "workflow": {"workflow": workflow}}
    )

    assert "inputs.who" in refused.json()["error"]["message"]


async def test_given_an_operator_when_it_schedules_scripts_or_has_a_schedule_start_some_then_it_is_denied(
    world: World,
) -> None:
    operator = await session_of(world, await add_user(world, "olga", Role.OPERATOR))
    plain = {"workflow": {"name": "w", "stages": [stage("a")]}}
    scripts = {"workflow": {"name": "w", "stages": [stage("a", "shell", run="id")]}}
    await world.post("/api/schedules", {"name": "s", "everySeconds": 60, "workflow": plain}, token=operator.access)

    changed = await world.call("PATCH", "/api/schedules/s", json={"workflow": scripts}, token=operator.access)
    made = await world.call(
        "POST", "/api/schedules", json={"name": "t", "everySeconds": 60, "workflow": scripts}, token=operator.access
    )

    assert (changed.status_code, made.status_code) == (403, 403)


async def test_given_a_task_for_anybody_when_only_a_runner_is_there_then_it_waits(watched: Watched) -> None:
    await watched.ended(await watched.run(stage("begin")))
    task_id = await watched.world.file("anything")
    await watched.ended(await watched.run(stage("later")))

    task = await watched.world.get(f"/api/tasks/{task_id}")
    explained = await watched.world.get(f"/api/tasks/{task_id}/explain")

    assert (task["status"], [one["code"] for one in explained["reasons"]]) == ("pending", ["noAgents"])


async def test_given_the_same_request_twice_when_it_carries_its_key_then_one_run_begins(watched: Watched) -> None:
    body = {"workflow": {"name": "w", "stages": [stage("a")]}}
    ids = [
        (await watched.world.post("/api/workflows", body, headers={"Idempotency-Key": "once"}))["id"] for _ in range(2)
    ]

    assert ids[0] == ids[1]
    assert len((await watched.world.get("/api/workflows"))["runs"]) == 1


async def test_given_every_store_when_a_workflow_is_run_on_it_then_it_comes_to_the_same(
    world_on_every_store: World,
) -> None:
    watched = Watched(world_on_every_store)
    agent = await watched.world.register("ada")
    run_id = await watched.run(
        says("each", "{{ item }}", foreach=["a", "b", "c"], maxParallel=2),
        stage("plan", "swarm", prompt="p", needs=["each"]),
        stage("gated", gate={"title": "Go?"}, needs=["plan"]),
        outputs={"all": "{{ stages.each.data }}"},
    )
    await watched.world.complete(await taken(watched, agent, run_id, "plan"))
    await watched.heard_of((await watched.stage(run_id, "gated"))["taskId"], "task.paused")
    (asked,) = (await watched.world.get("/api/approvals"))["approvals"]
    await watched.world.post(f"/api/approvals/{asked['id']}/answer", {"answers": {"open": True}})

    run = await watched.ended(run_id)

    watched.unsubscribe()
    assert (run["status"], [one["output"] for one in run["outputs"]["all"]]) == ("completed", ["a", "b", "c"])


async def test_given_another_process_of_the_same_server_when_it_reports_for_work_then_the_first_one_takes_no_more(
    watched: Watched,
) -> None:
    await watched.ended(await watched.run(stage("begin")))
    (runner,) = [one for one in (await watched.world.get("/api/agents"))["agents"] if one["agentRole"] == "runner"]
    other = await watched.world.register("runner", agent_id=runner["id"], role=AgentRole.RUNNER)

    run_id = await watched.run(stage("later"))
    claim = await watched.world.claim(as_runner(other))

    assert claim.task_id in (run_id, (await watched.stage(run_id, "later"))["taskId"])


def as_runner(agent: RegisteredAgent) -> RegisteredAgent:
    """The same process, as one that may claim parts of workflows."""
    profile = replace(agent.profile, capabilities=frozenset({RUNNER_CAPABILITY}))
    return replace(agent, profile=profile)


@pytest.mark.slow
async def test_given_a_gate_that_nobody_answers_when_its_time_is_over_then_the_stage_fails(watched: Watched) -> None:
    run_id = await watched.run(stage("gated", gate={"title": "Go?", "expiresInSeconds": 60}))
    await watched.heard_of((await watched.stage(run_id, "gated"))["taskId"], "task.paused")

    watched.world.clock.advance(61)

    assert "nobody has opened its gate" in (await watched.ended(run_id))["message"]
