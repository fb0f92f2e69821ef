"""The store's clock: leases are compared by it and by nothing else.

Where one server has the database to itself, it is that server's: it follows the wall clock but never goes back, not
over restarts either (it starts from the last instant on record), and never runs slower than the monotonic clock, so
that a wall clock that is set back does not freeze leases. Where several servers share a database, it is the database's.
"""

import time
from collections.abc import Callable
from typing import Protocol

from agent_swarm.domain.time import SECOND

JUMP = 5 * SECOND  # a larger lead of the wall clock over the monotonic one is a jump, not drift


def wall_micros() -> int:
    """Microseconds since 1970 by the wall clock."""
    return time.time_ns() // 1000


def monotonic_micros() -> int:
    """Microseconds by a clock that is never set."""
    return time.monotonic_ns() // 1000


class Clock(Protocol):
    """Non-decreasing microseconds since 1970."""

    @property
    def jumps(self) -> int:
        """Times the clock was found to have leapt ahead (rule T7 reads it)."""
        ...

    def start_from(self, last: int) -> None:
        """Never answer less than `last`, the latest instant on record."""
        ...

    def now(self) -> int:
        """The present instant."""
        ...


class ServerClock:
    """Non-decreasing microseconds since 1970.

    `jumps` counts the times the wall clock leapt ahead (rule T7 reads it).
    """

    def __init__(
        self, *, wall: Callable[[], int] = wall_micros, monotonic: Callable[[], int] = monotonic_micros
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._last = 0
        self._last_monotonic = monotonic()
        self.jumps = 0

    def start_from(self, last: int) -> None:
        """Never answer less than `last`, the latest instant on record."""
        self._last = max(self._last, last)

    def now(self) -> int:
        """The present instant."""
        monotonic = self._monotonic()
        at_least = self._last + max(0, monotonic - self._last_monotonic)
        wall = self._wall()
        if self._last and wall - at_least > JUMP:
            self.jumps += 1
        self._last = max(wall, at_least)
        self._last_monotonic = monotonic
        return self._last


class DatabaseClock:
    """The database's clock, as last seen with a batch, and moved on by the monotonic clock since.

    Every batch sets it (at least one every sweep), so that it is off by no more than the way to the database takes.
    """

    def __init__(self, *, monotonic: Callable[[], int] = monotonic_micros) -> None:
        self._monotonic = monotonic
        self._offset: int | None = None
        self._last = 0
        self.jumps = 0

    def observe(self, instant: int) -> None:
        """The database's clock shows `instant` now."""
        offset = instant - self._monotonic()
        if self._offset is not None and offset - self._offset > JUMP:
            self.jumps += 1  # another database took over, or this machine slept
        self._offset = offset

    def start_from(self, last: int) -> None:
        """Never answer less than `last`, the latest instant on record."""
        self._last = max(self._last, last)

    def now(self) -> int:
        """The present instant."""
        self._last = max(self._last, self._monotonic() + (self._offset or 0))
        return self._last
