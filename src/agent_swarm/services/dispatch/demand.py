"""What is ready, as far as this process knows: per requirement class an estimate that errs on the high side.

With R the claimable tasks of a class, B its `backlog` and P its `promised` claims, every step keeps **B + P ≥ R**
(counted over the news told so far), and B + P ≥ 1 while a class is `uncounted`. B too high costs one claim that finds
nothing and corrects it; B too low would leave a task lying, so B only falls when a claim took a task, or looked and
found none.

Pure: no store, no clock. `dispatcher` turns promises into claims, and `waiting` knows whom to give them to.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent_swarm.domain.matching import Requirements


@dataclass(slots=True, eq=False)
class Demand:
    """A requirement class: tasks that the same agents may run."""

    id: int
    needs: Requirements
    backlog: int = 0  # ready tasks that no claim under way was promised
    promised: int = 0  # claims under way that were started for this class
    uncounted: bool = False  # there is work, nobody knows how much: feel forward until a claim finds nothing
    told_at: int = 0  # the moment of the latest news


class Demands:
    """All requirement classes known here. `moment` grows with every piece of news."""

    def __init__(self) -> None:
        self._by_id: dict[int, Demand] = {}
        self._by_needs: dict[Requirements, Demand] = {}
        self._stocked: set[int] = set()  # backlog > 0
        self._active: set[int] = set()  # backlog or promised > 0
        self.moment = 0

    def __contains__(self, class_id: int) -> bool:
        return class_id in self._by_id

    def __getitem__(self, class_id: int) -> Demand:
        return self._by_id[class_id]

    def learn(self, classes: Mapping[int, Requirements]) -> list[Demand]:
        """Get to know classes; answers those that are new."""
        new = [Demand(class_id, needs) for class_id, needs in classes.items() if class_id not in self._by_id]
        self._by_id.update((demand.id, demand) for demand in new)
        self._by_needs.update((demand.needs, demand) for demand in new)
        return new

    def of(self, needs: Requirements) -> Demand | None:
        """The class with exactly these requirements."""
        return self._by_needs.get(needs)

    def stocked_among(self, served: frozenset[int]) -> Demand | None:
        """A class of `served` that has work nobody was sent for."""
        for class_id in self._stocked if len(self._stocked) < len(served) else served:
            if class_id in served and class_id in self._stocked:
                return self._by_id[class_id]
        return None

    def active_among(self, served: frozenset[int]) -> frozenset[int]:
        """The classes of `served` that may have work."""
        return served & self._active

    def tell(self, class_id: int, count: int) -> Demand:
        """`count` more tasks of the class became claimable."""
        return self._news(class_id, backlog=count)

    def suspect(self, class_id: int) -> Demand:
        """The class has claimable tasks; how many, and whether somebody is on the way to them already, is not known."""
        demand = self._by_id[class_id]
        if not demand.backlog:
            demand.uncounted = True
            demand = self._news(class_id, backlog=0 if demand.promised else 1)
        return demand

    def promise(self, demand: Demand) -> None:
        """A claim starts for one task of the class."""
        demand.backlog -= 1
        demand.promised += 1
        self._note(demand)

    def kept(self, demand: Demand, taken: Demand | None) -> None:
        """A claim that was started for `demand` took a task of `taken`; None where its class cannot be told."""
        demand.promised -= 1
        if taken is demand:
            demand.backlog += 2 if demand.uncounted else 0
        else:
            demand.backlog += 1  # what it was started for still lies there
            if taken is not None and taken.backlog and not taken.uncounted:
                taken.backlog -= 1
                self._note(taken)
        self._note(demand)

    def broken(self, demand: Demand) -> None:
        """A claim that was started for `demand` could not be carried out."""
        demand.promised -= 1
        demand.backlog += 1
        self._note(demand)

    def empty(self, demand: Demand, looked_at: Iterable[int], *, since: int) -> None:
        """A claim that was started for `demand` at the moment `since` found nothing in any class it looked at.

        Classes that had news in between keep their backlog: the claim may have looked before that.
        """
        demand.promised -= 1
        if demand.told_at > since:
            demand.backlog += 1
        for class_id in looked_at:
            seen = self._by_id[class_id]
            if seen.told_at <= since:
                seen.backlog = 0
                seen.uncounted = False
                self._note(seen)
        self._note(demand)

    def _news(self, class_id: int, *, backlog: int) -> Demand:
        demand = self._by_id[class_id]
        self.moment += 1
        demand.told_at = self.moment
        demand.backlog += backlog
        self._note(demand)
        return demand

    def _note(self, demand: Demand) -> None:
        (self._stocked.add if demand.backlog else self._stocked.discard)(demand.id)
        (self._active.add if demand.backlog or demand.promised else self._active.discard)(demand.id)
