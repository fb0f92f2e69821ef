"""Requirement classes: few, never changed, never removed, so they are kept in memory beside the table.

A class that a batch makes is known to later batches only once that batch has committed.
"""

from collections.abc import Callable, Iterable

from agent_swarm.domain.matching import Requirements
from agent_swarm.store.sql import statements
from agent_swarm.store.sql.coding import Row
from agent_swarm.store.sql.driver import Driver
from agent_swarm.store.sql.tables import requirement_class

Load = Callable[[], Iterable[Row]]


class ClassCache:
    """Ids of requirement classes by what they require, and back."""

    def __init__(self) -> None:
        self._ids: dict[Requirements, int] = {}
        self._requirements: dict[int, Requirements] = {}
        self._new: list[int] = []

    def load(self, rows: Iterable[Row]) -> None:
        """Know every class of the table."""
        for row in rows:
            self._know(row["id"], row["key"])

    def requirements(self, class_id: int, load: Load) -> Requirements:
        """What the tasks of a class require; `load` reads the table, for a class that another server made."""
        if class_id not in self._requirements:
            self.load(load())
        return self._requirements[class_id]

    def intern(self, driver: Driver, needs: Requirements) -> tuple[int, bool]:
        """The class of `needs`, and whether it was made just now."""
        known = self._ids.get(needs)
        if known is not None:
            return known, False
        key = needs.key()
        class_id = driver.value(statements.class_of_key, {"key": key})
        is_new = class_id is None
        if is_new:
            class_id = (driver.value(statements.highest_class) or 0) + 1
            row = {"id": class_id, "key": key, "unserved_since": None, "unserved_told_at": None}
            driver.run(statements.insert(requirement_class).by_row, row)
            self._new.append(class_id)
        self._know(class_id, key)
        return class_id, is_new

    def settle(self, *, committed: bool) -> None:
        """The batch is over: keep what it made, or forget it."""
        if not committed:
            for class_id in self._new:
                self._ids.pop(self._requirements.pop(class_id), None)
        self._new.clear()

    def _know(self, class_id: int, key: str) -> None:
        needs = Requirements.from_key(key)
        self._ids[needs] = class_id
        self._requirements[class_id] = needs
