"""What stored configuration gives to an attempt: the variables of its agent's environment.

They are resolved when a claim is answered and travel in that answer alone. Which entries become variables is said by
`domain.configuration.reaches_agents`; of each name the most specific place counts: the agent's, the project's, the
swarm's, the global one. What an entry refers to is fetched then, too, and never stored.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from agent_swarm.domain import configuration
from agent_swarm.domain.accounts import KEY_PREFIX
from agent_swarm.domain.errors import Conflict, SecretUnreadable, SwarmError
from agent_swarm.services import accounts
from agent_swarm.services.configuration import entries_at
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.store.base import Committed, Queries, Store
from agent_swarm.store.families.configuration import CONFIG, ConfigEntry
from agent_swarm.store.families.data_keys import DATA_KEYS, MOST
from agent_swarm.store.records import TaskRecord
from agent_swarm.vault.backends.errors import BackendUnavailable, SecretUnusable
from agent_swarm.vault.backends.references import is_reference, reference_in
from agent_swarm.vault.backends.resolver import SecretResolver

log = structlog.get_logger()

FETCHED_BYTES = 4 * configuration.PLACE_BYTES  # of what references stand for, together: a claim is one frame
_NAMED = 3  # of the variables that are missing


class VariablesMissing(Conflict):
    """An attempt cannot have a variable that is stored for it, and so does not run."""

    code = "variablesMissing"
    cause: str = "variablesMissing"  # the code of what is the matter with the first of them


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of an agent. `value` is a reference until it is fetched; `missing` says why there is none."""

    name: str
    value: str = field(repr=False)
    is_secret: bool
    missing: SwarmError | None = None

    @property
    def is_open(self) -> bool:
        """The value has still to be fetched, or cannot be had."""
        return self.missing is not None or is_reference(self.value)


class Environments:
    """Finds the variables of claimed tasks."""

    def __init__(self, store: Store, vault: Vault, redactor: Redactor, secrets: SecretResolver) -> None:
        self._store = store
        self._vault = vault
        self._redactor = redactor
        self._secrets = secrets
        self._registered: set[str] = set()
        self.has_any = True  # until it is known: whether there is anything to look for

    async def open(self) -> None:
        """Learn whether there are entries; from then on `hear` has to be told what is committed."""
        self.has_any = bool(await self._store.read(lambda queries: queries.scan(CONFIG, limit=1)))

    def hear(self, committed: Committed) -> None:
        """Commits are told before their claims are answered, those of other servers too: none is met too early."""
        if not self.has_any and any(event.type == "config.set" for event in committed.events):
            self.has_any = True

    def of(self, queries: Queries, task: TaskRecord) -> tuple[Variable, ...]:
        """The variables of the attempt at `task` that is held, as they are stored; `fetched` makes them whole."""
        if not self.has_any:
            return ()
        named = configuration.places(
            agent_id=task.state.agent_id, project_id=task.spec.project_id, swarm_id=task.spec.swarm_id
        )
        entries = list(configuration.resolved(entries_at(queries, place) for place in named).values())
        wanted = [entry for entry in entries if configuration.reaches_agents(entry.key)]
        if any(entry.is_secret for entry in wanted):
            self._vault.take(queries.scan(DATA_KEYS, limit=MOST))
        variables = _with_accounts([self._variable(entry) for entry in wanted], self._accounts_in(queries, entries))
        self._register(one.value for one in variables if one.is_secret and not one.is_open)
        return variables

    def _accounts_in(self, queries: Queries, entries: Iterable[ConfigEntry]) -> dict[str, str]:
        """The variables of the accounts that are stored beside the configuration."""
        stored = [entry for entry in entries if entry.scope is configuration.ConfigScope.GLOBAL]
        named = [entry for entry in stored if entry.key.startswith(KEY_PREFIX)]
        if not named:
            return {}
        self._vault.take(queries.scan(DATA_KEYS, limit=MOST))
        found = [account for entry in named if (account := accounts.opened(self._vault, entry)) is not None]
        self._register(account.access_token for account in found)
        return accounts.given(found, now=time.time())

    async def fetched(self, variables: Sequence[Variable]) -> tuple[Variable, ...]:
        """The same with all their values, within the time that a backend may take.

        Raises VariablesMissing, which names those that cannot be had.
        """
        found = await asyncio.gather(*(self._fetched(one) for one in variables))
        size = sum(len(new.value.encode()) for new, old in zip(found, variables, strict=True) if old.is_open)
        if size > FETCHED_BYTES:
            large = SecretUnusable(f"what is referred to has {size:,} bytes, at most {FETCHED_BYTES:,} reach an agent")
            found = [Variable(one.name, "", one.is_secret, large if one.is_open else None) for one in variables]
        if missing := [one for one in found if one.missing is not None]:
            raise _missing(missing)
        self._register(one.value for one in found if one.is_secret)
        return tuple(found)

    async def _fetched(self, variable: Variable) -> Variable:
        if not variable.is_open or variable.missing is not None:
            return variable
        try:
            reference = reference_in(variable.value)
            assert reference is not None
            return Variable(variable.name, await self._secrets.resolve(reference), is_secret=True)
        except SwarmError as exc:
            return Variable(variable.name, "", is_secret=True, missing=exc)
        except Exception as exc:  # a library of a backend: what it says may hold a secret
            log.error("secret_look_up_failed", variable=variable.name, error=type(exc).__name__)
            broken = BackendUnavailable(f"its look-up failed ({type(exc).__name__})", hint="see the log of the server")
            return Variable(variable.name, "", is_secret=True, missing=broken)

    def _register(self, secrets: Iterable[str]) -> None:
        """Have them taken out of what agents say; to look for the forms of one takes longer than to open it."""
        if new := set(secrets) - self._registered:
            self._redactor.register(new)
            self._registered |= new

    def _variable(self, entry: ConfigEntry) -> Variable:
        if not entry.is_secret:
            return Variable(entry.key, entry.text, is_secret=False)
        try:
            return Variable(entry.key, self._vault.open(entry.identity, entry.text), is_secret=True)
        except SecretUnreadable as exc:
            log.error("secret_unreadable", entry=entry.shown, reason=exc.message)
            return Variable(entry.key, "", is_secret=True, missing=exc)


def _with_accounts(variables: Sequence[Variable], accounts: Mapping[str, str]) -> tuple[Variable, ...]:
    """The variables, with those of accounts; where one holds credentials already, they come first."""
    kept = {one.name: one for one in variables}
    for name, value in accounts.items():
        before = kept.get(name)
        if before is None:
            kept[name] = Variable(name, value, is_secret=True)
        elif not before.is_open:  # what is kept elsewhere stays by itself
            kept[name] = Variable(name, f"{before.value},{value}", is_secret=True)
    return tuple(kept.values())


def _missing(variables: Sequence[Variable]) -> VariablesMissing:
    problems = [(one.name, one.missing) for one in variables if one.missing is not None]
    told = "; ".join(f"{name}: {problem.message}" for name, problem in problems[:_NAMED])
    more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    refusal = VariablesMissing(
        f"the agent was not started, as a variable that is stored for it cannot be had: {told}{more}",
        hint=problems[0][1].hint,
    )
    refusal.cause = problems[0][1].code
    return refusal
