"""How changes become events, and events a chain.

Each batch drafts its events while it works and chains them at its end: `seq` continues the head without a gap, and
`hash` is the SHA-256 over the previous hash and the event's canonical JSON. The id is drawn from the hash, so that
the same history has the same ids.
"""

import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from agent_swarm.domain.budgets import Budget, BudgetScope
from agent_swarm.domain.changes import Change
from agent_swarm.domain.kill_switch import Activation, Switch, SwitchScope
from agent_swarm.domain.matching import Requirements
from agent_swarm.domain.swarms import Swarm
from agent_swarm.domain.tasks import TaskState, Verb
from agent_swarm.domain.time import to_wire
from agent_swarm.store import operations as ops
from agent_swarm.store.families.agent_profiles import ProfileVersion
from agent_swarm.store.records import NO_DATA, AgentRecord, AttemptReport, Event, TokenRecord

GENESIS = "0" * 64
SYSTEM = "system"
SWARM = "swarm"  # in `data`: the swarm that an event belongs to; faces show it beside `data`
MESSAGE_CHARS = 500  # of a failure's message; the whole of it is on the attempt


class Draft(NamedTuple):
    """An event without its place in the chain; from `actor` on in the order of `Event`."""

    type: str
    actor: str
    subject_kind: str
    subject_id: str
    task_id: str | None = None
    attempt: int | None = None
    data: Mapping[str, Any] = NO_DATA


def chain(drafts: Iterable[Draft], *, seq: int, head: str, at: int) -> list[Event]:
    """The events of `drafts`, following the event `seq` whose hash is `head`."""
    events = []
    for draft in drafts:
        seq += 1
        head = event_hash(head, seq=seq, at=at, draft=draft)
        events.append(
            Event(
                seq,
                id_of(head),
                draft.type,
                at,
                draft.actor,
                draft.subject_kind,
                draft.subject_id,
                draft.task_id,
                draft.attempt,
                draft.data,
                hash=head,
            )
        )
    return events


def event_hash(previous: str, *, seq: int, at: int, draft: Draft) -> str:
    """The link of one event, 64 hex digits."""
    return link_of(previous, seq, draft.type, at, *draft[1:])


