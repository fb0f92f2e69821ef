"""What is wrong with a workflow, with the line and the place, so that all of it is told at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent_swarm.domain.errors import InvalidInput

SHOWN = 20  # of one file


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong: where, and what was expected instead. Line 0 where there is none."""

    line: int
    where: str
    message: str

    def __str__(self) -> str:
        place = ": ".join(part for part in (f"line {self.line}" if self.line else "", self.where) if part)
        return f"{place}: {self.message}" if place else self.message


def refusal(problems: Sequence[Problem], *, source: str = "workflow") -> InvalidInput:
    """The refusal that tells the first problems of a file, in its order."""
    shown = sorted(problems)[:SHOWN]
    more = f" (and {len(problems) - len(shown)} more)" if len(problems) > len(shown) else ""
    told = [{"line": one.line, "where": one.where, "message": one.message} for one in shown]
    return InvalidInput(
        f"{source}: " + "; ".join(map(str, shown)) + more,
        hint="see: agent-swarm workflow validate --help, and the JSON Schema of agent-swarm workflow schema",
        details={"field": shown[0].where or "source", "problems": told},
    )
