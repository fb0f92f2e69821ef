"""What is laid down about the result of a task, and what it is told of others; few tasks have it. Never changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_swarm.store.families.family import Family


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTerms:
    """`result_schema` is the JSON Schema that the result has to match; `with_results`: its prompt ends with a digest of
    what the tasks that it follows came to.
    """

    task_id: str
    result_schema: Mapping[str, Any] | None = None
    with_results: bool = False


TASK_TERMS = Family("task_terms", TaskTerms, key=("task_id",))
