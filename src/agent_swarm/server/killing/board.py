"""What this server knows of the kill switch, without asking the store.

It is told by commits, its own and those of other servers, before their answers leave. Requests are refused by it and
workers told by it; what counts is decided in the batches, which see the switch itself.
"""

from collections.abc import Callable

from agent_swarm.domain.kill_switch import Switch, SwitchScope, SwitchStatus, refusal
from agent_swarm.domain.matching import AgentProfile
from agent_swarm.server.metrics import Metrics
from agent_swarm.store.base import Committed, Store
from agent_swarm.store.families.switches import all_switches
from agent_swarm.store.records import Event


class SwitchBoard:
    """The switches that are on."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._killed: dict[tuple[SwitchScope, str], Switch] = {}
        self._unsubscribe: Callable[[], None] | None = None

    async def open(self) -> None:
        """Learn how the switch stands, and follow it."""
        missed: list[Committed] = []
        unsubscribe = self._store.subscribe(missed.append)
        switches = await self._store.read(all_switches)
        self._killed = {(switch.scope, switch.scope_id): switch for switch in switches if switch.is_killed}
        unsubscribe()
        self._unsubscribe = self._store.subscribe(self._on_committed)
        for committed in missed:
            self._on_committed(committed)
        self._count()

    def close(self) -> None:
        """Follow no more; idempotent."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def refuse(self) -> None:
        """Raises Killed where everything is stopped."""
        switch = self._killed.get((SwitchScope.ALL, ""))
        if switch is not None:
            self._metrics.killed_requests.inc()
            raise refusal(switch)

    def covering(self, agent: AgentProfile) -> list[Switch]:
        """The switches that stop this agent."""
        return [switch for switch in self._killed.values() if switch.covers(agent.id, agent.swarm_id)]

    def _on_committed(self, committed: Committed) -> None:
        for event in committed.events:
            if event.type == "killSwitch.activated":
                switch = activated(event)
                self._killed[switch.scope, switch.scope_id] = switch
                self._metrics.kills.labels(switch.scope.value).inc()
            elif event.type == "killSwitch.lifted":
                self._killed.pop((SwitchScope(event.data["scope"]), event.data["id"]), None)
            else:
                continue
            self._count()

    def _count(self) -> None:
        for scope in SwitchScope:
            self._metrics.killed.labels(scope.value).set(sum(switch.scope is scope for switch in self._killed.values()))


def activated(event: Event) -> Switch:
    """The switch that a `killSwitch.activated` event turned on."""
    return Switch(
        scope=SwitchScope(event.data["scope"]),
        scope_id=event.data["id"],
        status=SwitchStatus.KILLED,
        id=event.data["activation"],
        reason=event.data["reason"],
        by=event.actor,
        since=event.at,
    )
