"""Accounts of agent CLIs: imported, refreshed here and nowhere else, and given to attempts.

An account is an encrypted entry of the stored configuration, under a name that no variable can have. Its refresh token
counts once. So a refresh is written down before it is asked for, by which one server of several does it; what comes
back is written down before anybody gets it.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from agent_swarm.domain import accounts
from agent_swarm.domain.accounts import VARIABLES, Account, AccountKind
from agent_swarm.domain.configuration import ENTRIES_PER_PLACE, ConfigScope
from agent_swarm.domain.errors import Conflict, NotFound, SecretUnreadable, SwarmError
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.time import SECOND, to_wire
from agent_swarm.faults import crash_point
from agent_swarm.protocol import rest_accounts as rest
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.events import SYSTEM
from agent_swarm.store.families.configuration import CONFIG, ConfigEntry, PutConfig, RemoveConfig
from agent_swarm.store.families.data_keys import DATA_KEYS, MOST, DataKeyRetired

log = structlog.get_logger()

TRIES = 3
LOG_IN_AGAIN = "the provider refused the refresh token: log in again with the agent CLI, and import its file"


class RefreshRefused(SwarmError):
    """The provider knows the account's refresh token no more."""

    code = "refreshRefused"


Refresh = Callable[[Account], Mapping[str, Any]]  # asks the provider; may block. Raises RefreshRefused, SwarmError


@dataclass(frozen=True, slots=True)
class Kept:
    """An account as it is stored; None where it cannot be opened, or is none."""

    entry: ConfigEntry
    account: Account | None


