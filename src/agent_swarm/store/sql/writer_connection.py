"""The one connection that batches are written over, kept from the first batch to the last."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from agent_swarm.store.sql.driver import Driver, Statements


class WriterConnection:
    """A connection of `engine`'s pool that is made when it is needed, and anew once it is lost.

    `set_up` is called with each new connection of the driver.
    """

    def __init__(self, engine: sa.Engine, set_up: Callable[[Any], None] = lambda _: None) -> None:
        self._engine = engine
        self._set_up = set_up
        self._statements = Statements(engine.dialect)
        self._connection: Any = None
        self._driver: Driver | None = None

    def driver(self) -> Driver:
        """What runs statements on it."""
        if self._driver is None:
            connection: Any = self._engine.raw_connection()
            try:
                self._set_up(connection.driver_connection)
                self._driver = Driver(connection, self._statements)
            except BaseException as exc:
                connection.invalidate(exc)  # else it would be neither used nor given back
                raise
            self._connection = connection
        return self._driver

    @property
    def raw(self) -> Any:
        """The driver's own connection."""
        return self._connection.driver_connection

    def commit(self) -> None:
        """End the transaction; it is durable."""
        self._connection.commit()

    def give_up(self, cause: BaseException) -> None:
        """End the transaction without a trace."""
        if self._connection is None:
            return
        if self._is_lost(cause):
            self.abandon(cause)
            return
        try:
            self._connection.rollback()
        except Exception as exc:  # then it is lost as well
            self.abandon(exc)

    def abandon(self, cause: BaseException) -> None:
        """The connection is of no use any more: the next batch connects anew."""
        if self._connection is not None:
            self._connection.invalidate(cause)
            self._connection = self._driver = None

    def _is_lost(self, cause: BaseException) -> bool:
        dialect: Any = self._engine.dialect
        known = isinstance(cause, dialect.loaded_dbapi.Error)
        return known and bool(dialect.is_disconnect(cause, self._connection.driver_connection, None))

    def close(self) -> None:
        """Give it back; it is made anew where it is needed again."""
        if self._driver is not None:
            self._driver.close()
            self._connection.close()
            self._connection = self._driver = None
