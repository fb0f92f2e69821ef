"""Following the chain of events over rows as they are stored, one after the other, in constant memory.

The rows are taken as they come out of the database, `data` as text: a value that reads the same and is written
otherwise has been changed, too.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from agent_swarm.audit.findings import Finding, FindingKind
from agent_swarm.store.events import GENESIS, id_of, link_of

COLUMNS: Final = (
    "seq",
    "id",
    "type",
    "at",
    "actor",
    "subject_kind",
    "subject_id",
    "task_id",
    "attempt",
    "data",
    "v",
    "hash",
)
KNOWN_VERSION: Final = 1  # of events; what it covers is in `store.events.link_of`, and a later one will cover itself
SHOWN_CHARS: Final = 80

EventRow = tuple[Any, ...]  # the COLUMNS of an event, as stored


class Walk:
    """A place in the chain, `seq` and its hash `link`; `step` goes on to the next event.

    `link` None means that the event before is not there: the next one is taken at its word. After an event whose hash
    is not what it has to be, `instead` is that: the next one, or a checkpoint, tells which of the two it was.
    """

    __slots__ = ("events", "instead", "link", "seq")

    def __init__(self, seq: int = 0, link: str | None = GENESIS) -> None:
        self.seq = seq
        self.link = link
        self.instead: str | None = None
        self.events = 0

    def step(self, row: EventRow) -> Finding | None:
        """Go on to the event in `row`; answers what is wrong with it.

        After a wrong one the walk goes on from what that one says of itself, so that every finding stands where it is.
        """
        seq, identifier, version, claimed = row[0], row[1], row[10], row[11]
        before, previous, instead = self.seq, self.link, self.instead
        if type(seq) is not int:
            return _altered(before + 1, "the number of an event is none", str(before + 1), seq)
        if seq <= before:
            return Finding(
                kind=FindingKind.OUT_OF_ORDER,
                seq=seq,
                message=f"event {seq} comes after event {before}: it is there twice, or was moved",
                expected=str(before + 1),
                found=str(seq),
            )
        self.seq, self.events = seq, self.events + 1
        self.link, self.instead = claimed if type(claimed) is str else None, None
        if seq != before + 1:
            gone = str(before + 1) if seq == before + 2 else f"{before + 1} to {seq - 1}"
            return Finding(
                kind=FindingKind.MISSING,
                seq=before + 1,
                message=f"event {gone} {'is' if seq == before + 2 else 'are'} missing; the next one is {seq}",
                expected=str(before + 1),
                found=str(seq),
            )
        if type(version) is not int or version != KNOWN_VERSION:
            return _altered(seq, "it is of a version that does not exist", str(KNOWN_VERSION), version)
        expected = claimed if previous is None else computed_link(previous, row)
        if expected != claimed and instead is not None and computed_link(instead, row) == claimed:
            previous, expected = instead, claimed  # only the hash of the one before was changed
        if expected != claimed:
            self.instead = expected
            what = "its content cannot be hashed" if expected is None else "it is not what its hash says"
            return _altered(seq, what, expected or "", claimed)
        if previous is not None and identifier != id_of(claimed):
            return _altered(seq, "its id is not the one of its hash", id_of(claimed), identifier)
        return None


def computed_link(previous: str, row: EventRow) -> str | None:
    """The hash that the event in `row` has to have after `previous`; None where its values are none of an event."""
    text = row[9]
    try:
        data = orjson.loads(text)
        if orjson.dumps(data).decode() != text:
            return None
        return link_of(previous, row[0], *row[2:9], data)
    except (TypeError, ValueError):
        return None


def row_of(values: Mapping[str, Any]) -> EventRow:
    """The same from columns by name."""
    return tuple(values[name] for name in COLUMNS)


def _altered(seq: int, what: str, expected: object, found: object) -> Finding:
    return Finding(
        kind=FindingKind.ALTERED,
        seq=seq,
        message=f"event {seq} was changed, or does not follow from event {seq - 1}: {what}",
        expected=shown(expected),
        found=shown(found),
    )


def shown(value: object) -> str:
    """A value as it may stand in a message: what was put in its place may be of any size."""
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"
