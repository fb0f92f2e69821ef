"""The statements, built once. Those that differ between the databases take the dialect's name."""

from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from agent_swarm.domain.caps import Cap
from agent_swarm.domain.dependencies import OnFailure
from agent_swarm.domain.kill_switch import SwitchStatus
from agent_swarm.domain.swarms import SwarmStatus
from agent_swarm.domain.tasks import HELD, OPEN, PauseReason, TaskStatus
from agent_swarm.domain.time import DAY
from agent_swarm.store.records import CostBy, TokenKind
from agent_swarm.store.sql import many, tables
from agent_swarm.store.sql.coding import ENTRY_COLUMNS
from agent_swarm.store.sql.ids import one_of
from agent_swarm.store.sql.many import ForMany

task, attempt, agent, token = tables.task, tables.attempt, tables.agent, tables.token

_HELD: "list[sa.ColumnElement[str]]" = [sa.literal_column(f"'{status.value}'") for status in sorted(HELD)]
_WAITING: "list[sa.ColumnElement[str]]" = [
    sa.literal_column(f"'{status.value}'") for status in (TaskStatus.BACKLOG, TaskStatus.BLOCKED)
]
_OPEN: "list[sa.ColumnElement[str]]" = [sa.literal_column(f"'{status.value}'") for status in OPEN]
is_held = task.c.status.in_(_HELD)


@lru_cache(maxsize=64)
def insert(table: sa.Table) -> ForMany:
    """Add rows with all columns of `table`."""
    return many.insert(table)


# --- tasks --------------------------------------------------------------------------------------------------------

# Rows are locked in id order, so that two writers that need the same ones never wait for each other in a circle.
lock_tasks = sa.select(*ENTRY_COLUMNS).where(one_of(task.c.id)).order_by(task.c.id).with_for_update()

has_upstreams = sa.exists().where(tables.dependency.c.task_id == task.c.id).label("has_upstreams")
full_tasks = sa.select(task, has_upstreams, tables.prompt.c.text.label("prompt")).join(
    tables.prompt, tables.prompt.c.task_id == task.c.id
)
tasks_by_id = full_tasks.where(one_of(task.c.id))


def _count(*conditions: "sa.ColumnElement[bool]") -> "sa.Select[Any]":
    """Of what an index finds, no more than `limit` rows are counted."""
    found = sa.select(task.c.id).where(*conditions).limit(sa.bindparam("limit"))
    return sa.select(sa.func.count()).select_from(found.subquery())


counted = {
    Cap.CHILDREN: _count(task.c.parent_id == sa.bindparam("of")),
    Cap.TASKS_PER_ROOT: _count(task.c.root_id == sa.bindparam("of"), task.c.root_id != task.c.id),
    Cap.OPEN_PER_AGENT: _count(
        task.c.created_by == sa.bindparam("of"), task.c.finished_at.is_(None), task.c.parent_id.is_not(None)
    ),
}

edges_from = (
    sa.select(tables.dependency.c.task_id, tables.dependency.c.upstream_id, tables.dependency.c.on_failure)
    .where(one_of(tables.dependency.c.upstream_id))
    .order_by(tables.dependency.c.task_id, tables.dependency.c.position)
)


def _downstream() -> "sa.Select[Any]":
    """Tasks in `ids` that may end without success, and all that this could end: waiting tasks along edges that say so.

    The status is that of the moment; whoever asks has to look again at what it then locks.
    """
    edge = tables.dependency
    start = sa.select(task.c.id).where(one_of(task.c.id))
    below = start.cte("below", recursive=True)
    goes_on = (
        sa.select(edge.c.task_id)
        .select_from(below)
        .join(edge, edge.c.upstream_id == below.c.id)
        .join(task, task.c.id == edge.c.task_id)
        .where(edge.c.on_failure != OnFailure.WAIT.value, task.c.status.in_(_WAITING))
    )
    below = below.union(goes_on)
    return sa.select(below.c.id).limit(sa.bindparam("limit"))


downstream = _downstream()

# The timer of a held task: the end of its lease, or of its time.
_held_until = sa.case(
    (task.c.overdue_at < task.c.lease_expires_at, task.c.overdue_at),
    else_=task.c.lease_expires_at,
)
_renewed = (
    sa.select(task.c.id)
    .where(task.c.timer_at <= sa.bindparam("now"), _held_until > task.c.timer_at)
    .with_for_update(skip_locked=True)
)
# Heartbeats leave `timer_at` alone; who looks for what is due sets those right that were renewed meanwhile.
set_timers_right = sa.update(task).where(task.c.id.in_(_renewed)).values(timer_at=_held_until)

