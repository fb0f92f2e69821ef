"""What is ready, as far as this process knows: per requirement class an estimate that errs on the high side.

With R the claimable tasks of a class, B its `backlog` and P its `promised` claims, every step keeps **B + P ≥ R**
(counted over the news told so far), and B + P ≥ 1 while a class is `uncounted`. B too low would leave a task lying, so
B only falls when a claim took a task, or looked and found none. B too high costs claims that find nothing, and each of
those corrects it: what is ready now can only be what was told since that claim set out.

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
    told: int = 0  # tasks that ever became ready
    uncounted: bool = False  # there is work, nobody knows how much: feel forward until a claim finds nothing
    suspected_at: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What a claim sets out to look at, and what had been told of it until then."""

    class_ids: tuple[int, ...] = ()
    told: tuple[int, ...] = ()
    since: int = 0


class Demands:
    """All requirement classes known here."""

    def __init__(self) -> None:
        self._by_id: dict[int, Demand] = {}
        self._by_needs: dict[Requirements, Demand] = {}
        self._stocked: set[int] = set()  # backlog > 0
        self._active: set[int] = set()  # backlog or promised > 0
        self._suspicions = 0

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

    # --- news -----------------------------------------------------------------------------------------------------

    def tell(self, class_id: int, count: int) -> Demand:
        """`count` more tasks of the class became claimable."""
        demand = self._by_id[class_id]
        demand.told += count
        demand.backlog += count
        self._note(demand)
        return demand

    def suspect(self, class_id: int) -> Demand:
        """The class has claimable tasks, and how many is not known, nor whether somebody is on the way to them."""
        demand = self._by_id[class_id]
        self._suspicions += 1
        demand.uncounted, demand.suspected_at = True, self._suspicions
        if not demand.promised:
            demand.backlog = max(1, demand.backlog)
        self._note(demand)
        return demand

    # --- claims ---------------------------------------------------------------------------------------------------

    def promise(self, demand: Demand, served: Iterable[frozenset[int]]) -> Look:
        """A claim starts for one task of the class; answers all it has to look at of what it serves."""
        demand.backlog -= 1
        demand.promised += 1
        self._note(demand)
        class_ids = sorted(class_id for classes in served for class_id in classes & self._active)
        told = tuple(self._by_id[class_id].told for class_id in class_ids)
        return Look(tuple(class_ids), told, self._suspicions)

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

    def empty(self, demand: Demand, look: Look) -> None:
        """A claim that was started for `demand` found nothing in any class it looked at."""
        demand.promised -= 1
        demand.backlog += 1
        for class_id, told in zip(look.class_ids, look.told, strict=True):
            seen = self._by_id[class_id]
            if seen.suspected_at <= look.since:
                seen.uncounted = False
            if not seen.uncounted:
                seen.backlog = min(seen.backlog, max(0, seen.told - told - seen.promised))
            self._note(seen)

    def _note(self, demand: Demand) -> None:
        (self._stocked.add if demand.backlog else self._stocked.discard)(demand.id)
        (self._active.add if demand.backlog or demand.promised else self._active.discard)(demand.id)
