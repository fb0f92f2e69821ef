"""What of a store an import left."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from agent_swarm.importing.carrying_out import import_into
from agent_swarm.importing.desplega.database import read_tables
from agent_swarm.importing.desplega.rows import understood
from agent_swarm.importing.report import Outcome
from agent_swarm.store.address import SqliteAddress
from agent_swarm.store.base import Queries
from agent_swarm.store.records import TaskFilter, TaskRecord
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing.invariants import audit

T = TypeVar("T")


class Home:
    """A data directory of ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = SqliteAddress(folder / "agent-swarm-db.sqlite")

    def take_desplega(self, source: Path, key: bytes | None = None, *, dry_run: bool = False) -> Outcome:
        """Import that database."""
        foreign = understood(read_tables(source), key)
        return import_into(self.address, self.folder, foreign, source=source, dry_run=dry_run)

    def read(self, query: Callable[[Queries], T]) -> T:
        """Ask what is stored."""
        engine = SqliteEngine(self.address.path)
        engine.open()
        try:
            return engine.read(query)
        finally:
            engine.close()

    def tasks(self) -> dict[str, TaskRecord]:
        """All tasks, by the first line of their prompt."""
        found = self.read(lambda queries: queries.list_tasks(TaskFilter(), after=None, limit=10_000))
        return {task.spec.prompt.splitlines()[0]: task for task in found}

    def head(self) -> tuple[int, str]:
        """The end of the chain of events; every event and row is audited on the way."""
        assert self.read(audit) == []
        return self.read(lambda queries: queries.head())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "ours")