due_timers = (
    sa.select(task.c.id)
    .where(task.c.timer_at <= sa.bindparam("now"))
    .order_by(task.c.timer_at, task.c.id)
    .limit(sa.bindparam("limit"))
    .with_for_update(skip_locked=True)  # several servers share the work
)
due_timers_but_leases = due_timers.where(task.c.status.not_in(_HELD))
next_timer_but_leases = (
    sa.select(task.c.timer_at)
    .where(task.c.timer_at.is_not(None), task.c.status.not_in(_HELD))
    .order_by(task.c.timer_at)
    .limit(1)
)
next_lapse = sa.select(sa.func.min(_held_until)).where(is_held)

held_by = (  # who holds a task is the one who had it last, and that has an index
    sa.select(task.c.id)
    .where(task.c.last_agent_id == sa.bindparam("agent_id"), is_held, task.c.agent_id == task.c.last_agent_id)
    .order_by(task.c.id)
)

held = sa.select(task.c.id).where(is_held).order_by(task.c.id)
open_in = (
    sa.select(task.c.id)
    .where(task.c.swarm_id == sa.bindparam("swarm_id"), task.c.status.in_(_OPEN))
    .order_by(task.c.id)
    .limit(sa.bindparam("limit"))
)

paused_for = (
    sa.select(task.c.id)
    .where(
        task.c.pinned_agent == sa.bindparam("agent_id"),
        task.c.status == TaskStatus.PAUSED.value,
        task.c.pause_reason == PauseReason.SHUTDOWN.value,
    )
    .order_by(task.c.id)
)
offered_to = (
    sa.select(task.c.id)
    .where(task.c.pinned_agent == sa.bindparam("agent_id"), task.c.status == TaskStatus.OFFERED.value)
    .order_by(task.c.id)
)


@lru_cache(maxsize=512)
def update_tasks(columns: tuple[str, ...]) -> ForMany:
    """Write `columns` of tasks that still have the fence and status they were decided on (rule T3)."""
    decided_on = {"was_id": task.c.id.type, "was_fence": task.c.fence.type, "was_status": task.c.status.type}

    def build(values: many.Values) -> "sa.Update":
        return (
            sa.update(task)
            .where(
                task.c.id == values["was_id"],
                task.c.fence == values["was_fence"],
                task.c.status == values["was_status"],
            )
            .values({column: values[f"new_{column}"] for column in columns})
        )

    return many.update({**decided_on, **_new_values(task, columns)}, build)


@lru_cache(maxsize=512)
def update_attempts(columns: tuple[str, ...]) -> ForMany:
    """Write `columns` of attempts."""

    def build(values: many.Values) -> "sa.Update":
        return (
            sa.update(attempt)
            .where(attempt.c.task_id == values["of_task"], attempt.c.number == values["of_number"])
            .values({column: values[f"new_{column}"] for column in columns})
        )

    named = {"of_task": attempt.c.task_id.type, "of_number": attempt.c.number.type}
    return many.update({**named, **_new_values(attempt, columns)}, build)


def _new_values(table: sa.Table, columns: tuple[str, ...]) -> many.Types:
    return {f"new_{column}": table.c[column].type for column in columns}


has_attempt = sa.select(attempt.c.agent_id).where(
    attempt.c.task_id == sa.bindparam("task_id"), attempt.c.number == sa.bindparam("number")
)

# --- claims -------------------------------------------------------------------------------------------------------

# `ready = 1` has to be a literal: with a bound value the partial index would not be used.
_IS_READY = task.c.ready == sa.literal_column("1")

head_of_one = (
    sa.select(task.c.id)
    .where(_IS_READY, task.c.claim_class == sa.bindparam("class_id"))
    .order_by(task.c.sort_key, task.c.id)
    .limit(sa.bindparam("limit"))
    .with_for_update(skip_locked=True)
)


