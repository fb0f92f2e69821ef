"""What people ask about the history: who did what, what was signed, whether it is whole."""

from collections.abc import Callable, Iterator, Sequence

from agent_swarm.audit.chain import EventRow
from agent_swarm.audit.checking import check_part
from agent_swarm.audit.checkpoints import Archived, Checkpoint, parse
from agent_swarm.audit.findings import Report
from agent_swarm.audit.keys import PublicKey
from agent_swarm.audit.ledger import Ledger
from agent_swarm.audit.verifying import Head, Part
from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.time import from_wire, to_wire
from agent_swarm.protocol import rest_audit
from agent_swarm.services import cursors, views
from agent_swarm.services.history import Wanted, find, first_seq
from agent_swarm.store.base import Queries
from agent_swarm.store.events import GENESIS
from agent_swarm.store.families.checkpoints import CHAIN_STATES, CHECKPOINTS, NOTHING_YET, THE_CHAIN

READ_AT_ONCE = 1_000


def events(wanted: Wanted, *, cursor: str | None, limit: int) -> Callable[[Queries], rest_audit.AuditEventPage]:
    """A reading: a page of who did what, newest first."""
    search = find(wanted, before=cursors.read_back(cursor), limit=limit)

    def reading(queries: Queries) -> rest_audit.AuditEventPage:
        found = search(queries)
        following = None if found.before is None else cursors.back_from(found.before)
        return rest_audit.AuditEventPage(
            events=[views.audit_event(event) for event in found.events], next_cursor=following
        )

    return reading


def checkpoints(*, cursor: str | None, limit: int) -> Callable[[Queries], rest_audit.CheckpointPage]:
    """A reading: a page of the signed checkpoints, newest first."""
    before = cursors.read_back(cursor)

    def reading(queries: Queries) -> rest_audit.CheckpointPage:
        state = queries.record(CHAIN_STATES, THE_CHAIN) or NOTHING_YET
        end = state.number + 1 if before is None else before
        first = max(1, end - limit)  # their numbers have no gap
        found = queries.scan(CHECKPOINTS, after=(first - 1,), limit=max(0, end - first)) if end > first else []
        return rest_audit.CheckpointPage(
            checkpoints=[checkpoint(parse(stored.line)) for stored in reversed(found)],
            next_cursor=cursors.back_from(first) if first > 1 and found else None,
        )

    return reading


def verification(
    ledger: Ledger, keys: Sequence[PublicKey], *, from_seq: int | None, limit: int
) -> Callable[[Queries], rest_audit.AuditVerification]:
    """A reading: how up to `limit` events from `from_seq` on stand, by default from the first one that is there."""

    def reading(queries: Queries) -> rest_audit.AuditVerification:
        head = queries.head()
        begin = (first_seq(queries) if from_seq is None else from_seq) - 1
        end = min(begin + limit, head[0])
        is_last = end >= head[0]
        part = Part(begin, _link_at(queries, begin), Head(*head) if is_last else None, is_last=is_last)
        rows = _rows(queries, begin, end, is_last=is_last)
        lines = ledger.about(begin, None if is_last else end)
        report = check_part(part, rows, lines, (*ledger.introduced(), *keys))
        return _verification(report, head_seq=head[0], next_seq=None if is_last else end + 1)

    return reading


def instant(text: str | None, name: str) -> int | None:
    """The moment that a parameter names; raises InvalidInput."""
    if text is None:
        return None
    try:
        found = from_wire(text)
        to_wire(found)  # an offset may carry it out of what can be written
        return found
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{name} is not a time", hint="write it like 2026-11-20T18:44:35.000Z", details={"field": name}
        ) from None


def checkpoint(made: Checkpoint) -> rest_audit.Checkpoint:
    """A checkpoint as it is shown."""
    return rest_audit.Checkpoint(
        number=made.number,
        seq=made.seq,
        hash=made.hash,
        at=to_wire(made.at),
        key_id=made.key_id,
        introduces=None if made.introduces is None else made.introduces.text,
        archives=None if made.archives is None else archived(made.archives),
        line=made.line,
    )


def archived(found: Archived) -> rest_audit.ArchivedEvents:
    """An archive as it is shown."""
    return rest_audit.ArchivedEvents(
        from_seq=found.from_seq, to_seq=found.to_seq, hash=found.hash, file=found.file, sha256=found.sha256
    )


def key(public: PublicKey) -> rest_audit.AuditKey:
    """A public key as it is shown."""
    return rest_audit.AuditKey(key_id=public.id, public_key=public.text, pem=public.pem)


def _link_at(queries: Queries, seq: int) -> str | None:
    """The hash of an event, by the word of the database; None where it is not known."""
    if seq <= 0:
        return GENESIS
    state = queries.record(CHAIN_STATES, THE_CHAIN) or NOTHING_YET
    if seq == state.anchor_seq:
        return state.anchor_hash
    found = queries.event_rows(seq - 1, limit=1)
    return found[0][-1] if found and found[0][0] == seq else None


def _rows(queries: Queries, begin: int, end: int, *, is_last: bool) -> Iterator[EventRow]:
    after = begin
    while is_last or after < end:
        page = queries.event_rows(after, limit=READ_AT_ONCE if is_last else min(READ_AT_ONCE, end - after))
        if not page:
            return
        for row in page:
            if is_last or row[0] <= end:
                yield row
        after = page[-1][0]


def _verification(report: Report, *, head_seq: int, next_seq: int | None) -> rest_audit.AuditVerification:
    return rest_audit.AuditVerification(
        whole=report.is_whole,
        from_seq=report.from_seq,
        to_seq=report.to_seq,
        next_seq=next_seq,
        head_seq=head_seq,
        hash=report.hash,
        checkpoints=report.checkpoints,
        signed_seq=report.signed_seq,
        findings=[
            rest_audit.AuditFinding(
                kind=one.kind, seq=one.seq, message=one.message, expected=one.expected, found=one.found
            )
            for one in report.findings
        ],
        finding_count=report.finding_count,
    )
