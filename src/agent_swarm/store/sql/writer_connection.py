"""The one connection that batches are written over, kept from the first batch to the last."""

from typing import Any

import sqlalchemy as sa

from agent_swarm.store.sql.driver import Driver, Statements


class WriterConnection:
    """A connection of `engine`'s pool that is made when it is needed, and anew once it is lost."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._statements = Statements(engine.dialect)
        self._connection: Any = None
        self._driver: Driver | None = None

    def driver(self) -> Driver:
        """What runs statements on it."""
        if self._driver is None:
            self._connection = self._engine.raw_connection()
            self._driver = Driver(self._connection, self._statements)
        return self._driver

    def commit(self) -> None:
        """End the transaction; it is durable."""
        self._connection.commit()

    def give_up(self, cause: BaseException) -> None:
        """End the transaction without a trace."""
        dialect: Any = self._engine.dialect
        if isinstance(cause, dialect.loaded_dbapi.Error) and dialect.is_disconnect(
            cause, self._connection.driver_connection, None
        ):
            self._connection.invalidate(cause)  # the next batch connects anew
            self._connection = self._driver = None
        else:
            self._connection.rollback()

    def close(self) -> None:
        """Give it back; it is made anew where it is needed again."""
        if self._driver is not None:
            self._driver.close()
            self._connection.close()
            self._connection = self._driver = None
