"""Values under keys: the same on every store, under any history, with expiry, comparing and counting."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_swarm.domain.errors import Conflict, InvalidInput, NotFound, SwarmError, TooLarge
from agent_swarm.domain.kv import COUNT_MAX, VALUE_BYTES
from agent_swarm.domain.time import SECOND
from agent_swarm.store.families.kv import KV, KV_EXPIRIES, AddToValue, ExpireValues, KvEntry, RemoveValue, SetValue
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.operations import Operation
from agent_swarm.store.sql.sqlite import SqliteEngine
from agent_swarm.testing.driver import Driver

NAMESPACE = "swarm/default"


def put(value: Any, key: str = "k", **fields: Any) -> SetValue:
    return SetValue(namespace=NAMESPACE, key=key, actor="operator", value=json.dumps(value), **fields)


def add(by: int = 1, key: str = "k", **fields: Any) -> AddToValue:
    return AddToValue(namespace=NAMESPACE, key=key, actor="operator", by=by, **fields)


def remove(key: str = "k", **fields: Any) -> RemoveValue:
    return RemoveValue(namespace=NAMESPACE, key=key, actor="operator", **fields)


def stored(swarm: Driver) -> list[KvEntry]:
    return swarm.engine.read(lambda queries: queries.scan(KV, limit=100))


def test_given_a_version_when_the_value_has_another_by_now_then_nothing_is_written(swarm: Driver) -> None:
    first = swarm.do(put(1, if_version=0))
    with pytest.raises(Conflict, match="expected 0"):
        swarm.do(put(2, if_version=0))
    second = swarm.do(put(2, if_version=first.version))
    for stale in (put(3, if_version=first.version), remove(if_version=first.version)):
        with pytest.raises(Conflict, match=str(second.version)):
            swarm.do(stale)
    assert stored(swarm) == [second]


def test_given_a_value_that_came_back_when_it_is_compared_with_the_one_before_then_it_differs(swarm: Driver) -> None:
    first = swarm.do(put("a"))
    swarm.do(remove())
    swarm.advance(1)
    again = swarm.do(put("a"))
    assert again.version > first.version


def test_given_many_who_count_in_one_batch_when_it_is_applied_then_each_counts(swarm: Driver) -> None:
    for _ in range(5):
        swarm.run(add(2), add(5, key="other"))
    assert {entry.key: json.loads(entry.value) for entry in stored(swarm)} == {"k": 10, "other": 25}


@pytest.mark.parametrize("value", ["x", 1.5, True, [1], None, COUNT_MAX])
def test_given_what_is_no_number_or_the_largest_when_it_is_counted_then_it_is_refused_and_stays(
    swarm: Driver, value: Any
) -> None:
    kept = swarm.do(put(value))
    if value is None:
        assert json.loads(swarm.do(add()).value) == 1  # nothing is 0
        return
    with pytest.raises(InvalidInput):
        swarm.do(add())
    assert stored(swarm) == [kept]


def test_given_a_value_that_ran_out_when_it_is_asked_for_then_it_is_gone_and_one_sweep_removes_all(
    swarm: Driver,
) -> None:
    for number in range(5):
        swarm.do(put(number, key=f"k{number}", ttl=(number + 1) * SECOND))
    swarm.do(put("kept", key="for good"[:3]))
    swarm.do(put("renewed", key="k0"))
    swarm.advance(3)
    with pytest.raises(NotFound):
        swarm.do(remove("k1"))
    assert swarm.do(put("new", key="k2", if_version=0)).version
    assert swarm.do(ExpireValues(limit=10)) == 1
    swarm.advance(10)
    assert swarm.do(ExpireValues(limit=1)) == 1
    assert swarm.do(ExpireValues(limit=10)) == 1
    assert sorted(entry.key for entry in stored(swarm)) == ["for", "k0", "k2"]
    assert swarm.engine.read(lambda queries: queries.scan(KV_EXPIRIES, limit=10)) == []


def test_given_a_key_or_value_that_may_not_be_when_the_store_is_told_to_then_it_refuses(swarm: Driver) -> None:
    for key in ("", "a b", "a/b", "é", "x" * 201):
        with pytest.raises(InvalidInput):
            swarm.do(put(1, key=key))
    with pytest.raises(TooLarge):
        swarm.do(put("x" * VALUE_BYTES))
    assert stored(swarm) == []


# --- whatever happens ------------------------------------------------------------------------------------------------


@dataclass
class Model:
    """What a value is, told by rules of its own."""

    value: Any = None
    expires_at: int | None = None
    is_there: bool = False


MOVE = st.tuples(
    st.sampled_from(["set", "add", "remove", "sweep", "wait"]),
    st.sampled_from(["a", "b"]),
    st.integers(-3, 3),
    st.sampled_from([None, None, 1, 2]),
    st.sampled_from([None, None, "current", "stale", 0]),
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(MOVE, max_size=25))
def test_given_any_history_when_two_stores_live_through_it_then_they_agree_with_each_other_and_with_a_model(
    tmp_path: Path, moves: list[Any]
) -> None:
    database = SqliteEngine(tmp_path / "swarm.sqlite", synchronous="off")
    pair = (Driver(MemoryEngine()), Driver(database))
    for one in pair:
        one.engine.open()
    try:
        start = max(one.engine.read(lambda queries: len(queries.scan(KV, limit=10))) for one in pair)
        if start:
            for key in "ab":
                pair[1].run(remove(key))
        models = {key: Model() for key in "ab"}
        for what, key, number, ttl, version in moves:
            _live_through(pair, models, (what, key, number, ttl, version))
    finally:
        for one in pair:
            one.engine.close()
        (tmp_path / "swarm.sqlite").unlink()


def _live_through(pair: tuple[Driver, Driver], models: dict[str, Model], move: Any) -> None:
    what, key, number, ttl, version = move
    now = pair[0].now
    model = models[key]
    if model.expires_at is not None and model.expires_at <= now:
        models[key] = model = Model()
    current = next((entry.version for entry in stored(pair[0]) if entry.key == key and entry.is_there(now)), 0)
    if_version = {"current": current, "stale": current + 1, 0: 0}.get(version)
    span = None if ttl is None else ttl * SECOND
    operation: Operation[Any]
    match what:
        case "wait":
            for one in pair:
                one.advance(1)
            return
        case "sweep":
            operation = ExpireValues(limit=2)
        case "set":
            operation = put(number, key=key, ttl=span, if_version=if_version)
        case "add":
            operation = add(number, key=key, ttl=span)
        case _:
            operation = remove(key, if_version=if_version)
    answers = [one.run(operation)[0] for one in pair]
    is_refused = [isinstance(answer, SwarmError) for answer in answers]
    assert is_refused[0] == is_refused[1]
    assert is_refused[0] or answers[0] == answers[1]
    assert stored(pair[0]) == stored(pair[1])
    fits = if_version is None or if_version == current
    if what == "set":
        assert is_refused[0] != fits
        if fits:
            models[key] = Model(number, None if span is None else now + span, is_there=True)
    elif what == "add":
        until = model.expires_at if model.is_there else None if span is None else now + span
        models[key] = Model((model.value or 0) + number, until, is_there=True)
        assert json.loads(answers[0].value) == models[key].value
    elif what == "remove":
        assert is_refused[0] != (model.is_there and fits)
        if not is_refused[0]:
            models[key] = Model()
