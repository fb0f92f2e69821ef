"""Swarms are made, changed and deleted; agents join and leave them.

Whoever holds a task of a swarm is in it, and whoever is in a swarm that is stopped stays in it: so the kill switch of
a swarm covers everything that is done for it, by its members alone.
"""

from dataclasses import replace

from agent_swarm.domain import swarms
from agent_swarm.domain.errors import AlreadyExists, InvalidInput
from agent_swarm.domain.kill_switch import SwitchScope, refusal
from agent_swarm.domain.swarms import Swarm, SwarmStatus
from agent_swarm.store import events, refusals
from agent_swarm.store import operations as ops
from agent_swarm.store.applying.work import Work
from agent_swarm.store.families.swarms import SWARM_NAMES, SWARMS, SwarmName, unknown_swarm, unknown_swarm_in
from agent_swarm.store.records import AgentRecord


def create_swarm(work: Work, op: ops.CreateSwarm) -> Swarm:
    """A swarm that nobody is in yet."""
    known = work.get(SWARM_NAMES, op.name)
    if known is not None:
        raise AlreadyExists(
            f"there is a swarm {op.name!r} already", hint="take another name", details={"swarmId": known.swarm_id}
        )
    if len(work.scan(SWARM_NAMES, limit=swarms.MOST)) >= swarms.MOST:
        raise InvalidInput(f"there are {swarms.MOST:,} swarms, no more are made", hint="delete one that is done")
    _require_project(work, op.project_id)
    swarm_id = _new_id(work) if op.swarm_id is None else _unused(work, op.swarm_id)
    made = Swarm(id=swarm_id, name=op.name, project_id=op.project_id, created_by=op.actor, created_at=work.now)
    work.put(SWARMS, made)
    work.put(SWARM_NAMES, SwarmName(name=made.name, swarm_id=made.id))
    work.say(events.of_swarm("swarm.created", made, actor=op.actor, data={"projectId": made.project_id}))
    return made


def change_swarm(work: Work, op: ops.ChangeSwarm) -> Swarm:
    """Pause it, have it go on, or give it another project."""
    before = _living(work, op.swarm_id)
    if op.change.project_id:
        _require_project(work, op.change.project_id)
    after = swarms.changed(before, op.change)
    if after == before:
        return before
    work.put(SWARMS, after)
    if after.status is not before.status:
        verb = "swarm.paused" if after.status is SwarmStatus.PAUSED else "swarm.resumed"
        work.say(events.of_swarm(verb, after, actor=op.actor))
    if after.project_id != before.project_id:
        work.say(events.of_swarm("swarm.changed", after, actor=op.actor, data={"projectId": after.project_id}))
    return after


def set_member(work: Work, op: ops.SetSwarmMember) -> bool:
    """An agent joins, out of the swarm that it is in, or leaves."""
    swarm = _living(work, op.swarm_id)
    agent = work.rows.agent(op.agent_id)
    if agent is None:
        raise refusals.unknown_agent(op.agent_id)
    is_member = agent.profile.swarm_id == swarm.id
    if is_member == op.joins:
        return False
    if op.joins:
        refuse_while_killed(work, swarm)
    if agent.profile.swarm_id is not None:
        _leave(work, agent, _living(work, agent.profile.swarm_id), actor=op.actor)
    if op.joins:
        enter(work, agent, swarm, actor=op.actor)
    return True


def enter(work: Work, agent: AgentRecord, swarm: Swarm, *, actor: str) -> AgentRecord:
    """An agent that is in no swarm is in this one from now on; that it may be was judged."""
    joined = replace(agent, profile=replace(agent.profile, swarm_id=swarm.id))
    work.rows.put_agent(joined)
    work.say(events.of_swarm("swarm.joined", swarm, actor=actor, data={"agentId": agent.profile.id}))
    return joined


def open_for_joining(work: Work, swarm_id: str) -> Swarm:
    """The swarm, for an agent that is in none. Raises UnknownReference, and Killed while it is stopped."""
    swarm = work.rows.swarm(swarm_id)
    if swarm is None or not swarm.is_there:
        raise unknown_swarm_in("swarm", swarm_id)
    refuse_while_killed(work, swarm)
    return swarm


def delete_swarm(work: Work, op: ops.DeleteSwarm) -> Swarm:
    """It is no more; what was done in it stays."""
    swarm = _living(work, op.swarm_id)
    refuse_while_killed(work, swarm)
    if work.rows.open_in(swarm.id, 1):
        raise swarms.has_open_tasks(swarm)
    members = work.rows.agents_in(swarm.id)
    work.rows.prefetch(agents=members)
    for agent_id in members:
        agent = work.rows.agent(agent_id)
        assert agent is not None
        _leave(work, agent, swarm, actor=op.actor)
    deleted = replace(swarm, status=SwarmStatus.DELETED, deleted_at=work.now)
    work.put(SWARMS, deleted)
    work.remove(SWARM_NAMES, swarm.name)
    work.say(events.of_swarm("swarm.deleted", deleted, actor=op.actor, data={"agents": len(members)}))
    return deleted


def _leave(work: Work, agent: AgentRecord, swarm: Swarm, *, actor: str) -> None:
    refuse_while_killed(work, swarm)
    held = work.rows.held_by(agent.profile.id)
    work.rows.prefetch(tasks=held)
    for task_id in held:
        if work.swarm_of(work.must(task_id)) == swarm.id:
            raise swarms.still_works(swarm, agent.name, task_id)
    work.rows.put_agent(replace(agent, profile=replace(agent.profile, swarm_id=None)))
    work.say(events.of_swarm("swarm.left", swarm, actor=actor, data={"agentId": agent.profile.id}))


def refuse_while_killed(work: Work, swarm: Swarm) -> None:
    """Raises Killed while the kill switch of this swarm is on: who is under it stays there, and nobody else comes."""
    for switch in work.rows.killed():
        if (switch.scope, switch.scope_id) == (SwitchScope.SWARM, swarm.id):
            raise refusal(switch)


def _living(work: Work, swarm_id: str) -> Swarm:
    found = work.get(SWARMS, swarm_id)
    if found is None or not found.is_there:
        raise unknown_swarm(swarm_id)
    return found


def _require_project(work: Work, project_id: str | None) -> None:
    if project_id is not None and not work.rows.has_project(project_id):
        raise refusals.unknown_reference("project", "project", project_id)


def _unused(work: Work, swarm_id: str) -> str:
    if work.get(SWARMS, swarm_id) is not None:
        raise AlreadyExists(
            f"there was a swarm {swarm_id!r} already", hint="ids are given once", details={"swarmId": swarm_id}
        )
    return swarm_id


def _new_id(work: Work) -> str:
    """By the clock; of two in one moment the second is the later one."""
    instant = work.now
    while work.get(SWARMS, swarms.id_at(instant)) is not None:
        instant += swarms.APART
    return swarms.id_at(instant)
