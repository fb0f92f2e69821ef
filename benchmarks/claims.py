"""What a claim costs among a million tasks, against one among a thousand; 1, 10 and 100 requirement classes.

Both databases hold 60 % ready tasks in the same proportions, the rest has ended and left attempts and tokens. A round
is a few claims on one database, then as many on the other; the median of seven rounds counts. Commits do not wait for
the disk here (`synchronous=NORMAL`): that wait is the same on both sides and would only hide a difference.
"""

import time
from pathlib import Path

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentProfile
from agent_swarm.domain.time import SECOND
from agent_swarm.store import operations as ops
from agent_swarm.store.clock import wall_micros
from agent_swarm.store.records import AgentRecord, TokenKind
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing.driver import token
from benchmarks import bulk, workplace
from benchmarks.figures import median
from benchmarks.report import Row, at_most, row
from benchmarks.scale import Scale

FAMILIES = (bulk.Family(1, 0.2), bulk.Family(10, 0.2), bulk.Family(100, 0.2))
SMALL = 1_000
ROUNDS = 7
CLAIMS = 20  # per round; all rounds together leave the small database some ready tasks
LEASE = 30 * SECOND


def measure(scale: Scale) -> list[Row]:
    """The ratio per number of classes, and what a claim costs in the large database."""
    large = scale.of(1_000_000, 50_000)
    with workplace.folder() as folder:
        sides = [_Side(folder / f"{number}.sqlite", number) for number in (SMALL, large)]
        try:
            return [line for place in range(len(FAMILIES)) for line in _rows(sides, place, large)]
        finally:
            for side in sides:
                side.engine.close()


def _rows(sides: "list[_Side]", place: int, large: int) -> list[Row]:
    rounds = [[side.claim(place) for side in sides] for _ in range(ROUNDS)]
    small, big = (median(times) for times in zip(*rounds, strict=True))
    ratio = median([times[1] / times[0] for times in rounds])
    classes = FAMILIES[place].classes
    name = f"claim among {large:,} tasks, {classes} requirement class{'es' if classes > 1 else ''}"
    return [
        row(f"{name}: ÷ among {SMALL:,}", ratio, "×", at_most(1.3), ratio=ratio),
        row(f"{name}: time", big, "ms", ratio=big / small),
    ]


class _Side:
    """One database, and an agent that claims from it."""

    def __init__(self, path: Path, number: int) -> None:
        self._classes = bulk.make(path, number, FAMILIES)
        self.engine = SqliteEngine(path, synchronous="normal")
        self.engine.open()
        self._agent = AgentRecord(profile=AgentProfile(id=new_id()), name="bench", instance_id=new_id())
        registration = ops.RegisterAgent(agent=self._agent, token=token(TokenKind.AGENT))
        self.engine.apply_batch([registration], wall_micros())

    def claim(self, place: int) -> float:
        """The median of a few claims from a family, ms."""
        return median([self._claim_once(self._classes[place]) for _ in range(CLAIMS)])

    def _claim_once(self, class_ids: tuple[int, ...]) -> float:
        operation = ops.ClaimTask(
            claim_id=new_id(),
            agent_id=self._agent.profile.id,
            instance_id=self._agent.instance_id,
            class_ids=class_ids,
            lease=LEASE,
            token=token(TokenKind.ATTEMPT),
        )
        since = time.perf_counter()
        (reply,) = self.engine.apply_batch([operation], wall_micros()).replies
        spent = 1000 * (time.perf_counter() - since)
        assert reply is not None, "no ready task was left"
        return spent
