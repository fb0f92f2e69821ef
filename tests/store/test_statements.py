"""Statements are compiled once, however often they are run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from agent_swarm.store.base import Queries
from agent_swarm.store.sql.engine import SqlEngine
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import Driver, snapshot


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def sql_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlEngine]:
    if request.param == "sqlite":
        engine: SqlEngine = SqliteEngine(tmp_path / "swarm.sqlite", synchronous="off")
        engine.open()
        yield engine
        engine.close()
        return
    with postgres.database_with_tables(request.getfixturevalue("postgres_server")) as url:
        engine = PostgresEngine(url)
        engine.open()
        yield engine
        engine.close()


def test_given_reads_that_were_made_once_when_they_are_made_again_then_no_statement_is_compiled(
    sql_engine: SqlEngine,
) -> None:
    swarm = Driver(sql_engine)
    ada = swarm.register()
    swarm.file(after=(swarm.file(),))
    swarm.take(ada)

    def everything(queries: Queries) -> None:
        snapshot(queries)
        queries.agent(ada)
        queries.claimed_under([ada])

    sql_engine.read(everything)
    compiled: list[str] = []

    @sa.event.listens_for(sql_engine._reader, "after_cursor_execute")
    def look(_: Any, __: Any, statement: str, ___: Any, context: Any, ____: Any) -> None:
        if context.compiled is not None and context.cache_hit.name != "CACHE_HIT":
            compiled.append(statement)

    sql_engine.read(everything)

    assert compiled == []
