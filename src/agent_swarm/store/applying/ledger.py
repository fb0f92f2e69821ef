"""What a batch does to budgets: usage is booked, ended attempts give back what they held, claims reserve.

What happens in the batch is written down as it comes and booked in one go, when every task that the batch decides on is
locked and claims are about to be answered: budgets are locked after tasks and agents, by id, and before the head of the
events. So servers that share budgets take turns for that last piece of a batch alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_swarm.domain import budgets as rules
from agent_swarm.domain.budgets import Amount, Budget
from agent_swarm.store import events
from agent_swarm.store import operations as ops
from agent_swarm.store.families.budgets import (
    BUDGET_LOOKS,
    BUDGET_TARGETS,
    BUDGETS,
    RESERVATIONS,
    BudgetLook,
    Reservation,
    attempt_key,
    ids_of,
    reservation,
)

if TYPE_CHECKING:
    from agent_swarm.store.applying.work import Work
    from agent_swarm.store.rows import Entry


_LOOKED_AT = frozenset({"budget.reached", "budget.shut"})


@dataclass(frozen=True, slots=True)
class Used:
    """Usage of an attempt, which an agent made."""

    usage: ops.BookUsage
    agent_id: str


class Ledger:
    """The budgets of one batch."""

    def __init__(self, work: "Work") -> None:
        self._work = work
        self._ended: list[tuple[str, int]] = []
        self._used: list[Used] = []
        self._targets: dict[str, tuple[str, ...]] = {}
        self._stored: dict[str, Budget] = {}  # as they are in the database
        self._budgets: dict[str, Budget] = {}

    # --- what happens in the batch --------------------------------------------------------------------------------

    def note_end(self, task_id: str, number: int) -> None:
        """An attempt has ended, however it did."""
        self._ended.append((task_id, number))

    def note_usage(self, usage: ops.BookUsage, agent_id: str) -> None:
        """Usage was booked for the first time, also of an attempt that is over."""
        self._used.append(Used(usage, agent_id))

    def settle(self) -> None:
        """Book what was noted. Nothing here asks the database for anything while there is no budget."""
        ended, self._ended = self._ended, []
        used, self._used = self._used, []
        if not (ended or used) or not self._work.rows.has_budgets():
            return
        self._work.rows.prefetch(tasks=sorted({one.usage.task_id for one in used}))
        keys = {attempt_key(*one) for one in ended} | {
            attempt_key(one.usage.task_id, one.usage.attempt) for one in used
        }
        held = {one.attempt: one for one in self._work.rows.records_by(RESERVATIONS, sorted(keys))}
        targets = {target for one in used for target in self.targets_of(self._entry(one), one.agent_id)}
        self.load(targets, ids=[budget_id for one in held.values() for budget_id in one.parts])
        over = {attempt_key(*one) for one in ended}
        for one in used:
            self._book(one, held)
        for key in sorted(over & held.keys()):
            self._give_back(held.pop(key))
        for key in sorted(held):
            self._work.put(RESERVATIONS, held[key])
        self.write()

    def _entry(self, used: Used) -> "Entry":
        return self._work.must(used.usage.task_id)

    def _book(self, used: Used, held: dict[str, Reservation]) -> None:
        usage, key = used.usage, attempt_key(used.usage.task_id, used.usage.attempt)
        spent = Amount(usage.cost_micros, usage.input_tokens + usage.output_tokens)
        holding = held.get(key)
        parts = {} if holding is None else {one: holding.part(one) for one in holding.parts}
        for budget in self.of(self.targets_of(self._entry(used), used.agent_id)):
            after, rest = rules.spend(budget, spent, parts.get(budget.id, rules.NOTHING), self._work.now)
            self.put(after)
            if budget.id in parts:
                parts[budget.id] = rest
        if holding is not None:
            held[key] = reservation(holding.task_id, holding.number, parts)

    def _give_back(self, holding: Reservation) -> None:
        for budget_id in holding.parts:
            budget = self.get(budget_id)
            if budget is not None:
                self.put(rules.release(budget, holding.part(budget_id)))
        self._work.remove(RESERVATIONS, holding.attempt)

    # --- budgets ----------------------------------------------------------------------------------------------------

    def targets_of(self, entry: "Entry", agent_id: str | None) -> tuple[str, ...]:
        """Everything that budgets of an attempt at this task may be for."""
        return rules.targets_of(
            task_id=entry.state.id,
            root_id=entry.root_id,
            project_id=entry.project_id,
            swarm_id=self._work.swarm_of(entry),
            agent_id=agent_id,
        )

    def load(self, targets: Iterable[str], *, ids: Sequence[str] = ()) -> None:
        """Lock the budgets of these targets, and these, by id, as far as they are not at hand."""
        rows = self._work.rows
        missing = sorted(set(targets).difference(self._targets))
        found = rows.records_by(BUDGET_TARGETS, missing) if missing else []
        self._targets.update((one, ()) for one in missing)
        self._targets.update((one.target, tuple(one.budget_ids)) for one in found)
        wanted = sorted({*ids_of(found), *ids}.difference(self._stored))
        for budget in rows.records_by(BUDGETS, wanted) if wanted else ():
            self._stored[budget.id] = budget
            self._budgets[budget.id] = rules.rolled(budget, self._work.now)

    def of(self, targets: Iterable[str]) -> list[Budget]:
        """The budgets of targets that were loaded, by id."""
        ids = sorted({budget_id for one in targets for budget_id in self._targets[one]})
        return [self._budgets[budget_id] for budget_id in ids if budget_id in self._budgets]

    def get(self, budget_id: str) -> Budget | None:
        """A budget that was loaded, as it is now; None where there is none."""
        return self._budgets.get(budget_id)

    def put(self, budget: Budget) -> None:
        """Have a budget that was loaded be so from now on."""
        self._budgets[budget.id] = budget

    def forget(self) -> None:
        """Budgets came or went: find them anew."""
        self.write()
        self._targets.clear()
        self._stored.clear()
        self._budgets.clear()

    def write(self) -> None:
        """Write what changed, with its events."""
        for budget_id, after in sorted(self._budgets.items()):
            before = self._stored[budget_id]
            if after == before:
                continue
            self._work.put(BUDGETS, after)
            news = _news(before, after)
            if not _LOOKED_AT.isdisjoint(news):
                self._work.put(BUDGET_LOOKS, BudgetLook(id=budget_id))
            for event in news:
                self._work.say(events.of_budget(event, after, actor=events.SYSTEM))
            self._stored[budget_id] = after


def _news(before: Budget, after: Budget) -> list[str]:
    found = []
    if after.since != before.since:
        found.append("budget.renewed")
    if after.reached_at is not None and after.reached_at != before.reached_at:
        found.append("budget.reached")
    if after.shut_at is not None and before.shut_at is None:
        found.append("budget.shut")
    if after.shut_at is None and before.shut_at is not None:
        found.append("budget.opened")
    return found