class Accounts:
    """The accounts of one store. `is_shared`: other servers may be at work on it."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        redactor: Redactor,
        refresh: Refresh,
        *,
        is_shared: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._vault = vault
        self._redactor = redactor
        self._refresh = refresh
        self._is_shared = is_shared
        self._clock = clock
        self._begun: set[str] = set()  # refreshes, by this process

    async def put(self, kind: AccountKind, name: str, file: str, *, actor: str) -> rest.Account:
        """Take in what the file of a CLI says, in the place of what was there. Raises InvalidInput."""
        account = accounts.from_file(kind, name, file)
        self._redactor.register(_secrets(account))
        return _view(Kept(await self._keep(account, actor=actor), account), self._clock())

    async def all(self) -> rest.AccountList:
        """Every account, by kind and name, without a token."""
        now = self._clock()
        return rest.AccountList(accounts=[_view(one, now) for one in await self._store.read(self._found)])

    async def remove(self, kind: AccountKind, name: str, *, actor: str) -> None:
        """Forget an account. Raises NotFound."""
        key = accounts.key_of(kind, name)
        found = await self._store.read(lambda queries: queries.record(CONFIG, ConfigScope.GLOBAL, "", key))
        if found is None:
            raise NotFound(f"there is no account {kind} {name[:60]!r}", hint="see: agent-swarm auth status")
        removal = RemoveConfig(scope=found.scope, scope_id="", key=key, id=found.id, actor=actor)
        await self._store.apply(removal)

    async def refresh_due(self) -> int:
        """Refresh those that run out soon; how many were."""
        found = await self._store.read(self._found)
        return sum(
            [await self._refreshed(one) for one in found if one.account is not None and self._is_due(one.account)]
        )

    def _is_due(self, account: Account) -> bool:
        """Whether to refresh it now. What an earlier process of the only server began is under way no more."""
        if not self._is_shared and account.key not in self._begun:
            account = replace(account, refreshing_since=0.0)
        return account.is_due(self._clock())

    async def _refreshed(self, kept: Kept) -> bool:
        """Refresh one, unless somebody else does; whether it was."""
        assert kept.account is not None
        begun = replace(kept.account, refreshing_since=self._clock())
        self._begun.add(begun.key)
        try:
            await self._keep(begun, actor=SYSTEM, made_from=kept.entry.text)
        except Conflict:  # another server was faster, or a person imported it again
            return False
        try:
            told = await asyncio.to_thread(self._refresh, begun)
            fresh = begun.refreshed(told, now=self._clock())
        except RefreshRefused as exc:
            log.error("account_refused", account=begun.key, reason=exc.message)
            await self._keep_in_place_of(begun, replace(begun, refreshing_since=0.0, problem=LOG_IN_AGAIN))
            return False
        except (SwarmError, ValueError) as exc:  # tried again when this one is no more under way
            log.warning("account_not_refreshed", account=begun.key, reason=str(exc))
            return False
        crash_point("account.refreshed")
        self._redactor.register(_secrets(fresh))
        is_kept = await self._keep_in_place_of(begun, fresh)
        crash_point("account.kept")
        log.info("account_refreshed", account=begun.key)
        return is_kept

    async def _keep_in_place_of(self, before: Account, after: Account) -> bool:
        """Store what became of an account, where it is still the same one; what was encrypted anew meanwhile is."""
        while True:
            found = await self._store.read(self._found)
            stored = next((one for one in found if one.entry.key == before.key), None)
            if stored is None or stored.account is None or stored.account.refresh_token != before.refresh_token:
                log.info("account_replaced", account=before.key)
                return False
            try:
                await self._keep(after, actor=SYSTEM, made_from=stored.entry.text)
                return True
            except Conflict:
                continue

    async def _keep(self, account: Account, *, actor: str, made_from: str | None = None) -> ConfigEntry:
        """Store it; `made_from` is what has to be stored still."""
        for left in reversed(range(TRIES)):
            plain = ConfigEntry(
                scope=ConfigScope.GLOBAL, scope_id="", key=account.key, id=new_id(), text="", is_secret=True
            )
            await self._vault.refresh(self._store)
            sealed = replace(plain, text=self._vault.seal(plain.identity, account.to_text()))
            try:
                return await self._store.apply(PutConfig(entry=sealed, actor=actor, made_from=made_from))
            except DataKeyRetired:
                if not left:
                    raise
        raise AssertionError("the last round returns or raises")

    def _found(self, queries: Queries) -> list[Kept]:
        entries = queries.scan(CONFIG, ConfigScope.GLOBAL, "", limit=ENTRIES_PER_PLACE)
        named = [entry for entry in entries if entry.key.startswith(accounts.KEY_PREFIX)]
        if named:
            self._vault.take(queries.scan(DATA_KEYS, limit=MOST))
        return [Kept(entry, opened(self._vault, entry)) for entry in named]


def opened(vault: Vault, entry: ConfigEntry) -> Account | None:
    """The account in an entry; None where there is none, or it cannot be opened."""
    try:
        return accounts.from_text(vault.open(entry.identity, entry.text))
    except (SecretUnreadable, ValueError) as exc:
        log.error("account_unreadable", entry=entry.shown, error=type(exc).__name__)
        return None


def given(found: Iterable[Account], *, now: float) -> dict[str, str]:
    """The variables by which an attempt gets the credentials of accounts: several are separated by commas."""
    usable = [account for account in found if account.is_usable(now)]
    joined = {
        variable: ",".join(one.credential for one in usable if one.kind is kind) for kind, variable in VARIABLES.items()
    }
    return {variable: value for variable, value in joined.items() if value}


def _secrets(account: Account) -> list[str]:
    return [secret for secret in (account.access_token, account.refresh_token) if secret]


def _view(kept: Kept, now: float) -> rest.Account:
    kind, _, name = kept.entry.key.removeprefix(accounts.KEY_PREFIX).partition(".")
    account = kept.account
    if account is None:
        problem = "what is stored cannot be read: import the file of the agent CLI again"
        return rest.Account(kind=kind, name=name, state="unreadable", problem=problem)
    ends = account.expires_at
    return rest.Account(
        kind=kind,
        name=name,
        state="usable" if account.is_usable(now) else "expired",
        problem=account.problem,
        is_refreshed=bool(account.refresh_token) and not account.problem,
        expires_at=to_wire(int(ends * SECOND)) if ends else None,
        refreshed_at=to_wire(int(account.refreshed_at * SECOND)) if account.refreshed_at else None,
    )
