"""How long to wait before trying again: exponential with full jitter.

Full jitter (a uniform draw from zero to the exponential bound) spreads retries best under contention. The draw comes
in as `jitter`, a number in [0, 1), so that the rule stays pure.
"""

from dataclasses import dataclass

from agent_swarm.domain.time import SECOND


@dataclass(frozen=True, slots=True)
class Backoff:
    """Bounds in microseconds: the first bound is `base`, doubled for every further try, never above `cap`."""

    base: int
    cap: int

    def delay(self, tries: int, jitter: float) -> int:
        """Microseconds to wait after `tries` (≥ 1) have failed."""
        return int(self.bound(tries) * jitter)

    def bound(self, tries: int) -> int:
        """Microseconds to wait at most after `tries` (≥ 1)."""
        return min(self.cap, self.base << min(tries - 1, 32))


AGENT_FAILURE = Backoff(base=2 * SECOND, cap=300 * SECOND)
SECRET_MISSING = Backoff(base=15 * SECOND, cap=600 * SECOND)  # a backend that is down, or a person who has to act
GIVEN_BACK = Backoff(base=SECOND, cap=600 * SECOND)  # by the agent that had it
INFRASTRUCTURE_LOSS = Backoff(base=SECOND, cap=60 * SECOND)
PROVIDER_LIMIT = Backoff(base=15 * SECOND, cap=600 * SECOND)  # where nobody says when it ends
