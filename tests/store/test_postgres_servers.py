"""PostgreSQL under several servers: who waits for whom, what is done again, and what a lost answer means."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agent_swarm.domain import commands
from agent_swarm.domain.dependencies import OnFailure
from agent_swarm.domain.errors import InvalidInput, Superseded, SwarmError, Unavailable
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import Requirements
from agent_swarm.domain.messages import MessageKind
from agent_swarm.server.node import Node
from agent_swarm.store import operations as ops
from agent_swarm.store.base import Committed, Queries
from agent_swarm.store.batcher import BatchingStore
from agent_swarm.store.clock import DatabaseClock
from agent_swarm.store.families.mail import Message
from agent_swarm.store.families.posting import Addressee, PostMessage
from agent_swarm.store.opening import open_store
from agent_swarm.store.records import Edge, TaskSpec
from agent_swarm.store.sql import postgres as sut
from agent_swarm.store.sql.commits import Fate, fate_of
from agent_swarm.store.sql.postgres import PostgresEngine
from agent_swarm.store.sql.postgres_connections import DatabaseUnreachableError
from agent_swarm.store.telling import Telling
from agent_swarm.testing import postgres
from agent_swarm.testing.driver import Driver
from agent_swarm.testing.invariants import audit
from agent_swarm.testing.postgres_proxy import Fault, PostgresProxy, proxied

pytestmark = [pytest.mark.slow]

PATIENCE_SECONDS = 10.0
Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def url(postgres_server: str) -> Iterator[str]:
    with postgres.database_with_tables(postgres_server) as url:
        yield url


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@contextmanager
def opened(url: str, **options: Any) -> Iterator[PostgresEngine]:
    engine = PostgresEngine(url, **options)
    engine.open()
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture
def swarm(url: str, stack: ExitStack) -> Iterator[Driver]:
    """The first server."""
    engine = stack.enter_context(opened(url))
    yield Driver(engine)
    assert engine.read(audit) == []


@pytest.fixture
def other(swarm: Driver, url: str, stack: ExitStack) -> Driver:
    """A second server, which knows the same agents."""
    return Driver(stack.enter_context(opened(url)), instances=swarm.instances, profiles=swarm.profiles)


@pytest.fixture
def stranger(swarm: Driver, url: str) -> Iterator[Connection]:
    """Somebody who holds locks for as long as a test wants."""
    with psycopg.connect(url) as connection:
        yield connection


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def wait_for_a_lock(url: str) -> None:
    """Return once a batch waits for somebody else's lock."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    with psycopg.connect(url, autocommit=True) as connection:
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while connection.execute(waiting).fetchone() is None:
            assert time.monotonic() < give_up_at, "nobody waits for a lock"


# --- claims -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [1, 2])
def test_given_a_head_that_another_server_is_taking_when_one_claims_then_it_takes_the_next_and_waits_for_nobody(
    swarm: Driver, stranger: Connection, background: ThreadPoolExecutor, classes: int
) -> None:
    ada = swarm.register(tags=("gpu",))
    needs = [Requirements(), Requirements(tags=frozenset({"gpu"}))]
    first, second = [swarm.file(requires=needs[number % classes]) for number in range(2)]
    stranger.execute("SELECT id FROM task WHERE id = %s FOR UPDATE", (first,))

    claiming = background.submit(swarm.claim, ada)
    try:
        claimed = claiming.result(PATIENCE_SECONDS)
    finally:
        stranger.rollback()

    assert claimed is not None and claimed.task.spec.id == second


def test_given_a_process_that_is_being_replaced_elsewhere_when_it_claims_then_it_waits_and_is_refused(
    swarm: Driver, stranger: Connection, url: str, background: ThreadPoolExecutor
) -> None:
    ada = swarm.register()
    task_id = swarm.file()
    stranger.execute("UPDATE agent SET instance_id = %s", (new_id(),))

    claiming = background.submit(swarm.claim, ada)
    wait_for_a_lock(url)
    stranger.commit()

    with pytest.raises(Superseded):
        claiming.result()
    assert swarm.state(task_id).status.value == "pending"


