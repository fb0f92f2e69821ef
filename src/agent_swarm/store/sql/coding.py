"""From rows to records and back."""

from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any

import orjson
import sqlalchemy as sa

from agent_swarm.domain.matching import AgentProfile, AgentRole, Requirements
from agent_swarm.domain.mentions import word_of
from agent_swarm.domain.offers import OfferPolicy
from agent_swarm.domain.tasks import AttemptOutcome, PauseReason, TaskState, TaskStatus
from agent_swarm.domain.values import changed
from agent_swarm.store.records import (
    AgentRecord,
    AttemptRecord,
    AttemptReport,
    Event,
    ProjectRecord,
    TaskRecord,
    TaskSpec,
    TokenKind,
    TokenRecord,
)
from agent_swarm.store.rows import Entry
from agent_swarm.store.sql import tables

Row = Mapping[str, Any] | sa.RowMapping  # by the names of the columns

STATE_FIELDS: tuple[str, ...] = tuple(field.name for field in fields(TaskState))
STATE_COLUMNS = [tables.task.c[name] for name in STATE_FIELDS]
_BESIDE = (
    "class_id",
    "claim_class",
    "created_at",
    "priority",
    "started_at",
    "labels",
    "permissions",
    "root_id",
    "project_id",
)
ENTRY_COLUMNS = [*STATE_COLUMNS, *(tables.task.c[name] for name in _BESIDE)]
_STATE_ENDS = len(STATE_FIELDS)

_AS_THEY_ARE = frozenset({str, int})
_state_values = attrgetter(*STATE_FIELDS)
_all_but_id = itemgetter(*STATE_FIELDS[1:])

_STATUS = {status.value: status for status in TaskStatus}
_OUTCOME = {outcome.value: outcome for outcome in AttemptOutcome}
_PAUSE = {reason.value: reason for reason in PauseReason}


def dump(value: Any) -> str:
    """JSON text for a column."""
    return orjson.dumps(value).decode()


def load(text: str | None) -> Any:
    """The value of a JSON column; None for NULL."""
    return None if text is None else orjson.loads(text)


def encoded(column: str, value: Any) -> Any:
    """How a field of a task or an attempt is stored."""
    if value is None or value.__class__ in _AS_THEY_ARE:
        return value
    if column in ("result", "failure", "data", "labels"):
        return dump(value)
    if isinstance(value, StrEnum):
        return str(value)
    return int(value) if column == "ready" else value


def state_of(values: Row) -> TaskState:
    """The state in a row that has STATE_COLUMNS, by name."""
    return changed(_state_like(_all_but_id(values)), id=values["id"])


@lru_cache(maxsize=1024)
def _state_like(stored: tuple[Any, ...]) -> TaskState:
    """The state of a task without an id: those that wait are alike by the thousand, and copying one is cheap."""
    values = dict(zip(STATE_FIELDS[1:], stored, strict=True))
    decoded = {
        "status": _STATUS[values["status"]],
        "ready": bool(values["ready"]),
        "pause_reason": _PAUSE[values["pause_reason"]] if values["pause_reason"] else None,
        "pause_wanted": _PAUSE[values["pause_wanted"]] if values["pause_wanted"] else None,
        "ended_as": _OUTCOME[values["ended_as"]] if values["ended_as"] else None,
    }
    return TaskState(id="", **{**values, **decoded})


def state_row(state: TaskState) -> dict[str, Any]:
    """The columns of a state."""
    row = dict(zip(STATE_FIELDS, _state_values(state), strict=True))
    row["ready"] = int(state.ready)
    for name in ("status", "pause_reason", "pause_wanted", "ended_as"):
        value = row[name]
        row[name] = None if value is None else str(value)
    return row


def entry_of(values: tuple[Any, ...]) -> Entry:
    """The task in a row of ENTRY_COLUMNS, in their order."""
    class_id, claim_class, created_at, priority, started_at, labels, permissions, root_id, project_id = values[
        _STATE_ENDS:
    ]
    return Entry(
        changed(_state_like(values[1:_STATE_ENDS]), id=values[0]),
        class_id,
        claim_class,
        created_at,
        priority,
        started_at,
        () if labels == "[]" else tuple(load(labels)),
        permissions,
        root_id,
        project_id,
    )


