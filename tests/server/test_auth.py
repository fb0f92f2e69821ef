"""When a token counts, and that its memory forgets in time."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from tests.server.world import API_KEY, World, settled

from agent_swarm.domain.commands import Cancel
from agent_swarm.domain.errors import Unauthenticated
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentRole
from agent_swarm.server.auth import Authenticator
from agent_swarm.services import tokens
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.services.signing_keys import SigningKeys
from agent_swarm.store.base import Queries
from agent_swarm.store.operations import PutToken, RevokeToken
from agent_swarm.store.records import TokenKind

pytestmark = pytest.mark.anyio
R = TypeVar("R")


async def status(world: World, token: str, path: str = "/api/agents") -> int:
    return (await world.call("GET", path, token=token)).status_code


async def test_given_a_remembered_token_when_it_is_revoked_then_the_next_request_is_refused(world: World) -> None:
    minted = tokens.mint(TokenKind.OPERATOR, now=world.store.now(), label="ci")
    await world.store.apply(PutToken(token=minted.record))
    assert await status(world, minted.text) == 200

    await world.store.apply(RevokeToken(token_id=minted.record.id, actor="operator"))

    assert await status(world, minted.text) == 401
    assert await status(world, API_KEY) == 200


async def test_given_another_api_key_when_the_server_starts_then_the_old_one_is_refused(world: World) -> None:
    assert await status(world, API_KEY) == 200

    await world.store.apply(PutToken(token=tokens.api_key_token("another-key", now=world.store.now())))

    assert (await status(world, API_KEY), await status(world, "another-key")) == (401, 200)


async def test_given_a_token_with_an_end_when_it_is_reached_then_it_is_refused(world: World) -> None:
    minted = tokens.mint(
        TokenKind.OPERATOR, now=world.store.now(), label="ci", expires_at=world.store.now() + 1_000_000
    )
    await world.store.apply(PutToken(token=minted.record))
    assert await status(world, minted.text) == 200

    world.clock.advance(1)

    assert await status(world, minted.text) == 401


@pytest.mark.parametrize("ending", ["complete", "fail", "cancel", "lapse", "supersede"])
async def test_given_the_token_of_an_attempt_when_the_attempt_ends_then_it_is_refused(
    world: World, ending: str
) -> None:
    ada = await world.register()
    await world.file()
    attempt = await world.take(ada)
    own = f"/api/tasks/{attempt.task_id}"
    assert await status(world, attempt.token, own) == 200

    match ending:
        case "complete":
            await world.complete(attempt)
        case "fail":
            await world.fail(attempt)
        case "cancel":
            await world.command(Cancel(task_id=attempt.task_id))
        case "lapse":
            from agent_swarm.store.operations import RunTimers

            world.clock.advance(31)
            await world.store.apply(RunTimers(jitter=0.0))
        case "supersede":
            await world.register(agent_id=ada.id)

    assert await status(world, attempt.token, own) == 401


async def test_given_an_attempt_that_goes_on_when_it_reports_then_its_token_stays_valid(world: World) -> None:
    await world.file()
    attempt = await world.take(await world.register())

    for number in range(3):
        task = await world.post(f"/api/tasks/{attempt.task_id}/progress", {"text": f"{number}"}, token=attempt.token)
        assert task["progress"] == str(number)


async def test_given_a_second_attempt_when_the_first_ones_token_is_used_then_it_is_refused(world: World) -> None:
    ada = await world.register()
    await world.file()
    first = await world.take(ada)
    await world.register(agent_id=ada.id)
    second = await world.take(world.agents[ada.id])

    assert second.task_id == first.task_id
    assert await status(world, first.token, f"/api/tasks/{first.task_id}") == 401
    assert await status(world, second.token, f"/api/tasks/{first.task_id}") == 200


async def test_given_a_lead_that_is_superseded_when_its_attempt_asks_on_then_it_is_refused(world: World) -> None:
    lead = await world.register("lead", role=AgentRole.LEAD)
    await world.file(agentId=lead.id)
    attempt = await world.take(lead)
    assert await status(world, attempt.token) == 200

    await world.register("lead", role=AgentRole.LEAD, agent_id=lead.id)

    assert await status(world, attempt.token) == 401


class SlowReads:
    """A store whose reads end when told to."""

    def __init__(self, world: World) -> None:
        self._store = world.store
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def read(self, query: Callable[[Queries], R]) -> R:
        found = await self._store.read(query)
        self.asked.set()
        await self.go_on.wait()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def test_given_a_revocation_during_the_look_up_when_it_ends_then_the_token_is_not_remembered(
    world: World,
) -> None:
    minted = tokens.mint(TokenKind.OPERATOR, now=world.store.now(), label="ci")
    await world.store.apply(PutToken(token=minted.record))
    store = SlowReads(world)
    authenticator = Authenticator(store, SigningKeys(Vault()))
    scope = {"headers": [(b"authorization", f"Bearer {minted.text}".encode())]}

    look_up = asyncio.create_task(authenticator.identify(scope))
    await store.asked.wait()
    await world.store.apply(RevokeToken(token_id=minted.record.id, actor="operator"))
    store.go_on.set()
    assert (await look_up).token_id == minted.record.id  # it was valid when it was looked up

    with pytest.raises(Unauthenticated, match="revoked"):
        await authenticator.identify(scope)


async def test_given_more_tokens_than_are_remembered_when_they_are_used_then_memory_stays_bounded(world: World) -> None:
    authenticator = world.app.context.authenticator
    from agent_swarm.server import auth

    ada = await world.register()
    for _ in range(3):
        await world.register(agent_id=ada.id, instance_id=ada.instance_id)
        await authenticator.identify({"headers": [(b"authorization", f"Bearer {world.agents[ada.id].token}".encode())]})
    await settled()

    assert len(authenticator._known) <= auth.REMEMBERED
    assert set(authenticator._by_cause) >= {auth.EVERYTHING, f"agent:{ada.id}"}
    await world.sign_off(world.agents[ada.id])
    assert f"agent:{ada.id}" not in authenticator._by_cause


async def test_given_a_token_of_an_earlier_epoch_when_it_is_judged_then_only_the_operators_counts() -> None:
    agent = tokens.mint(TokenKind.AGENT, now=0, epoch=1, agent_id=new_id()).record
    operator = tokens.mint(TokenKind.OPERATOR, now=0, epoch=1).record

    assert tokens.flaw(agent, task=None, epoch=1, now=1) == ""
    assert "kill switch" in tokens.flaw(agent, task=None, epoch=2, now=1)
    assert tokens.flaw(operator, task=None, epoch=2, now=1) == ""


async def test_given_a_new_token_when_it_is_looked_at_then_its_secret_is_nowhere_but_in_its_text() -> None:
    minted = tokens.mint(TokenKind.OPERATOR, now=0, label="ci")
    kind, lookup, secret = minted.text.split("_", 3)[1:]

    assert (kind, lookup) == ("operator", minted.record.id[-12:])
    assert len(secret) == 43  # 256 bits
    assert secret not in repr(minted)
    assert secret not in repr(minted.record)
    assert minted.record.hash == tokens.hash_token(minted.text)
