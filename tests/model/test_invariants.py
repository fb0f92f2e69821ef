"""The rules read a true history without complaint, and find each of them broken in a false one."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent_swarm.domain import commands
from agent_swarm.domain.tasks import AttemptOutcome, TaskStatus
from agent_swarm.services import views
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.operations import BookUsage
from agent_swarm.testing import invariants
from agent_swarm.testing.driver import LEASE, Driver
from agent_swarm.testing.invariants import audit, violations

Log = list[dict[str, Any]]
FIRST, SECOND, UNWANTED = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
UPSTREAMS = {SECOND: [FIRST]}


@pytest.fixture
def engine() -> MemoryEngine:
    """A lapse, a pause, a dependency, a cancelled run and costs."""
    swarm = Driver(MemoryEngine())
    ada = swarm.register("ada")
    swarm.file(task_id=FIRST)
    swarm.file(task_id=SECOND, after=(FIRST,))
    swarm.take(ada)
    swarm.advance(LEASE / 1_000_000)
    swarm.timers()
    again = swarm.take(ada)
    swarm.complete(again)
    paused = swarm.take(ada)
    swarm.pause(paused)
    swarm.command(commands.Resume(task_id=SECOND))
    swarm.complete(swarm.take(ada))
    swarm.file(task_id=UNWANTED)
    swarm.take(ada)
    swarm.cancel(UNWANTED)
    swarm.do(BookUsage(task_id=FIRST, attempt=1, seq=0, input_tokens=1, output_tokens=1, cost_micros=1))
    return swarm.engine  # type: ignore[return-value]  # it is the one given


@pytest.fixture
def log(engine: MemoryEngine) -> Log:
    return [views.event(event).model_dump(by_alias=True) for event in engine.history]


def index(log: Log, kind: str, task_id: str = FIRST, which: int = 0) -> int:
    return [at for at, event in enumerate(log) if (event["type"], event["taskId"]) == (kind, task_id)][which]


def numbered(log: Log) -> Log:
    return [{**event, "seq": seq} for seq, event in enumerate(log, 1)]


def without(log: Log, at: int) -> Log:
    return numbered(log[:at] + log[at + 1 :])


def with_again(log: Log, position: int, **changes: Any) -> Log:
    """The event once more, at the end and with changes."""
    return numbered([*log, {**copy.deepcopy(log[position]), "at": log[-1]["at"], **changes}])


def changed(log: Log, position: int, **changes: Any) -> Log:
    return [*log[:position], {**log[position], **changes}, *log[position + 1 :]]


def moved(log: Log, at: int, to: int) -> Log:
    rest = log[:at] + log[at + 1 :]
    return numbered([*rest[:to], {**log[at], "at": rest[to]["at"]}, *rest[to:]])


FAULTS: list[tuple[str, Callable[[Log], Log]]] = [
    (invariants.GAPLESS, lambda log: log[:3] + log[4:]),
    (invariants.FORWARD, lambda log: changed(log, len(log) - 1, at="2001-01-01T00:00:00.000Z")),
    (invariants.KNOWN, lambda log: changed(log, 0, type="a.b")),
    (invariants.FILED, lambda log: without(log, index(log, "task.created"))),
    (invariants.ALTERNATE, lambda log: without(log, index(log, "task.requeued"))),
    (invariants.ALTERNATE, lambda log: without(log, index(log, "task.claimed"))),
    (invariants.CLAIMABLE, lambda log: without(log, index(log, "task.resumed", SECOND))),
    (invariants.CLAIMABLE, lambda log: without(log, index(log, "task.unblocked", SECOND))),
    (invariants.COUNTED, lambda log: changed(log, index(log, "task.claimed", FIRST, 1), attempt=3)),
    (
        invariants.FENCE,
        lambda log: changed(
            log,
            index(log, "task.claimed", FIRST, 1),
            data=log[index(log, "task.claimed")]["data"],
        ),
    ),
    (invariants.UPSTREAMS, lambda log: moved(log, index(log, "task.completed"), index(log, "task.paused", SECOND))),
    (invariants.CURRENT, lambda log: moved(log, index(log, "task.started"), index(log, "task.requeued") + 1)),
    (invariants.CURRENT, lambda log: changed(log, index(log, "task.started", FIRST, 1), attempt=1)),
    (invariants.CURRENT, lambda log: changed(log, index(log, "task.usageBooked"), attempt=7)),
    (
        invariants.HOLDER,
        lambda log: changed(log, index(log, "task.completed"), data={"agentId": "somebody else"}),
    ),
    (invariants.ONE_RESULT, lambda log: with_again(log, index(log, "task.completed"))),
    (invariants.STAYS_ENDED, lambda log: with_again(log, index(log, "task.claimed"))),
    (
        invariants.STAYS_CANCELLED,
        lambda log: with_again(log, index(log, "task.cancelled", UNWANTED), type="task.completed"),
    ),
]


def test_given_a_true_history_when_it_is_checked_then_nothing_is_found(engine: MemoryEngine, log: Log) -> None:
    assert violations(log, upstreams=UPSTREAMS) == []
    assert engine.read(audit) == []


@pytest.mark.parametrize(("rule", "plant"), FAULTS, ids=[f"{at}-{rule}" for at, (rule, _) in enumerate(FAULTS)])
def test_given_a_history_with_one_fault_when_it_is_checked_then_its_rule_is_named(
    log: Log, rule: str, plant: Callable[[Log], Log]
) -> None:
    assert rule in {found.rule for found in violations(plant(log), upstreams=UPSTREAMS)}


def test_given_an_edited_event_when_the_store_is_checked_then_the_chain_is_found_broken(engine: MemoryEngine) -> None:
    engine.history[5] = engine.history[5]._replace(actor="somebody else")
    assert [found.about for found in engine.read(audit) if found.rule == invariants.CHAINED] == ["event 6"]


@pytest.mark.parametrize(
    "changes",
    [{"attempt": 3}, {"fence": 1}, {"agent_id": "somebody"}, {"status": "pending"}],
    ids=lambda changes: next(iter(changes)),
)
def test_given_a_task_that_differs_from_its_events_when_the_store_is_checked_then_it_is_named(
    engine: MemoryEngine, changes: dict[str, Any]
) -> None:
    record = engine.records[FIRST]
    wrong = {**changes, **({"status": TaskStatus(changes["status"])} if "status" in changes else {})}
    engine.records[FIRST] = replace(record, state=replace(record.state, **wrong))
    found = [one for one in engine.read(audit) if one.rule == invariants.ROWS_AGREE]
    assert found and all(FIRST in one.about for one in found)


@pytest.mark.parametrize("outcome", [None, AttemptOutcome.COMPLETED])
def test_given_an_attempt_that_differs_from_its_events_when_the_store_is_checked_then_it_is_named(
    engine: MemoryEngine, outcome: AttemptOutcome | None
) -> None:
    key = (UNWANTED, 1)
    engine.attempts[key] = replace(engine.attempts[key], outcome=outcome)
    assert [found.rule for found in engine.read(audit)] == [invariants.ROWS_AGREE]


def test_given_a_task_without_events_when_the_store_is_checked_then_it_is_named(engine: MemoryEngine) -> None:
    engine.history.clear()
    assert {found.rule for found in engine.read(audit)} == {invariants.ROWS_AGREE}