def test_given_a_dependant_that_is_being_filed_elsewhere_when_what_it_waits_for_is_cancelled_then_it_is_told(
    swarm: Driver, other: Driver, url: str, background: ThreadPoolExecutor
) -> None:
    first, spec = swarm.file(), TaskSpec(id=new_id(), title="t", prompt="p")
    new = ops.NewTask(spec=spec, edges=(Edge(upstream_id=first, on_failure=OnFailure.FAIL),))
    assert isinstance(other.engine, PostgresEngine)
    filing = other.engine._decide([ops.CreateTasks(tasks=(new,), actor="x")], other.now)

    cancelling = background.submit(swarm.cancel, first)
    try:
        wait_for_a_lock(url)
    finally:
        filing.commit()
    cancelling.result()

    assert swarm.state(spec.id).status.value == "failed"


def test_given_two_servers_when_all_their_workers_claim_at_once_then_every_task_is_taken_once(
    swarm: Driver, other: Driver, background: ThreadPoolExecutor
) -> None:
    agents = [swarm.register(f"agent {number}") for number in range(4)]
    tasks = {swarm.file() for _ in range(80)}

    def claim_all(server: Driver, mine: list[str]) -> list[str]:
        taken: list[str] = []
        while found := [reply for reply in server.run(*map(server.claim_operation, mine)) if reply is not None]:
            taken += [claimed.task.spec.id for claimed in found]
        return taken

    both = [background.submit(claim_all, server, agents[i::2]) for i, server in enumerate((swarm, other))]
    taken = [task_id for one in both for task_id in one.result()]

    assert len(taken) == len(set(taken))
    left = [claimed.task.spec.id for claimed in iter(lambda: swarm.claim(agents[0]), None)]  # passed over while locked
    assert {*taken, *left} == tasks


def test_given_one_claim_id_at_two_servers_when_both_claim_at_once_then_it_has_one_task(
    swarm: Driver, other: Driver, background: ThreadPoolExecutor
) -> None:
    ada = swarm.register()
    for _ in range(40):
        swarm.file()

    for _ in range(20):
        claim_id = new_id()
        both = [background.submit(server.claim, ada, claim_id) for server in (swarm, other)]
        found = [one.result() for one in both]
        assert found[0] is not None and found[1] is not None
        assert found[0].task.spec.id == found[1].task.spec.id

    assert len(swarm.engine.read(lambda queries: queries.held_tasks())) == 20


def test_given_one_idempotency_key_at_two_servers_when_both_create_then_there_is_one_task(
    swarm: Driver, other: Driver, background: ThreadPoolExecutor
) -> None:
    for number in range(20):
        asked = ops.Idempotency(subject="me", route="POST /api/tasks", key=str(number), body_hash="b")

        def create(server: Driver, asked: ops.Idempotency = asked) -> tuple[str, ...]:
            new = ops.NewTask(spec=TaskSpec(id=new_id(), title="t", prompt="p"))
            created: ops.Created = server.do(ops.CreateTasks(tasks=(new,), actor="operator", idempotency=asked))
            return created.task_ids

        one, two = (background.submit(create, server) for server in (swarm, other))
        assert one.result() == two.result()

    assert sum(swarm.engine.read(lambda queries: queries.counts()).values()) == 20


def test_given_a_lease_that_another_server_moves_on_when_the_agents_process_is_replaced_then_it_is_left_alone(
    swarm: Driver, stranger: Connection, url: str, background: ThreadPoolExecutor
) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    swarm.file()
    held = swarm.take(ada)
    stranger.execute("UPDATE task SET agent_id = %s, instance_id = %s", (bob, swarm.instances[bob]))

    registering = background.submit(swarm.register, "ada", agent_id=ada)
    wait_for_a_lock(url)
    stranger.commit()
    registering.result()

    assert swarm.state(held.task_id).fence == held.fence
    stranger.execute("UPDATE task SET agent_id = %s, instance_id = %s", (ada, swarm.instances[ada]))
    stranger.commit()


