"""The kill switch: armed -> killed -> armed, for everything, one swarm or one agent.

While a switch is killed nothing that it covers is claimed, and what ran was ended when it was used. Pure: `activate`
and `lift` say what a switch becomes, `stopping` which switch stands in the way of an agent.

Several things may hold a switch down at once: a person's request, a flag file, a flag in an object store. A flag that
is gone takes away only its own hold. A person who lifts the switch overrules the flags that still stand: each of them
is remembered by its fingerprint, so that it does not activate the switch again until it is raised anew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from agent_swarm.domain.errors import Killed

REQUEST = "request"  # the source that is a person; every other source is a flag


class SwitchScope(StrEnum):
    """What a switch covers."""

    ALL = "all"
    SWARM = "swarm"
    AGENT = "agent"


class SwitchStatus(StrEnum):
    """Where a switch stands."""

    ARMED = "armed"
    KILLED = "killed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One switch. `id` names its latest activation; `since` is when that was, in microseconds.

    `awaited` are the agents that had attempts and have not confirmed that nothing of them runs, with the number of
    attempts; `paused` the tasks that this activation paused. Both outlive the lifting, `awaited` until it is confirmed.
    """

    scope: SwitchScope = SwitchScope.ALL
    scope_id: str = ""
    status: SwitchStatus = SwitchStatus.ARMED
    id: str = ""
    reason: str = ""
    by: str = ""
    since: int = 0
    lifted_by: str = ""
    lifted_at: int | None = None
    holders: Mapping[str, str] = field(default_factory=dict)  # source -> fingerprint of its flag
    overruled: Mapping[str, str] = field(default_factory=dict)  # flags that a person lifted the switch in spite of
    attempts: int = 0  # ended by it
    awaited: Mapping[str, int] = field(default_factory=dict)
    paused: tuple[str, ...] = ()

    @property
    def is_killed(self) -> bool:
        """It is on."""
        return self.status is SwitchStatus.KILLED

    @property
    def name(self) -> str:
        """How people and events name it: `all`, `swarm:<id>`, `agent:<id>`."""
        return f"{self.scope}:{self.scope_id}" if self.scope_id else self.scope.value

    def covers(self, agent_id: str, *swarms: str | None) -> bool:
        """Whether what this agent does falls under it; `swarms` are its own and that of the task it does it for."""
        match self.scope:
            case SwitchScope.ALL:
                return True
            case SwitchScope.AGENT:
                return self.scope_id == agent_id
            case SwitchScope.SWARM:
                return self.scope_id in swarms


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """Somebody, or a flag, wants everything stopped. `id` is drawn by whoever asks; a request has no fingerprint."""

    id: str
    reason: str
    by: str
    source: str = REQUEST
    fingerprint: str = ""


def activate(switch: Switch, asked: Activation, *, now: int) -> Switch | None:
    """The switch after `asked`; None where that changes nothing. One that is killed keeps its reason."""
    if asked.source != REQUEST and switch.overruled.get(asked.source) == asked.fingerprint:
        return None
    if switch.is_killed:
        if switch.holders.get(asked.source) == asked.fingerprint:
            return None
        return replace(switch, holders={**switch.holders, asked.source: asked.fingerprint})
    return Switch(
        scope=switch.scope,
        scope_id=switch.scope_id,
        status=SwitchStatus.KILLED,
        id=asked.id,
        reason=asked.reason,
        by=asked.by,
        since=now,
        holders={asked.source: asked.fingerprint},
        overruled=_without(switch.overruled, asked.source),
    )


def lift(switch: Switch, *, by: str, source: str = REQUEST, now: int) -> Switch | None:
    """The switch after a person lifted it, or the flag `source` is gone; None where that changes nothing."""
    if source == REQUEST:
        if not switch.is_killed:
            return None
        flags = _without(switch.holders, REQUEST)
        return _armed(replace(switch, holders={}, overruled={**switch.overruled, **flags}), by, now)
    if source not in switch.holders and source not in switch.overruled:
        return None
    left = replace(switch, holders=_without(switch.holders, source), overruled=_without(switch.overruled, source))
    return _armed(left, by, now) if switch.is_killed and not left.holders else left


def acknowledged(switch: Switch, activation: str, agent_id: str) -> Switch | None:
    """The switch once an agent has confirmed that nothing of it runs; None where nobody waited for that."""
    if switch.id != activation or agent_id not in switch.awaited:
        return None
    return replace(switch, awaited={agent: number for agent, number in switch.awaited.items() if agent != agent_id})


NO_AGENT = ""  # no agent: what is asked about is a task, or will be


def stopping(killed: Iterable[Switch], agent_id: str, *swarms: str | None) -> Switch | None:
    """The first of these killed switches that covers the agent; the widest one comes first."""
    return min((s for s in killed if s.is_killed and s.covers(agent_id, *swarms)), key=_breadth, default=None)


def refusal(switch: Switch) -> Killed:
    """What is answered to who wants something that this switch stops."""
    what = "" if switch.scope is SwitchScope.ALL else f" for {switch.name}"
    reason = f": {switch.reason}" if switch.reason else ""
    return Killed(
        f"the kill switch is on{what}{reason}",
        hint="wait until it is lifted: agent-swarm lift",
        details={"scope": switch.scope.value, "id": switch.scope_id or None, "reason": switch.reason, "by": switch.by},
    )


def _armed(switch: Switch, by: str, now: int) -> Switch:
    return replace(switch, status=SwitchStatus.ARMED, lifted_by=by, lifted_at=now)


def _breadth(switch: Switch) -> tuple[int, str]:
    return (list(SwitchScope).index(switch.scope), switch.scope_id)


def _without(held: Mapping[str, str], source: str) -> dict[str, str]:
    return {name: fingerprint for name, fingerprint in held.items() if name != source}
