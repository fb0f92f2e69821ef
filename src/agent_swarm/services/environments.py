"""What stored configuration gives to an attempt: the variables of its agent's environment.

They are resolved when a claim is answered and travel in that answer alone. Which entries become variables is said by
`domain.configuration.reaches_agents`; of each name the most specific place counts: the agent's, the project's, the
swarm's, the global one.
"""

from dataclasses import dataclass, field

import structlog

from agent_swarm.domain import configuration
from agent_swarm.domain.errors import SecretUnreadable
from agent_swarm.services.configuration import entries_at
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.store.base import Committed, Queries, Store
from agent_swarm.store.families.configuration import CONFIG, ConfigEntry
from agent_swarm.store.families.data_keys import DATA_KEYS, MOST
from agent_swarm.store.records import TaskRecord

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of an agent."""

    name: str
    value: str = field(repr=False)
    is_secret: bool


class Environments:
    """Finds the variables of claimed tasks."""

    def __init__(self, store: Store, vault: Vault, redactor: Redactor) -> None:
        self._store = store
        self._vault = vault
        self._redactor = redactor
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
        """The variables of the attempt at `task` that is held; a secret that does not open is left out, and logged."""
        if not self.has_any:
            return ()
        named = configuration.places(agent_id=task.state.agent_id, project_id=task.spec.project_id)
        entries = configuration.resolved(entries_at(queries, place) for place in named).values()
        wanted = [entry for entry in entries if configuration.reaches_agents(entry.key)]
        if any(entry.is_secret for entry in wanted):
            self._vault.take(queries.scan(DATA_KEYS, limit=MOST))
        variables = tuple(one for entry in wanted if (one := self._variable(entry)) is not None)
        self._register({one.value for one in variables if one.is_secret})
        return variables

    def _register(self, secrets: set[str]) -> None:
        """Have them taken out of what agents say; to look for the forms of one takes longer than to open it."""
        if new := secrets - self._registered:
            self._redactor.register(new)
            self._registered |= new

    def _variable(self, entry: ConfigEntry) -> Variable | None:
        if not entry.is_secret:
            return Variable(entry.key, entry.text, is_secret=False)
        try:
            return Variable(entry.key, self._vault.open(entry.identity, entry.text), is_secret=True)
        except SecretUnreadable as exc:
            log.error("secret_unreadable", entry=entry.shown, reason=exc.message)
            return None
