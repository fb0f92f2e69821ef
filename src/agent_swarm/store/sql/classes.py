"""Requirement classes: few, never changed, never removed, so they are kept in memory beside the table.

A class that a batch makes is known to later batches only once that batch has committed.
"""

from typing import Any

import sqlalchemy as sa

from agent_swarm.domain.matching import Requirements
from agent_swarm.store.sql import tables

_table = tables.requirement_class


class ClassCache:
    """Ids of requirement classes by their key, and back."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._requirements: dict[int, Requirements] = {}
        self._new: list[int] = []

    def load(self, connection: sa.Connection) -> None:
        """Know every class of the table."""
        for row in connection.execute(sa.select(_table)):
            self._know(row.id, row.key)

    def requirements(self, connection: sa.Connection, class_id: int) -> Requirements:
        """What the tasks of a class require."""
        if class_id not in self._requirements:  # made by another server on this database
            self.load(connection)
        return self._requirements[class_id]

    def intern(self, connection: sa.Connection, needs: Requirements) -> tuple[int, bool]:
        """The class of `needs`, and whether it was made just now."""
        key = needs.key()
        if key in self._ids:
            return self._ids[key], False
        class_id: Any = connection.execute(sa.select(_table.c.id).where(_table.c.key == key)).scalar()
        is_new = class_id is None
        if is_new:
            highest = connection.execute(sa.select(sa.func.max(_table.c.id))).scalar()
            class_id = (highest or 0) + 1
            connection.execute(sa.insert(_table), {"id": class_id, "key": key})
            self._new.append(class_id)
        self._know(class_id, key)
        return class_id, is_new

    def settle(self, *, committed: bool) -> None:
        """The batch is over: keep what it made, or forget it."""
        if not committed:
            for class_id in self._new:
                self._ids.pop(self._requirements.pop(class_id).key(), None)
        self._new.clear()

    def _know(self, class_id: int, key: str) -> None:
        self._ids[key] = class_id
        self._requirements[class_id] = Requirements.from_key(key)
