"""The REST shapes of the audit log: who did what, checkpoints, whether the history is whole."""

from typing import Annotated

from pydantic import Field

from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Event, Input, Output, Text, at_most


class AuditEvent(Event):
    """An event with its link of the chain."""

    hash: str


class AuditEventPage(Output):
    """`GET /api/audit/events`: newest first. A page may be empty and still go on."""

    events: Annotated[list[AuditEvent], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class ArchivedEvents(Output):
    """Events in a file of the server that need not be in the database any more."""

    from_seq: int
    to_seq: int
    hash: str
    file: str
    sha256: str


class Checkpoint(Output):
    """A signed statement that the chain of events had this hash at this event; `line` is what was signed, whole."""

    number: int
    seq: int
    hash: str
    at: str
    key_id: str
    introduces: str | None  # the public key that signs from here on
    archives: ArchivedEvents | None
    line: str


class CheckpointPage(Output):
    """`GET /api/audit/checkpoints`: newest first."""

    checkpoints: Annotated[list[Checkpoint], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class AuditFinding(Output):
    """Something that is wrong with the history. `seq` is the first event it is about."""

    kind: str
    seq: int | None
    message: str
    expected: str
    found: str


class AuditVerification(Output):
    """`GET /api/audit/verify`: how a part of the history stands. `nextSeq` is where to go on; null at the end."""

    whole: bool
    from_seq: int
    to_seq: int
    next_seq: int | None
    head_seq: int
    hash: str
    checkpoints: int
    signed_seq: int
    findings: Annotated[list[AuditFinding], at_most(limits.AUDIT_FINDINGS)]
    finding_count: int


class AuditKey(Output):
    """The public key that checkpoints are signed with."""

    key_id: str
    public_key: str
    pem: str


class AuditKeyInput(Input):
    """Another key for checkpoints: one whose secret is elsewhere, or a new one of the server where none is named."""

    public_key: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


class ArchiveInput(Input):
    """Put events from before that time into a file, and take them out of the database."""

    before: Text  # RFC 3339


class ArchiveAnswer(Output):
    """What was archived; null where there is nothing to archive. There may be more."""

    archived: ArchivedEvents | None
