"""Results, looked at before they count."""

import asyncio
from typing import Any

from agent_swarm.services import result_schemas
from agent_swarm.store.base import Store
from agent_swarm.store.families.task_terms import TASK_TERMS


async def require_match(store: Store, task_id: str, data: Any) -> None:
    """Raise ResultMismatch where the task wants another result than this."""
    terms = await store.read(lambda queries: queries.record(TASK_TERMS, task_id))
    if terms is not None and terms.result_schema is not None:
        await asyncio.to_thread(result_schemas.require_match, terms.result_schema, data)
