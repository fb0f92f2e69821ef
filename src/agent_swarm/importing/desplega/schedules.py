"""Schedules of desplega-ai/agent-swarm as values of ours. Pure; those of workflows and scripts have no place here."""

from collections.abc import Sequence

from agent_swarm.importing.desplega.database import SYSTEM
from agent_swarm.importing.fields import Row, Unreadable, first_text, flag, text, texts, whole
from agent_swarm.importing.foreign import ForeignAgent, ForeignSchedule, our_id
from agent_swarm.importing.rows import Collected

TABLE = "scheduled_tasks"
_TASKS = ("", "agent-task")  # of `targetType`
_LONGEST_MS = 366 * 86_400 * 1000


def understood_schedules(
    rows: Sequence[Row], agents: Sequence[ForeignAgent], collected: Collected
) -> list[ForeignSchedule]:
    """Those that start tasks; the others are kept."""
    known = {agent.id: agent for agent in agents}
    collected.homeless(TABLE, [row for row in rows if str(row.get("targetType") or "") not in _TASKS])
    ours = [row for row in rows if str(row.get("targetType") or "") in _TASKS]
    return collected.each(ours, TABLE, lambda row: _schedule(row, known))


def _schedule(row: Row, agents: dict[str, ForeignAgent]) -> ForeignSchedule:
    source, told = text(row, "id"), text(row, "targetAgentId", "")
    agent_id = our_id(SYSTEM, "agent", told) if told else None
    if agent_id is not None and agent_id not in agents:
        raise Unreadable("targetAgentId names an agent that is not there")
    cron, every = text(row, "cronExpression", ""), whole(row, "intervalMs", 0, least=0, most=_LONGEST_MS) / 1000
    once = first_text(row, "runAt", "nextRunAt", default="") if not cron and not every else ""
    if not (cron or every or once):
        raise Unreadable("it says neither cronExpression nor intervalMs nor runAt")
    return ForeignSchedule(
        id=our_id(SYSTEM, "schedule", source),
        source_id=source,
        name=text(row, "name"),
        prompt=text(row, "taskTemplate"),
        cron=cron,
        time_zone=text(row, "timezone", "UTC"),
        every=every,
        at=once,
        is_paused="enabled" in row and not flag(row, "enabled"),
        description=text(row, "description", ""),
        priority=whole(row, "priority", 50, least=0, most=100),
        labels=texts(row, "tags"),
        agent_id=agent_id,
        model=text(row, "model", "") or None,
        harness=agents[agent_id].harness or "claude" if agent_id else "claude",
    )
