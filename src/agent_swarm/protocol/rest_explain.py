"""The REST shapes of why a task does not run."""

from typing import Annotated, Any

from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Output, at_most


class Reason(Output):
    """Why a task does not run, and what would unblock it."""

    code: str
    message: str
    unblock: str
    details: dict[str, Any]


class AttemptCounts(Output):
    """How often a task was tried, and how often it may still fail or be lost before that is final."""

    made: int
    failures: int
    failures_left: int
    losses: int
    losses_left: int


class Explanation(Output):
    """`GET /api/tasks/{id}/explain`; no reasons for a task that runs and shows it, or has ended well.

    Of a task that waits for very many others, the first 200 reasons.
    """

    task_id: str
    status: str
    summary: str
    reasons: Annotated[list[Reason], at_most(limits.PAGE_MAX)]
    attempts: AttemptCounts