def test_given_a_process_that_is_replaced_at_another_server_when_it_claims_meanwhile_then_nothing_is_left_with_it(
    swarm: Driver, other: Driver, background: ThreadPoolExecutor
) -> None:
    ada = swarm.register()
    for _ in range(30):
        swarm.file()

    for _ in range(15):
        claim = swarm.claim_operation(ada)
        claiming = background.submit(swarm.run, claim)
        replacing = background.submit(other.register, "ada", agent_id=ada)
        claiming.result(), replacing.result()
        holders = {task.state.instance_id for task in swarm.engine.read(lambda queries: queries.held_tasks())}
        assert holders <= {swarm.instances[ada]}


# --- done again ---------------------------------------------------------------------------------------------------


def test_given_a_deadlock_when_it_is_broken_then_the_batch_is_done_again(
    swarm: Driver, stranger: Connection, url: str, background: ThreadPoolExecutor
) -> None:
    first = swarm.file()
    second = swarm.file(after=(first,))
    stranger.execute("SET deadlock_timeout = '60s'")  # the batch is the one to notice
    stranger.execute("SELECT id FROM task WHERE id = %s FOR UPDATE", (second,))

    cancelling = background.submit(swarm.cancel, first)  # has the first, waits for its dependant
    wait_for_a_lock(url)
    stranger.execute("SELECT id FROM task WHERE id = %s FOR UPDATE", (first,))
    stranger.commit()
    cancelling.result()

    assert [swarm.state(task_id).status.value for task_id in (first, second)] == ["cancelled", "failed"]


def test_given_two_servers_that_meet_the_same_tasks_in_another_order_when_they_hurry_then_all_of_it_is_done(
    swarm: Driver, other: Driver, background: ThreadPoolExecutor
) -> None:
    tasks = [swarm.file() for _ in range(12)]

    def reprioritize(server: Driver, order: list[str]) -> None:
        for round_ in range(25):
            server.run(*(ops.TaskCommand(command=commands.Shelve(task_id=task), actor="x") for task in order[:6]))
            server.run(*(ops.Reprioritize(task_id=task, priority=round_, actor="x") for task in order[6:]))
            server.run(*(ops.TaskCommand(command=commands.Promote(task_id=task), actor="x") for task in order[:6]))

    both = [background.submit(reprioritize, swarm, tasks), background.submit(reprioritize, other, tasks[::-1])]
    for one in both:
        one.result()


def test_given_connections_that_the_database_ended_when_work_goes_on_then_nobody_notices(
    swarm: Driver, url: str
) -> None:
    first = swarm.file()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")

    assert swarm.state(first).status.value == "pending"
    second = swarm.file()

    assert swarm.state(second).status.value == "pending"


def test_given_a_batch_that_is_refused_as_a_whole_when_the_connection_breaks_among_its_parts_then_none_acts_twice(
    swarm: Driver, url: str, tmp_path: Path
) -> None:
    with _way(url) as (way, proxy), opened(way) as engine:
        server = Driver(engine)
        taken = server.file()
        specs = [TaskSpec(id=task_id, title="t", prompt="p") for task_id in (new_id(), taken, new_id())]
        creates = [ops.CreateTasks(tasks=(ops.NewTask(spec=spec),), actor="x") for spec in specs]

        proxy.break_next_commit(Fault.ANSWER)
        replies = server.run(*creates)

    assert proxy.met.is_set()
    assert [isinstance(reply, SwarmError) for reply in replies] == [False, True, False]
    assert sum(swarm.engine.read(lambda queries: queries.counts()).values()) == 3


