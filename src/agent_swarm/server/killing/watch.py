"""Follows one flag: what it says, the switch does."""

import socket

import structlog

from agent_swarm.domain.errors import ShuttingDown
from agent_swarm.domain.kill_switch import Switch, SwitchScope
from agent_swarm.server.killing.flags import FileFlag, Flag, Found, Gone, Raised, Unknown
from agent_swarm.server.killing.objects import object_flag
from agent_swarm.server.metrics import Metrics
from agent_swarm.server.service import Service
from agent_swarm.server.settings import ServerSettings
from agent_swarm.services import kill_switch
from agent_swarm.services.redaction import Redactor
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.switches import all_switches

log = structlog.get_logger()

FILE_SECONDS = 0.5


class FlagWatch(Service):
    """Looks at a flag every so often. The switch remembers what it has already done about it, over restarts."""

    def __init__(self, flag: Flag, store: Store, metrics: Metrics, redactor: Redactor, *, seconds: float) -> None:
        super().__init__(f"{flag.kind}-flag")
        self._flag = flag
        self._store = store
        self._metrics = metrics
        self._redactor = redactor
        self._seconds = seconds
        self._done: Found | None = None  # what the last look found and was done about
        self._is_unknown = False

    @property
    def is_quick(self) -> bool:
        """A look takes no time to speak of."""
        return self._flag.kind == "file"

    async def run_once(self) -> float:
        """Look, and do what the flag says; answers the seconds until the next look."""
        found = await self._flag.look()
        self._metrics.flag_readings.labels(self._flag.kind, type(found).__name__.lower()).inc()
        self._tell(found)
        if not isinstance(found, Unknown) and found != self._done:
            try:
                await self._obey(found)
            except ShuttingDown:
                return self._seconds
            self._done = found
        return self._seconds

    async def _obey(self, found: Raised | Gone) -> None:
        name = self._flag.name
        if isinstance(found, Raised):
            reason = self._redactor.text(found.reason)
            reply = await self._store.apply(kill_switch.flag_raised(name, found.fingerprint, reason))
            log.error("kill_flag_raised", flag=name, reason=reason, was_known=reply.repeated)
        elif (switch := await self._store.read(_whole)) and (name in switch.holders or name in switch.overruled):
            reply = await self._store.apply(kill_switch.flag_gone(name))
            log.warning("kill_flag_gone", flag=name, is_killed=reply.switch.is_killed)

    def _tell(self, found: Found) -> None:
        """Say it once when the flag cannot be seen, and once when it can be again."""
        if isinstance(found, Unknown) and not self._is_unknown:
            log.warning("kill_flag_unknown", flag=self._flag.name, reason=found.why, hint="the switch stays as it is")
        elif self._is_unknown and not isinstance(found, Unknown):
            log.info("kill_flag_seen", flag=self._flag.name)
        self._is_unknown = isinstance(found, Unknown)


def _whole(queries: Queries) -> Switch | None:
    return next((switch for switch in all_switches(queries) if switch.scope is SwitchScope.ALL), None)


def flag_watches(settings: ServerSettings, store: Store, metrics: Metrics, redactor: Redactor) -> list[FlagWatch]:
    """A watch for every flag that the settings name."""
    file = FileFlag(settings.kill_flag, socket.gethostname())
    watches = [FlagWatch(file, store, metrics, redactor, seconds=FILE_SECONDS)]
    if settings.kill_object:
        remote = object_flag(settings.kill_object, settings.kill_object_authorization)
        watches.append(FlagWatch(remote, store, metrics, redactor, seconds=settings.kill_object_seconds))
    return watches
