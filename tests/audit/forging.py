"""Every way to tamper with a history, at random places: each is a strategy of (what was done, the state it leaves).

A forgery says where it begins: the first event that a check has to name, or a range of which it has to name one.
"""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from tests.audit.history import HASH, SEQ, State, changed, rechained

from agent_swarm.audit.chain import COLUMNS, EventRow

NUMBERS = ("seq", "at", "attempt", "v")


@dataclass(frozen=True)
class Forgery:
    """A history that is not what it was. `first` and `last` are between which a finding has to be."""

    how: str
    state: State
    first: int
    last: int


@st.composite
def flips(draw: Any, state: State, signed: list[int], *, valid_text: bool) -> Forgery:
    """One bit in one column of one event."""
    index = draw(st.integers(0, len(state.rows) - 1))
    column = draw(st.sampled_from(COLUMNS))
    row = state.rows[index]
    spoilt = draw(_flipped(row[COLUMNS.index(column)], column, valid_text=valid_text))
    rows = list(state.rows)
    rows[index] = changed(row, **{column: spoilt})
    seq = row[SEQ]
    if column == "seq":  # it moves to another place, and leaves a gap
        taken = {other[SEQ] for other in state.rows}
        while spoilt in taken:
            spoilt += 1000
        rows[index] = changed(row, seq=spoilt)
        seq = min(seq, spoilt)
    return Forgery(f"{column} of {row[SEQ]}: {spoilt!r}", State(tuple(rows), state.head), max(seq, 0), row[SEQ])


@st.composite
def _flipped(draw: Any, value: Any, column: str, *, valid_text: bool) -> Any:
    if value is None:
        return draw(st.integers(0, 9)) if column in NUMBERS else draw(st.text("abc", max_size=3))
    if isinstance(value, int):
        return value ^ (1 << draw(st.integers(0, 30)))
    content = bytearray(value.encode())
    place = draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << draw(st.integers(0, 7))
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return _other(value) if valid_text else bytes(content)
    return _other(value) if valid_text and "\0" in text else text


def _other(text: str) -> str:
    """Another text of that length."""
    return text[:-1] + ("y" if text[-1] != "y" else "z")


@st.composite
def drops(draw: Any, state: State, signed: list[int], *, valid_text: bool) -> Forgery:
    """Some events in the midst of others."""
    begin = draw(st.integers(0, len(state.rows) - 2))
    end = draw(st.integers(begin + 1, len(state.rows) - 1))
    rows = state.rows[:begin] + state.rows[end:]
    return Forgery(f"dropped {begin + 1} to {end}", State(rows, state.head), begin + 1, begin + 1)


@st.composite
def truncations(draw: Any, state: State, signed: list[int], *, valid_text: bool) -> Forgery:
    """The last ones, and the head says so, too: as an older copy of the database has it."""
    left = draw(st.integers(0, signed[-1] - 1))
    head = (left, state.rows[left - 1][HASH]) if left else (0, "0" * 64)
    return Forgery(f"cut after {left}", State(state.rows[:left], head), left + 1, left + 1)


@st.composite
def swaps(draw: Any, state: State, signed: list[int], *, valid_text: bool) -> Forgery:
    """Two events in each other's place."""
    first, second = sorted(draw(st.sets(st.integers(0, len(state.rows) - 1), min_size=2, max_size=2)))
    rows = list(state.rows)
    rows[first] = changed(state.rows[second], seq=first + 1)
    rows[second] = changed(state.rows[first], seq=second + 1)
    return Forgery(f"swapped {first + 1} and {second + 1}", State(tuple(rows), state.head), first + 1, first + 1)


@st.composite
def insertions(draw: Any, state: State, signed: list[int], *, valid_text: bool) -> Forgery:
    """An event more, those after it moved, without new hashes, or at the end and with one."""
    place = draw(st.integers(0, len(state.rows)))
    copy = draw(st.sampled_from(state.rows))
    moved = [changed(row, seq=row[SEQ] + 1) for row in state.rows[place:]]
    rows = (*state.rows[:place], changed(copy, seq=place + 1), *moved)
    last = place + 1 + (copy in state.rows[place : place + 1])  # the same once more: the one that was there is wrong
    return Forgery(f"inserted at {place + 1}", State(rows, state.head), place + 1, last)


@st.composite
def additions(draw: Any, state: State, signed: list[int], *, valid_text: bool) -> Forgery:
    """An event more at the end with the right hash, that the head does not know."""
    more = rechained([draw(st.sampled_from(state.rows))], start=len(state.rows) + 1, previous=state.head[1])
    return Forgery("added", State((*state.rows, *more.rows), state.head), len(state.rows) + 1, len(state.rows) + 1)


@st.composite
def rewritings(draw: Any, state: State, signed: list[int], *, valid_text: bool) -> Forgery:
    """Something changed, dropped or added before the last checkpoint, and every hash after it made to fit."""
    index = draw(st.integers(0, signed[-1] - 1))
    rows = list(state.rows)
    how = draw(st.sampled_from(("actor", "data", "drop", "add")))
    if how == "actor":
        rows[index] = changed(rows[index], actor="somebody else")
    elif how == "data":
        rows[index] = changed(rows[index], data='{"title":"harmless"}')
    elif how == "drop":
        del rows[index]
    else:
        rows.insert(index, changed(rows[index], actor="nobody"))
    before = max((seq for seq in signed if seq <= index), default=0)
    return Forgery(f"rewritten from {index + 1}: {how}", rechained(rows), before + 1, index + 1)


@st.composite
def heads(draw: Any, state: State, signed: list[int], *, valid_text: bool) -> Forgery:
    """Only the row that says where the chain ends."""
    seq = state.head[0] + draw(st.sampled_from((-1, 0, 1, 1000)))
    return Forgery(f"head {seq}", State(state.rows, (seq, "f" * 64)), state.head[0] - 1, state.head[0] + 1)


KINDS = (flips, drops, truncations, swaps, insertions, additions, rewritings, heads)


def duplicated(rows: tuple[EventRow, ...], index: int) -> tuple[EventRow, ...]:
    """An event twice."""
    return (*rows[: index + 1], rows[index], *rows[index + 1 :])
