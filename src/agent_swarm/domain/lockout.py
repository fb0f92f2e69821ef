"""When failed log-ins lock a door, and for how long. Pure: tallies in, tallies out.

Two tallies are kept of every user name: one per address that failed, and one of all addresses together with a much
higher cap, for guesses that come from many places. A lock is short at first and doubles with every failure behind it,
up to a bound: it makes guessing slow, and keeps nobody out for good. A tally that rests for long enough starts anew.
"""

from dataclasses import dataclass

from agent_swarm.domain.time import SECOND

_MINUTE = 60 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class LockPolicy:
    """How many failures are free, how long the first lock lasts, the longest one, and when a tally is forgotten."""

    free: int
    first: int
    longest: int
    forgotten_after: int


# Of one user name from one address.
PAIR = LockPolicy(free=5, first=2 * SECOND, longest=15 * _MINUTE, forgotten_after=60 * _MINUTE)
# Of one user name from anywhere. At its longest some 12 guesses in an hour come through, from all the world together.
NAME = LockPolicy(free=50, first=2 * SECOND, longest=5 * _MINUTE, forgotten_after=60 * _MINUTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How often log-ins have failed in a row, when last, and until when no other one is heard."""

    failures: int = 0
    failed_at: int = 0
    locked_until: int = 0

    def wait(self, now: int) -> int:
        """How long the lock still lasts; 0 where there is none."""
        return max(0, self.locked_until - now)

    def is_forgotten(self, policy: LockPolicy, now: int) -> bool:
        """It has rested for so long that it counts no more."""
        return now >= max(self.locked_until, self.failed_at + policy.forgotten_after)


def after_failure(tally: Tally, policy: LockPolicy, *, now: int) -> Tally:
    """The tally with one more failure, and the lock that follows from it."""
    failures = 1 if tally.is_forgotten(policy, now) else tally.failures + 1
    return Tally(failures=failures, failed_at=now, locked_until=now + _lock(failures, policy))


def _lock(failures: int, policy: LockPolicy) -> int:
    beyond = failures - policy.free
    if beyond < 0:
        return 0
    return min(policy.longest, policy.first << min(beyond, 40))
