"""What was found at the head of the queue is judged again once it is locked: another server may have been faster."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_swarm.domain.matching import Requirements
from agent_swarm.store.sql.rows import SqlRows
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing.driver import Driver
from agent_swarm.testing.invariants import audit


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Driver]:
    engine = SqliteEngine(tmp_path / "swarm.sqlite", synchronous="off")
    engine.open()
    yield Driver(engine)
    assert engine.read(audit) == []
    engine.close()


def found_a_moment_ago(monkeypatch: pytest.MonkeyPatch, task_id: str) -> None:
    """Whoever looks for a head finds this task, as one does who looked before another server's commit."""
    monkeypatch.setattr(SqlRows, "heads", lambda _rows, _classes, _limit: [task_id])


def test_given_a_head_that_another_server_took_before_it_was_locked_when_it_is_claimed_then_nobody_gets_it_twice(
    swarm: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = swarm.register("ada"), swarm.register("bob")
    task_id = swarm.file()
    held = swarm.take(bob)
    found_a_moment_ago(monkeypatch, task_id)

    assert swarm.claim(ada) is None

    assert swarm.state(task_id).fence == held.fence


def test_given_a_head_that_got_into_another_class_before_it_was_locked_when_it_is_claimed_then_it_stays(
    swarm: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = swarm.register("ada")
    swarm.file()
    special = swarm.file(requires=Requirements(tags=frozenset({"gpu"})))
    found_a_moment_ago(monkeypatch, special)

    assert swarm.claim(ada) is None

    assert swarm.state(special).ready
