"""The kill switch over REST: who may use it, what it refuses, what can still be read."""

from pathlib import Path

import pytest
from tests.server.sessions import sessions_of
from tests.server.world import API_KEY, World, opened

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentRole
from agent_swarm.services import tokens
from agent_swarm.services.tokens import Scope
from agent_swarm.store.operations import PutToken
from agent_swarm.store.records import TokenKind

pytestmark = pytest.mark.anyio

PATH = "/api/kill-switch"


async def test_given_an_empty_request_when_it_comes_then_everything_is_stopped(world: World) -> None:
    answer = await world.call("POST", PATH)

    assert answer.status_code == 200
    assert answer.json()["status"] == "killed"
    assert (await world.get(PATH))["switches"][0]["heldBy"] == ["request"]


async def test_given_the_switch_is_on_when_others_ask_for_something_then_it_is_503_with_the_reason(
    world: World,
) -> None:
    task_id = await world.file()
    await world.post(PATH, {"reason": "they deploy on their own"})

    for method, path, body in (
        ("POST", "/api/tasks", {"prompt": "x"}),
        ("POST", f"/api/tasks/{task_id}/cancel", None),
        ("PATCH", f"/api/tasks/{task_id}", {"priority": 3}),
        ("POST", "/api/projects", {"name": "a", "repoUrl": "/a"}),
    ):
        answer = await world.call(method, path, json=body)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (503, "killed"), path
        assert "they deploy on their own" in error["message"]
        assert error["details"]["by"] == "operator"
        assert answer.headers["retry-after"] == "10"


async def test_given_the_switch_is_on_when_people_read_then_they_are_answered(world: World) -> None:
    task_id = await world.file()
    await world.post(PATH)

    for path in ("/health", "/ready", "/metrics", "/api/tasks", f"/api/tasks/{task_id}", "/api/events?after=0", PATH):
        assert (await world.call("GET", path)).status_code == 200, path
    assert (await world.get("/api/overview"))["killed"][0]["status"] == "killed"


async def test_given_tokens_from_before_when_the_switch_was_used_and_lifted_then_only_the_operators_counts(
    tmp_path: Path,
) -> None:
    database = tmp_path / "swarm.sqlite"
    async with opened(tmp_path, address=database) as world:
        lead = await world.register(role=AgentRole.LEAD)
        await world.file(agentId=lead.id)
        claim = await world.take(lead)
        assert (await world.call("GET", f"/api/tasks/{claim.task_id}", token=claim.token)).status_code == 200
        await world.post(PATH)
        assert (await world.call("GET", f"/api/tasks/{claim.task_id}", token=claim.token)).status_code == 401
        await world.post(PATH, {"action": "lift"})
    async with opened(tmp_path, address=database) as world:
        for token in (claim.token, lead.token):
            assert (await world.call("GET", f"/api/tasks/{claim.task_id}", token=token)).status_code == 401
        assert (await world.call("POST", "/v1/pool/poll", token=lead.token, json={})).status_code == 401
        assert (await world.call("GET", "/api/tasks", token=API_KEY)).status_code == 200


async def test_given_the_switch_is_on_when_the_server_starts_again_then_it_is_still_on(tmp_path: Path) -> None:
    database = tmp_path / "swarm.sqlite"
    async with opened(tmp_path, address=database) as world:
        await world.post(PATH, {"reason": "enough"})
    async with opened(tmp_path / "another", address=database) as world:
        assert (await world.get(PATH))["reason"] == "enough"
        assert (await world.call("POST", "/api/tasks", json={"prompt": "x"})).status_code == 503
        await world.post(PATH, {"action": "deactivate"})
        await world.file()


