"""Default deny: every route times every kind of token, against a table written by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from tests.server.sessions import sessions_of
from tests.server.world import API_KEY, World, opened

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentRole
from agent_swarm.server.access import PUBLIC, declare, guard_routes
from agent_swarm.services import tokens
from agent_swarm.store.operations import PutToken, RevokeToken
from agent_swarm.store.records import TokenKind

pytestmark = pytest.mark.anyio

REFUSED = {
    "nobody",
    "revoked",
    "garbage",
    "expired jwt",
    "unsigned jwt",
    "jwt of another key",
    "jwt of another epoch",
    "jwt for another audience",
    "jwt of an ended session",
}
ADMINS = {"operator", "admin", "session of the key"}
WRITERS = ADMINS | {"operating user"}
PEOPLE = WRITERS | {"viewer"}
KEY_ONLY = {"operator"}
ATTEMPTS = {"worker attempt", "lead attempt"}
LEAD = {"lead attempt"}
WORKERS = {"worker agent", "lead agent"}
EVERYONE = PEOPLE | ATTEMPTS | WORKERS | REFUSED

MAY_CALL = {
    "GET /health": EVERYONE,
    "GET /ready": EVERYONE,
    "GET /openapi.json": EVERYONE,
    "GET /docs": EVERYONE,
    "GET /": EVERYONE,
    "GET /board": EVERYONE,
    "GET /tasks/{id}": EVERYONE,
    "GET /tasks/{id}/graph": EVERYONE,
    "GET /timeline": EVERYONE,
    "GET /agents": EVERYONE,
    "GET /agents/{id}": EVERYONE,
    "GET /chat": EVERYONE,
    "GET /approvals": EVERYONE,
    "GET /repositories": EVERYONE,
    "GET /schedules": EVERYONE,
    "GET /schedules/{id}": EVERYONE,
    "GET /costs": EVERYONE,
    "GET /audit": EVERYONE,
    "GET /settings": EVERYONE,
    "GET /assets/{name}": EVERYONE,
    "GET /metrics": PEOPLE,
    "POST /api/tasks": WRITERS | LEAD,
    "POST /api/tasks/batch": WRITERS | LEAD,
    "GET /api/tasks": PEOPLE | LEAD,
    "GET /api/tasks/{id}": PEOPLE | ATTEMPTS,
    "PATCH /api/tasks/{id}": WRITERS,
    "POST /api/tasks/{id}/cancel": WRITERS,
    "POST /api/tasks/{id}/pause": WRITERS,
    "POST /api/tasks/{id}/resume": WRITERS,
    "POST /api/tasks/{id}/retry": WRITERS,
    "POST /api/tasks/{id}/backlog": WRITERS,
    "POST /api/tasks/{id}/promote": WRITERS,
    "POST /api/tasks/{id}/offer": WRITERS,
    "POST /api/tasks/{id}/accept": WRITERS | ATTEMPTS | WORKERS,
    "POST /api/tasks/{id}/reject": WRITERS | ATTEMPTS | WORKERS,
    "POST /api/tasks/{id}/progress": ATTEMPTS,
    "POST /api/tasks/{id}/result/check": ATTEMPTS,
    "POST /api/tasks/{id}/wait": LEAD,
    "GET /api/tasks/{id}/explain": PEOPLE | LEAD,
    "GET /api/tasks/{id}/attachments": PEOPLE | LEAD,
    "GET /api/tasks/{id}/attachments/{name}": PEOPLE | LEAD,
    "PUT /api/tasks/{id}/attachments/{name}": ATTEMPTS,
    "GET /api/tasks/{id}/attempts": PEOPLE | LEAD,
    "GET /api/tasks/{id}/attempts/{number}/transcript": PEOPLE | LEAD,
    "POST /api/messages": WRITERS | ATTEMPTS,
    "GET /api/messages": PEOPLE | ATTEMPTS,
    "POST /api/messages/read": WRITERS | ATTEMPTS,
    "GET /api/messages/{id}": PEOPLE | ATTEMPTS,
    "POST /api/tasks/{id}/steer": WRITERS | LEAD,
    "POST /api/channels": WRITERS | ATTEMPTS,
    "GET /api/channels": PEOPLE | ATTEMPTS,
    "GET /api/channels/{name}/members": PEOPLE | ATTEMPTS,
    "PUT /api/channels/{name}/members/{who}": WRITERS | ATTEMPTS,
    "DELETE /api/channels/{name}/members/{who}": WRITERS | ATTEMPTS,
    "GET /api/agents": PEOPLE | LEAD,
    "GET /api/agents/{id}": PEOPLE | LEAD,
    "POST /api/agents": WRITERS | LEAD,
    "POST /api/agents/{id}/stop": WRITERS | LEAD,
    "POST /api/agents/{id}/start": WRITERS | LEAD,
    "GET /api/agents/{id}/profile": PEOPLE | ATTEMPTS,
    "PATCH /api/agents/{id}/profile": WRITERS | ATTEMPTS,
    "GET /api/agents/{id}/profile/versions": PEOPLE | ATTEMPTS,
    "GET /api/agents/{id}/profile/versions/{number}": PEOPLE | ATTEMPTS,
    "POST /api/agents/{id}/profile/versions/{number}/restore": WRITERS,
    "POST /api/swarms": WRITERS,
    "GET /api/swarms": PEOPLE,
    "GET /api/swarms/{idOrName}": PEOPLE,
    "PATCH /api/swarms/{idOrName}": WRITERS,
    "DELETE /api/swarms/{idOrName}": WRITERS,
    "GET /api/swarms/{idOrName}/status": PEOPLE,
    "PUT /api/swarms/{idOrName}/agents/{agentId}": WRITERS,
    "DELETE /api/swarms/{idOrName}/agents/{agentId}": WRITERS,
    "GET /api/overview": PEOPLE,
    "GET /api/conflicts": PEOPLE | LEAD,
    "GET /api/projects": PEOPLE | LEAD,
    "POST /api/projects": WRITERS,
    "GET /api/projects/{idOrName}": PEOPLE | LEAD,
    "PUT /api/agents/{id}/permissions": ADMINS,
    "GET /api/permission-profiles": PEOPLE | LEAD,
    "GET /api/kill-switch": PEOPLE,
    "POST /api/kill-switch": WRITERS,
    "GET /api/events": PEOPLE,
    "PUT /api/config": WRITERS,
    "GET /api/config": PEOPLE,
    "GET /api/config/resolved": PEOPLE,
    "GET /api/config/{id}": PEOPLE,
    "DELETE /api/config/{id}": WRITERS,
    "POST /api/memory": WRITERS | ATTEMPTS,
    "GET /api/memory": PEOPLE | ATTEMPTS,
    "GET /api/memory/{id}": PEOPLE | ATTEMPTS,
    "DELETE /api/memory/{id}": WRITERS | ATTEMPTS,
    "GET /api/kv/{namespace}": PEOPLE | ATTEMPTS,
    "GET /api/kv/{namespace}/{key}": PEOPLE | ATTEMPTS,
    "PUT /api/kv/{namespace}/{key}": WRITERS | ATTEMPTS,
    "DELETE /api/kv/{namespace}/{key}": WRITERS | ATTEMPTS,
    "POST /api/kv/{namespace}/{key}/increment": WRITERS | ATTEMPTS,
    "POST /api/budgets": WRITERS,
    "GET /api/budgets": PEOPLE,
    "GET /api/budgets/{idOrName}": PEOPLE,
    "PATCH /api/budgets/{idOrName}": WRITERS,
    "DELETE /api/budgets/{idOrName}": WRITERS,
    "GET /api/reports/costs": PEOPLE,
    "POST /api/schedules": WRITERS | LEAD,
    "GET /api/schedules": PEOPLE | LEAD,
    "GET /api/schedules/next": PEOPLE | LEAD,
    "GET /api/schedules/{idOrName}": PEOPLE | LEAD,
    "PATCH /api/schedules/{idOrName}": WRITERS | LEAD,
    "DELETE /api/schedules/{idOrName}": WRITERS | LEAD,
    "POST /api/schedules/{idOrName}/run": WRITERS | LEAD,
    "POST /api/schedules/{idOrName}/pause": WRITERS | LEAD,
    "POST /api/schedules/{idOrName}/resume": WRITERS | LEAD,
    "GET /api/schedules/{idOrName}/runs": PEOPLE | LEAD,
    "GET /api/schedules/{idOrName}/next": PEOPLE | LEAD,
    "GET /api/schedules/{idOrName}/explain": PEOPLE | LEAD,
    "POST /api/triggers": WRITERS,
    "GET /api/triggers": PEOPLE,
    "GET /api/triggers/{idOrName}": PEOPLE,
    "DELETE /api/triggers/{idOrName}": WRITERS,
    "POST /api/triggers/{idOrName}/pause": WRITERS,
    "POST /api/triggers/{idOrName}/resume": WRITERS,
    "GET /api/triggers/{idOrName}/deliveries": PEOPLE,
    "GET /api/trigger-deliveries/{id}": PEOPLE,
    "POST /api/trigger-deliveries/{id}/redeliver": WRITERS,
    "GET /api/projects/{idOrName}/queue": PEOPLE | LEAD,
    "PUT /api/projects/{idOrName}/queue": WRITERS,
    "POST /api/projects/{idOrName}/queue/off": WRITERS,
    "GET /api/projects/{idOrName}/queue/entries": PEOPLE | LEAD,
    "POST /api/projects/{idOrName}/queue/entries": WRITERS,
    "DELETE /api/projects/{idOrName}/queue/entries/{id}": WRITERS,
    "POST /api/workflows": WRITERS,
    "POST /api/workflows/validate": PEOPLE,
    "GET /api/workflows": PEOPLE,
    "GET /api/workflows/{id}": PEOPLE,
    "POST /api/workflows/{id}/cancel": WRITERS,
    "POST /api/approvals": ATTEMPTS,
    "GET /api/approvals": PEOPLE | ATTEMPTS,
    "GET /api/approvals/{id}": PEOPLE | ATTEMPTS,
    "POST /api/approvals/{id}/answer": WRITERS,
    "GET /api/accounts": PEOPLE,
    "PUT /api/accounts/{kind}/{name}": WRITERS,
    "DELETE /api/accounts/{kind}/{name}": WRITERS,
    "GET /api/keys": PEOPLE,
    "POST /api/keys/rotate": ADMINS,
    "POST /api/keys/finish": ADMINS,
    "POST /api/keys/give-up": ADMINS,
    "POST /api/keys/verify": ADMINS,
    "GET /api/audit/events": PEOPLE,
    "GET /api/audit/checkpoints": PEOPLE,
    "GET /api/audit/verify": PEOPLE,
    "GET /api/audit/key": PEOPLE,
    "POST /api/audit/checkpoint": ADMINS,
    "POST /api/audit/key": ADMINS,
    "POST /api/audit/archive": ADMINS,
    "GET /swarms": PEOPLE,
    "POST /swarms": WRITERS,
    "GET /swarms/{idOrName}": PEOPLE,
    "DELETE /swarms/{idOrName}": WRITERS,
    "GET /swarms/{idOrName}/status": PEOPLE,
    "GET /swarms/{idOrName}/tasks": PEOPLE,
    "POST /swarms/{idOrName}/tasks": WRITERS,
    "PUT /swarms/{idOrName}/tasks/{taskId}": WRITERS,
    "DELETE /swarms/{idOrName}/tasks/{taskId}": WRITERS,
    "GET /swarms/{idOrName}/agents": PEOPLE,
    "POST /swarms/{idOrName}/agents": WRITERS,
    "PUT /agents/{sandboxId}": WRITERS,
    "GET /swarms/{idOrName}/chat": PEOPLE | ATTEMPTS,
    "POST /swarms/{idOrName}/chat": WRITERS | ATTEMPTS,
    "GET /projects": PEOPLE,
    "POST /projects": WRITERS,
    "GET /swarms/{idOrName}/project": PEOPLE,
    "POST /projects/{idOrName}/init": WRITERS,
    "POST /projects/{idOrName}/sync": WRITERS,
    "POST /mcp": PEOPLE | ATTEMPTS,
    "POST /v1/pool/register": KEY_ONLY | WORKERS,
    "POST /v1/pool/poll": WORKERS,
    "POST /api/auth/token": EVERYONE,
    "POST /api/auth/revoke": PEOPLE,
    "GET /api/auth/me": PEOPLE,
    "GET /api/auth/sessions": PEOPLE,
    "POST /api/auth/keys/rotate": ADMINS,
    "POST /api/users": ADMINS,
    "GET /api/users": ADMINS,
    "GET /api/users/{name}": ADMINS,
    "PATCH /api/users/{name}": ADMINS,
    "DELETE /api/users/{name}": ADMINS,
}


# What comes past the guard and does nothing, where nothing at all would end the tokens of those who call next.
NOT_OWN = (
    "not task",
    "of the attempt",
    "not below agent",
    "not your own",
    "not in swarm",
)  # what an attempt is told of others
HARMLESS = {"POST /api/kill-switch": {"scope": "swarm"}}


def rest_routes(world: World) -> Iterator[tuple[str, str]]:
    """Method and path of everything; the tests of the worker's socket are with the socket."""
    for route in world.app.routes:
        assert isinstance(route, Route) or route.__class__.__name__.endswith("WebSocketRoute")
        if isinstance(route, Route):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield method, route.path