def link_of(previous: str, *content: Any) -> str:
    """SHA-256 over the hash before and, as canonical JSON, seq, type, at, actor, subject, task, attempt and data.

    Raises TypeError for what JSON cannot hold.
    """
    return hashlib.sha256(previous.encode() + orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def stored(event: Event) -> tuple[Any, ...]:
    """The columns of an event as a database has them, in the order of its table."""
    return (*event[:9], orjson.dumps(event.data).decode(), event.v, event.hash)


def id_of(digest: str) -> str:
    """The id of the event with this hash: a UUIDv8 (RFC 9562 §5.8)."""
    return (
        f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-{'89ab'[int(digest[16], 16) & 3]}{digest[17:20]}-{digest[20:32]}"
    )


def task_event(
    before: TaskState, change: Change, *, actor: str, report: AttemptReport, note: Mapping[str, Any]
) -> Draft | None:
    """The event of a change to a task; None for a change that people do not see."""
    if not change.event:
        return None
    data: dict[str, Any] = {**change.detail, **note}
    if before.agent_id and (change.outcome is not None or change.verb is Verb.START):
        data.setdefault("agentId", before.agent_id)
    if report.branch:
        data["branch"] = report.branch
    if report.commit:
        data["commit"] = report.commit
    if report.failure_code:
        data["code"] = report.failure_code
    if report.failure_class and report.text:
        data["message"] = report.text[:MESSAGE_CHARS]
    return of_task(change.event, change.state, actor=actor, data=data)


def of_task(event_type: str, state: TaskState, *, actor: str, data: Mapping[str, Any]) -> Draft:
    """An event about one task and its latest attempt."""
    return Draft(
        type=event_type,
        actor=actor,
        subject_kind="task",
        subject_id=state.id,
        task_id=state.id,
        attempt=state.attempt or None,
        data=data,
    )


def token_created(token: TokenRecord, *, replaced: bool) -> Draft:
    """A token was made, which may have ended another one; its secret appears nowhere."""
    data: dict[str, Any] = {"kind": token.kind.value, "label": token.label}
    if replaced:
        data["replaced"] = True
    return _about("token.created", SYSTEM, "token", token.id, data)


def token_revoked(op: ops.RevokeToken) -> Draft:
    """A token was revoked by a person."""
    return _about("token.revoked", op.actor, "token", op.token_id, {})


def switch_activated(switch: Switch, asked: Activation) -> Draft:
    """The kill switch was turned on."""
    data = {**_named(switch), "reason": switch.reason, "source": asked.source, "attempts": switch.attempts}
    return _about_switch("killSwitch.activated", switch.by, switch, data)


def switch_lifted(switch: Switch, *, source: str, resumed: int) -> Draft:
    """The kill switch was turned off."""
    data = {**_named(switch), "source": source, "resumed": resumed}
    return _about_switch("killSwitch.lifted", switch.lifted_by, switch, data)


def kill_acknowledged(op: ops.AcknowledgeKill) -> Draft:
    """Nothing of an agent's runs is left."""
    data = {"activation": op.activation, "runs": op.runs}
    return _about("agent.killAcknowledged", of_agent(op.agent_id), "agent", op.agent_id, data)


def agent_registered(op: ops.RegisterAgent) -> Draft:
    """A new process of an agent reported for work."""
    profile = op.agent.profile
    data = {"name": op.agent.name, "agentRole": profile.agent_role.value, "instanceId": op.agent.instance_id}
    return _about("agent.registered", of_agent(profile.id), "agent", profile.id, data)


def agent_introduced(op: ops.IntroduceAgent) -> Draft:
    """An agent is known that no process has reported for yet."""
    profile = op.agent.profile
    data = {"name": op.agent.name, "agentRole": profile.agent_role.value, "origin": op.origin}
    return _about("agent.introduced", op.actor, "agent", profile.id, data)


def agent_added(agent: AgentRecord, *, actor: str) -> Draft:
    """An agent was introduced here, perhaps below another one."""
    profile = agent.profile
    data = {"name": agent.name, "agentRole": profile.agent_role.value, "origin": "here"}
    if agent.parent_id is not None:
        data["parentAgentId"] = agent.parent_id
    return _about("agent.introduced", actor, "agent", profile.id, data)


def agent_stopped(agent_id: str, *, reason: str, along_with: str, actor: str) -> Draft:
    """An agent gets no work any more; `along_with` names the agent above whose stop covers it."""
    data = {"reason": reason} | ({"with": along_with} if agent_id != along_with else {})
    return _about("agent.stopped", actor, "agent", agent_id, data)


def agent_started(agent_id: str, *, actor: str) -> Draft:
    """An agent that was stopped gets work again."""
    return _about("agent.started", actor, "agent", agent_id, {})


def agent_profile_changed(version: ProfileVersion, fields: Iterable[str], *, actor: str) -> Draft:
    """Something else is said of an agent."""
    data: dict[str, Any] = {"version": version.number, "fields": list(fields), "note": version.note}
    if version.restored is not None:
        data["restored"] = version.restored
    return _about("agent.profileChanged", actor, "agent", version.agent_id, data)


def agent_updated(op: ops.RegisterAgent) -> Draft:
    """The same process of an agent reported once more, back or with another profile."""
    profile = op.agent.profile
    data = {"name": op.agent.name, "agentRole": profile.agent_role.value, "instanceId": op.agent.instance_id}
    return _about("agent.updated", of_agent(profile.id), "agent", profile.id, data)


def agent_superseded(op: ops.RegisterAgent, instance_id: str) -> Draft:
    """An older process of an agent was replaced without having said goodbye."""
    agent_id = op.agent.profile.id
    data = {"instanceId": instance_id, "by": op.agent.instance_id}
    return _about("agent.superseded", of_agent(agent_id), "agent", agent_id, data)


def agent_signed_off(op: ops.SignOff) -> Draft:
    """An agent's process left in good order."""
    data = {"instanceId": op.instance_id}
    return _about("agent.signedOff", of_agent(op.agent_id), "agent", op.agent_id, data)


def agent_permissions(agent_id: str, profile: str, *, actor: str) -> Draft:
    """An operator said what an agent may do."""
    return _about("agent.permissions", actor, "agent", agent_id, {"profile": profile})


def of_swarm(event_type: str, swarm: Swarm, *, actor: str, data: Mapping[str, Any] = MappingProxyType({})) -> Draft:
    """Something happened to a swarm."""
    return in_swarm(_about(event_type, actor, "swarm", swarm.id, {"name": swarm.name, **data}), swarm.id)


def in_swarm(draft: Draft, swarm_id: str | None) -> Draft:
    """The event as one of a swarm. It is a part of `data`, so that links of the chain are made as they ever were."""
    return draft if swarm_id is None else draft._replace(data={**draft.data, SWARM: swarm_id})


def project_created(op: ops.CreateProject) -> Draft:
    """A project was added."""
    return _about("project.created", op.actor, "project", op.project.id, {"name": op.project.name})


def reprioritized(op: ops.Reprioritize, state: TaskState) -> Draft:
    """A task got another priority."""
    return of_task("task.reprioritized", state, actor=op.actor, data={"priority": op.priority})


def edited(op: ops.EditTask, state: TaskState) -> Draft:
    """A task that waits says something else."""
    return of_task("task.edited", state, actor=op.actor, data={"fields": list(op.fields)})


def progressed(op: ops.ReportProgress, state: TaskState) -> Draft:
    """An agent told how far it is."""
    return of_task("task.progressed", state, actor=op.actor, data={"text": op.text[:MESSAGE_CHARS]})


def outcome_stated(op: ops.StateOutcome, state: TaskState) -> Draft:
    """An agent said what came of its task."""
    outcome = "failure" if op.outcome.is_failure else "result"
    data = {"outcome": outcome, "text": op.outcome.text[:MESSAGE_CHARS]}
    return of_task("task.outcomeStated", state, actor=op.actor, data=data)


def attached(op: ops.StoreAttachment, state: TaskState, *, is_new: bool) -> Draft:
    """An agent left a file with its task."""
    file = op.attachment
    data = {"name": file.name, "mediaType": file.media_type, "bytes": file.size, "isNew": is_new}
    return of_task("task.attached", state, actor=op.actor, data=data)


def claimed(op: ops.ClaimTask, state: TaskState) -> Draft:
    """An agent took a task."""
    data = {"agentId": op.agent_id, "fence": state.fence}
    return of_task("task.claimed", state, actor=of_agent(op.agent_id), data=data)


def no_eligible_agent(task_id: str, needs: Requirements, *, since: int, tasks: int) -> Draft:
    """Nobody could take a task, nor the others that require the same. It belongs to no attempt."""
    requires: dict[str, Any] = {"tags": sorted(needs.tags), "capabilities": sorted(needs.capabilities)}
    if needs.agent_id is not None:
        requires["agentId"] = needs.agent_id
    if needs.any_tag:
        requires["anyTag"] = sorted(needs.any_tag)
    told = Draft(
        type="task.noEligibleAgent",
        actor=SYSTEM,
        subject_kind="task",
        subject_id=task_id,
        task_id=task_id,
        data={"requires": requires, "since": to_wire(since), "tasks": tasks},
    )
    return in_swarm(told, needs.swarm_id)


def usage_booked(op: ops.BookUsage, agent_id: str) -> Draft:
    """Money and tokens were spent."""
    data: dict[str, Any] = {
        "inputTokens": op.input_tokens,
        "outputTokens": op.output_tokens,
        "costUsd": op.cost_micros / 1_000_000,
    }
    if op.model:
        data["model"] = op.model
    return Draft(
        type="task.usageBooked",
        actor=of_agent(agent_id),
        subject_kind="task",
        subject_id=op.task_id,
        task_id=op.task_id,
        attempt=op.attempt,
        data=data,
    )


def of_budget(event_type: str, budget: Budget, *, actor: str) -> Draft:
    """Something happened to a budget."""
    money, tokens = budget.limits
    data: dict[str, Any] = {
        "name": budget.name,
        "scope": budget.scope.value,
        "scopeId": budget.scope_id,
        "spentUsd": budget.spent_micros / 1_000_000,
        "spentTokens": budget.spent_tokens,
        "attempts": budget.attempts,
    }
    if money is not None:
        data["capUsd"] = money / 1_000_000
    if tokens is not None:
        data["capTokens"] = tokens
    if budget.cap_attempts is not None:
        data["capAttempts"] = budget.cap_attempts + budget.extra_attempts
    if budget.cap_at_once is not None:
        data["capAtOnce"] = budget.cap_at_once
    swarm_id = budget.scope_id if budget.scope is BudgetScope.SWARM else None
    return in_swarm(_about(event_type, actor, "budget", budget.id, data), swarm_id)


def of_agent(agent_id: str) -> str:
    """How an agent is named as the actor of an event."""
    return f"agent:{agent_id}"


def _named(switch: Switch) -> dict[str, Any]:
    return {"scope": switch.scope.value, "id": switch.scope_id, "activation": switch.id}


def _about_switch(event_type: str, actor: str, switch: Switch, data: Mapping[str, Any]) -> Draft:
    swarm_id = switch.scope_id if switch.scope is SwitchScope.SWARM else None
    return in_swarm(_about(event_type, actor, "killSwitch", switch.name, data), swarm_id)


def _about(event_type: str, actor: str, kind: str, subject_id: str, data: Mapping[str, Any]) -> Draft:
    return Draft(type=event_type, actor=actor, subject_kind=kind, subject_id=subject_id, data=data)
