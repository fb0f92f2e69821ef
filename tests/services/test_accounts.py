"""Accounts in a database: refreshed once whatever else happens, and given to attempts as long as they count."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.services.secrets.house import Open, opened

from agent_swarm.domain.accounts import Account, AccountKind
from agent_swarm.domain.errors import InvalidInput, NotFound
from agent_swarm.services.account_providers import Providers
from agent_swarm.services.accounts import Accounts, RefreshRefused
from agent_swarm.services.environments import Environments, Variable
from agent_swarm.testing.account_provider import AccountProvider
from agent_swarm.testing.secret_services.http import Reply
from agent_swarm.vault.backends.reading import SecretReader
from agent_swarm.vault.backends.resolver import SecretResolver
from agent_swarm.vault.backends.settings import BackendSettings

pytestmark = pytest.mark.anyio
CLAUDE = AccountKind.CLAUDE


class Asked:
    """A provider in this process: remembers which refresh tokens came, and does something first."""

    def __init__(self, first: Callable[[], None] = lambda: None) -> None:
        self.tokens: list[str] = []
        self.first = first

    def __call__(self, account: Account) -> Mapping[str, Any]:
        self.tokens.append(account.refresh_token)
        self.first()
        number = len(self.tokens)
        return {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}", "expires_in": 28800}


def accounts_of(house: Open, refresh: Any, *, is_shared: bool = False) -> Accounts:
    return Accounts(house.store, house.vault, house.redactor, refresh, is_shared=is_shared)


async def put(accounts: Accounts, name: str = "main", *, lasts: float = 60.0, access_token: str = "") -> Any:
    file = AccountProvider().claude_file(lasts=lasts, access_token=access_token)
    return await accounts.put(CLAUDE, name, file, actor="operator")


async def given_to_attempts(house: Open) -> dict[str, str]:
    """The variables that an attempt would have."""
    secrets = SecretResolver(SecretReader(BackendSettings()), timeout_seconds=1, cache_seconds=0)
    environments = Environments(house.store, house.vault, house.redactor, secrets)

    def reading(queries: Any) -> tuple[Variable, ...]:
        return environments.of(queries, _task())

    return {one.name: one.value for one in await house.store.read(reading)}


def _task() -> Any:
    class Nobody:
        agent_id = project_id = swarm_id = None

    class Task:
        state = spec = Nobody()

    return Task()


class Overtaken:
    """A store to somebody who is overtaken: between what it reads first and what it does, another one acts."""

    def __init__(self, store: Any, overtake: Callable[[], Awaitable[object]]) -> None:
        self._store = store
        self._overtake: Callable[[], Awaitable[object]] | None = overtake

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def read(self, reading: Any) -> Any:
        found = await self._store.read(reading)
        overtake, self._overtake = self._overtake, None
        if overtake is not None:
            await overtake()
        return found


async def test_given_two_servers_when_an_account_runs_out_then_one_refreshes_it_once(tmp_path: Path) -> None:
    asked = Asked()
    async with opened(tmp_path) as house:
        first = accounts_of(house, asked, is_shared=True)
        store: Any = Overtaken(house.store, first.refresh_due)
        second = Accounts(store, house.vault, house.redactor, asked, is_shared=True)
        await put(first)
        assert await second.refresh_due() == 0
        assert asked.tokens == ["refresh-token-0"]
        assert await first.refresh_due() + await second.refresh_due() == 0
        assert await given_to_attempts(house) == {"CLAUDE_CODE_OAUTH_TOKEN": "access-1"}


async def test_given_values_that_are_encrypted_anew_when_a_refresh_is_under_way_then_its_tokens_are_kept(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        loop = asyncio.get_running_loop()

        def rotate() -> None:
            asyncio.run_coroutine_threadsafe(
                house.changes.rotate(None, master=False, values=True, actor="operator"), loop
            ).result()

        accounts = accounts_of(house, Asked(rotate))
        await put(accounts)
        assert await accounts.refresh_due() == 1
        assert await given_to_attempts(house) == {"CLAUDE_CODE_OAUTH_TOKEN": "access-1"}


async def test_given_a_person_who_imports_again_when_a_refresh_is_under_way_then_theirs_counts(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        loop = asyncio.get_running_loop()

        def import_again() -> None:
            file = '{"claudeAiOauth": {"accessToken": "theirs", "refreshToken": "new", "expiresAt": 9999999999000}}'
            asyncio.run_coroutine_threadsafe(accounts.put(CLAUDE, "main", file, actor="operator"), loop).result()

        accounts = accounts_of(house, Asked(import_again))
        await put(accounts)
        assert await accounts.refresh_due() == 0
        assert await given_to_attempts(house) == {"CLAUDE_CODE_OAUTH_TOKEN": "theirs"}


async def test_given_a_provider_that_refuses_when_an_account_runs_out_then_nobody_asks_again_and_people_are_told(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        calls = 0

        def refuse(account: Account) -> Mapping[str, Any]:
            nonlocal calls
            calls += 1
            raise RefreshRefused("no")

        accounts = accounts_of(house, refuse)
        await put(accounts)
        assert (await accounts.refresh_due(), await accounts.refresh_due(), calls) == (0, 0, 1)
        (shown,) = (await accounts.all()).accounts
        assert (shown.state, shown.is_refreshed, "log in again" in shown.problem) == ("usable", False, True)
        assert not (await put(accounts)).problem, "imported again, it is as new"


async def test_given_a_provider_that_is_away_when_an_account_runs_out_then_it_is_asked_again_later(
    tmp_path: Path,
) -> None:
    with AccountProvider() as provider:
        provider.fail_next(Reply(503, {}), Reply(403, b"<html>a proxy</html>"), Reply(200, b"no json"), Reply(200, {}))
        async with opened(tmp_path) as house:
            now = time.time()
            providers = Providers({CLAUDE: f"{provider.url}/token"})
            accounts = Accounts(house.store, house.vault, house.redactor, providers, clock=lambda: now)
            await put(accounts)
            for number in range(4):
                assert await accounts.refresh_due() == 0
                assert await accounts.refresh_due() == 0, "it is left alone for a while"
                assert len(provider.requests) == number + 1
                now += 120
            assert await accounts.refresh_due() == 1
            (shown,) = (await accounts.all()).accounts
    assert (shown.is_refreshed, shown.problem, provider.refused) == (True, "", [])


async def test_given_an_account_when_it_is_looked_at_then_no_token_is_shown_and_none_is_stored_openly(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        accounts = accounts_of(house, Asked())
        shown = await put(accounts, access_token="the-access-token", lasts=7200)
        everything = f"{shown} {await accounts.all()} {await house.stored()}"
        assert "the-access-token" not in everything
        assert "refresh-token" not in everything
        assert house.redactor.text("the-access-token and refresh-token-0 are said").count("token") == 0
        (key,) = await house.stored()
        with pytest.raises(InvalidInput, match="account"):
            await house.put(key, "a value of somebody's")


async def test_given_several_accounts_when_an_attempt_begins_then_it_gets_those_that_count_behind_what_is_configured(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        accounts = accounts_of(house, Asked())
        for name, lasts in (("a", 7200.0), ("b", -1.0), ("c", 7200.0)):
            await put(accounts, name, lasts=lasts, access_token=f"of-{name}")
        assert await given_to_attempts(house) == {"CLAUDE_CODE_OAUTH_TOKEN": "of-a,of-c"}
        await house.put("CLAUDE_CODE_OAUTH_TOKEN", "configured")
        assert await given_to_attempts(house) == {"CLAUDE_CODE_OAUTH_TOKEN": "configured,of-a,of-c"}
        states = {one.name: one.state for one in (await accounts.all()).accounts}
        assert states == {"a": "usable", "b": "expired", "c": "usable"}
        for name in ("a", "b", "c"):
            await accounts.remove(CLAUDE, name, actor="operator")
        assert await given_to_attempts(house) == {"CLAUDE_CODE_OAUTH_TOKEN": "configured"}
        with pytest.raises(NotFound):
            await accounts.remove(CLAUDE, "a", actor="operator")