async def every_token(world: World) -> dict[str, str | None]:
    worker = await world.register("worker")
    lead = await world.register("lead", role=AgentRole.LEAD)
    await world.file()
    await world.file(agentId=lead.id)
    gone = tokens.mint(TokenKind.OPERATOR, now=world.store.now(), label="gone")
    await world.store.apply(PutToken(token=gone.record))
    await world.store.apply(RevokeToken(token_id=gone.record.id, actor="operator"))
    return {
        "operator": API_KEY,
        "worker agent": worker.token,
        "lead agent": lead.token,
        "worker attempt": (await world.take(worker)).token,
        "lead attempt": (await world.take(lead)).token,
        "nobody": None,
        "revoked": gone.text,
        "garbage": "asw_operator_00_garbage",
        **await tokens_of_sessions(world),
    }


async def tokens_of_sessions(world: World) -> dict[str, str | None]:
    people = await sessions_of(world)
    return {
        "admin": people.admin.access,
        "operating user": people.operator.access,
        "viewer": people.viewer.access,
        "session of the key": people.key.access,
        "expired jwt": people.forged(lasts=-60),
        "unsigned jwt": people.unsigned(),
        "jwt of another key": people.forged(secret=b"k" * 32),
        "jwt of another epoch": people.forged(epoch=7),
        "jwt for another audience": people.viewer.refresh,
        "jwt of an ended session": people.ended.access,
    }


