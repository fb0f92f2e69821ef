"""How often one subject may call: token buckets in this server's memory, one rate per class of routes.

A bucket is one number, the instant at which it would be full again (the generic cell rate algorithm), so a request
costs a look into a dict and some arithmetic. What a subject is, comes from its token, or for log-ins from the name that
is asked for and the peer's address; never from a header that anybody can write. Several servers each have their own
buckets. Workers are not counted: a swarm is never slowed down by this.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING

from agent_swarm.domain.errors import RateLimited
from agent_swarm.store.records import TokenKind

if TYPE_CHECKING:
    from agent_swarm.services.tokens import Identity

MOST_SUBJECTS = 10_000  # remembered per class; those who have rested are forgotten first


class RateClass(StrEnum):
    """What is counted together."""

    LOGIN = "login"  # failed or unproven log-ins, per user name and per address
    READ = "read"
    WRITE = "write"
    STREAM = "stream"  # event streams opened
    MESSAGE = "message"  # written by one agent, by whichever of its attempts
    OPERATOR = "operator"  # everything done with an operator's API key


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, and `per_second` in the long run."""

    per_second: float
    burst: int


Rates = Mapping[RateClass, Rate]

DEFAULTS: Rates = {
    RateClass.LOGIN: Rate(20 / 60, 20),
    RateClass.READ: Rate(50, 500),
    RateClass.WRITE: Rate(20, 200),
    RateClass.STREAM: Rate(1, 20),
    RateClass.MESSAGE: Rate(60 / 60, 60),
    RateClass.OPERATOR: Rate(5_000, 20_000),  # programs file thousands of tasks with it; it is a fuse, no ration
}


class Buckets:
    """The buckets of one class, by subject."""

    def __init__(self, rate: Rate, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / rate.per_second
        self._depth = rate.burst * self._interval
        self._monotonic = monotonic
        self._full_at: dict[str, float] = {}

    def spend(self, subject: str) -> float:
        """Take one out; answers 0, or the seconds until there is one again, and then none was taken."""
        now = self._monotonic()
        full_at = self._full_at.get(subject, now)
        full_at = (full_at if full_at > now else now) + self._interval
        if full_at - now > self._depth:
            return full_at - now - self._depth
        self._full_at[subject] = full_at
        if len(self._full_at) > MOST_SUBJECTS:
            self._forget(now)
        return 0.0

    def wait(self, subject: str) -> float:
        """The seconds until there is one to take; nothing is taken."""
        now = self._monotonic()
        return max(0.0, self._full_at.get(subject, now) + self._interval - now - self._depth)

    def _forget(self, now: float) -> None:
        """Full buckets are as good as none; where that is not enough, the first half goes."""
        self._full_at = {subject: full_at for subject, full_at in self._full_at.items() if full_at > now}
        if len(self._full_at) > MOST_SUBJECTS // 2:
            for subject in tuple(islice(self._full_at, len(self._full_at) - MOST_SUBJECTS // 2)):
                del self._full_at[subject]


class RateLimits:
    """All buckets of a server."""

    def __init__(self, rates: Rates, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._buckets = {name: Buckets(rate, monotonic=monotonic) for name, rate in rates.items()}

    def check(self, identity: "Identity", rate_class: RateClass | None) -> None:
        """Count a request; raises RateLimited where its subject has had too many. Workers have no limit."""
        if rate_class is None or identity.kind is TokenKind.AGENT:
            return
        counted = RateClass.OPERATOR if identity.kind is TokenKind.OPERATOR else rate_class
        self._spend(counted, identity.limited_as)

    def message(self, identity: "Identity") -> None:
        """Count a message of an agent; raises RateLimited. People have the limits of what else they write."""
        if identity.agent_id is not None:
            self._spend(RateClass.MESSAGE, identity.agent_id)

    def login(self, subject: str) -> None:
        """Count a log-in that may be a guess; raises RateLimited."""
        self._spend(RateClass.LOGIN, subject)

    def login_wait(self, subject: str) -> None:
        """Raise RateLimited where the next guess would not be heard; nothing is counted."""
        buckets = self._buckets.get(RateClass.LOGIN)
        seconds = 0.0 if buckets is None else buckets.wait(subject)
        if seconds > 0:
            raise too_often(RateClass.LOGIN, seconds)

    def _spend(self, rate_class: RateClass, subject: str) -> None:
        buckets = self._buckets.get(rate_class)
        seconds = 0.0 if buckets is None else buckets.spend(subject)
        if seconds > 0:
            raise too_often(rate_class, seconds)


def too_often(what: str, seconds: float) -> RateLimited:
    """The refusal, with when to come again."""
    after = max(1, math.ceil(seconds))
    return RateLimited(
        f"too many requests of the class {what}; the next one is heard in {after} s",
        hint="wait as long as Retry-After says; the limits are the setting AGENT_SWARM_RATE_LIMITS",
        details={"class": str(what), "retryAfterSeconds": after},
    )


_UNITS = {"s": 1, "m": 60, "h": 3600}


def parse_rates(text: str) -> Rates:
    """`write=50/s,login=10/m:5`: rates of classes, with a burst after the colon; `off` for none at all.

    Classes that are not named keep their default. Raises ValueError for anything else.
    """
    if text.strip().lower() == "off":
        return {}
    found = dict(DEFAULTS)
    for part in text.split(","):
        name, _, wanted = part.strip().partition("=")
        number, _, burst = wanted.partition(":")
        count, _, unit = number.partition("/")
        per_second = float(count) / _UNITS[unit] if unit in _UNITS else 0.0
        size = int(burst) if burst else max(1, round(per_second * 10))
        if not 0 < per_second < math.inf or size < 1:
            raise ValueError(text)
        found[RateClass(name)] = Rate(per_second, size)
    return found