def test_given_a_text_that_the_database_cannot_store_when_it_is_in_a_batch_then_only_its_own_operation_is_refused(
    swarm: Driver,
) -> None:
    specs = [TaskSpec(id=new_id(), title=title, prompt="p") for title in ("good", "bad\x00", "good")]

    replies = swarm.run(*(ops.CreateTasks(tasks=(ops.NewTask(spec=spec),), actor="x") for spec in specs))

    assert [isinstance(reply, InvalidInput) for reply in replies] == [False, True, False]
    assert swarm.state(specs[2].id).status.value == "pending"


def test_given_a_batch_that_began_earlier_and_commits_later_then_time_does_not_go_back(
    swarm: Driver, other: Driver
) -> None:
    other.now = swarm.now - 5_000_000

    swarm.file()
    other.file()

    first, second = swarm.engine.read(lambda queries: queries.events_after(0, limit=2))
    assert first.at == second.at == swarm.now


def test_given_a_read_when_another_server_writes_in_the_midst_of_it_then_it_sees_one_moment(
    swarm: Driver, other: Driver
) -> None:
    def look(queries: Queries) -> tuple[Any, Any]:
        before = queries.head()
        other.file()
        return before, queries.head()

    before, after = swarm.engine.read(look)

    assert before == after != swarm.engine.read(lambda queries: queries.head())


# --- commits without an answer ------------------------------------------------------------------------------------


@contextmanager
def _way(url: str) -> Iterator[tuple[str, PostgresProxy]]:
    with tempfile.TemporaryDirectory(prefix="pg-") as folder, proxied(url, Path(folder)) as (way, proxy):
        yield way, proxy


@pytest.mark.parametrize("fault", Fault)
def test_given_a_commit_whose_answer_is_lost_when_its_fate_is_found_out_then_the_batch_acts_exactly_once(
    swarm: Driver, url: str, fault: Fault
) -> None:
    ada = swarm.register()
    swarm.file()
    with _way(url) as (way, proxy), opened(way) as engine:
        server = Driver(engine, instances=swarm.instances, profiles=swarm.profiles)
        claim = server.claim_operation(ada)

        proxy.break_next_commit(fault)
        (claimed,) = server.run(claim)

        assert proxy.met.is_set()
        assert claimed is not None
        assert server.file()  # and the next one goes its way

    (held,) = swarm.engine.read(lambda queries: queries.held_tasks())
    assert held.state.fence == claimed.task.state.fence == 1
    assert len(swarm.engine.read(lambda queries: queries.attempts(held.spec.id))) == 1


def test_given_a_transaction_that_is_still_open_when_its_fate_is_found_out_then_it_can_commit_no_more(
    swarm: Driver, stranger: Connection, url: str
) -> None:
    swarm.file()
    stranger.execute("UPDATE task SET priority = priority")
    row = stranger.execute("SELECT pg_current_xact_id()::text").fetchone()
    assert row is not None

    fate = fate_of(
        row[0],
        stranger.info.backend_pid,
        last_event=None,
        connect=lambda: psycopg.connect(url, autocommit=True),
        until=time.monotonic() + PATIENCE_SECONDS,
    )

    assert fate is Fate.ABORTED
    with pytest.raises(psycopg.OperationalError):
        stranger.commit()


@pytest.mark.parametrize("fault", Fault)
def test_given_a_batch_without_events_when_the_answer_of_its_commit_is_lost_then_it_is_done(
    swarm: Driver, url: str, fault: Fault
) -> None:
    ada = swarm.register()
    swarm.file()
    held = swarm.take(ada)
    with _way(url) as (way, proxy), opened(way) as engine:
        server = Driver(engine, instances=swarm.instances, profiles=swarm.profiles, now=swarm.now + 5)

        proxy.break_next_commit(fault)
        (verdict,) = server.beat(ada, held)

    assert proxy.met.is_set()
    assert verdict.renewed
    assert swarm.state(held.task_id).lease_expires_at == swarm.now + 5 + 30_000_000