async def test_given_every_route_when_the_table_is_compared_then_none_is_missing(world: World) -> None:
    assert {f"{method} {path}" for method, path in rest_routes(world)} == set(MAY_CALL)


@pytest.mark.parametrize("call", MAY_CALL)
async def test_given_every_kind_of_token_when_a_route_is_called_then_only_those_of_the_table_pass(
    world: World, call: str
) -> None:
    method, pattern = call.split(" ")
    path = pattern.replace("{id}", new_id()).replace("{number}", "1").replace("{idOrName}", "x").replace("{name}", "x")
    path = path.replace("{taskId}", new_id()).replace("{sandboxId}", new_id())
    path = path.replace("{namespace}", "swarm").replace("{key}", "k")
    passed = set()
    for who, token in (await every_token(world)).items():
        answer = await world.call(method, path, token=token, json=HARMLESS.get(call))
        if answer.status_code == 401:
            assert who in REFUSED
            assert answer.headers["www-authenticate"] == "Bearer"
        elif answer.status_code != 403 or any(words in answer.text for words in NOT_OWN):
            passed.add(who)  # it came past the guard, whatever became of the made-up id

    assert passed == MAY_CALL[call]


async def test_given_a_route_that_declares_nothing_when_anyone_calls_it_then_it_is_closed(world: World) -> None:
    async def forgotten(request: Request) -> Response:
        return Response("secret")

    route = Route("/forgotten", forgotten, methods=["GET"])
    guard_routes([route], world.app.context.door)
    world.app.router.routes.append(route)

    for token in (await every_token(world)).values():
        answer = await world.call("GET", "/forgotten", token=token)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "denied")


