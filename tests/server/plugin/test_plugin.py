"""What the golden files cannot say of the Swarm plugin's routes: who gets what, and what stays as it was."""

from typing import Any

import pytest
from tests.server.test_swarms import lead_at_work
from tests.server.test_waking import conversations
from tests.server.world import World

from agent_swarm.domain.errors import IllegalTransition
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentProfile, Requirements, gap
from agent_swarm.store.families.project_copies import PROJECT_COPIES, AskForCopies, ReportCopy, failed_copy
from agent_swarm.store.operations import EditTask
from agent_swarm.store.records import ProjectRecord

pytestmark = pytest.mark.anyio
TASKS = "/swarms/dev-swarm/tasks"


@pytest.fixture
async def swarm(world: World) -> str:
    """The id of a swarm called dev-swarm."""
    return str((await world.post("/swarms", {"name": "dev-swarm"}))["id"])


async def put(world: World, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    """Status and body of what is put."""
    answer = await world.call("PUT", path, json=body)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    ("agent", "fits"),
    [
        (AgentProfile(id="a", role="frontend"), True),
        (AgentProfile(id="a", skills=frozenset({"ui"})), True),
        (AgentProfile(id="a", tags=frozenset({"ui", "gpu"})), True),
        (AgentProfile(id="a", role="backend", tags=frozenset({"gpu"})), False),
        (AgentProfile(id="a"), False),
    ],
)
def test_given_a_task_with_tags_when_agents_claim_then_only_one_that_has_one_of_them_gets_it(
    agent: AgentProfile, fits: bool
) -> None:
    needs = Requirements(any_tag=frozenset({"frontend", "ui"}))

    assert bool(gap(agent, needs)) is not fits
    assert Requirements.from_key(needs.key()) == needs
    assert Requirements.from_key(Requirements(swarm_id="s").key()) == Requirements(swarm_id="s")


async def test_given_a_task_that_an_agent_has_when_it_is_edited_then_that_is_refused(world: World, swarm: str) -> None:
    ada = await world.register()
    task_id = await world.file("do it")
    await world.take(ada)

    with pytest.raises(IllegalTransition):
        await world.store.apply(EditTask(task_id=task_id, actor="operator", title="Another"))
    assert (await world.get(f"/api/tasks/{task_id}"))["title"] == "do it"
    assert swarm


async def test_given_a_status_that_cannot_be_put_when_fields_come_with_it_then_they_stay_too(
    world: World, swarm: str
) -> None:
    filed = await world.post(TASKS, {"title": "One"})

    status, told = await put(world, f"{TASKS}/{filed['id']}", {"title": "Two", "status": "completed"})

    assert (status, told["error"]["code"]) == (409, "conflict")
    assert (await world.get(TASKS))["tasks"] == [filed]
    assert swarm


async def test_given_attempts_when_they_read_and_write_chats_then_it_is_that_of_their_own_swarm(
    world: World, swarm: str
) -> None:
    await world.post("/swarms", {"name": "other"})
    inside = await lead_at_work(world, swarm)

    said = await world.call("POST", "/swarms/dev-swarm/chat", token=inside.token, json={"message": "here"})
    assert (said.status_code, said.json()["fromName"]) == (201, "lead")
    for method, body in (("GET", None), ("POST", {"message": "there"})):
        for named in ("other", "nobody"):
            answer = await world.call(method, f"/swarms/{named}/chat", token=inside.token, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "denied")


async def test_given_the_chat_of_a_swarm_when_somebody_is_mentioned_by_role_or_name_then_only_those_in_it_are_woken(
    world: World, swarm: str
) -> None:
    roles = {"Frontend Agent": "frontend", "Backend Agent": "backend", "Another": "frontend"}
    ids = {}
    for name, role in roles.items():
        agent = await world.register(name)
        path = "/swarms/dev-swarm/agents" if name != "Another" else "/swarms/other/agents"
        if name == "Another":
            await world.post("/swarms", {"name": "other"})
        await world.post(path, {"name": name, "sandboxId": agent.id, "role": role})
        ids[name] = agent.id

    async def woken(message: str, *mentions: str) -> set[str]:
        said = await world.post("/swarms/dev-swarm/chat", {"message": message, "mentions": list(mentions)})
        assert said["unresolved"] == []
        return {task["requires"]["agentId"] for task in await conversations(world)}

    assert await woken("Hello team!") == set()
    assert await woken("What's the status?", "@frontend") == {ids["Frontend Agent"]}
    assert await woken("And yours?", "Backend Agent") == {ids["Frontend Agent"], ids["Backend Agent"]}
    assert swarm


async def test_given_a_worker_that_answers_an_earlier_question_when_it_is_asked_anew_then_that_does_not_count(
    world: World,
) -> None:
    project = ProjectRecord(id=new_id(), name="shop", repo_url="https://example.com/shop.git", default_branch="")
    agent, first, second = new_id(), new_id(), new_id()
    for request in (first, second):
        asked = AskForCopies(project=project, agent_ids=(agent,), request_id=request, action="sync", actor="operator")
        await world.store.apply(asked)

    async def report(request: str) -> bool:
        told = failed_copy("failed", request)
        answer = ReportCopy(project_id=project.id, agent_id=agent, request_id=request, report=told)
        return await world.store.apply(answer)

    assert [await report(first), await report(second), await report(second)] == [False, True, False]
    kept = await world.store.read(lambda queries: queries.record(PROJECT_COPIES, agent, project.id))
    assert kept is not None and kept.report["error"] == second


async def test_given_a_task_that_ends_when_others_wait_for_it_and_a_trigger_is_set_then_both_go_on(
    world: World, swarm: str
) -> None:
    ada = await world.register()
    await world.post("/swarms/dev-swarm/agents", {"name": "ada", "sandboxId": ada.id})
    after = {"on": "completed", "do": {"createTask": {"prompt": "the trigger", "swarm": "dev-swarm"}}}
    first = await world.post(TASKS, {"title": "First", "priority": "urgent", "triggers": [after]})
    second = await world.post(TASKS, {"title": "Second", "dependsOn": [first["id"]]})
    record = await world.store.read(lambda queries: queries.agent(ada.id))
    assert record is not None and second["status"] == "blocked"
    claim = await world.take(type(ada)(record.profile, ada.instance_id, ada.token))

    await world.complete(claim, "it is done")

    shown = {one["title"]: one for one in (await world.get(TASKS))["tasks"]}
    assert (shown["First"]["status"], shown["First"]["result"]) == ("completed", "it is done")
    assert shown["Second"]["status"] == "pending"
    assert (await world.get("/swarms/dev-swarm/agents"))["agents"][0]["status"] == "idle"