def test_given_a_commit_without_an_answer_when_nobody_can_tell_its_fate_then_the_caller_is_told_to_ask_again(
    swarm: Driver, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sut, "OUTCOME_SECONDS", 0.2)
    with _way(url) as (way, proxy), opened(way, patience=0.2) as engine:
        server = Driver(engine)
        asked = ops.Idempotency(subject="me", route="r", key="k", body_hash="b")
        new = ops.NewTask(spec=TaskSpec(id=new_id(), title="t", prompt="p"))
        create = ops.CreateTasks(tasks=(new,), actor="x", idempotency=asked)

        proxy.break_next_commit(Fault.ANSWER)
        proxy.is_away = True
        with pytest.raises(Unavailable, match="not known yet"):
            server.run(create)
        proxy.come_back()
        (again,) = server.run(create)

    assert again.replayed


def test_given_a_database_that_is_away_when_it_is_asked_then_callers_are_sent_away_and_served_when_it_is_back(
    swarm: Driver, url: str
) -> None:
    with _way(url) as (way, proxy), opened(way, patience=0.2) as engine:
        server = Driver(engine)
        proxy.go_away()

        with pytest.raises(Unavailable, match="does not answer"):
            server.file()
        with pytest.raises(Unavailable, match="does not answer"):
            engine.read(lambda queries: queries.head())
        proxy.come_back()

        assert server.state(server.file()).status.value == "pending"


def test_given_a_database_that_is_not_there_when_it_is_opened_then_the_remedy_is_told_and_no_password() -> None:
    engine = PostgresEngine("postgresql://swarm:geheim@127.0.0.1:1/nowhere")

    with pytest.raises(DatabaseUnreachableError) as refused:
        engine.open()

    assert "127.0.0.1:1/nowhere" in refused.value.message
    assert "geheim" not in f"{refused.value.message} {refused.value.hint}"


# --- nothing hangs ------------------------------------------------------------------------------------------------


def test_given_the_connections_of_a_server_then_no_statement_and_no_idle_transaction_lasts_for_ever(
    swarm: Driver, url: str
) -> None:
    engine = swarm.engine
    assert isinstance(engine, PostgresEngine)
    for connection in (engine._connection.driver(), None):
        for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
            if connection is not None:
                (value,) = connection.begin(f"SHOW {name}")
            else:
                value = engine.read(lambda q, name=name: q._connection.exec_driver_sql(f"SHOW {name}").scalar())  # type: ignore[misc]
            assert value == "30s"


