"""What is settled once for all servers of a database."""

from dataclasses import dataclass

from agent_swarm.store.families.family import Family
from agent_swarm.store.operations import Desk, RecordOperation


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is settled."""

    name: str
    value: str


FACTS = Family("fact", Fact, key=("name",))


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleFact(RecordOperation[str]):
    """Settle something for all servers of the database; answers what it is settled as, by whoever came first."""

    name: str
    value: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"fact:{self.name}",)

    def carry_out(self, desk: Desk) -> str:
        """Whoever comes first settles it."""
        known = desk.get(FACTS, self.name)
        if known is None:
            desk.put(FACTS, known := Fact(self.name, self.value))
        return known.value
