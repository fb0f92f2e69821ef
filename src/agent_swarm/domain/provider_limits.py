"""What the provider of a model refuses for a while: an account has used up its limit, or there is too much to do.

It is nobody's failure. The task is put off and tried again, and counts neither a failure nor a loss; the agent that was
refused takes nothing until it may ask again. Pure.
"""

from agent_swarm.domain.tasks import FailureClass

CODES = frozenset({"rateLimit", "overloaded"})


def is_limit(failure: FailureClass | None, code: str) -> bool:
    """Whether a run ended so, by what it says of itself."""
    return failure is FailureClass.INFRASTRUCTURE and code in CODES