async def test_given_a_token_that_may_only_stop_when_it_lifts_then_that_is_denied(world: World) -> None:
    minted = tokens.mint(TokenKind.OPERATOR, now=world.store.now(), label="guard")
    scopes = (Scope.KILL_SWITCH_READ.value, Scope.KILL_SWITCH_WRITE.value)
    record = minted.record.__class__(**{**vars(minted.record), "scopes": scopes})
    await world.store.apply(PutToken(token=record))

    assert (await world.call("POST", PATH, token=minted.text)).status_code == 200
    refused = await world.call("POST", PATH, token=minted.text, json={"action": "lift"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "denied")


async def test_given_people_with_roles_when_they_use_the_switch_then_operators_stop_and_admins_alone_lift(
    world: World,
) -> None:
    people = await sessions_of(world)
    lift = {"action": "lift"}

    assert (await world.call("POST", PATH, token=people.viewer.access)).status_code == 403
    assert (await world.call("POST", PATH, token=people.operator.access)).status_code == 200
    assert (await world.call("POST", PATH, token=people.operator.access, json=lift)).status_code == 403
    assert (await world.get(PATH))["status"] == "killed"
    assert (await world.call("POST", PATH, token=people.admin.access, json=lift)).status_code == 200
    assert (await world.get(PATH))["status"] == "armed"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scope": "swarm", "id": "shop"}, "id"),
        ({"scope": "swarm"}, "id"),
        ({"scope": "agent"}, "id"),
        ({"scope": "agent", "id": "ada"}, "id"),
        ({"id": new_id()}, "id"),
        ({"action": "explode"}, "action"),
        ({"reason": "x" * 1_001}, "reason"),
    ],
)
async def test_given_a_scope_that_there_is_nothing_of_when_it_is_stopped_then_that_is_refused_and_nothing_stops(
    world: World, body: dict[str, str], field: str
) -> None:
    answer = await world.call("POST", PATH, json=body)

    assert answer.status_code == 422
    assert answer.json()["error"]["details"]["field"] == field
    assert (await world.get(PATH))["status"] == "armed"


async def test_given_a_task_that_waits_when_the_switch_is_on_then_the_explanation_says_why_by_whom_and_since(
    world: World,
) -> None:
    await world.register()
    task_id = await world.file()
    await world.post(PATH, {"reason": "they deploy"})

    told = await world.get(f"/api/tasks/{task_id}/explain")

    assert [reason["code"] for reason in told["reasons"]] == ["killSwitchOn"]
    assert "they deploy" in told["summary"]
    assert "by operator" in told["summary"]
    assert "agent-swarm lift" in told["reasons"][0]["unblock"]


async def test_given_one_agent_is_stopped_when_its_task_and_others_are_asked_about_then_only_its_own_waits_for_that(
    world: World,
) -> None:
    ada = await world.register("ada")
    own = await world.file(agentId=ada.id)
    await world.post(PATH, {"scope": "agent", "id": ada.id, "reason": "it loops"})

    codes = [reason["code"] for reason in (await world.get(f"/api/tasks/{own}/explain"))["reasons"]]
    assert codes == ["killSwitchOn"]
    await world.register("bob")
    anybody = await world.file()
    codes = [reason["code"] for reason in (await world.get(f"/api/tasks/{anybody}/explain"))["reasons"]]
    assert codes == ["aboutToStart"]


async def test_given_a_killed_attempt_when_it_is_asked_about_then_a_person_has_to_resume_it(world: World) -> None:
    ada = await world.register()
    task_id = await world.file()
    await world.take(ada)
    await world.post(PATH)
    await world.post(PATH, {"action": "lift"})

    told = await world.get(f"/api/tasks/{task_id}/explain")
    assert [reason["code"] for reason in told["reasons"]] == ["pausedByKill"]
    await world.post(f"/api/tasks/{task_id}/resume")
    told = await world.get(f"/api/tasks/{task_id}/explain")
    assert told["reasons"][0]["code"] == "killNotConfirmed"


async def test_given_uses_of_the_switch_when_figures_are_read_then_they_are_counted(world: World) -> None:
    await world.post(PATH)
    await world.call("POST", "/api/tasks", json={"prompt": "x"})

    page = (await world.call("GET", "/metrics")).text
    assert 'agent_swarm_kill_switch_killed{scope="all"} 1.0' in page
    assert 'agent_swarm_kill_switch_activations_total{scope="all"} 1.0' in page
    assert "agent_swarm_kill_switch_refusals_total 1.0" in page
    await world.post(PATH, {"action": "lift"})
    assert 'agent_swarm_kill_switch_killed{scope="all"} 0.0' in (await world.call("GET", "/metrics")).text
