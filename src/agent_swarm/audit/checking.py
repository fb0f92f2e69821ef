"""A whole check: a database or an export, against the checkpoints that are kept outside."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from agent_swarm.audit import archives, exports
from agent_swarm.audit.chain import EventRow
from agent_swarm.audit.checkpoints import Checkpoint, CheckpointUnreadable, parse
from agent_swarm.audit.findings import Finding, FindingKind, Findings, Report
from agent_swarm.audit.keys import PublicKey
from agent_swarm.audit.sources import Anchor, Database
from agent_swarm.audit.trust import Trust
from agent_swarm.audit.verifying import Part, Progress, silent, verified
from agent_swarm.domain.errors import SwarmError

LAG = 1  # checkpoints that a killed server has in its database and not yet in its file
TAKEN_ON_TRUST = (
    "the key that counts was taken from the checkpoints themselves: who could replace them could replace it, too; "
    "name it with --public-key"
)


class NothingToCheckBy(SwarmError):
    """There is no checkpoint, or no key that it could be checked with."""

    code = "nothingToCheckBy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a history is held against: lines of checkpoints from outside the database, and keys that count.

    Without `keys` the key that the first checkpoint introduces counts. `own` are the keys that this server signs with:
    one of them has to have signed the last checkpoint. `lag` is how many checkpoints the lines may be behind the
    database; None: any number.
    """

    lines: Iterable[bytes]
    keys: tuple[PublicKey, ...] = ()
    own: tuple[PublicKey, ...] = ()
    lag: int | None = LAG


@dataclass(slots=True)
class Check:
    """One check, with what is found and noted on the way."""

    evidence: Evidence
    findings: Findings = field(default_factory=Findings)
    notes: list[str] = field(default_factory=list)

    def of_database(
        self,
        database: Database,
        *,
        from_seq: int | None = None,
        archive_folder: Path | None = None,
        progress: Progress = silent,
    ) -> Report:
        """How the chain in a database stands. Raises NothingToCheckBy."""
        part = database.part(from_seq)
        lines = self._beside(self.evidence.lines, database.checkpoint_lines(), database.checkpoints)
        trust, lines = self._trust(lines)
        verification = verified(part, database.rows(part.after), trust.judge(lines), self.findings, progress)
        self._conclude(trust)
        if database.anchor.seq:
            self._look_at_anchor(database.anchor, trust.archives)
        if archive_folder is not None:
            self._look_at_archives(archive_folder, trust.archives)
        return verification.report(self.notes)

    def of_export(self, path: Path, progress: Progress = silent) -> Report:
        """How an export or an archive stands. Raises InvalidInput where it is none, or NothingToCheckBy."""
        part, rows = exports.read(path)
        trust, lines = self._trust(iter(self.evidence.lines))
        verification = verified(part, rows, trust.judge(lines), self.findings, progress)
        self._conclude(trust)
        return verification.report(self.notes)

    def _trust(self, lines: Iterator[str | bytes]) -> tuple[Trust, Iterator[str | bytes]]:
        first = next(lines, None)
        if first is None:
            raise NothingToCheckBy(
                "there is no signed checkpoint to check the history by",
                hint="name the file of checkpoints that a server wrote: --checkpoints FILE",
            )
        keys = self.evidence.keys
        if not keys:
            keys = self._key_of_first(first)
            self.notes += [] if self.evidence.own else [TAKEN_ON_TRUST]
        return Trust(keys, self.findings.tell), _again(first, lines)

    def _key_of_first(self, line: str | bytes) -> tuple[PublicKey, ...]:
        try:
            checkpoint = parse(line)
        except CheckpointUnreadable:
            checkpoint = None
        key = checkpoint.introduces if checkpoint else None
        if checkpoint is not None and key is not None and checkpoint.is_signed_by(key):
            return (key,)
        if self.evidence.own:
            return self.evidence.own
        raise NothingToCheckBy(
            "no public key is known that the checkpoints could be checked with",
            hint="name the file that has it: --public-key FILE",
        )

    def _conclude(self, trust: Trust) -> None:
        trust.finish()
        own, last = {key.id for key in self.evidence.own}, trust.last_counting
        if own and last is not None and last.key_id not in own:
            self._tell(
                FindingKind.CHECKPOINT_FORGED,
                f"checkpoint {last.number}, the last one, is not signed by this server",
                expected=", ".join(sorted(own)),
                found=last.key_id,
            )

    def _beside(
        self, outside: Iterable[bytes], inside: Iterator[tuple[int, str]], last_inside: int
    ) -> Iterator[str | bytes]:
        """The lines from outside, compared with those in the database, and then what the database has besides."""
        number, differs = 0, False
        there = next(inside, None)
        for line in outside:
            yield line
            number += 1
            while there is not None and there[0] < number:
                there = next(inside, None)
            if there is not None and there[0] == number:
                differs = differs or there[1].encode("utf-8", "surrogateescape") != line
                there = next(inside, None)
        if differs:
            self._tell(FindingKind.CHECKPOINT_DIFFERS, "the database has other checkpoints than the file outside it")
        missing = max(0, last_inside - number)
        if missing and (self.evidence.lag is not None and missing > self.evidence.lag):
            self._tell(
                FindingKind.CHECKPOINT_MISSING,
                f"the file of checkpoints ends with number {number}, and the database has {last_inside}: it was cut, "
                "or an older copy was put in its place",
                expected=str(last_inside),
                found=str(number),
            )
        elif missing:
            self.notes.append(
                f"the last {missing} checkpoints are in the database and not in the file: a server that was killed "
                "writes them at its next start"
            )
        while there is not None:
            if there[0] > number:
                yield there[1]
            there = next(inside, None)

    def _look_at_anchor(self, anchor: Anchor, archived: list[Checkpoint]) -> None:
        signed = [one.archives for one in archived if one.archives is not None]
        if not any((one.to_seq, one.hash) == (anchor.seq, anchor.hash) for one in signed):
            self._tell(
                FindingKind.UNSIGNED_START,
                f"the database says that events up to {anchor.seq} are archived, and no signed checkpoint says so",
                seq=1,
                expected=str(max((one.to_seq for one in signed), default=0)),
                found=str(anchor.seq),
            )

    def _look_at_archives(self, folder: Path, archived: list[Checkpoint]) -> None:
        missing = 0
        for one in (checkpoint.archives for checkpoint in archived):
            path = folder / one.file if one is not None else None
            if one is None or path is None:
                continue
            if not path.is_file():
                missing += 1
            elif (found := archives.sha256_of(path)) != one.sha256:
                self._tell(
                    FindingKind.ARCHIVE_DIFFERS,
                    f"the archive {path} is not the file that was signed",
                    seq=one.from_seq,
                    expected=one.sha256,
                    found=found,
                )
        if missing:
            self.notes.append(f"{missing} archives are not in {folder} and were not looked at")

    def _tell(
        self, kind: FindingKind, message: str, *, seq: int | None = None, expected: str = "", found: str = ""
    ) -> None:
        self.findings.tell(Finding(kind=kind, seq=seq, message=message, expected=expected, found=found))


def check_part(part: Part, rows: Iterable[EventRow], lines: Iterable[bytes], keys: Iterable[PublicKey]) -> Report:
    """How a part of the chain stands, against those checkpoints that are about its events."""
    findings = Findings()
    trust = Trust(keys, findings.tell, from_first=False)
    verification = verified(part, rows, trust.judge(lines), findings)
    trust.finish()
    return verification.report()


def _again(first: str | bytes, rest: Iterator[str | bytes]) -> Iterator[str | bytes]:
    yield first
    yield from rest
