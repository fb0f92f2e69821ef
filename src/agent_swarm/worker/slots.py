"""How many tasks this worker takes. A free slot is a credit: a claim id, answered when the server has work."""

from collections.abc import Callable

from agent_swarm.domain.ids import new_id


class Slots:
    """`total` slots, each of them free, promised to the server as an open credit, or taken by an attempt."""

    def __init__(self, total: int, make_id: Callable[[], str] = new_id) -> None:
        self._free = total
        self._make_id = make_id
        self._open: dict[str, None] = {}  # in order of making
        self._is_closed = False
        self.is_resting = False  # makes no credits for the time being

    @property
    def open(self) -> tuple[str, ...]:
        """Credits that the server has not answered, the oldest first."""
        return tuple(self._open)

    def offer(self) -> tuple[str, ...]:
        """Make a credit of every free slot; answers the new ones. None while resting, and none once closed."""
        if self._is_closed or self.is_resting:
            return ()
        new = tuple(self._make_id() for _ in range(self._free))
        self._open.update(dict.fromkeys(new))
        self._free = 0
        return new

    def take(self, claim_id: str) -> bool:
        """The server answered this credit; False where it is none of ours, or was answered before."""
        if claim_id not in self._open:
            return False
        del self._open[claim_id]
        return True

    def give_back(self) -> None:
        """An attempt is over: its slot is free."""
        self._free += 1

    def refuse(self, claim_id: str) -> None:
        """The server will never answer this credit: its slot gets another one."""
        if self.take(claim_id):
            self.give_back()

    def close(self) -> tuple[str, ...]:
        """Take no more work; answers the credits to withdraw, which may still be answered before that is heard."""
        self._is_closed = True
        return self.open
