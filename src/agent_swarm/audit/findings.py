"""What a check finds wrong, and what it says in the end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from agent_swarm.protocol.limits import AUDIT_FINDINGS

FINDINGS = AUDIT_FINDINGS  # kept of a check; the others are counted


class FindingKind(StrEnum):
    """What is wrong."""

    ALTERED = "altered"  # an event is not what its hash says, or does not follow from the one before
    MISSING = "missing"  # events are not there, in the midst of others
    OUT_OF_ORDER = "outOfOrder"  # an event comes twice, or after a later one
    TRUNCATED = "truncated"  # the last ones are not there: removed, or the database is an older copy
    REWRITTEN = "rewritten"  # the chain holds by itself, and is not the one that was signed
    WRONG_HEAD = "wrongHead"  # the row that says where the chain ends says otherwise
    UNSIGNED_START = "unsignedStart"  # the first ones are not there, and no signed record says that they were archived
    UNREADABLE = "unreadable"  # the database or a file cannot be read any further
    CHECKPOINT_UNREADABLE = "checkpointUnreadable"
    CHECKPOINT_FORGED = "checkpointForged"  # not signed by a key that counts
    CHECKPOINT_MISSING = "checkpointMissing"  # their numbers have a gap, or the file lacks what the database has
    CHECKPOINT_OUT_OF_ORDER = "checkpointOutOfOrder"
    CHECKPOINT_DIFFERS = "checkpointDiffers"  # the database has another one under this number than the file
    ARCHIVE_DIFFERS = "archiveDiffers"  # an archive is not the file that was signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong. `seq` is the first event it is about; None where it is about no event."""

    kind: FindingKind
    seq: int | None
    message: str
    expected: str = ""
    found: str = ""


Tell = Callable[[Finding], None]


@dataclass(slots=True)
class Findings:
    """What was found so far, in the order of finding; bounded, because a rewritten chain differs everywhere."""

    kept: list[Finding] = field(default_factory=list)
    count: int = 0

    def tell(self, finding: Finding) -> None:
        """Take note of it."""
        self.count += 1
        if len(self.kept) < FINDINGS:
            self.kept.append(finding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a check ended.

    Events from `from_seq` to `to_seq` were hashed anew; up to `signed_seq` a checkpoint that counts agrees. `notes` are
    for people and no findings.
    """

    from_seq: int
    to_seq: int
    hash: str
    events: int
    checkpoints: int
    signed_seq: int
    signed_at: int | None
    findings: tuple[Finding, ...] = ()
    finding_count: int = 0
    notes: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Nothing was found."""
        return self.finding_count == 0

    @property
    def unsigned(self) -> int:
        """How many of the last events are chained, and not signed yet."""
        return max(0, self.to_seq - max(self.signed_seq, self.from_seq - 1))

    @property
    def first_bad_seq(self) -> int | None:
        """The lowest event that something is wrong with."""
        return min((one.seq for one in self.findings if one.seq is not None), default=None)