def test_given_a_server_that_stands_still_in_a_transaction_when_others_need_its_rows_then_they_get_them(
    swarm: Driver, url: str, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = swarm.file()
    monkeypatch.setattr(sut, "IDLE_SECONDS", 1)
    frozen = stack.enter_context(opened(url))
    decided = frozen._decide([ops.Reprioritize(task_id=task, priority=1, actor="x")], swarm.now)  # and then SIGSTOP

    swarm.do(ops.Reprioritize(task_id=task, priority=99, actor="x"))

    with pytest.raises(psycopg.Error):
        decided.commit()
    assert swarm.task(task).spec.priority == 99


def test_given_rows_that_somebody_keeps_for_too_long_when_a_batch_needs_them_then_callers_are_sent_away_and_it_goes_on(
    swarm: Driver, stranger: Connection, url: str, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = swarm.file()
    monkeypatch.setattr(sut, "STATEMENT_SECONDS", 1)
    hurried = Driver(stack.enter_context(opened(url, patience=0)))
    stranger.execute("SELECT id FROM task WHERE id = %s FOR UPDATE", (task,))

    with pytest.raises(Unavailable) as refused:
        hurried.do(ops.Reprioritize(task_id=task, priority=1, actor="x"))
    with pytest.raises(Unavailable):
        hurried.engine.read(lambda queries: queries._connection.exec_driver_sql("SELECT pg_sleep(60)"))  # type: ignore[attr-defined]

    assert "has not been done" in refused.value.hint
    stranger.rollback()
    hurried.do(ops.Reprioritize(task_id=task, priority=99, actor="x"))
    assert swarm.task(task).spec.priority == 99


# --- clock and news -----------------------------------------------------------------------------------------------


def test_given_the_databases_clock_when_a_batch_is_applied_then_it_is_dated_by_it_whatever_the_caller_says(
    url: str,
) -> None:
    clock = DatabaseClock()
    with opened(url, clock=clock) as engine, psycopg.connect(url) as connection:
        task = Driver(engine, now=17).file()
        row = connection.execute("SELECT (extract(epoch FROM now()) * 1000000)::bigint").fetchone()

        record = engine.read(lambda queries: queries.task(task))

        assert record is not None and row is not None
        assert abs(record.spec.created_at - row[0]) < 60_000_000
        assert abs(clock.now() - row[0]) < 60_000_000


def test_given_a_database_clock_that_leaps_when_it_is_seen_then_that_is_counted_and_time_never_goes_back() -> None:
    here = 1_000
    clock = DatabaseClock(monotonic=lambda: here)
    clock.observe(50_000_000)
    assert clock.now() == 50_000_000
    here += 7
    assert clock.now() == 50_000_007

    clock.observe(40_000_000)
    assert clock.now() == 50_000_007
    assert clock.jumps == 0
    clock.observe(90_000_000)

    assert clock.jumps == 1
    assert clock.now() == 90_000_000


class Listener:
    """What one server's subscribers were told."""

    def __init__(self, store: BatchingStore) -> None:
        self.store = store
        self.told: list[Committed] = []
        store.subscribe(self.told.append)

    @property
    def seqs(self) -> list[int]:
        return [event.seq for committed in self.told for event in committed.events]


@pytest.fixture
async def two(url: str) -> AsyncIterator[tuple[Listener, Listener]]:
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_store(url)) for _ in range(2)]
        yield Listener(stores[0]), Listener(stores[1])


def filing() -> ops.CreateTasks:
    return ops.CreateTasks(tasks=(ops.NewTask(spec=TaskSpec(id=new_id(), title="t", prompt="p")),), actor="x")


def test_given_a_batch_of_many_operations_when_it_commits_then_the_others_get_one_notice_of_all_of_it(url: str) -> None:
    with (
        opened(url, announce=lambda committed: f"{len(committed.events)} events") as engine,
        psycopg.connect(url, autocommit=True) as ear,
    ):
        ear.execute("LISTEN agent_swarm")
        engine.apply_batch([filing() for _ in range(40)], now=1)
        ear.execute("NOTIFY agent_swarm, 'nothing more'")
        heard = [notice.payload for notice in ear.notifies(timeout=PATIENCE_SECONDS, stop_after=2)]
    assert heard == ["40 events", "nothing more"]


@pytest.mark.anyio
async def test_given_two_servers_that_write_at_once_when_they_are_told_then_each_hears_all_of_it_once_and_in_order(
    two: tuple[Listener, Listener],
) -> None:
    async def write(store: BatchingStore) -> None:
        for _ in range(40):
            await store.apply(filing())

    await asyncio.gather(*(write(listener.store) for listener in two for _ in range(3)))
    for listener in two:
        await listener.store.catch_up()

    assert two[0].seqs == two[1].seqs == list(range(1, 241))


@pytest.mark.anyio
async def test_given_what_another_server_committed_when_this_one_writes_then_that_is_told_before_its_answer(
    two: tuple[Listener, Listener],
) -> None:
    one, other = two
    await one.store.apply(filing())

    await other.store.apply(filing())

    assert other.seqs == [1, 2]
    assert [committed.is_foreign for committed in other.told if committed.events] == [True, False]


@pytest.mark.anyio
async def test_given_a_batch_with_anothers_events_among_its_own_when_it_is_told_then_those_are_told_too(
    two: tuple[Listener, Listener],
) -> None:
    """Operations that were applied one by one have others' commits between them."""
    one, other = two
    for listener in (one, other, one):
        await listener.store.apply(filing())
    first, _, third = [event for committed in one.told for event in committed.events]
    telling = Telling(one.store.read)
    told: list[int] = []
    telling.subscribe(lambda committed: told.extend(event.seq for event in committed.events))

    await telling.tell(Committed(at=third.at, events=(first, third)))

    assert told == [1, 2, 3]


