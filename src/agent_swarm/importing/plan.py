"""What an import is going to write, and what it keeps for the report."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from agent_swarm.importing.foreign import Kept
from agent_swarm.store.operations import Operation

ACTOR = "operator"  # whoever can write to the database


@dataclass(slots=True)
class Plan:
    """What to write, in one transaction; `new` and `unchanged` count by kind."""

    operations: list[Operation[Any]] = field(default_factory=list)
    new: Counter[str] = field(default_factory=Counter)
    unchanged: Counter[str] = field(default_factory=Counter)
    kept: list[Kept] = field(default_factory=list)
    places: dict[tuple[str, str], str | None] = field(default_factory=dict)  # (scope, foreign id) -> id here
    notes: list[str] = field(default_factory=list)

    def refuse(self, kind: str, source_id: str, reason: str, **content: Any) -> None:
        """Keep what cannot be imported."""
        self.kept.append(Kept(kind=kind, source_id=source_id, reason=reason, content=content, is_problem=True))
