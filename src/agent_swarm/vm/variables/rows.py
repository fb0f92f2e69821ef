"""The table `env_var` of the registry: names, where they hold, and encrypted values."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent_swarm.vm.registry import Registry

EVERYWHERE = ""  # the scope of a variable that holds in every project


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableRow:
    """A variable as it is stored. `scope` is a project's name, or EVERYWHERE."""

    name: str
    scope: str
    sealed: str


class Rows:
    """The rows of an open registry."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def listed(self, *scopes: str) -> list[VariableRow]:
        """The variables of these scopes, or all, by name; those that hold everywhere come before a project's."""
        rows = self._connection.execute("SELECT name, scope, value FROM env_var ORDER BY name, scope")
        found = [VariableRow(name=row["name"], scope=row["scope"], sealed=row["value"]) for row in rows]
        return [row for row in found if not scopes or row.scope in scopes]

    def put(self, row: VariableRow) -> None:
        """Store it in the place of the one so far."""
        self._connection.execute(
            "INSERT INTO env_var (name, scope, value) VALUES (?, ?, ?) "
            "ON CONFLICT (name, scope) DO UPDATE SET value = excluded.value",
            (row.name, row.scope, row.sealed),
        )

    def remove(self, name: str, scope: str) -> bool:
        """Take it away; whether it was there."""
        return self._connection.execute("DELETE FROM env_var WHERE name = ? AND scope = ?", (name, scope)).rowcount > 0

    @contextmanager
    def changing(self) -> Iterator[None]:
        """One change at a time: what is done within counts as a whole, or not at all."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


@contextmanager
def opened(path: Path) -> Iterator[Rows]:
    """The rows of the registry in that file."""
    with Registry.open(path) as registry:
        yield Rows(registry.connection)