@pytest.mark.anyio
async def test_given_events_that_were_read_before_their_own_batch_is_told_then_it_still_says_how_far_it_goes(
    two: tuple[Listener, Listener],
) -> None:
    """A sweep reads what is committed a moment before the batch that made it has come back from the database."""
    one, other = two
    await one.store.apply(filing())
    await one.store.apply(filing())
    batch = next(committed for committed in one.told if committed.events)
    await other.store.catch_up()

    await other.store._telling.tell(batch)

    assert other.seqs == [1, 2]
    assert other.told[-1].up_to == 1 and other.told[-1].events == ()
    notice = Node().of_batch(other.told[-1])
    assert notice is not None and notice.body["seq"] == 1


@pytest.mark.anyio
async def test_given_an_event_that_is_told_already_when_a_notice_names_it_then_nothing_is_read(
    two: tuple[Listener, Listener],
) -> None:
    one, other = two
    await one.store.apply(filing())
    await other.store.catch_up(at_least=1)
    reads: list[Callable[..., Any]] = []
    inner = other.store._telling._read
    other.store._telling._read = lambda query: (reads.append(query), inner(query))[1]  # type: ignore[misc,func-returns-value]

    await other.store.catch_up(at_least=1, ready={1: 1})

    assert reads == []
    assert other.told[-1].ready == {1: 1} and other.told[-1].is_foreign


@pytest.mark.anyio
async def test_given_news_that_cannot_be_read_when_this_server_writes_then_its_own_are_told_all_the_same(
    two: tuple[Listener, Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    await one.store.apply(filing())

    async def fail(_: object) -> None:
        raise OSError("away")

    monkeypatch.setattr(other.store._telling, "_read", fail)
    await other.store.apply(filing())

    assert other.seqs == [2]


def test_given_servers_that_start_at_once_on_an_empty_database_then_all_of_them_open_it(
    url: str, background: ThreadPoolExecutor
) -> None:
    engines = [PostgresEngine(url) for _ in range(4)]
    try:
        for opening in [background.submit(engine.open) for engine in engines]:
            opening.result()
        assert [engine.read(lambda queries: queries.head()[0]) for engine in engines] == [0] * 4
    finally:
        for engine in engines:
            engine.close()


# --- messages -----------------------------------------------------------------------------------------------------


def test_given_two_servers_that_post_at_once_when_it_is_the_first_message_then_numbers_have_no_gap_and_none_twice(
    swarm: Driver, other: Driver, background: ThreadPoolExecutor
) -> None:
    def post_some(server: Driver) -> list[int]:
        return [server.do(writing("operator")).message.number for _ in range(10)]

    posting = [background.submit(post_some, server) for server in (swarm, other)]

    numbers = [number for one in posting for number in one.result(PATIENCE_SECONDS)]
    assert sorted(numbers) == list(range(1, 21))


def test_given_a_message_that_another_server_is_posting_when_one_posts_then_it_waits_and_has_the_next_number(
    swarm: Driver, stranger: Connection, background: ThreadPoolExecutor, url: str
) -> None:
    swarm.do(writing("operator"))
    stranger.execute("SELECT number FROM message_head FOR UPDATE")

    posting = background.submit(swarm.do, writing("operator"))
    wait_for_a_lock(url)
    is_waiting = not posting.done()
    stranger.rollback()

    assert is_waiting
    assert posting.result(PATIENCE_SECONDS).message.number == 2


def writing(recipient: str) -> PostMessage:
    """The operation that says something to somebody."""
    message = Message(id=new_id(), kind=MessageKind.DIRECT, sender="operator", sender_name="operator", text="hello")
    return PostMessage(message=message, addressees=(Addressee(recipient=recipient),), most_hops=1)
