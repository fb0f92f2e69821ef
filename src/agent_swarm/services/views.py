"""What the store holds, in the words of the REST face. One function per thing; nothing is looked up here."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from agent_swarm.domain import deadlines
from agent_swarm.domain.kill_switch import Switch
from agent_swarm.domain.permissions import Profile
from agent_swarm.domain.time import SECOND, to_wire
from agent_swarm.protocol import limits, rest, rest_agents, rest_audit, rest_config
from agent_swarm.services.secrets.rotation import KeyStatus, Verified
from agent_swarm.store.events import SWARM
from agent_swarm.store.families.offers import TaskOffer
from agent_swarm.store.families.rests import AgentRest
from agent_swarm.store.families.task_terms import TaskTerms
from agent_swarm.store.records import (
    AgentRecord,
    AttemptRecord,
    DependencyRecord,
    Event,
    ProjectRecord,
    TaskRecord,
)

PREVIEW_CHARS = 200
MISSED_HEARTBEATS = 3  # an agent that was silent for so many is offline
SILENCE = int(MISSED_HEARTBEATS * limits.HEARTBEAT_SECONDS * SECOND)


def task(record: TaskRecord) -> rest.Task:
    """A task without its prompt."""
    return rest.Task(**_task(record))


def task_detail(
    record: TaskRecord,
    *,
    upstreams: Sequence[DependencyRecord],
    dependants: Sequence[DependencyRecord],
    offers: Sequence[TaskOffer],
    terms: TaskTerms | None,
) -> rest.TaskDetail:
    """A task, whole."""
    return rest.TaskDetail(
        **_task(record),
        prompt=record.spec.prompt,
        result_schema=_plain(terms.result_schema) if terms else None,
        include_results=terms is not None and terms.with_results,
        offers=[offer(one) for one in offers],
        depends_on=[dependency(edge) for edge in upstreams],
        dependants=[dependency(edge) for edge in dependants],
    )


def _task(record: TaskRecord) -> dict[str, Any]:
    spec, state = record.spec, record.state
    return {
        "id": spec.id,
        "title": spec.title,
        "prompt_preview": spec.prompt[:PREVIEW_CHARS],
        "status": state.status.value,
        "priority": spec.priority,
        "tags": list(spec.labels),
        "requires": rest.Requires(
            tags=sorted(spec.requires.tags),
            capabilities=sorted(spec.requires.capabilities),
            agent_id=spec.requires.agent_id,
            any_tag=sorted(spec.requires.any_tag),
        ),
        "harness": spec.harness,
        "model": spec.model,
        "project_id": spec.project_id,
        "swarm_id": spec.swarm_id,
        "agent_id": state.agent_id or record.last_agent_id,
        "attempt": state.attempt,
        "fence": state.fence,
        "failures": state.failures,
        "losses": state.losses,
        "max_attempts": state.max_attempts,
        "max_losses": state.max_losses,
        "open_dependencies": state.unmet,
        "progress": record.progress,
        "result": _plain(record.result),
        "failure": _plain(record.failure),
        "pause_reason": state.pause_reason.value if state.pause_reason else None,
        "timeout_seconds": None if spec.timeout is None else spec.timeout / SECOND,
        "deadline_at": _at(deadlines.ends_at(state)),
        "not_before": _at(state.not_before),
        "created_by": spec.created_by,
        "parent_task_id": spec.parent_id,
        "root_task_id": spec.root_id or spec.id,
        "retry_of": spec.retry_of,
        "permissions": spec.permissions,
        "schedule_id": spec.schedule_id,
        "planned_at": _at(spec.planned_at),
        "created_at": to_wire(spec.created_at),
        "updated_at": to_wire(record.updated_at),
        "started_at": _at(record.started_at),
        "finished_at": _at(record.finished_at),
    }


def offer(record: TaskOffer) -> rest.Offer:
    """What became of showing a task to an agent."""
    return rest.Offer(
        agent_id=record.agent_id,
        status=record.status.value,
        offered_by=record.offered_by,
        offered_at=to_wire(record.offered_at),
        expires_at=to_wire(record.expires_at),
        settled_by=record.settled_by or None,
        settled_at=_at(record.settled_at),
        reason=record.reason,
    )


def dependency(edge: DependencyRecord) -> rest.Dependency:
    """An edge and the task at its far end."""
    return rest.Dependency(
        task=edge.other_id, title=edge.other_title, status=edge.other_status.value, on_failure=edge.on_failure
    )


def attempt(record: AttemptRecord) -> rest.Attempt:
    """One try at a task."""
    report = record.report
    return rest.Attempt(
        task_id=record.task_id,
        number=record.number,
        fence=record.fence,
        agent_id=record.agent_id,
        outcome=record.outcome.value if record.outcome else None,
        claimed_at=to_wire(record.claimed_at),
        started_at=_at(record.started_at),
        ended_at=_at(record.ended_at),
        session=report.session,
        branch=report.branch,
        commit=report.commit,
        snapshot=report.snapshot,
        message=report.text,
        failure_class=report.failure_class,
        failure_code=report.failure_code,
        input_tokens=record.input_tokens,
        output_tokens=record.output_tokens,
        cost_usd=record.cost_micros / 1_000_000,
        permissions=record.permissions,
        permissions_enforced={"yes": True, "no": False}.get(report.enforced),
        denials=report.denials,
    )


def agent_status(record: AgentRecord, *, is_busy: bool, now: int) -> Literal["idle", "busy", "offline"]:
    """Offline when it said goodbye or was silent for three heartbeats, busy while it holds a task, else idle."""
    if record.offline_at is not None or now - record.last_seen_at > SILENCE:
        return "offline"
    return "busy" if is_busy else "idle"


def rest_of(record: AgentRecord, rests: Mapping[str, AgentRest]) -> AgentRest | None:
    """The rest that the agent's process takes; that of an earlier process is none."""
    found = rests.get(record.profile.id)
    return found if found is not None and found.instance_id == record.instance_id else None


