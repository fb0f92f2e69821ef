"""Pages of tasks: exact under every combination of filters, and no dearer among many tasks than among few."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import Requirements
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.store import operations as ops
from agent_swarm.store.base import Engine
from agent_swarm.store.records import Cursor, ProjectRecord, TaskFilter, TaskRecord, TaskSpec
from agent_swarm.store.sql import pages, tables
from agent_swarm.store.sql.engine import SqlEngine
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.store.sql.queries import SqlQueries
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import Driver

AGENTS = [new_id(), new_id()]
PROJECTS = [new_id(), new_id()]
SWARM = "swarm-1"
STATUSES: list[tuple[TaskStatus, ...]] = [
    (),
    (TaskStatus.PENDING,),
    (TaskStatus.PENDING, TaskStatus.COMPLETED, TaskStatus.PENDING),
    tuple(TaskStatus),
]
GIVEN = ("agent_id", "project_id", "swarm_id", "root_id", "parent_id", "label")
COMBINATIONS = [names for size in range(len(GIVEN) + 1) for names in itertools.combinations(GIVEN, size)]


def every_filter(values: dict[str, str]) -> Iterator[TaskFilter]:
    for names in COMBINATIONS:
        for statuses in STATUSES:
            yield TaskFilter(statuses=statuses, **{name: values[name] for name in names})


# --- they are exact ---------------------------------------------------------------------------------------------------


@pytest.fixture
def family(swarm: Driver) -> list[TaskRecord]:
    """Tasks with all there is to filter by, several of them filed in the same moment."""
    for project in PROJECTS:
        record = ProjectRecord(id=project, name=project, repo_url="x")
        swarm.do(ops.CreateProject(project=record, actor="operator"))
    ada = swarm.register("ada")
    checkout = swarm.create_swarm("checkout", ada)
    parents: list[TaskSpec] = []
    for step in range(6):
        made = []
        for place in range(6):
            parent = parents[place % 3] if parents and place % 2 else None
            made.append(
                TaskSpec(
                    id=new_id(),
                    title="t",
                    prompt="p",
                    labels=(("ui", "db"), ("ui",), ())[place % 3],
                    project_id=(PROJECTS[0], PROJECTS[1], None)[step % 3],
                    parent_id=parent.id if parent else None,
                    root_id=parent.root_id or parent.id if parent else "",
                    priority=50 + place,
                    requires=Requirements(swarm_id=checkout if (step + place) % 2 else None),
                )
            )
        swarm.do(ops.CreateTasks(tasks=tuple(ops.NewTask(spec=spec) for spec in made), actor="operator"))
        parents = parents or made[:3:2] + made[:1]
        swarm.complete(swarm.take(ada))
        swarm.take(ada)
        swarm.advance(1)
    return swarm.engine.read(lambda q: q.list_tasks(TaskFilter(), after=None, limit=1_000))


@pytest.mark.slow
def test_given_any_combination_of_filters_when_pages_are_followed_then_each_task_that_fits_comes_once_newest_first(
    engine: Engine, family: list[TaskRecord]
) -> None:
    child = next(record for record in family if record.spec.parent_id)
    values = {
        "agent_id": next(record.last_agent_id for record in family if record.last_agent_id) or "",
        "project_id": PROJECTS[0],
        "swarm_id": next(record.spec.swarm_id for record in family if record.spec.swarm_id) or "",
        "root_id": child.spec.root_id,
        "parent_id": child.spec.parent_id or "",
        "label": "ui",
    }
    met = 0
    for filters in every_filter(values):
        expected = [record.spec.id for record in family if fits(record, filters)]
        assert followed(engine, filters, limit=4) == expected, filters
        met += bool(expected)
    assert len(family) == 36
    assert met > 60  # most of them say something


def fits(record: TaskRecord, wanted: TaskFilter) -> bool:
    spec = record.spec
    return (
        (not wanted.statuses or record.state.status in wanted.statuses)
        and wanted.agent_id in (None, record.last_agent_id)
        and wanted.project_id in (None, spec.project_id)
        and wanted.swarm_id in (None, spec.swarm_id)
        and wanted.root_id in (None, spec.root_id)
        and wanted.parent_id in (None, spec.parent_id)
        and (wanted.label is None or wanted.label in spec.labels)
    )


def followed(engine: Engine, filters: TaskFilter, *, limit: int) -> list[str]:
    found: list[str] = []
    after: Cursor | None = None
    while page := engine.read(lambda q: q.list_tasks(filters, after=after, limit=limit)):  # noqa: B023 - read at once
        found += [record.spec.id for record in page]
        after = Cursor(page[-1].spec.created_at, page[-1].spec.id)
    return found


# --- they are bounded -------------------------------------------------------------------------------------------------

# Two halves that never meet: the first belongs to one project and agent and has ended, the second waits elsewhere, in
# a swarm.
# One task in a hundred has a rare label, and one a parent of its own.
UNFRIENDLY = {
    "nothing": TaskFilter(),
    "a status": TaskFilter(statuses=(TaskStatus.COMPLETED,)),
    "two statuses": TaskFilter(statuses=(TaskStatus.PENDING, TaskStatus.RUNNING)),
    "statuses nobody has": TaskFilter(statuses=(TaskStatus.PAUSED, TaskStatus.FAILED)),
    "a label": TaskFilter(label="common"),
    "a label that few have": TaskFilter(label="rare"),
    "a label nobody has": TaskFilter(label="none"),
    "a project": TaskFilter(project_id=PROJECTS[1]),
    "a project and a status nobody has there": TaskFilter(statuses=(TaskStatus.PENDING,), project_id=PROJECTS[0]),
    "a swarm": TaskFilter(swarm_id=SWARM),
    "a swarm and a status nobody has there": TaskFilter(statuses=(TaskStatus.COMPLETED,), swarm_id=SWARM),
    "a rare label in a large swarm": TaskFilter(swarm_id=SWARM, label="rare"),
    "an agent and a status it never had": TaskFilter(statuses=(TaskStatus.PENDING,), agent_id=AGENTS[0]),
    "an agent": TaskFilter(agent_id=AGENTS[0]),
    "a family": TaskFilter(root_id="parent"),
    "children": TaskFilter(parent_id="parent"),
    "children with a status": TaskFilter(statuses=(TaskStatus.PENDING,), parent_id="parent"),
    "a rare label in a large project": TaskFilter(project_id=PROJECTS[0], label="rare"),
    "a rare label with a common status": TaskFilter(statuses=(TaskStatus.PENDING,), label="rare"),
    "a rare label of an agent, and a status": TaskFilter(
        statuses=(TaskStatus.COMPLETED,), agent_id=AGENTS[0], label="rare"
    ),
    "all of it": TaskFilter(
        statuses=(TaskStatus.PENDING, TaskStatus.COMPLETED),
        agent_id=AGENTS[0],
        project_id=PROJECTS[0],
        root_id="parent",
        parent_id="parent",
        label="common",
    ),
}
FEW, MANY = 1_200, 4_800


def fill(engine: SqlEngine, url: str, number: int) -> None:
    """That many tasks, fifty in a second, as described above."""
    engine.open()
    driver = Driver(engine)
    for project in PROJECTS:
        record = ProjectRecord(id=project, name=project, repo_url="x")
        driver.do(ops.CreateProject(project=record, actor="operator"))
    ids = sorted(new_id() for _ in range(number))  # those of one millisecond are in no order
    specs = [
        TaskSpec(
            id=ids[place],
            title="t",
            prompt="p",
            labels=("common", "rare") if place % (number // 10) == 3 else ("common",),
            project_id=PROJECTS[place >= number // 2],
        )
        for place in range(number)
    ]
    for start in range(0, number, 50):
        some = specs[start : start + 50]
        driver.do(ops.CreateTasks(tasks=tuple(ops.NewTask(spec=spec) for spec in some), actor="operator"))
        driver.advance(1)
    ended = [spec.id for spec in specs[: number // 2]]
    beside = sa.create_engine(url)
    with beside.begin() as connection:
        update = sa.update(tables.task)
        connection.execute(
            update.where(tables.task.c.id <= ended[-1]).values(status="completed", ready=0, last_agent_id=AGENTS[0])
        )
        connection.execute(update.where(tables.task.c.id > ended[-1]).values(swarm_id=SWARM))
        kin = [spec.id for spec in specs[:: number // 10]]
        connection.execute(update.where(tables.task.c.id.in_(kin)).values(root_id="parent", parent_id="parent"))
    with beside.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("VACUUM ANALYZE")
    beside.dispose()


@pytest.mark.slow
def test_given_four_times_as_many_tasks_when_a_page_is_read_then_sqlite_does_not_work_more(tmp_path: Path) -> None:
    steps = {}
    for number in (FEW, MANY):
        engine = SqliteEngine(tmp_path / f"{number}.sqlite", synchronous="off")
        fill(engine, f"sqlite:///{tmp_path / f'{number}.sqlite'}", number)
        steps[number] = {what: work_on_sqlite(engine, filters) for what, filters in UNFRIENDLY.items()}
        engine.close()
    for what, before in steps[FEW].items():
        assert steps[MANY][what] <= 1.6 * before + 2_000, (what, before, steps[MANY][what])
        assert steps[MANY][what] < 60_000, (what, steps[MANY][what])  # looking at every task takes 300,000


def work_on_sqlite(engine: SqliteEngine, filters: TaskFilter) -> int:
    """Instructions of SQLite's machine that a page takes, in hundreds."""
    count = itertools.count()
    with engine._reader.connect() as connection:
        raw: Any = connection.connection.driver_connection
        raw.set_progress_handler(lambda: next(count) and 0, 100)
        SqlQueries(connection, engine._classes).list_tasks(filters, after=None, limit=50)
        raw.set_progress_handler(None, 0)
    return 100 * next(count)


