"""What an earlier attempt did, read from its transcript for an agent that cannot go on with its conversation."""

from collections.abc import Mapping
from typing import Any

from agent_swarm.domain import handover
from agent_swarm.services.transcripts import Transcripts


async def context_of(transcripts: Transcripts, task_id: str, attempt: int) -> str:
    """The account of an attempt's transcript; empty where it said and did nothing."""
    total = (await transcripts.read(task_id, attempt, after=0, limit=1)).total
    first = max(0, total - handover.STEPS)
    lines: list[Mapping[str, Any]] = []
    while first < total:
        part = await transcripts.read(task_id, attempt, after=first, limit=total - first)
        if not part.lines:
            break
        lines, first = [*lines, *part.lines], part.next
    return handover.account(map(handover.step_of, lines))
