"""Results, looked at before they count."""

import asyncio
from typing import Any

from agent_swarm.domain.errors import Denied
from agent_swarm.protocol import pool as wire
from agent_swarm.services import outcomes, result_schemas
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Store
from agent_swarm.store.families.task_terms import TASK_TERMS


async def require_match(store: Store, task_id: str, data: Any) -> None:
    """Raise ResultMismatch where the task wants another result than this."""
    terms = await store.read(lambda queries: queries.record(TASK_TERMS, task_id))
    if terms is not None and terms.result_schema is not None:
        await asyncio.to_thread(result_schemas.require_match, terms.result_schema, data)


async def would_fail(store: Store, task_id: str, text: str, data: dict[str, Any] | None, *, by: Identity) -> list[str]:
    """What would be wrong with the end of this run; empty where it would be a good one. Changes nothing."""
    if by.task_id != task_id or by.fence is None:
        raise Denied(
            "a result is checked with the token of the attempt that runs the task",
            hint="use the token the agent was started with, on its own task",
            details={"taskId": task_id},
        )
    stated, terms = await store.read(outcomes.stated_outcome(task_id, by.fence))
    if stated is not None or terms is None or terms.result_schema is None:
        return []  # what was stated did match
    told = wire.Complete(task_id=task_id, fence=by.fence, text=text, data=data)
    return await asyncio.to_thread(result_schemas.problems, terms.result_schema, result_schemas.structured(told))
