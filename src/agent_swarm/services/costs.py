"""What work has reserved and cost, and how often it found no room, by task, agent, project, swarm, model or day."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from agent_swarm.domain.budgets import DOLLAR
from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.time import from_wire, to_wire
from agent_swarm.protocol import rest_budgets as shapes
from agent_swarm.store.base import Queries
from agent_swarm.store.families.swarms import SWARMS
from agent_swarm.store.records import CostBy, CostRow

_DAYS_FROM = datetime(1970, 1, 1, tzinfo=UTC)


def report(by: CostBy, *, since: str | None, until: str | None, limit: int) -> Callable[[Queries], shapes.CostReport]:
    """A reading: what was booked, reserved and refused in that time, the most expensive first. Raises InvalidInput."""
    begin, end = _instant(since, "since"), _instant(until, "until")

    def reading(queries: Queries) -> shapes.CostReport:
        found = queries.costs(by, since=begin, until=end, limit=limit + 1)
        return shapes.CostReport(
            by=by.value,
            since=None if begin is None else to_wire(begin),
            until=None if end is None else to_wire(end),
            rows=[_view(queries, by, row) for row in found[:limit]],
            has_more=len(found) > limit,
        )

    return reading


def _view(queries: Queries, by: CostBy, row: CostRow) -> shapes.CostRow:
    return shapes.CostRow(
        key=_day(row.key) if by is CostBy.DAY else row.key or None,
        name=_name(queries, by, row.key),
        attempts=row.attempts,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cost_usd=row.cost_micros / DOLLAR,
        reserved_usd=row.reserved_micros / DOLLAR,
        reserved_tokens=row.reserved_tokens,
        refused=row.refused,
    )


def _name(queries: Queries, by: CostBy, key: str) -> str | None:
    """What people call it."""
    if not key:
        return None
    match by:
        case CostBy.TASK | CostBy.ROOT:
            task = queries.task(key)
            return None if task is None else task.spec.title
        case CostBy.AGENT:
            agent = queries.agent(key)
            return None if agent is None else agent.name
        case CostBy.PROJECT:
            project = queries.project(key)
            return None if project is None else project.name
        case CostBy.SWARM:
            swarm = queries.record(SWARMS, key)
            return None if swarm is None else swarm.name
    return None


def _day(key: str) -> str:
    return (_DAYS_FROM + timedelta(days=int(key))).date().isoformat()


def _instant(text: str | None, field: str) -> int | None:
    if text is None:
        return None
    try:
        return from_wire(text)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{field} is not a time", hint="expected RFC 3339 such as 2026-11-20T00:00:00Z", details={"field": field}
        ) from None