@pytest.mark.slow
def test_given_many_tasks_when_a_page_is_read_then_postgresql_looks_at_few_rows(postgres_server: str) -> None:
    with postgres.database_with_tables(postgres_server) as url:
        engine = PostgresEngine(url)
        fill(engine, sa.make_url(url).set(drivername="postgresql+psycopg").render_as_string(False), MANY)
        looked_at = {what: rows_on_postgresql(engine, filters) for what, filters in UNFRIENDLY.items()}
        engine.close()
    assert {what: rows for what, rows in looked_at.items() if rows > 1_500} == {}


def rows_on_postgresql(engine: PostgresEngine, filters: TaskFilter) -> int:
    """Rows of tasks and labels that the plan of a page's statement met, those it threw away too."""
    values = pages.values_of(filters, None, 50)
    form = pages.Form(continues=False, dialect="postgresql")
    with engine._reader.connect() as connection:
        lead, *more = leads = pages.leads_of(filters)
        if more:
            counted = connection.execute(pages.probe_of(filters, leads, form), values).one()
            lead = leads[list(counted).index(min(counted))]
        statement = pages.page_of(filters, lead, form)
        compiled = statement.compile(connection, compile_kwargs={"render_postcompile": True})
        explained = connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled}", compiled.construct_params(values)
        ).scalar_one()
    return sum(map(_met, _nodes(explained[0]["Plan"])))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def _met(node: dict[str, Any]) -> int:
    if node.get("Relation Name") not in ("task", "task_label"):
        return 0
    return int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])


