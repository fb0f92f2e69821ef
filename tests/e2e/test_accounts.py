"""Imported accounts in a running swarm: refreshed once and in one place, whatever kills the server meanwhile."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.failing_over import Accounts, Host, effects

from agent_swarm.faults import Point
from agent_swarm.testing.account_provider import AccountProvider
from agent_swarm.testing.faults.crash import Crash
from agent_swarm.testing.model_server import ModelServer
from agent_swarm.testing.real_swarm import RealSwarm

pytestmark = pytest.mark.slow

RUNS_OUT = 60.0  # seconds: it is to be refreshed at once


def account(swarm: RealSwarm) -> Any:
    (found,) = swarm.call("GET", "/api/accounts")["accounts"]
    return found


def put(swarm: RealSwarm, file: str, name: str = "main") -> Any:
    return swarm.call("PUT", f"/api/accounts/claude/{name}", {"file": file})


@pytest.mark.parametrize("grace", [True, False])
@pytest.mark.parametrize("point", [Point.ACCOUNT_REFRESHED, Point.ACCOUNT_KEPT])
def test_given_a_server_that_is_killed_at_a_refresh_when_it_starts_again_then_the_account_is_kept_or_people_are_told(
    swarm: RealSwarm, point: Point, grace: bool
) -> None:
    was_kept = point is Point.ACCOUNT_KEPT
    is_lost = not was_kept and not grace  # then nobody can know the pair of tokens that was given
    with AccountProvider(grace=grace) as provider:
        variables = {"AGENT_SWARM_CLAUDE_TOKEN_URL": f"{provider.url}/token"}
        swarm.start_server(crash=Crash(point=point, told=str(swarm.folder / "told")), variables=variables)
        with suppress(OSError):  # killed before it could answer
            put(swarm, provider.claude_file(lasts=RUNS_OUT))
        assert swarm.wait_for_server() == -9
        swarm.start_server(variables=variables)
        said = "problem" if is_lost else "refreshedAt"
        swarm.wait_until(lambda: bool(account(swarm)[said]), "it is known what became of the account")
        found = account(swarm)
        swarm.kill_server()
    assert found["state"] == "usable", "what it had before still counts as long as it lasts"
    assert found["isRefreshed"] is not is_lost
    assert ("import its file" in found["problem"]) is is_lost
    assert len(provider.requests) == (1 if was_kept else 2)
    assert bool(provider.refused) is is_lost


@pytest.mark.anyio
async def test_given_accounts_of_the_server_when_one_is_used_up_then_the_other_goes_on_and_no_token_is_to_be_seen(
    swarm: RealSwarm, claude_cli: Path, counted: Path
) -> None:
    with AccountProvider() as provider:
        async with ModelServer(Accounts(counted, used_up=frozenset({"access-token-1"}))) as model:
            host = Host(swarm, model, claude_cli)
            await asyncio.to_thread(
                lambda: swarm.start_server(variables={"AGENT_SWARM_CLAUDE_TOKEN_URL": f"{provider.url}/token"})
            )
            await asyncio.to_thread(put, swarm, provider.claude_file(lasts=RUNS_OUT))
            await host.until(lambda: bool(account(swarm)["refreshedAt"]))
            await asyncio.to_thread(put, swarm, provider.claude_file(access_token="another-account"), "second")
            await host.start_worker(CLAUDE_CODE_OAUTH_TOKEN="")
            task = await host.done("the whole task")
            keys = [request.key for request in model.requests]
        said = await host.transcript(task["id"])
        events = await asyncio.to_thread(swarm.events)
        shown = await asyncio.to_thread(swarm.call, "GET", "/api/accounts")
    assert (keys[0], keys[-1]) == ("access-token-1", "another-account")
    assert effects(counted) == ["done"]
    everything = said + json.dumps(events) + json.dumps(shown)
    assert not any(token in everything for token in ("access-token", "another-account", "refresh-token"))
    on_disk = b"".join(path.read_bytes() for path in swarm.folder.rglob("*") if path.is_file())
    assert b"refresh-token" not in on_disk