def task_of(values: Row, requires: Requirements) -> TaskRecord:
    """The task in a row of all columns of `task`, `has_upstreams`, and `prompt.text` as `prompt`."""
    spec = TaskSpec(
        id=values["id"],
        title=values["title"],
        prompt=values["prompt"],
        requires=requires,
        labels=tuple(load(values["labels"])),
        harness=values["harness"],
        model=values["model"],
        project_id=values["project_id"],
        priority=values["priority"],
        timeout=values["timeout"],
        created_by=values["created_by"],
        parent_id=values["parent_id"],
        root_id=values["root_id"],
        depth=values["depth"],
        retry_of=values["retry_of"],
        permissions=values["permissions"],
        has_terms=bool(values["has_terms"]),
        schedule_id=values["schedule_id"],
        planned_at=values["planned_at"],
        created_at=values["created_at"],
    )
    return TaskRecord(
        spec=spec,
        state=state_of(values),
        progress=values["progress"],
        result=load(values["result"]),
        failure=load(values["failure"]),
        last_agent_id=values["last_agent_id"],
        has_upstreams=bool(values["has_upstreams"]),
        updated_at=values["updated_at"],
        started_at=values["started_at"],
        finished_at=values["finished_at"],
    )


def attempt_of(values: Row) -> AttemptRecord:
    """The attempt in a row of `attempt`."""
    report = AttemptReport(
        session=values["session"],
        branch=values["branch"],
        commit=values["commit"],
        snapshot=values["snapshot"],
        text=values["text"],
        data=load(values["data"]),
        failure_class=values["failure_class"],
        failure_code=values["failure_code"],
        enforced=values["enforced"],
        denials=values["denials"],
    )
    return AttemptRecord(
        task_id=values["task_id"],
        number=values["number"],
        fence=values["fence"],
        claim_id=values["claim_id"],
        agent_id=values["agent_id"],
        instance_id=values["instance_id"],
        claimed_at=values["claimed_at"],
        permissions=values["permissions"],
        started_at=values["started_at"],
        ended_at=values["ended_at"],
        outcome=_OUTCOME[values["outcome"]] if values["outcome"] else None,
        report=report,
        input_tokens=values["input_tokens"],
        output_tokens=values["output_tokens"],
        cost_micros=values["cost_micros"],
    )


def agent_of(values: Row) -> AgentRecord:
    """The agent in a row of `agent`."""
    profile = AgentProfile(
        id=values["id"],
        agent_role=AgentRole(values["agent_role"]),
        role=values["role"],
        tags=frozenset(load(values["tags"])),
        capabilities=frozenset(load(values["capabilities"])),
        skills=frozenset(load(values["skills"])),
        swarm_id=values["swarm_id"],
    )
    return AgentRecord(
        profile=profile,
        name=values["name"],
        description=values["description"],
        template_id=values["template_id"],
        harness=values["harness"],
        slots=values["slots"],
        instance_id=values["instance_id"],
        permissions=values["permissions"],
        offers=OfferPolicy(values["offers"]),
        registered_at=values["registered_at"],
        last_seen_at=values["last_seen_at"],
        offline_at=values["offline_at"],
        parent_id=values["parent_id"],
        depth=values["depth"],
        stopped_at=values["stopped_at"],
        stopped_by=values["stopped_by"],
        stop_reason=values["stop_reason"],
        profile_version=values["profile_version"],
    )


def agent_row(agent: AgentRecord) -> dict[str, Any]:
    """The columns of an agent."""
    return {
        "id": agent.profile.id,
        "name": agent.name,
        "name_word": word_of(agent.name),
        "agent_role": agent.profile.agent_role.value,
        "role": agent.profile.role,
        "role_word": word_of(agent.profile.role),
        "tags": dump(sorted(agent.profile.tags)),
        "capabilities": dump(sorted(agent.profile.capabilities)),
        "skills": dump(sorted(agent.profile.skills)),
        "description": agent.description,
        "template_id": agent.template_id,
        "harness": agent.harness,
        "slots": agent.slots,
        "instance_id": agent.instance_id,
        "permissions": agent.permissions,
        "offers": agent.offers.value,
        "registered_at": agent.registered_at,
        "last_seen_at": agent.last_seen_at,
        "offline_at": agent.offline_at,
        "swarm_id": agent.profile.swarm_id,
        "parent_id": agent.parent_id,
        "depth": agent.depth,
        "stopped_at": agent.stopped_at,
        "stopped_by": agent.stopped_by,
        "stop_reason": agent.stop_reason,
        "profile_version": agent.profile_version,
    }


def token_of(values: Row) -> TokenRecord:
    """The token in a row of `token`."""
    return TokenRecord(**{**values, "kind": TokenKind(values["kind"]), "scopes": tuple(load(values["scopes"]))})


def token_row(token: TokenRecord) -> dict[str, Any]:
    """The columns of a token."""
    return {**token.__dict__, "kind": str(token.kind), "scopes": dump(token.scopes)}


def project_of(values: Row) -> ProjectRecord:
    """The project in a row of `project`."""
    return ProjectRecord(**values)


def event_of(values: Row) -> Event:
    """The event in a row of `event`."""
    return Event(**{**values, "data": load(values["data"])})
