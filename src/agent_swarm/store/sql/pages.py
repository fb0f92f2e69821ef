"""Pages of tasks: one index leads, and a page costs what it shows, however many tasks there are.

A list runs from the newest task to the oldest, and so does every index that can lead one. Where an index is divided by
status there is one look per status, each for a page at most, and the looks are merged: as exact as one look would be,
and as small. So a list without any filter needs no index of its own.

Of several filters the one that fits fewest tasks leads, and each task it finds is asked about the others. Which one
that is, a look at up to `PROBE` entries of each index tells. Only where every filter fits more than that many tasks,
and few fit together, does a page look at more tasks than it shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.operators import custom_op

from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.store.records import PREVIEW_CHARS, Cursor, TaskFilter
from agent_swarm.store.sql import statements, tables

PROBE = 500

task, label = tables.task, tables.task_label
Condition = sa.ColumnElement[bool]
Branch = sa.Select[Any]  # created_at and id of tasks, newest first

_EQUAL: Mapping[str, "sa.Column[str]"] = {
    "agent": task.c.last_agent_id,
    "project": task.c.project_id,
    "swarm": task.c.swarm_id,
    "root": task.c.root_id,
    "parent": task.c.parent_id,
}
_ALL = tuple(TaskStatus)


class Lead(StrEnum):
    """What leads a page; the first of those that look equally good is taken."""

    PARENT = "parent"
    ROOT = "root"
    LABEL = "label"
    AGENT = "agent"  # and status
    PROJECT = "project"  # and status
    SWARM = "swarm"  # and status
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class Form:
    """What else a statement depends on, beside its filters."""

    continues: bool  # it follows another page
    dialect: str


_BY_STATUS = frozenset({Lead.AGENT, Lead.PROJECT, Lead.SWARM, Lead.STATUS})


def values_of(filters: TaskFilter, after: Cursor | None, limit: int) -> dict[str, Any]:
    """The parameters of the statements below."""
    values: dict[str, Any] = {name: value for name, value in _given(filters).items() if value is not None}
    values |= {f"status_{place}": status.value for place, status in enumerate(_statuses(filters) or _ALL)}
    if after is not None:
        values |= {"before_at": after.created_at, "before_id": after.id}
    return {**values, "limit": limit, "probe": PROBE}


def leads_of(filters: TaskFilter) -> tuple[Lead, ...]:
    """What can lead a page with these filters."""
    given = {name for name, value in _given(filters).items() if value is not None}
    leads = tuple(lead for lead in Lead if lead.value in given)
    divided = _BY_STATUS.intersection(leads)
    return leads if leads and (divided or not _statuses(filters)) else (*leads, Lead.STATUS)


def page_of(filters: TaskFilter, lead: Lead, form: Form) -> "sa.Select[Any]":
    """The tasks of a page with their previews."""
    return _page(lead, _others(filters, lead), len(_statuses(filters)), form)


def probe_of(filters: TaskFilter, leads: tuple[Lead, ...], form: Form) -> "sa.Select[Any]":
    """How many tasks each of `leads` would look at, counted up to PROBE per look."""
    return _probe(leads, len(_statuses(filters)), form)


def _given(filters: TaskFilter) -> dict[str, str | None]:
    return {
        "agent": filters.agent_id,
        "project": filters.project_id,
        "swarm": filters.swarm_id,
        "root": filters.root_id,
        "parent": filters.parent_id,
        "label": filters.label,
    }


def _statuses(filters: TaskFilter) -> tuple[TaskStatus, ...]:
    """The statuses that are asked for; none where all of them are."""
    wanted = tuple(dict.fromkeys(filters.statuses))
    return () if len(wanted) == len(_ALL) else wanted


def _others(filters: TaskFilter, lead: Lead) -> frozenset[str]:
    return frozenset(name for name, value in _given(filters).items() if value is not None and name != lead.value)


@lru_cache(maxsize=256)
def _page(lead: Lead, others: frozenset[str], statuses: int, form: Form) -> "sa.Select[Any]":
    branches = _branches(lead, others, statuses, form, sa.bindparam("limit"))
    found = _merged(branches).subquery("found")
    keys = sa.select(found).order_by(found.c.created_at.desc(), found.c.id.desc()).limit(sa.bindparam("limit"))
    page = keys.subquery("page")
    return (
        sa.select(
            task, statements.has_upstreams, sa.func.substr(tables.prompt.c.text, 1, PREVIEW_CHARS).label("prompt")
        )
        .select_from(page)
        .join(task, task.c.id == page.c.id)
        .join(tables.prompt, tables.prompt.c.task_id == task.c.id)
        .order_by(page.c.created_at.desc(), page.c.id.desc())
    )


@lru_cache(maxsize=256)
def _probe(leads: tuple[Lead, ...], statuses: int, form: Form) -> "sa.Select[Any]":
    counts = []
    for lead in leads:
        asked = statuses if lead in _BY_STATUS else 0
        looks = _merged(_branches(lead, frozenset(), asked, form, sa.bindparam("probe")))
        counts.append(sa.select(sa.func.count()).select_from(looks.subquery()).scalar_subquery().label(lead.value))
    return sa.select(*counts)


def _merged(branches: list[Branch]) -> Any:
    parts = [sa.select(branch.subquery()) for branch in branches]
    return parts[0] if len(parts) == 1 else sa.union_all(*parts)


def _branches(lead: Lead, others: frozenset[str], statuses: int, form: Form, limit: Any) -> list[Branch]:
    """The looks whose union is the list, each newest first and bounded."""
    asked = [_is_equal(name, form) for name in sorted(others)]
    if lead in _BY_STATUS:
        own = [] if lead is Lead.STATUS else [_EQUAL[lead.value] == sa.bindparam(lead.value)]
        divided = [task.c.status == sa.bindparam(f"status_{place}") for place in range(statuses or len(_ALL))]
        return [_look([*own, status, *asked], form, limit) for status in divided]
    if statuses:
        wanted: list[sa.BindParameter[str]] = [sa.bindparam(f"status_{place}") for place in range(statuses)]
        asked.append(_beside(task.c.status, form).in_(wanted))
    if lead is Lead.LABEL:
        return [_look_by_label(asked, form, limit)]
    if lead is Lead.PARENT:
        return [_look([task.c.parent_id == sa.bindparam("parent"), *asked], form, limit)]
    below = [task.c.root_id == sa.bindparam("root"), task.c.root_id != task.c.id]  # what ix_task_root holds
    itself = [task.c.id == sa.bindparam("root"), _beside(task.c.root_id, form) == sa.bindparam("root")]
    return [_look([*own, *asked], form, limit) for own in (below, itself)]


def _look(conditions: list[Condition], form: Form, limit: Any) -> Branch:
    found = sa.select(task.c.created_at, task.c.id).where(*conditions)
    return _bounded(found, task.c.created_at, task.c.id, form, limit)


def _look_by_label(asked: list[Condition], form: Form, limit: Any) -> Branch:
    found = sa.select(label.c.created_at, label.c.task_id.label("id")).where(label.c.label == sa.bindparam("label"))
    if asked:
        found = found.join_from(label, task, task.c.id == label.c.task_id).where(*asked)
    return _bounded(found, label.c.created_at, label.c.task_id, form, limit)


def _bounded(found: Branch, at: "sa.Column[int]", identifier: "sa.Column[str]", form: Form, limit: Any) -> Branch:
    if form.continues:
        found = found.where(sa.tuple_(at, identifier) < sa.tuple_(sa.bindparam("before_at"), sa.bindparam("before_id")))
    return found.order_by(at.desc(), identifier.desc()).limit(limit)


def _is_equal(name: str, form: Form) -> Condition:
    if name == "label":
        return sa.exists().where(
            label.c.label == sa.bindparam("label"),
            label.c.created_at == task.c.created_at,
            label.c.task_id == task.c.id,
        )
    return _beside(_EQUAL[name], form) == sa.bindparam(name)


def _beside(column: "sa.Column[str]", form: Form) -> "sa.ColumnElement[Any]":
    """A column that is asked about and does not lead: SQLite, which cannot tell, must not take its index."""
    if form.dialect != "sqlite":
        return column
    return sa.UnaryExpression(column, operator=custom_op("+"), type_=column.type)
