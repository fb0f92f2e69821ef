"""What running agents have said came of their tasks. It counts when the run ends, and their worker says how.

One row per task that an agent said it of; the fence tells whose word it is, so an earlier attempt's counts for nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_swarm.store.families.family import Family


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedOutcome:
    """The word of one attempt's agent: a result with `text` and `data`, or a failure with `text`."""

    task_id: str
    fence: int
    is_failure: bool
    text: str
    data: Mapping[str, Any] | None
    digest: str  # tells the same said again from something else
    stated_at: int = 0


STATED_OUTCOMES = Family("stated_outcome", StatedOutcome, key=("task_id",))
