"""Credits are answered with the heads of the queue (rules T1 and T2)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from agent_swarm.domain.errors import StaleLease, SwarmError
from agent_swarm.domain.kill_switch import stopping
from agent_swarm.domain.matching import serves
from agent_swarm.domain.permissions import Granted
from agent_swarm.domain.tasks import TaskState
from agent_swarm.domain.transitions import claim
from agent_swarm.domain.values import changed
from agent_swarm.store import events, refusals, rows
from agent_swarm.store import operations as ops
from agent_swarm.store.applying import admission
from agent_swarm.store.applying.work import Work
from agent_swarm.store.records import AgentRecord, ClaimedTask

Numbered = list[tuple[int, Any]]


def claim_all(work: Work, chosen: Numbered, replies: list[Any]) -> None:
    """Answer credits group by group: those that serve the same classes share one look into the queue."""
    earlier = work.rows.claimed([op.claim_id for _, op in chosen])
    work.rows.prefetch(
        tasks=[attempt.task_id for attempt in earlier.values()], agents=[op.agent_id for _, op in chosen]
    )
    groups: dict[tuple[int, ...], Numbered] = defaultdict(list)
    for index, op in chosen:
        try:
            agent = work.current_instance(op.agent_id, op.instance_id)
            if op.claim_id in earlier:
                attempt = earlier[op.claim_id]
                replies[index] = _redeliver(work, op, attempt.task_id, attempt.fence)
            elif stopping(work.rows.killed(), op.agent_id, agent.profile.swarm_id) is None:  # else the credit waits
                if agent.is_stopped:
                    raise refusals.agent_stopped(agent)
                groups[_served(work, agent, _open_classes(work, op, agent))].append((index, op))
        except SwarmError as refusal:
            replies[index] = refusal
    work.ledger.settle()
    if work.rows.has_budgets():
        _claim_admitted(work, groups, replies)
        groups.clear()
    for class_ids, members in groups.items():
        heads = work.rows.heads(class_ids, len(members))
        work.rows.prefetch(tasks=heads)
        free = [task_id for task_id in heads if _is_free(work, task_id, class_ids)]
        for (index, op), task_id in zip(members, free, strict=False):
            replies[index] = _claim(work, op, task_id)
    _fill_in(work, chosen, replies)


def _claim_admitted(work: Work, groups: Mapping[tuple[int, ...], Numbered], replies: list[Any]) -> None:
    """The same where there are budgets, which let tasks begin or not."""
    for class_ids, members in groups.items():
        for (index, op), task_id, parts in admission.admitted(work, class_ids, members, replies):
            replies[index] = _claim(work, op, task_id)
            admission.keep_reservation(work, task_id, work.must(task_id).state.attempt, op.agent_id, parts)
    work.ledger.write()


def _served(work: Work, agent: AgentRecord, class_ids: tuple[int, ...]) -> tuple[int, ...]:
    """The classes to look at. Who sent the credit may not have heard yet that people gave the agent other tags."""
    if not agent.profile_version:
        return class_ids
    return tuple(one for one in class_ids if serves(agent.profile, work.rows.requirements(one)))


def _open_classes(work: Work, op: ops.ClaimTask, agent: AgentRecord) -> tuple[int, ...]:
    """Without those of swarms that are paused, or that the agent is not in any more."""
    own = agent.profile.swarm_id
    if own in work.rows.paused():
        own = None
    shut = {class_id for class_id in op.class_ids if work.rows.requirements(class_id).swarm_id not in (None, own)}
    return tuple(class_id for class_id in op.class_ids if class_id not in shut) if shut else op.class_ids


def _is_free(work: Work, task_id: str, class_ids: Sequence[int]) -> bool:
    """Whether it is still what was found: another server may have been faster, before it was locked."""
    entry = work.must(task_id)
    return entry.state.ready and entry.claim_class in class_ids


def _claim(work: Work, op: ops.ClaimTask, task_id: str) -> ops.Held:
    entry = work.must(task_id)
    change = claim(entry.state, agent_id=op.agent_id, instance_id=op.instance_id, lease=op.lease, now=work.now)
    granted = _granted(work, op, entry)
    work.rows.add_attempt(rows.new_attempt(op, change.state, permissions=granted.profile.name, now=work.now))
    _add_attempt_token(work, op, change.state, granted)
    entry.columns |= {"progress": "", "last_agent_id": op.agent_id, "updated_at": work.now}
    work.tell(entry, events.claimed(op, change.state))
    work.save(entry, change.state)
    return ops.Held(task_id=task_id, fence=change.state.fence)


def _redeliver(work: Work, op: ops.ClaimTask, task_id: str, fence: int) -> ops.Held:
    """Rule T2: the answer was lost; give it again, under the new token."""
    entry = work.must(task_id)
    state = entry.state
    if state.agent_id != op.agent_id or not state.is_held or state.fence != fence:
        raise StaleLease(task_id, presented=fence, current=state.fence)
    _add_attempt_token(work, op, state, _granted(work, op, entry))
    return ops.Held(task_id=task_id, fence=fence)


def _granted(work: Work, op: ops.ClaimTask, entry: rows.Entry) -> Granted:
    agent = work.rows.agent(op.agent_id)
    assert agent is not None  # `current_instance` was asked
    return op.profiles.granted(entry.permissions, agent.permissions, agent.profile.agent_role)


def _add_attempt_token(work: Work, op: ops.ClaimTask, state: TaskState, granted: Granted) -> None:
    token = changed(
        op.token,
        task_id=state.id,
        fence=state.fence,
        agent_id=op.agent_id,
        epoch=work.rows.epoch(),
        created_at=work.now,
    )
    if not granted.profile.may_file:
        token = changed(token, scopes=tuple(scope for scope in token.scopes if scope not in op.filing))
    work.rows.add_token(token)


def _fill_in(work: Work, chosen: Numbered, replies: list[Any]) -> None:
    """Answer what was claimed with the whole task."""
    claimed = {index: replies[index] for index, _ in chosen if isinstance(replies[index], ops.Held)}
    found = work.rows.records([held.task_id for held in claimed.values()])
    for index, op in chosen:
        if index in claimed:
            task = found[claimed[index].task_id]
            agent = work.rows.agent(op.agent_id)
            replies[index] = ClaimedTask(
                claim_id=op.claim_id,
                task=task,
                granted=_granted(work, op, work.must(task.spec.id)),
                profile_version=0 if agent is None else agent.profile_version,
            )
