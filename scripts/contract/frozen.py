"""The contracts as they were promised: docs/contract/. They move forward only by additions and by breaks written down.

A deliberate break stands in docs/contract/breaks.json with its recipe: what people have to do then, in the words in
which CHANGELOG.md tells it.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.contract import documents, registries, rest
from scripts.contract.change import Change, Document

BREAKS = "docs/contract/breaks.json"
REMEDY = """\
Additions are allowed: run scripts/make-docs and look at what it wrote.
A removal or a narrowing breaks those who rely on it. Keep what was there; or, where it has to be, write each line that
BREAKS into docs/contract/breaks.json with its recipe, tell the recipe in CHANGELOG.md, and run scripts/make-docs."""


@dataclass(frozen=True, slots=True)
class Contract:
    """One promise: the name by which breaks.json knows it, what it is now, and how two states of it compare."""

    name: str
    now: Callable[[], dict[str, Any]]
    changes: Callable[[Document, Document], list[Change]]

    @property
    def path(self) -> str:
        """Where it stands."""
        return f"docs/contract/{self.name}.json"

    def render(self) -> str:
        """The file as the code would have it."""
        return json.dumps(self.now(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


CONTRACTS = (
    Contract("openapi", documents.openapi, rest.changes),
    Contract("events", documents.events, registries.event_changes),
    Contract("worker-protocol", documents.worker_protocol, registries.protocol_changes),
)


@dataclass(frozen=True, slots=True)
class KnownBreak:
    """A break that was meant."""

    contract: str
    change: str
    recipe: str


def known_breaks(root: Path) -> list[KnownBreak]:
    """Those written down so far."""
    return [KnownBreak(**one) for one in json.loads((root / BREAKS).read_text(encoding="utf-8"))]


def changes_since(root: Path, contract: Contract) -> list[Change]:
    """What is another now than in the file."""
    promised = json.loads((root / contract.path).read_text(encoding="utf-8"))
    return contract.changes(promised, json.loads(contract.render()))


def unexpected(name: str, changes: Iterable[Change], known: Iterable[KnownBreak]) -> list[Change]:
    """The breaks that nobody has written down."""
    meant = {one.change for one in known if one.contract == name}
    return [change for change in changes if change.breaks and str(change) not in meant]


def untold(known: Iterable[KnownBreak], changelog: str) -> list[KnownBreak]:
    """The breaks whose recipe the changelog does not have; how its lines are broken does not matter."""
    told = " ".join(changelog.split())
    return [one for one in known if not one.recipe or " ".join(one.recipe.split()) not in told]


def report(contract: Contract, changes: Iterable[Change]) -> str:
    """What changed, for people; breaks first."""
    ordered = sorted(changes, key=lambda change: not change.breaks)
    lines = [f"{'BREAKS' if change.breaks else 'allowed':8}{change}" for change in ordered]
    return "\n".join([f"{contract.path} and the code differ.", *lines, REMEDY])


def refusals(root: Path) -> Mapping[str, str]:
    """The contracts that must not be written anew as the code stands, by path, with the reason."""
    known = known_breaks(root)
    found: dict[str, str] = {}
    for contract in CONTRACTS:
        if (root / contract.path).exists():
            breaks = unexpected(contract.name, changes_since(root, contract), known)
            if breaks:
                found[contract.path] = report(contract, breaks)
    return found
