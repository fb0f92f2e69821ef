"""Which checkpoints count: the chain of trust from a key that somebody vouches for.

A key that is introduced by a checkpoint of the present key signs from there on, and the present one no more. Lines
before the first signature of a trusted key cannot be judged: they were signed by keys that came before it. They
are compared with the chain all the same, and vouch for nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agent_swarm.audit.checkpoints import Checkpoint, CheckpointUnreadable, parse
from agent_swarm.audit.findings import Finding, FindingKind, Tell
from agent_swarm.audit.keys import PublicKey


@dataclass(frozen=True, slots=True)
class Judged:
    """A checkpoint that can be read; `counts` when a trusted key signed it."""

    checkpoint: Checkpoint
    counts: bool


class Trust:
    """Judges the lines of a file of checkpoints, from its first one on."""

    def __init__(self, roots: Iterable[PublicKey], tell: Tell, *, from_first: bool = True) -> None:
        self._from_first = from_first  # else the lines may begin anywhere
        self._keys = {key.id: key for key in roots}
        self._retired: dict[str, int] = {}  # by the number of the checkpoint that introduced the next key
        self._tell = tell
        self._seq = 0
        self.last: Checkpoint | None = None
        self.last_counting: Checkpoint | None = None
        self.lines = 0
        self.archives: list[Checkpoint] = []  # those that count

    def judge(self, lines: Iterable[str | bytes]) -> Iterator[Judged]:
        """What can be read of `lines`, one after the other; what is wrong is told."""
        for line in lines:
            judged = self._judged(line)
            if judged is not None:
                yield judged

    def finish(self) -> None:
        """After the last line: where there are some, one has to count."""
        if self.lines and self.last_counting is None:
            names = ", ".join(sorted(self._keys))
            self._say(
                FindingKind.CHECKPOINT_FORGED,
                None,
                f"none of {self.lines} checkpoints is signed by a key that counts",
                expected=names,
                found=self.last.key_id if self.last else "",
            )

    def _judged(self, line: str | bytes) -> Judged | None:
        self.lines += 1
        try:
            checkpoint = parse(line)
        except CheckpointUnreadable as exc:
            self._say(FindingKind.CHECKPOINT_UNREADABLE, None, f"checkpoint line {self.lines}: {exc.message}")
            return None
        self._look_at_place(checkpoint)
        counts = self._is_trusted(checkpoint)
        if counts is None:
            return None
        self.last = checkpoint
        if counts:
            self.last_counting = checkpoint
            self._take_over(checkpoint)
        return Judged(checkpoint, counts)

    def _look_at_place(self, checkpoint: Checkpoint) -> None:
        expected = self.last.number + 1 if self.last else 1 if self._from_first else checkpoint.number
        if checkpoint.number > expected:
            self._say(
                FindingKind.CHECKPOINT_MISSING,
                None,
                f"checkpoints {expected} to {checkpoint.number - 1} are missing",
                expected=str(expected),
                found=str(checkpoint.number),
            )
        elif checkpoint.number < expected or (self.last is not None and checkpoint.seq < self.last.seq):
            self._say(
                FindingKind.CHECKPOINT_OUT_OF_ORDER,
                checkpoint.seq,
                f"checkpoint {checkpoint.number} comes after checkpoint {expected - 1}, or is about an earlier event",
                expected=str(expected),
                found=str(checkpoint.number),
            )

    def _is_trusted(self, checkpoint: Checkpoint) -> bool | None:
        """Whether it counts; None for one that was forged."""
        key = self._keys.get(checkpoint.key_id)
        if key is None:
            if self.last_counting is None:
                return False
            self._forged(checkpoint, "by a key that nobody introduced")
            return None
        if checkpoint.key_id in self._retired:
            self._forged(checkpoint, f"by a key that ended with checkpoint {self._retired[checkpoint.key_id]}")
            return None
        if not checkpoint.is_signed_by(key):
            self._forged(checkpoint, "and its signature does not fit")
            return None
        return True

    def _take_over(self, checkpoint: Checkpoint) -> None:
        key = checkpoint.introduces
        if key is not None and key.id != checkpoint.key_id:
            self._retired[checkpoint.key_id] = checkpoint.number
            self._keys[key.id] = key
        if checkpoint.archives is not None:
            self.archives.append(checkpoint)

    def _forged(self, checkpoint: Checkpoint, how: str) -> None:
        self._say(
            FindingKind.CHECKPOINT_FORGED,
            checkpoint.seq,
            f"checkpoint {checkpoint.number} for event {checkpoint.seq} is signed {how}",
            expected=", ".join(sorted(set(self._keys) - set(self._retired))),
            found=checkpoint.key_id,
        )

    def _say(self, kind: FindingKind, seq: int | None, message: str, *, expected: str = "", found: str = "") -> None:
        self._tell(Finding(kind=kind, seq=seq, message=message, expected=expected, found=found))
