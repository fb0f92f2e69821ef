"""What this worker may still believe about its leases. Pure: fed with events and the time, it answers what to do.

A lease counts from the *sending* of the renewal that the server answered, never from the answer: the server's clock
cannot have started earlier. A new claim counts as not confirmed until its first renewal is answered, because nobody
here knows how long it lay in a buffer. Rule T7: a lease that could not be renewed for 80 % of its time cuts external
effects; what runs goes on, and ends only when the server calls the lease stale, somebody cancels, or nothing was heard
for `max_offline`.
"""

from dataclasses import dataclass

from agent_swarm.protocol import limits
from agent_swarm.protocol.pool import LeaseRef

CUT_AT = 0.8  # of the lease; what is left is for the effects already under way


@dataclass(frozen=True, slots=True)
class Cut:
    """Stop external effects of this lease: it may end before the next renewal is answered."""

    lease: LeaseRef


@dataclass(frozen=True, slots=True)
class Abandon:
    """Nothing was heard of this lease for `max_offline`: end what runs under it."""

    lease: LeaseRef


@dataclass(slots=True)
class _Held:
    since: float  # when it was taken over, or last confirmed: what max_offline is measured from
    sent_at: float | None = None
    cut_at: float = 0.0
    until: float = 0.0
    is_cut: bool = False
    is_abandoned: bool = False


class LeaseBook:
    """The leases held, by (task, fence). Instants are seconds of the worker's boot clock."""

    def __init__(self, *, max_offline: float) -> None:
        self._max_offline = max_offline
        self._held: dict[LeaseRef, _Held] = {}

    @property
    def leases(self) -> tuple[LeaseRef, ...]:
        """All that have to be renewed."""
        return tuple(self._held)

    def hold(self, lease: LeaseRef, *, now: float) -> None:
        """A claim was received, or is still held from before; not confirmed yet."""
        self._held.setdefault(lease, _Held(since=now))

    def let_go(self, lease: LeaseRef) -> None:
        """Its attempt is over, or the server said that it is stale."""
        self._held.pop(lease, None)

    def renewed(self, lease: LeaseRef, *, sent_at: float, lease_seconds: float, now: float) -> bool:
        """The server renewed it; answers whether it may have external effects as of now.

        An answer that was overtaken by one to a later renewal changes nothing.
        """
        held = self._held.get(lease)
        if held is None:
            return False
        if held.sent_at is None or sent_at >= held.sent_at:
            held.sent_at = held.since = sent_at
            held.cut_at = sent_at + CUT_AT * lease_seconds
            held.until = sent_at + lease_seconds
        held.is_cut = held.is_cut and not now < held.cut_at
        return self.may_act(lease, now=now)

    def may_act(self, lease: LeaseRef, *, now: float) -> bool:
        """Whether external effects are allowed under it: confirmed, and less than 80 % used up."""
        held = self._held.get(lease)
        return held is not None and held.sent_at is not None and now < held.cut_at

    def is_entitled(self, lease: LeaseRef, *, now: float) -> bool:
        """Whether it is certainly still this worker's."""
        held = self._held.get(lease)
        return held is not None and held.sent_at is not None and now < held.until

    def due(self, *, now: float) -> list[Cut | Abandon]:
        """What has become due; each is answered once, a cut again after a renewal in between."""
        actions: list[Cut | Abandon] = []
        for lease, held in self._held.items():
            if held.sent_at is not None and not held.is_cut and now >= held.cut_at:
                held.is_cut = True
                actions.append(Cut(lease))
            if not held.is_abandoned and now >= self._abandon_at(held):
                held.is_abandoned = True
                actions.append(Abandon(lease))
        return actions

    def next_due(self) -> float | None:
        """When `due` has something next; None while nothing is held."""
        return min((instant for held in self._held.values() for instant in self._waits(held)), default=None)

    def _waits(self, held: _Held) -> list[float]:
        waits = [] if held.is_abandoned else [self._abandon_at(held)]
        return [*waits, held.cut_at] if held.sent_at is not None and not held.is_cut else waits

    def _abandon_at(self, held: _Held) -> float:
        """Never before a renewal is overdue, however short `max_offline` is."""
        overdue_at = held.since + CUT_AT * limits.LEASE_SECONDS if held.sent_at is None else held.cut_at
        return max(held.since + self._max_offline, overdue_at)
