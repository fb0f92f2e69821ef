"""The kill switch: what is asked for becomes an operation, and how it stands is read."""

from collections.abc import Callable, Mapping

from agent_swarm.domain.errors import Denied, InvalidInput
from agent_swarm.domain.ids import new_id, normalize_id
from agent_swarm.domain.kill_switch import Activation, Switch, SwitchScope
from agent_swarm.domain.time import to_wire
from agent_swarm.protocol import limits, rest
from agent_swarm.services import views
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tokens import Identity, Scope
from agent_swarm.store.base import Queries
from agent_swarm.store.families.switches import all_switches
from agent_swarm.store.operations import ActivateKillSwitch, LiftKillSwitch, SwitchReply


def activate(asked: rest.KillSwitchInput, redactor: Redactor, *, by: Identity) -> ActivateKillSwitch:
    """Stop everything, or one agent. Raises InvalidInput for a scope that there is nothing of."""
    scope, scope_id = _named(asked)
    activation = Activation(id=new_id(), reason=redactor.text(asked.reason.strip()), by=by.actor)
    return ActivateKillSwitch(scope=scope, scope_id=scope_id, asked=activation)


def lift(asked: rest.KillSwitchInput, *, by: Identity) -> LiftKillSwitch:
    """Let work go on. Raises Denied for who may only stop it."""
    if not by.may(Scope.KILL_SWITCH_ADMIN):
        raise Denied(
            f"lifting the kill switch needs the scope {Scope.KILL_SWITCH_ADMIN}, which the token does not have",
            hint="ask an administrator",
        )
    scope, scope_id = _named(asked)
    return LiftKillSwitch(scope=scope, scope_id=scope_id, by=by.actor, resume=asked.resume)


def flag_raised(source: str, fingerprint: str, reason: str) -> ActivateKillSwitch:
    """A flag says that everything has to stop."""
    asked = Activation(id=new_id(), reason=reason, by=source, source=source, fingerprint=fingerprint)
    return ActivateKillSwitch(scope=SwitchScope.ALL, asked=asked)


def flag_gone(source: str) -> LiftKillSwitch:
    """A flag is gone: what it alone held down is lifted."""
    return LiftKillSwitch(scope=SwitchScope.ALL, by=source, source=source)


def state() -> Callable[[Queries], rest.KillSwitch]:
    """A reading: how every switch stands."""

    def reading(queries: Queries) -> rest.KillSwitch:
        names = {agent.profile.id: agent.name for agent in queries.agents()}
        return view(all_switches(queries), names)

    return reading


def answer(reply: SwitchReply) -> Callable[[Queries], rest.KillSwitchAnswer]:
    """A reading: how every switch stands, and what has just been done."""

    def reading(queries: Queries) -> rest.KillSwitchAnswer:
        told = state()(queries)
        return rest.KillSwitchAnswer(**dict(told), repeated=reply.repeated, resumed=reply.resumed)

    return reading


def view(switches: list[Switch], names: Mapping[str, str]) -> rest.KillSwitch:
    """The switches as people see them: the one for everything first, then those that are on, then the others."""
    used = {switch.scope: switch for switch in switches if switch.scope is SwitchScope.ALL}
    whole = used.get(SwitchScope.ALL, Switch())
    others = sorted(
        (switch for switch in switches if switch.scope is not SwitchScope.ALL),
        key=lambda switch: (not switch.is_killed, -switch.since, switch.scope_id),
    )
    return rest.KillSwitch(
        status=whole.status.value,
        reason=whole.reason if whole.is_killed else "",
        by=whole.by if whole.is_killed else None,
        since=to_wire(whole.since) if whole.is_killed else None,
        switches=[views.switch(switch, names) for switch in (whole, *others)[: limits.PAGE_MAX]],
    )


def _named(asked: rest.KillSwitchInput) -> tuple[SwitchScope, str]:
    scope = SwitchScope(asked.scope)
    match scope:
        case SwitchScope.SWARM:
            raise InvalidInput(
                "the kill switch cannot stop one swarm: no task and no agent belongs to a swarm yet",
                hint="stop one agent (scope agent) or everything (scope all)",
                details={"field": "scope"},
            )
        case SwitchScope.ALL if asked.id:
            raise InvalidInput(
                "an id names an agent, and the scope is all",
                hint="send scope agent with it, or no id",
                details={"field": "id"},
            )
        case SwitchScope.AGENT:
            agent_id = normalize_id(asked.id)
            if agent_id is None:
                raise InvalidInput(
                    "scope agent needs the id of an agent, a UUID",
                    hint="list agents with: agent-swarm agent list",
                    details={"field": "id"},
                )
            return scope, agent_id
    return scope, ""