def agent(record: AgentRecord, held: Sequence[TaskRecord], rests: Mapping[str, AgentRest], *, now: int) -> rest.Agent:
    """An agent and what it works on; `rests` are of that moment, by agent."""
    return rest.Agent(**_agent(record, held, rests, now=now))


def agent_detail(
    record: AgentRecord,
    held: Sequence[TaskRecord],
    children: Sequence[str],
    rests: Mapping[str, AgentRest],
    *,
    now: int,
) -> rest_agents.AgentDetail:
    """An agent, and the agents below it."""
    return rest_agents.AgentDetail(**_agent(record, held, rests, now=now), children=list(children[: limits.PAGE_MAX]))


def capacity(record: AgentRecord, held: int, *, rests: bool, now: int) -> rest.Capacity:
    """How many tasks it has, may have, and could take."""
    is_there = agent_status(record, is_busy=bool(held), now=now) != "offline"
    gets_work = is_there and not record.is_stopped and not rests
    return rest.Capacity(current=held, max=record.slots, available=max(0, record.slots - held) if gets_work else 0)


def _agent(
    record: AgentRecord, held: Sequence[TaskRecord], rests: Mapping[str, AgentRest], *, now: int
) -> dict[str, Any]:
    profile = record.profile
    resting, stop = rest_of(record, rests), None
    if record.stopped_at is not None:
        stop = rest.AgentStop(by=record.stopped_by, at=to_wire(record.stopped_at), reason=record.stop_reason)
    return {
        "id": profile.id,
        "name": record.name,
        "status": agent_status(record, is_busy=bool(held), now=now),
        "is_lead": record.is_lead,
        "agent_role": profile.agent_role.value,
        "role": profile.role,
        "description": record.description,
        "template_id": record.template_id,
        "harness": record.harness,
        "skills": sorted(profile.skills),
        "tags": sorted(profile.tags),
        "capabilities": sorted(profile.capabilities),
        "slots": record.slots,
        "permissions": record.permissions or None,
        "swarm_id": profile.swarm_id,
        "offers": record.offers.value,
        "current_tasks": [task.spec.id for task in held[: limits.PAGE_MAX]],
        "resting_until": None if resting is None else to_wire(resting.until),
        "resting_reason": None if resting is None else resting.reason,
        "registered_at": to_wire(record.registered_at),
        "last_seen_at": to_wire(record.last_seen_at),
        "capacity": capacity(record, len(held), rests=resting is not None, now=now),
        "parent_agent_id": record.parent_id,
        "stopped": stop,
    }


