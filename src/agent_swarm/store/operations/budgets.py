"""Operations on budgets. People make and change them while no other batch is under way; the server keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from agent_swarm.domain.budgets import Budget
from agent_swarm.store.operations.base import Operation

if TYPE_CHECKING:
    from agent_swarm.store.families.budgets import BudgetWait

R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetOperation(Operation[R_co]):
    """A person makes, changes or removes a budget."""

    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return ("budgets",)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBudget(BudgetOperation[Budget]):
    """Make a budget. What is under way counts against it from its next usage on, and reserves nothing.

    Raises AlreadyExists for an id that is taken, UnknownReference for what it is for, InvalidInput.
    """

    budget: Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeBudget(BudgetOperation[Budget]):
    """Give fields of a budget other values, by name. Raises NotFound, InvalidInput."""

    budget_id: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveBudget(BudgetOperation[Budget]):
    """Have a budget be no more; whoever waits for room in it goes on. Raises NotFound."""

    budget_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Answer of KeepBudget: how many tasks were let go on, interrupted, and failed."""

    woken: int = 0
    interrupted: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepBudget(Operation[Kept]):
    """Do what a budget that is reached, or full, asks for: interrupt and ask people, or let go on who waits.

    `held` are attempts that it may cover, `waits` the first who wait for room; all are looked at anew. `approval_id`
    is for the question, if there is one.
    """

    budget_id: str
    approval_id: str
    waits: "tuple[BudgetWait, ...]" = ()
    held: tuple[str, ...] = ()

    @property
    def task_ids(self) -> frozenset[str]:
        """All tasks that it is about."""
        return frozenset((*self.held, *(wait.task_id for wait in self.waits)))

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"budget:{self.budget_id}", *(f"task:{task_id}" for task_id in sorted(self.task_ids)))

    @property
    def weight(self) -> int:
        return max(1, len(self.waits) + len(self.held))
