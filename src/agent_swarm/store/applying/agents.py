"""An agent's processes report for work and say goodbye (rules T6 and T11)."""

from dataclasses import replace

from agent_swarm.domain.commands import Fence, Resume
from agent_swarm.domain.permissions import WORKSPACE_WRITE, Profile, lacking
from agent_swarm.domain.swarms import Swarm
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.domain.values import changed
from agent_swarm.store import events, refusals, rows
from agent_swarm.store import operations as ops
from agent_swarm.store.applying import swarms
from agent_swarm.store.applying.agent_profiles import meet_report, take_first_profile
from agent_swarm.store.applying.work import Work
from agent_swarm.store.records import AgentRecord, TokenKind


def register_agent(work: Work, op: ops.RegisterAgent) -> ops.Registration:
    """Rule T11: an agent's process reports for work."""
    agent_id = op.agent.profile.id
    old = work.rows.agent(agent_id)
    registered_at = old.registered_at if old else work.now
    profile = replace(op.agent.profile, swarm_id=old.profile.swarm_id if old else None)
    agent = replace(op.agent, profile=profile, registered_at=registered_at, last_seen_at=work.now, offline_at=None)
    if old is not None:
        agent = meet_report(work, _with_what_is_laid_down(agent, old))
    if op.first is not None and (old is None or _was_only_introduced(old)):
        agent = take_first_profile(work, _with_first_permissions(agent, op.first.permissions, op), op.first.fields)
    granted = op.profiles.granted(None, agent.permissions, agent.profile.agent_role)
    if granted.is_required:
        require_enforceable(agent, granted.profile)
    is_new = old is None or old.instance_id != agent.instance_id
    if is_new and work.rows.had_instance(agent_id, agent.instance_id):
        raise refusals.superseded(agent_id)  # it was replaced; two processes must not take turns for ever
    joins = _asked_for(work, op, agent)
    work.rows.put_agent(agent)
    superseded = old.instance_id if old is not None and is_new and old.offline_at is None else None
    if superseded:
        work.drafts.append(events.agent_superseded(op, superseded))
    if is_new:
        work.drafts.append(events.agent_registered(op))
    elif old is not None and replace(old, last_seen_at=work.now) != agent:
        work.drafts.append(events.agent_updated(op))
    if joins is not None:
        agent = swarms.enter(work, agent, joins, actor=events.of_agent(agent_id))
    work.rows.revoke_tokens(work.now, kind=TokenKind.AGENT, agent_id=agent_id)
    work.rows.add_token(replace(op.token, epoch=work.rows.epoch(), created_at=work.now))
    fenced = _fence_leases(work, op) if is_new else ()
    resumed = () if agent.is_stopped else _resume_own(work, agent_id)
    return ops.Registration(agent=agent, superseded=superseded, fenced=fenced, resumed=resumed)


def _with_what_is_laid_down(agent: AgentRecord, old: AgentRecord) -> AgentRecord:
    """What is not for the agent's process to say stays as it was."""
    return replace(
        agent,
        permissions=old.permissions,
        parent_id=old.parent_id,
        depth=old.depth,
        stopped_at=old.stopped_at,
        stopped_by=old.stopped_by,
        stop_reason=old.stop_reason,
        profile_version=old.profile_version,
    )


def _was_only_introduced(old: AgentRecord) -> bool:
    """No process of it has reported yet: it has been offline since it is known."""
    return old.offline_at == old.registered_at


def _with_first_permissions(agent: AgentRecord, name: str, op: ops.RegisterAgent) -> AgentRecord:
    """What people or its parent have laid down is not a template's to change."""
    if not name or agent.permissions or agent.parent_id is not None:
        return agent
    profile = op.profiles.named(name)
    if profile is None:
        raise refusals.unknown_reference("first.permissions", "permission profile", name)
    if profile == WORKSPACE_WRITE and lacking(profile, agent.profile.capabilities):
        return agent  # that is what holds anyway, as far as its worker can
    return replace(agent, permissions=profile.name)


def _asked_for(work: Work, op: ops.RegisterAgent, agent: AgentRecord) -> Swarm | None:
    """The swarm that it is to join, being in none. Raises UnknownReference, and Killed while that is stopped."""
    if op.swarm_id is None or agent.profile.swarm_id is not None:
        return None
    return swarms.open_for_joining(work, op.swarm_id)


def _fence_leases(work: Work, op: ops.RegisterAgent) -> tuple[ops.Held, ...]:
    """Rule T11: take from an earlier process what the new one does not hold; hand over what it does."""
    kept = {(held.task_id, held.fence) for held in op.held}
    held_before = work.rows.held_by(op.agent.profile.id)
    work.rows.prefetch(tasks=held_before)
    fenced = []
    for index, task_id in enumerate(held_before):
        entry = work.must(task_id)
        state = entry.state
        if state.agent_id != op.agent.profile.id:
            continue  # another server was faster, between finding it and locking it
        if (task_id, state.fence) in kept:
            work.save(entry, changed(state, instance_id=op.agent.instance_id))
        else:
            fenced.append(ops.Held(task_id=task_id, fence=state.fence))
            jitter = rows.spread(op.jitter, index)
            work.decide(Fence(task_id=task_id, jitter=jitter), actor=events.SYSTEM)
    return tuple(fenced)


def _resume_own(work: Work, agent_id: str) -> tuple[str, ...]:
    """Rule T6: what a shutdown of this agent paused is queued for it."""
    mine = work.rows.paused_for(agent_id)
    work.rows.prefetch(tasks=mine)
    resumed = [task_id for task_id in mine if work.must(task_id).state.status is TaskStatus.PAUSED]
    for task_id in resumed:
        work.decide(Resume(task_id=task_id, agent_id=agent_id), actor=events.of_agent(agent_id))
    return tuple(resumed)


def introduce_agent(work: Work, op: ops.IntroduceAgent) -> bool:
    """An agent is known before it reports for work: it is offline, and tasks may be addressed to it."""
    if work.rows.agent(op.agent.profile.id) is not None:
        return False
    work.rows.put_agent(replace(op.agent, registered_at=work.now, last_seen_at=work.now, offline_at=work.now))
    work.drafts.append(events.agent_introduced(op))
    return True


def require_enforceable(agent: AgentRecord, profile: Profile) -> None:
    """Raise CannotBeEnforced where the agent's worker lacks what the profile needs."""
    if missing := lacking(profile, agent.profile.capabilities):
        raise refusals.cannot_be_enforced(agent, profile, missing)


def sign_off(work: Work, op: ops.SignOff) -> None:
    """An agent's process goes, in good order."""
    agent = work.current_instance(op.agent_id, op.instance_id)
    work.rows.put_agent(replace(agent, offline_at=work.now, last_seen_at=work.now))
    work.rows.revoke_tokens(work.now, kind=TokenKind.AGENT, agent_id=op.agent_id)
    work.drafts.append(events.agent_signed_off(op))
