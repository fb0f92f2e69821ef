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
from agent_swarm.store.families.swarms import swarm_named, unknown_swarm_in
from agent_swarm.store.families.switches import all_switches
from agent_swarm.store.operations import ActivateKillSwitch, LiftKillSwitch, SwitchReply

Covered = tuple[SwitchScope, str]  # a scope, and the id of what it is about


def covered(asked: rest.KillSwitchInput) -> Callable[[Queries], Covered]:
    """A reading: what the request is about. Raises InvalidInput, and UnknownReference for a swarm that is not there.

    A swarm is named by its id or its name; by its id also one that was deleted.
    """

    def reading(queries: Queries) -> Covered:
        scope, named = _named(asked)
        if scope is not SwitchScope.SWARM:
            return scope, named
        swarm = swarm_named(queries, named)
        if swarm is None:
            raise unknown_swarm_in("id", named)
        return scope, swarm.id

    return reading


def activate(asked: rest.KillSwitchInput, what: Covered, redactor: Redactor, *, by: Identity) -> ActivateKillSwitch:
    """Stop everything, one swarm or one agent, as `covered` has found it."""
    scope, scope_id = what
    activation = Activation(id=new_id(), reason=redactor.text(asked.reason.strip()), by=by.actor)
    return ActivateKillSwitch(scope=scope, scope_id=scope_id, asked=activation)


def lift(asked: rest.KillSwitchInput, what: Covered, *, by: Identity) -> LiftKillSwitch:
    """Let work go on. Raises Denied for who may only stop it."""
    if not by.may(Scope.KILL_SWITCH_ADMIN):
        raise Denied(
            f"lifting the kill switch needs the scope {Scope.KILL_SWITCH_ADMIN}, which the token does not have",
            hint="ask an administrator",
        )
    scope, scope_id = what
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


def _named(asked: rest.KillSwitchInput) -> Covered:
    scope = SwitchScope(asked.scope)
    match scope:
        case SwitchScope.SWARM:
            if not asked.id:
                raise InvalidInput(
                    "scope swarm needs the id or the name of a swarm",
                    hint="list swarms with: agent-swarm swarm list",
                    details={"field": "id"},
                )
            return scope, asked.id
        case SwitchScope.ALL if asked.id:
            raise InvalidInput(
                "an id names an agent or a swarm, and the scope is all",
                hint="send scope agent or swarm with it, or no id",
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
