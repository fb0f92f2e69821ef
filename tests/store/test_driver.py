"""Compiled statements, run by the driver's cursor: what goes in comes out, as through SQLAlchemy itself."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from agent_swarm.store.sql import many, statements, tables
from agent_swarm.store.sql.driver import Driver, Statements
from agent_swarm.store.sql.ids import one_of
from agent_swarm.testing import postgres

TEXTS = [
    "",
    "plain",
    "quote ' and \" and \\",
    "percent %s %(x)s ?",
    '{"a": [1, null]}',
    "ümläut 漢字 🦄",
    "line\nfeed\ttab",
]
BIGGEST = {sa.SmallInteger: 2**15 - 1, sa.Integer: 2**31 - 1, sa.BigInteger: 2**63 - 1}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    """A database with all tables, made once; each test leaves them empty."""
    if request.param == "sqlite":
        engine = sa.create_engine(f"sqlite:///{tmp_path_factory.mktemp('driver') / 'driver.sqlite'}")
        tables.metadata.create_all(engine)
        yield engine
        engine.dispose()
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), paramstyle="format")
        tables.metadata.create_all(engine)
        yield engine
        engine.dispose()


@pytest.fixture
def driver(engine: sa.Engine) -> Iterator[Driver]:
    """A transaction that is taken back."""
    connection = engine.raw_connection()
    yield Driver(connection, Statements(engine.dialect))
    connection.rollback()
    connection.close()


def sample(column: "sa.Column[Any]", number: int) -> Any:
    """The `number`-th value of a column: the ends of its range, odd texts, and NULL where it may be."""
    if column.nullable and number % 4 == 3:
        return None
    for kind, biggest in BIGGEST.items():
        if type(column.type) is kind:
            return [number, number - biggest, biggest - number][number % 3]
    text = TEXTS[number % len(TEXTS)]
    length = getattr(column.type, "length", None)
    return f"{number}{text}"[: length or 1000] if column.primary_key or column.unique else text[: length or 1000]


def samples(table: sa.Table) -> list[dict[str, Any]]:
    """Rows that have every kind of value in every column, with keys of their own."""
    rows = [{f"{column.name}": sample(column, number) for column in table.c} for number in range(8)]
    for number, row in enumerate(rows):
        row.update({f"{key.name}": number + 1 for key in table.primary_key if isinstance(key.type, sa.Integer)})
    return rows


def in_order(table: sa.Table) -> "sa.Select[Any]":
    return sa.select(table).order_by(*table.primary_key)


@pytest.mark.parametrize("table", tables.metadata.sorted_tables, ids=str)
def test_given_values_of_every_column_when_rows_are_written_together_then_they_are_read_as_they_were(
    table: sa.Table, driver: Driver
) -> None:
    rows = samples(table)
    assert driver.run_many(statements.insert(table), rows) == len(rows)
    found = driver.rows(in_order(table))
    assert sorted(found, key=str) == sorted(rows, key=str)


@pytest.mark.parametrize("table", tables.metadata.sorted_tables, ids=str)
def test_given_rows_of_the_driver_when_sqlalchemy_reads_them_then_it_sees_the_same(
    table: sa.Table, engine: sa.Engine
) -> None:
    rows, connection = samples(table), engine.raw_connection()
    driver = Driver(connection, Statements(engine.dialect))
    for row in rows[:2]:
        driver.run_many(statements.insert(table), [row])
    driver.run_many(statements.insert(table), rows[2:])
    ours = driver.rows(in_order(table))
    connection.commit()
    connection.close()
    with engine.connect() as reading:
        found = [dict(row._mapping) for row in reading.execute(in_order(table))]
    with engine.begin() as emptying:
        emptying.execute(sa.delete(table))
    assert found == ours


def run(driver: Driver, form: str, statement: many.ForMany, rows: list[dict[str, Any]]) -> int:
    if form == "by names":
        return driver.run_many(statement, rows)
    return driver.run_tuples(statement, [tuple(row[name] for name in statement.names) for row in rows])


@pytest.mark.parametrize("form", ["by names", "in order"])
def test_given_an_update_of_every_column_when_it_runs_for_many_rows_then_each_gets_its_own_values(
    driver: Driver, form: str
) -> None:
    rows = samples(tables.task)
    driver.run_many(statements.insert(tables.task), rows)
    columns = tuple(f"{column.name}" for column in tables.task.c if column.name not in ("id", "fence", "status"))
    changes = [
        {f"new_{name}": other[name] for name in columns}
        | {"was_id": row["id"], "was_fence": row["fence"], "was_status": row["status"]}
        for row, other in zip(rows, reversed(rows), strict=True)
    ]
    assert run(driver, form, statements.update_tasks(columns[::-1]), changes) == len(rows)
    found = {row["id"]: row for row in driver.rows(in_order(tables.task))}
    for row, other in zip(rows, reversed(rows), strict=True):
        assert found[row["id"]] == {**row, **{name: other[name] for name in columns}}


@pytest.mark.parametrize("form", ["by names", "in order"])
def test_given_another_fence_when_many_rows_are_updated_then_the_number_tells_who_was_missed(
    driver: Driver, form: str
) -> None:
    rows = samples(tables.task)
    driver.run_many(statements.insert(tables.task), rows)
    changes = [
        {
            "new_progress": "half way",
            "was_id": row["id"],
            "was_fence": row["fence"] + (number == 5),
            "was_status": row["status"],
        }
        for number, row in enumerate(rows)
    ]
    assert run(driver, form, statements.update_tasks(("progress",)), changes) == len(rows) - 1


@pytest.mark.parametrize("ids", [[], ["a"], ["a", "b", "c'", 'd"', "e,f", "{g}", "missing"]])
def test_given_a_set_of_ids_when_it_is_asked_for_then_its_rows_are_found(driver: Driver, ids: list[str]) -> None:
    stored = ["a", "b", "c'", 'd"', "e,f", "{g}", "h"]
    driver.run_many(statements.insert(tables.prompt), [{"task_id": name, "text": name} for name in stored])
    statement = sa.select(tables.prompt.c.task_id).where(one_of(tables.prompt.c.task_id))
    assert sorted(driver.values(statement, {"ids": ids})) == sorted(set(ids) & set(stored))


def test_given_a_type_that_codes_its_values_when_the_driver_runs_it_then_they_are_coded(driver: Driver) -> None:
    driver.run_many(statements.insert(tables.prompt), [{"task_id": "a", "text": "t"}])
    is_there = sa.exists().where(tables.prompt.c.task_id == sa.bindparam("id")).label("is_there")
    assert driver.rows(sa.select(is_there), {"id": "a"}) == [{"is_there": True}]
    assert driver.value(sa.select(is_there), {"id": "b"}) is False


def test_given_a_statement_whose_text_depends_on_its_parameters_when_it_is_prepared_then_it_is_refused(
    driver: Driver,
) -> None:
    expanding = sa.select(tables.prompt).where(tables.prompt.c.task_id.in_(["a", "b"]))
    with pytest.raises(TypeError, match="none of which expands"):
        driver.rows(expanding)


def test_given_a_missing_parameter_when_a_statement_runs_then_it_is_named(driver: Driver) -> None:
    with pytest.raises(KeyError, match="agent_id"):
        driver.values(statements.held_by, {})


def test_given_both_forms_of_a_statement_for_many_rows_when_they_are_compared_then_they_take_the_same_parameters(
    engine: sa.Engine,
) -> None:
    compiled = Statements(engine.dialect).prepared(statements.insert(tables.prompt).by_row)
    assert list(compiled.arrange({"task_id": "a", "text": "b"})) == ["a", "b"]
    assert many.ROWS in statements.insert(tables.prompt).parameters([{"task_id": "a", "text": "b"}])
