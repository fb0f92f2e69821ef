"""Configuration of another system: which of its entries are stored here. Pure but for what `EntryStore` does."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.importing.foreign import ForeignEntry
from agent_swarm.importing.plan import Plan
from agent_swarm.store.operations import Operation
from agent_swarm.vault.backends.references import PREFIX, is_reference


class EntryStore(Protocol):
    """The configuration that is stored here."""

    def value_of(self, entry: ForeignEntry) -> str | None:
        """What is stored under its key at its place, in plain text; None where nothing is."""
        ...

    def storing(self, entry: ForeignEntry) -> Operation[Any]:
        """What stores it, sealed where it is a secret. Raises InvalidInput where it may not be stored."""
        ...


def plan_entries(plan: Plan, entries: Sequence[ForeignEntry], store: EntryStore | None) -> list[ForeignEntry]:
    """Add them to the plan; answers the new ones that are secrets and lay in plain text."""
    plain = []
    for foreign in entries:
        entry = replace(foreign, scope_id=plan.places.get((foreign.scope, foreign.scope_id)) or foreign.scope_id)
        place = f"{entry.key} ({entry.scope}{f' {entry.scope_id}' if entry.scope_id else ''})"
        if reason := _problem_of(foreign, store, plan):
            plan.refuse("config", place, reason)
            continue
        assert store is not None
        there = store.value_of(entry)
        if there == entry.value:
            plan.unchanged["config"] += 1
        elif there is not None:
            plan.refuse("config", place, "it is here already, with another value, which stays")
        elif _added(plan, entry, place, store) and entry.was_plain:
            plain.append(entry)
    return plain


def _problem_of(entry: ForeignEntry, store: EntryStore | None, plan: Plan) -> str:
    if store is None:
        return "this version stores no configuration; its value is still in the source"
    if entry.scope_id and plan.places.get((entry.scope, entry.scope_id)) is None:
        return f"its {entry.scope} is not here"
    if is_reference(entry.value):
        return f"its value begins with {PREFIX!r}, which here is a reference to a secret kept elsewhere"
    return ""


def _added(plan: Plan, entry: ForeignEntry, place: str, store: EntryStore) -> bool:
    try:
        plan.operations.append(store.storing(entry))
    except InvalidInput as exc:
        plan.refuse("config", place, exc.message)
        return False
    plan.new["config"] += 1
    return True