@lru_cache(maxsize=4)
def heads_of_many(dialect: str) -> "sa.Select[Any]":
    """The first ready tasks of several classes: the heads of each class from the index, then the best of those.

    The cost grows with the number of classes, not with the number of tasks.
    """
    classes = _integers("class_ids", dialect)
    head = task.alias("head")
    heads = (
        sa.select(head.c.id)
        .where(head.c.ready == sa.literal_column("1"), head.c.claim_class == classes.c.value)
        .order_by(head.c.sort_key, head.c.id)
        .limit(sa.bindparam("limit"))
        .correlate(classes)
    )
    chosen: Any
    if dialect == "postgresql":
        lateral = heads.lateral("heads")
        chosen = sa.select(lateral.c.id).select_from(classes.join(lateral, sa.true()))
    else:  # SQLite has no LATERAL, but evaluates a correlated IN per class
        inner = task.alias("inner_task")
        chosen = sa.select(inner.c.id).select_from(classes.join(inner, inner.c.id.in_(heads)))
    return (
        sa.select(task.c.id)
        .where(_IS_READY, task.c.id.in_(chosen))
        .order_by(task.c.sort_key, task.c.id)
        .limit(sa.bindparam("limit"))
        .with_for_update(skip_locked=True)
    )


def _integers(parameter: str, dialect: str) -> Any:
    """A bound JSON array of integers as rows with a column `value`."""
    bound = sa.bindparam(parameter, type_=sa.Text)
    if dialect == "postgresql":
        elements = sa.func.jsonb_array_elements_text(sa.cast(bound, JSONB))
        rows = elements.table_valued("value", name="elements").render_derived()
    else:
        rows = sa.func.json_each(bound).table_valued("value", name="elements")
    return sa.select(sa.cast(rows.c.value, sa.Integer).label("value")).subquery("classes")


claimed = sa.select(attempt).where(one_of(attempt.c.claim_id))

add_usage_to_attempt = (
    sa.update(attempt)
    .where(attempt.c.task_id == sa.bindparam("of_task"), attempt.c.number == sa.bindparam("of_number"))
    .values(
        input_tokens=attempt.c.input_tokens + sa.bindparam("more_input"),
        output_tokens=attempt.c.output_tokens + sa.bindparam("more_output"),
        cost_micros=attempt.c.cost_micros + sa.bindparam("more_cost"),
    )
)

same_usage = sa.select(tables.usage.c.seq).where(
    tables.usage.c.task_id == sa.bindparam("task_id"),
    tables.usage.c.attempt == sa.bindparam("attempt"),
    tables.usage.c.seq == sa.bindparam("seq"),
)

# Without parameters: PostgreSQL takes two of them for two expressions, of which only one is grouped by.
_NONE: "sa.ColumnElement[str]" = sa.literal_column("''")
_OF_TASK: "dict[CostBy, sa.ColumnElement[Any]]" = {
    CostBy.TASK: task.c.id,
    CostBy.ROOT: task.c.root_id,
    CostBy.PROJECT: sa.func.coalesce(task.c.project_id, _NONE),
    CostBy.SWARM: sa.func.coalesce(task.c.swarm_id, _NONE),
    CostBy.MODEL: sa.func.coalesce(task.c.model, _NONE),
}
_COSTS = ("attempts", "input_tokens", "output_tokens", "cost_micros", "reserved_micros", "reserved_tokens", "refused")


def costs(by: CostBy, *, since: int | None, until: int | None) -> "sa.Select[Any]":
    """What usage, reservations and refusals add up to, the most expensive first."""
    both = sa.union_all(_used(by, since, until), _admitted(by, since, until)).subquery()
    sums = {name: sa.func.sum(both.c[name]).label(name) for name in _COSTS}
    return (
        sa.select(both.c.key, *sums.values())
        .group_by(both.c.key)
        .order_by(sums["cost_micros"].desc(), sums["reserved_micros"].desc(), sums["refused"].desc(), both.c.key)
    )


def _used(by: CostBy, since: int | None, until: int | None) -> "sa.Select[Any]":
    usage = tables.usage
    keys = _OF_TASK | {
        CostBy.AGENT: attempt.c.agent_id,
        CostBy.MODEL: usage.c.model,
        CostBy.DAY: _day(usage.c.booked_at),
    }
    key = keys[by].label("key")
    sums = {
        "attempts": sa.func.count((usage.c.task_id + sa.literal("/") + sa.cast(usage.c.attempt, sa.Text)).distinct()),
        "input_tokens": sa.func.sum(usage.c.input_tokens),
        "output_tokens": sa.func.sum(usage.c.output_tokens),
        "cost_micros": sa.func.sum(usage.c.cost_micros),
    }
    found = (
        sa.select(key, *(sums.get(name, sa.literal_column("0")).label(name) for name in _COSTS))
        .join(task, task.c.id == usage.c.task_id)
        .join(attempt, sa.and_(attempt.c.task_id == usage.c.task_id, attempt.c.number == usage.c.attempt))
        .group_by(key)
    )
    return found.where(*_between(usage.c.booked_at, since, until))