@pytest.fixture
def plan_of(tmp_path: Path) -> Iterator[Callable[[Any, dict[str, Any]], Sequence[str]]]:
    """How SQLite is going to carry out a statement."""
    engine = SqliteEngine(tmp_path / "swarm.sqlite", synchronous="off")
    engine.open()
    with engine._reader.connect() as connection:

        def plan(statement: Any, values: dict[str, Any]) -> Sequence[str]:
            compiled = statement.compile(connection)
            arguments = compiled.construct_params(values)
            in_order = tuple(arguments[name] for name in compiled.positiontup)
            return [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", in_order)]

        yield plan
    engine.close()


@pytest.mark.slow
def test_given_any_combination_of_filters_when_sqlite_plans_a_page_then_only_the_index_that_leads_is_walked(
    plan_of: Callable[[Any, dict[str, Any]], Sequence[str]],
) -> None:
    for filters in every_filter(dict.fromkeys(GIVEN, "x")):
        for after in (None, Cursor(1, "x")):
            values = pages.values_of(filters, after, 50)
            form = pages.Form(continues=after is not None, dialect="sqlite")
            leads = pages.leads_of(filters)
            for lead in leads:
                steps = plan_of(pages.page_of(filters, lead, form), values)
                assert [step for step in steps if strays(step, lead)] == [], (filters, lead, steps)
            steps = plan_of(pages.probe_of(filters, leads, form), values)
            assert [step for step in steps if step.startswith("SCAN task")] == []
            assert [step for step in steps if step.startswith("SEARCH task USING INDEX ix")] == []  # covering ones


def strays(step: str, lead: pages.Lead) -> bool:
    """A step that looks at tasks otherwise than one by one or through the index that leads."""
    names = {"agent": "last_agent"}
    allowed = {f"ix_task_{names.get(lead.value, lead.value)}", "sqlite_autoindex_task_1", "sqlite_autoindex_prompt_1"}
    tables_read = ("task", "prompt", "dependency", "task_label")
    if step.startswith("SCAN"):
        return step.split()[1] in tables_read
    return step.startswith("SEARCH task ") and not any(name in step for name in allowed)
