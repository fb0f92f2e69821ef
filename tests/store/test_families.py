"""Small records under keys: the same on every store, and coded without loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest

from agent_swarm.domain.errors import Conflict
from agent_swarm.store.base import Engine
from agent_swarm.store.events import SYSTEM, Draft
from agent_swarm.store.families.facts import FACTS, Fact, SettleFact
from agent_swarm.store.families.family import Family
from agent_swarm.store.operations import Desk, RecordOperation
from agent_swarm.store.sql import families
from agent_swarm.testing.driver import Driver


@dataclass(frozen=True, slots=True)
class Write(RecordOperation[list[str]]):
    """Put and remove facts, and answer what was then there."""

    put: tuple[Fact, ...] = ()
    remove: tuple[str, ...] = ()
    refuse: bool = False

    def carry_out(self, desk: Desk) -> list[str]:
        if self.refuse:
            raise Conflict("no")
        for fact in self.put:
            desk.put(FACTS, fact)
            desk.say(_told(fact))
        for name in self.remove:
            desk.remove(FACTS, name)
        return [fact.name for fact in desk.scan(FACTS, limit=10)]


def _told(fact: Fact) -> Draft:
    return Draft(type="project.created", actor=SYSTEM, subject_kind="project", subject_id=fact.name)


def names(engine: Engine, *, after: str | None = None, limit: int = 10) -> list[str]:
    place = None if after is None else (after,)
    return [fact.name for fact in engine.read(lambda q: q.scan(FACTS, after=place, limit=limit))]


def test_given_records_when_they_are_put_replaced_and_removed_then_each_operation_sees_the_last_word(
    swarm: Driver,
) -> None:
    assert swarm.do(Write(put=(Fact("b", "1"), Fact("a", "2")))) == ["a", "b"]
    assert swarm.do(Write(put=(Fact("b", "3"), Fact("c", "4")), remove=("a", "nothing"))) == ["b", "c"]
    assert swarm.engine.read(lambda q: (q.record(FACTS, "b"), q.record(FACTS, "a"))) == (Fact("b", "3"), None)


def test_given_many_records_when_pages_are_read_then_each_continues_the_one_before(swarm: Driver) -> None:
    swarm.do(Write(put=tuple(Fact(f"n{number}", "") for number in range(7))))
    first = names(swarm.engine, limit=3)
    assert first + names(swarm.engine, after=first[-1]) == [f"n{number}" for number in range(7)]


def test_given_a_refused_operation_when_others_are_in_its_batch_then_they_go_on(swarm: Driver) -> None:
    refused, done = swarm.engine.apply_batch([Write(refuse=True), Write(put=(Fact("a", ""),))], swarm.now).replies
    assert isinstance(refused, Conflict)
    assert done == ["a"]
    assert [event.subject_id for event in swarm.engine.read(lambda q: q.events_after(0, limit=9))] == ["a"]


def test_given_two_servers_that_settle_a_fact_when_both_have_spoken_then_the_first_is_heard(swarm: Driver) -> None:
    assert swarm.do(SettleFact(name="place", value="here")) == "here"
    assert swarm.do(SettleFact(name="place", value="there")) == "here"


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Everything:
    word: str
    number: int
    share: float
    flag: bool
    raw: bytes
    colour: Colour
    words: tuple[str, ...]
    data: Mapping[str, Any]
    at: int | None = None
    maybe: tuple[int, ...] | None = None


EVERYTHING = Family("everything", Everything, key=("word", "number"))


@pytest.mark.parametrize("maybe", [None, (), (1, 2)])
def test_given_a_record_of_all_kinds_when_it_is_coded_and_read_then_it_is_the_same(
    maybe: tuple[int, ...] | None,
) -> None:
    record = Everything("w", 3, 0.5, True, b"\x00\xff", Colour.RED, ("a", "b"), {"k": [1]}, None, maybe)
    row = families.row_of(EVERYTHING, record)
    assert all(value is None or type(value) in (str, int, float, bytes) for value in row.values())
    assert families.record_of(EVERYTHING, row) == record


def test_given_a_field_that_no_column_holds_when_the_family_is_used_then_it_says_so() -> None:
    @dataclass(frozen=True, slots=True)
    class Odd:
        name: str
        what: complex

    with pytest.raises(TypeError, match="a column cannot hold"):
        _ = Family("odd", Odd, key=("name",)).kinds