def _admitted(by: CostBy, since: int | None, until: int | None) -> "sa.Select[Any]":
    admission = tables.admission
    keys = _OF_TASK | {CostBy.AGENT: admission.c.agent_id, CostBy.DAY: _day(admission.c.at)}
    key = keys[by].label("key")
    sums = {
        "reserved_micros": sa.func.sum(admission.c.micros),
        "reserved_tokens": sa.func.sum(admission.c.tokens),
        "refused": sa.func.sum(admission.c.refused),
    }
    found = (
        sa.select(key, *(sums.get(name, sa.literal_column("0")).label(name) for name in _COSTS))
        .join(task, task.c.id == admission.c.task_id)
        .group_by(key)
    )
    return found.where(*_between(admission.c.at, since, until))


def _day(instant: "sa.ColumnElement[int]") -> "sa.ColumnElement[str]":
    return sa.cast(instant // sa.literal_column(str(DAY), sa.BigInteger), sa.Text)


def _between(instant: "sa.ColumnElement[int]", since: int | None, until: int | None) -> "list[sa.ColumnElement[bool]]":
    return [
        *([] if since is None else [instant >= since]),
        *([] if until is None else [instant < until]),
    ]


# --- classes that nobody serves ------------------------------------------------------------------------------------

_class = tables.requirement_class
_of_class = sa.and_(_IS_READY, task.c.claim_class == _class.c.id)
has_ready = sa.select(sa.literal_column("1")).where(_of_class).exists()

classes_that_wait = (
    sa.select(_class, has_ready.label("has_tasks"))
    .where(sa.or_(_class.c.unserved_since.is_not(None), has_ready))
    .order_by(_class.c.id)
    .with_for_update(of=_class)
)
save_wait = (
    sa.update(_class)
    .where(_class.c.id == sa.bindparam("of_class"))
    .values(unserved_since=sa.bindparam("since"), unserved_told_at=sa.bindparam("told_at"))
)
unserved = (
    sa.select(_class, sa.select(sa.func.count()).where(_of_class).scalar_subquery().label("tasks"))
    .where(_class.c.unserved_since.is_not(None))
    .order_by(_class.c.id)
)
kinds_online = (
    sa.select(agent.c.agent_role, agent.c.role, agent.c.skills, agent.c.tags, agent.c.capabilities, agent.c.swarm_id)
    .where(agent.c.offline_at.is_(None), agent.c.stopped_at.is_(None), agent.c.last_seen_at >= sa.bindparam("since"))
    .distinct()
)
ready_tasks = (
    sa.select(task.c.id)
    .where(_IS_READY, task.c.claim_class == sa.bindparam("class_id"))
    .order_by(task.c.sort_key, task.c.id)
    .limit(sa.bindparam("limit"))
)

set_prompt = (
    sa.update(tables.prompt)
    .where(tables.prompt.c.task_id == sa.bindparam("of_task"))
    .values(text=sa.bindparam("new_text"))
)
remove_label = sa.delete(tables.task_label).where(
    tables.task_label.c.label == sa.bindparam("of_label"),
    tables.task_label.c.created_at == sa.bindparam("of_instant"),
    tables.task_label.c.task_id == sa.bindparam("of_task"),
)

# --- requirement classes, projects, requests -----------------------------------------------------------------------

all_classes = sa.select(tables.requirement_class)
class_of_key = sa.select(tables.requirement_class.c.id).where(tables.requirement_class.c.key == sa.bindparam("key"))
highest_class = sa.select(sa.func.max(tables.requirement_class.c.id))

project_named = sa.select(tables.project).where(tables.project.c.name == sa.bindparam("name"))
has_project = sa.select(tables.project.c.id).where(tables.project.c.id == sa.bindparam("id"))


_key = tables.idempotency
remembered = sa.select(_key).where(one_of(_key.c.key))
forget_request = sa.delete(_key).where(
    _key.c.subject == sa.bindparam("subject"), _key.c.route == sa.bindparam("route"), _key.c.key == sa.bindparam("key")
)
_old_keys = (
    sa.select(_key.c.subject, _key.c.route, _key.c.key)
    .where(_key.c.created_at < sa.bindparam("before"))
    .order_by(_key.c.subject, _key.c.route, _key.c.key)
    .limit(sa.bindparam("limit"))
)
prune_keys = sa.delete(_key).where(sa.tuple_(_key.c.subject, _key.c.route, _key.c.key).in_(_old_keys))

event_rows = (
    sa.select(*tables.event.c)
    .where(tables.event.c.seq > sa.bindparam("after"))
    .order_by(tables.event.c.seq)
    .limit(sa.bindparam("limit"))
)
_first_events = (
    sa.select(tables.event.c.seq)
    .where(tables.event.c.seq <= sa.bindparam("up_to"))
    .order_by(tables.event.c.seq)
    .limit(sa.bindparam("limit"))
)
drop_events = sa.delete(tables.event).where(tables.event.c.seq.in_(_first_events))

# --- tokens -------------------------------------------------------------------------------------------------------

valid_token = sa.select(token.c.id).where(token.c.hash == sa.bindparam("hash"), token.c.revoked_at.is_(None))
token_of_instance = (
    sa.select(token.c.id)
    .where(
        token.c.agent_id == sa.bindparam("agent_id"),
        token.c.kind == TokenKind.AGENT.value,
        token.c.instance_id == sa.bindparam("instance_id"),
    )
    .limit(1)
)


@lru_cache(maxsize=16)
def revoke_tokens(columns: tuple[str, ...]) -> "sa.Update":
    """Revoke the valid tokens with given values in `columns`."""
    same = [token.c[column] == sa.bindparam(f"of_{column}") for column in columns]
    return sa.update(token).where(token.c.revoked_at.is_(None), *same).values(revoked_at=sa.bindparam("now"))


_goes_on = sa.exists().where(task.c.id == token.c.task_id, task.c.fence == token.c.fence, task.c.status.in_(_HELD))
_ended_tokens = (
    sa.select(token.c.id)
    .where(token.c.kind == TokenKind.ATTEMPT.value, token.c.created_at < sa.bindparam("before"), ~_goes_on)
    .order_by(token.c.id)
    .limit(sa.bindparam("limit"))
)
prune_tokens = sa.delete(token).where(token.c.id.in_(_ended_tokens))

# --- agents and the head ------------------------------------------------------------------------------------------

agents_in = sa.select(agent.c.id).where(agent.c.swarm_id == sa.bindparam("swarm_id")).order_by(agent.c.id)
agents_by_id = sa.select(agent).where(one_of(agent.c.id))
# A process that is replaced through another server must not claim meanwhile: both need the agent's row.
lock_agents = agents_by_id.order_by(agent.c.id).with_for_update()
update_agent = (
    sa.update(agent)
    .where(agent.c.id == sa.bindparam("of_agent"))
    .values({column.name: sa.bindparam(column.name) for column in agent.c if column.name != "id"})
)
stopped_agents = sa.select(agent.c.id).where(agent.c.stopped_at.is_not(None)).order_by(agent.c.id)
agent_seen = many.update(
    {"of_agent": agent.c.id.type, "now": agent.c.last_seen_at.type},
    lambda values: (
        sa.update(agent)
        .where(agent.c.id == values["of_agent"])
        .values(last_seen_at=values["now"], offline_at=sa.null())
    ),
)

_switch = tables.kill_switch
killed_switches = (
    sa.select(_switch)
    .order_by(_switch.c.scope, _switch.c.scope_id)
    .where(_switch.c.status == sa.literal_column(f"'{SwitchStatus.KILLED.value}'"))
)

paused_swarms = sa.select(tables.swarm.c.id).where(
    tables.swarm.c.status == sa.literal_column(f"'{SwarmStatus.PAUSED.value}'")
)

any_budget = sa.select(tables.budget_target.c.target).limit(1)

the_epoch = sa.select(tables.event_head.c.epoch).where(tables.event_head.c.id == 1)
raise_epoch = (
    sa.update(tables.event_head).where(tables.event_head.c.id == 1).values(epoch=tables.event_head.c.epoch + 1)
)

lock_head = sa.select(tables.event_head).where(tables.event_head.c.id == 1).with_for_update()
move_head = (
    sa.update(tables.event_head)
    .where(tables.event_head.c.id == 1)
    .values(seq=sa.bindparam("new_seq"), hash=sa.bindparam("new_hash"), at=sa.bindparam("new_at"))
)