async def test_given_a_route_declared_public_by_mistake_when_it_is_guarded_then_the_server_does_not_start(
    world: World,
) -> None:
    @declare(PUBLIC)
    async def careless(request: Request) -> Response:
        return Response("secret")

    for route in (Route("/api/careless", careless), Mount("/mounted", routes=[])):
        with pytest.raises(TypeError):
            guard_routes([route], world.app.context.door)


async def test_given_a_public_route_when_it_is_called_with_a_bad_token_then_the_store_is_not_asked(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as world:
        await world.store.close()

        assert (await world.call("GET", "/health", token="garbage")).status_code == 200
        assert (await world.call("GET", "/ready")).status_code == 503


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic b3A6b3A=", API_KEY, f"Token {API_KEY}", f"Bearer {API_KEY}x"]
)
async def test_given_a_malformed_authorization_header_when_a_route_is_called_then_it_is_401(
    world: World, header: str
) -> None:
    answer = await world.client.get("/api/agents", headers={"authorization": header})

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated")


async def test_given_two_authorization_headers_when_a_route_is_called_then_neither_counts(world: World) -> None:
    twice = [("authorization", f"Bearer {API_KEY}"), ("authorization", f"Bearer {API_KEY}")]

    assert (await world.client.get("/api/agents", headers=twice)).status_code == 401
