"""The check: events against their chain, and the chain against signed checkpoints, in one pass over both.

It needs nothing but what is handed to it, so it is the same for a database, an export, an archive, and a part of any.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from agent_swarm.audit.chain import EventRow, Walk
from agent_swarm.audit.findings import Finding, FindingKind, Findings, Report
from agent_swarm.audit.trust import Judged

PROGRESS_EVENTS = 1_000

Progress = Callable[[int], None]  # hears the last event looked at


def silent(_seq: int) -> None:
    """Tells nobody."""


class UnreadableRows(Exception):
    """Rows cannot be read any further; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain ends, by the row that says so."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a chain is looked at.

    It begins after the event `after` with the hash `link`; `link` None: nothing is known of that one. `head` None: the
    rows may end anywhere. `is_last` False: checkpoints about later events are not missed.
    """

    after: int
    link: str | None
    head: Head | None = None
    is_last: bool = True


class Verification:
    """One check under way: its place in the chain, the checkpoint that comes next, and what was found."""

    def __init__(self, part: Part, checkpoints: Iterable[Judged], findings: Findings) -> None:
        self._part = part
        self._walk = Walk(part.after, part.link)
        self._checkpoints = iter(checkpoints)
        self._due: Judged | None = None
        self._findings = findings
        self._compared = 0
        self._signed_seq = 0
        self._signed_at: int | None = None
        self._last_good = part.after  # the last event up to which a checkpoint agrees
        self._suspect: int | None = None  # the first one after it that something is wrong with

    def run(self, rows: Iterable[EventRow], progress: Progress = silent) -> None:
        """Look at every row."""
        self._next_checkpoint()
        self._meet_checkpoints()
        walk, tell = self._walk, self._findings.tell
        try:
            for row in rows:
                finding = walk.step(row)
                if finding is not None:
                    tell(finding)
                    self._suspect = self._suspect or finding.seq
                if self._due is not None and self._due.checkpoint.seq <= walk.seq:
                    self._meet_checkpoints()
                if walk.events % PROGRESS_EVENTS == 0:
                    progress(walk.seq)
        except UnreadableRows as exc:
            self._tell(FindingKind.UNREADABLE, walk.seq + 1, f"nothing after event {walk.seq} can be read: {exc}")
        else:
            self._look_at_end()
        for _ in self._checkpoints:  # those that are left are judged, too
            pass

    def report(self, notes: Iterable[str] = ()) -> Report:
        """How it ended."""
        return Report(
            from_seq=self._part.after + 1,
            to_seq=self._walk.seq,
            hash=self._walk.link or "",
            events=self._walk.events,
            checkpoints=self._compared,
            signed_seq=self._signed_seq,
            signed_at=self._signed_at,
            findings=tuple(self._findings.kept),
            finding_count=self._findings.count,
            notes=tuple(notes),
        )

    def _next_checkpoint(self) -> None:
        self._due = next(self._checkpoints, None)

    def _meet_checkpoints(self) -> None:
        """Compare the checkpoints about the event that the walk is at; those before it are passed over."""
        while self._due is not None and self._due.checkpoint.seq <= self._walk.seq:
            if self._due.checkpoint.seq == self._walk.seq and self._walk.link is not None:
                self._compare(self._due)
            self._next_checkpoint()

    def _compare(self, judged: Judged) -> None:
        checkpoint, walk = judged.checkpoint, self._walk
        self._compared += 1
        if checkpoint.hash == walk.instead:
            walk.link, walk.instead = walk.instead, None  # only the hash of this event was changed
        if checkpoint.hash != walk.link:
            span = f"{self._last_good + 1} to {checkpoint.seq}" if self._last_good < checkpoint.seq else "it"
            self._tell(
                FindingKind.REWRITTEN,
                self._suspect or min(self._last_good + 1, checkpoint.seq),
                f"event {checkpoint.seq} is not the one of checkpoint {checkpoint.number}: of events {span} "
                "at least one was changed, and the hashes were made to fit",
                expected=checkpoint.hash,
                found=self._walk.link or "",
            )
        elif judged.counts:
            self._signed_seq, self._signed_at = checkpoint.seq, checkpoint.at
            self._last_good, self._suspect = checkpoint.seq, None

    def _look_at_end(self) -> None:
        seq, link, head = self._walk.seq, self._walk.link, self._part.head
        if head is not None and (head.seq, head.hash) != (seq, link):
            self._tell(
                FindingKind.WRONG_HEAD,
                min(seq, head.seq) + (seq != head.seq),
                f"the chain ends with event {seq}, and the database says that it ends with event {head.seq}",
                expected=f"{head.seq} {head.hash}",
                found=f"{seq} {link}",
            )
        if not self._part.is_last:
            return
        missed = None
        while self._due is not None:
            missed = self._due if self._due.counts else missed
            self._next_checkpoint()
        if missed is not None:
            self._truncated(missed)

    def _truncated(self, judged: Judged) -> None:
        checkpoint, seq = judged.checkpoint, self._walk.seq
        self._tell(
            FindingKind.TRUNCATED,
            seq + 1,
            f"events {seq + 1} to {checkpoint.seq} are missing: checkpoint {checkpoint.number} has signed them, and "
            f"the chain ends with event {seq}; they were removed, or this is an older copy of the database",
            expected=f"{checkpoint.seq} {checkpoint.hash}",
            found=str(seq),
        )

    def _tell(self, kind: FindingKind, seq: int | None, message: str, *, expected: str = "", found: str = "") -> None:
        self._findings.tell(Finding(kind=kind, seq=seq, message=message, expected=expected, found=found))


def verified(
    part: Part,
    rows: Iterable[EventRow],
    checkpoints: Iterator[Judged] | Iterable[Judged],
    findings: Findings,
    progress: Progress = silent,
) -> Verification:
    """A check that was carried out."""
    verification = Verification(part, checkpoints, findings)
    verification.run(rows, progress)
    return verification
