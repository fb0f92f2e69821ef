"""Swarms by their ids, and what was said in them, as values of ours. Pure."""

import json
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from agent_swarm.domain.swarms import is_id
from agent_swarm.domain.time import to_wire
from agent_swarm.importing.fields import Row, Unreadable, first_text
from agent_swarm.importing.foreign import ForeignMessage, ForeignSwarm, our_id
from agent_swarm.importing.rows import Collected

SYSTEM = "swarm-plugin"
_DERIVED = 10**15  # ids that are derived have 16 digits, those by the clock fewer
_MILLISECONDS = 13  # digits


def swarm_id_of(source: str) -> str | None:
    """The id that a swarm has here: its own where it may be one, else one derived from it, always the same."""
    if not source or is_id(source):
        return source or None
    number = uuid.UUID(our_id(SYSTEM, "swarm", f"named {source}")).int
    return f"swarm-{_DERIVED + number % (9 * _DERIVED)}"


def said(rows: Sequence[Row], swarms: Sequence[ForeignSwarm], collected: Collected) -> Iterator[ForeignMessage]:
    """The messages, in the order of the files; two that are the same in everything are two."""
    times: Counter[str] = Counter()

    def message(row: Row) -> ForeignMessage:
        swarm = _swarm_of(row, swarms)
        text = first_text(row, "message", "text", "content")
        sender = first_text(row, "fromName", "from", "sender", "agent", default="somebody")
        at = _time(first_text(row, "createdAt", "timestamp", "time", "at", default=""))
        told = json.dumps([swarm.source_id, str(row.get("id", "")), at, sender, text])
        times[told] += 1
        return ForeignMessage(
            id=our_id(SYSTEM, "message", f"{told}/{times[told]}"),
            source_id=f"{row.get('_place', '')} {row.get('id', '')}".strip(),
            swarm_id=swarm.id,
            sender_name=sender,
            text=text,
            at=at,
        )

    yield from collected.each(rows, "messages", message)


def _time(told: str) -> str:
    """Milliseconds since 1970, as JavaScript counts, as a text that people read; anything else as it stands."""
    return to_wire(int(told) * 1_000) if told.isdecimal() and len(told) <= _MILLISECONDS else told


def _swarm_of(row: Row, swarms: Sequence[ForeignSwarm]) -> ForeignSwarm:
    """The one that the message names, or its file is named after; else the only one."""
    named = first_text(row, "swarmId", "swarm", default="")
    stem = PurePath(str(row.get("_place", ""))).stem
    for name in filter(None, (named, "" if named else stem)):
        if found := next((one for one in swarms if name in (one.source_id, one.name)), None):
            return found
    if not named and len(swarms) == 1:
        return swarms[0]
    raise Unreadable(f"its swarm {named} is not there" if named else "it names no swarm, and there is not just one")