def key_status(status: KeyStatus) -> rest_config.KeyStatus:
    """The encryption keys of a server."""
    master = status.master
    return rest_config.KeyStatus(
        master_key_id=None if master is None else master.id,
        master_key_place="" if master is None else master.place,
        next_master_key_id=status.next_master,
        to_do=status.to_do,
        data_keys=[
            rest_config.DataKey(
                id=record.id,
                version=record.version,
                is_active=record.is_active,
                master_key_id=record.master,
                next_master_key_id=record.next_master,
                values=status.values.get(record.id, 0),
                created_at=to_wire(record.created_at),
            )
            for record in status.records
        ],
    )


def key_report(found: Verified, *, limit: int) -> rest_config.KeyReport:
    """What could be opened, and the first of what could not."""
    return rest_config.KeyReport(
        data_keys=found.data_keys,
        values=found.values,
        unreadable=[rest_config.ClosedValue(name=one.sealed.shown, why=one.why) for one in found.closed[:limit]],
        unreadable_count=len(found.closed),
    )


def permission_profile(profile: Profile) -> rest.PermissionProfile:
    """What an agent may do."""
    return rest.PermissionProfile(
        name=profile.name,
        files=profile.files.value,
        network=profile.network.value,
        allow=list(profile.allow),
        denied_tools=list(profile.denied_tools),
        may_file_tasks=profile.may_file,
        needs=sorted(profile.needs),
    )


def project(record: ProjectRecord) -> rest.Project:
    """A project."""
    return rest.Project(
        id=record.id,
        name=record.name,
        repo_url=record.repo_url,
        default_branch=record.default_branch,
        created_at=to_wire(record.created_at),
    )


def switch(switch: Switch, names: Mapping[str, str]) -> rest.Switch:
    """A switch of the kill switch; `names` are those of agents, by id."""
    return rest.Switch(
        scope=switch.scope.value,
        id=switch.scope_id or None,
        status=switch.status.value,
        activation=switch.id or None,
        reason=switch.reason,
        by=switch.by or None,
        since=to_wire(switch.since) if switch.id else None,
        held_by=sorted(switch.holders)[: limits.PAGE_MAX],
        attempts=switch.attempts,
        paused_tasks=len(switch.paused),
        awaited=[
            rest.AwaitedAgent(agent_id=agent_id, name=names.get(agent_id, agent_id), attempts=number)
            for agent_id, number in list(switch.awaited.items())[: limits.PAGE_MAX]
        ],
        lifted_by=switch.lifted_by or None,
        lifted_at=None if switch.lifted_at is None else to_wire(switch.lifted_at),
    )


def event(record: Event) -> rest.Event:
    """An event."""
    return rest.Event(**_event_fields(record))


def audit_event(record: Event) -> rest_audit.AuditEvent:
    """An event with its link of the chain."""
    return rest_audit.AuditEvent(**_event_fields(record), hash=record.hash)


def _event_fields(record: Event) -> dict[str, Any]:
    """What both show of an event."""
    return {
        "seq": record.seq,
        "id": record.id,
        "type": record.type,
        "at": to_wire(record.at),
        "actor": record.actor,
        "subject": rest.Subject(kind=record.subject_kind, id=record.subject_id),
        "swarm": record.data.get(SWARM),
        "task_id": record.task_id,
        "attempt": record.attempt,
        "data": {name: value for name, value in record.data.items() if name != SWARM},
        "v": record.v,
    }


def _at(instant: int | None) -> str | None:
    return None if instant is None else to_wire(instant)


def _plain(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else dict(value)
