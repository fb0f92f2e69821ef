"""What to send next of a spool: as many of its records as may travel together. Pure.

A start and an ending travel alone, because the server has to have taken what comes before them. Between two of those,
transcript lines go into one frame, of several lines of progress the last one, and usage as it is; these frames do not
depend on each other.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Any

from annotated_types import MaxLen
from pydantic import BaseModel

from agent_swarm.protocol import limits, pool
from agent_swarm.protocol.pool import FrameType
from agent_swarm.worker.spool import Kind, Record, SpoolHead

FRAME_BYTES = 1_000_000

_ALONE: dict[Kind, type[pool.LeaseRef]] = {
    Kind.START: pool.Start,
    Kind.COMPLETE: pool.Complete,
    Kind.FAIL: pool.Fail,
    Kind.PAUSE: pool.Pause,
    Kind.RELEASE: pool.Release,
}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A frame to send."""

    kind: FrameType
    body: BaseModel


@dataclass(frozen=True, slots=True)
class Window:
    """Frames that may be under way together; once all are answered the server has everything before `end`."""

    frames: tuple[Outgoing, ...]
    end: int


EVERYTHING = frozenset(Kind)
# What happened and what it cost is of interest when the lease is over, too.
OF_NO_LEASE = frozenset({Kind.LINE, Kind.USAGE, Kind.RECEIVED})


def next_window(head: SpoolHead, records: Iterable[Record], *, wanted: Set[Kind] = EVERYTHING) -> Window | None:
    """The next window of the records not acknowledged yet, without what is not `wanted`; None where there are none."""
    lines: list[Record] = []
    usage: list[Record] = []
    received: list[Record] = []
    progress: Record | None = None
    start: int | None = None
    end = -1
    for record in records:
        is_alone = record.kind in _ALONE and record.kind in wanted
        if is_alone and end < 0:
            return Window((_alone(head, record),), record.end)
        start = record.end if start is None else start
        if (
            is_alone
            or len(lines) + len(usage) + len(received) >= limits.TRANSCRIPT_LINES_PER_FRAME
            or record.end - start > FRAME_BYTES
        ):
            break
        end = record.end
        if record.kind not in wanted:
            continue
        if record.kind is Kind.USAGE:
            usage.append(record)
        elif record.kind is Kind.RECEIVED:
            received.append(record)
        elif record.kind is Kind.LINE:
            lines.append(record)
        elif record.kind is Kind.PROGRESS:
            progress = record
    if end < 0:
        return None
    frames = [
        *_events(head, lines),
        *([_progress(head, progress)] if progress else []),
        *(_usage(head, one) for one in usage),
        *(_received(head, one) for one in received),
    ]
    return Window(tuple(frames), end)


def _events(head: SpoolHead, lines: list[Record]) -> list[Outgoing]:
    """Numbers are consecutive in the file, so one frame holds them all."""
    if not lines:
        return []
    body = pool.Events(
        task_id=head.task_id,
        fence=head.fence,
        attempt=head.attempt,
        first=lines[0].number,
        lines=tuple(dict(line.body) for line in lines),
    )
    return [Outgoing(FrameType.EVENTS, body)]


def _progress(head: SpoolHead, record: Record) -> Outgoing:
    return Outgoing(FrameType.PROGRESS, pool.Progress(**_about(pool.Progress, head, record)))


def _usage(head: SpoolHead, record: Record) -> Outgoing:
    about = _about(pool.Usage, head, record)
    return Outgoing(FrameType.USAGE, pool.Usage(**about, attempt=head.attempt, seq=record.number))


def _received(head: SpoolHead, record: Record) -> Outgoing:
    return Outgoing(FrameType.RECEIVED, pool.Received(**_about(pool.Received, head, record)))


def _alone(head: SpoolHead, record: Record) -> Outgoing:
    model = _ALONE[record.kind]
    return Outgoing(FrameType(record.kind.value), model(**_about(model, head, record)))


def _about(model: type[BaseModel], head: SpoolHead, record: Record) -> dict[str, Any]:
    """The record's fields, cut to what the protocol takes: redaction may have made a text longer."""
    fields = {**record.body, "task_id": head.task_id, "fence": head.fence}
    for name, field in model.model_fields.items():
        limit = next((rule.max_length for rule in field.metadata if isinstance(rule, MaxLen)), None)
        if limit is not None and isinstance(fields.get(name), str):
            fields[name] = fields[name][:limit]
    return fields
