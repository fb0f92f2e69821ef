"""The rules of merge queues: what is checked next, what a verdict tells, and whose fault a failure is. Pure.

Results stand in a row. The first so many are a round: they are merged into the branch together and checked. Those that
pass are on the branch, by the same check. Where they do not, shorter and shorter beginnings of the round are checked,
until the shortest that fails is known; its last result is the culprit. Results that break only together are found like
this, too: the first of them is on the branch by then.

A verdict counts for the commit of the branch that it was made on. Where somebody else has moved the branch since,
nothing that was known of the round counts.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

LARGEST = 8  # results in one round, unless a project says otherwise
LARGEST_MAX = 50
RETRIES = 1  # how often a failure of one result alone is checked again before it is its fault
RETRIES_MAX = 3
HOPS = 3  # how often the work of one task goes back to its author
COMMAND_CHARS = 4_000
SAID_CHARS = 4_000  # of a check's output
LANDING = "queue.landing"  # the capability of workers that put what they checked on a project's branch


class QueueStatus(StrEnum):
    """Whether a queue goes on."""

    ACTIVE = "active"
    HALTED = "halted"  # it cannot go on by itself; results enter all the same
    OFF = "off"  # by a person: nothing enters by itself


class EntryStatus(StrEnum):
    """What became of a result in a queue."""

    WAITING = "waiting"
    LANDED = "landed"
    RETURNED = "returned"
    DROPPED = "dropped"


class Said(StrEnum):
    """What a check came to."""

    LANDED = "landed"  # it passed, and its commit is on the branch
    FAILED = "failed"  # the project's check failed
    CONFLICT = "conflict"  # one of the results could not be merged after those before it
    MOVED = "moved"  # it passed, and the branch was not where it began from any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check of the first results of a round came to, made on the commit `base` of the branch.

    `commit` is what the branch is at after it landed, `task_id` whose result could not be merged.
    """

    said: Said
    base: str
    commit: str = ""
    task_id: str = ""
    text: str = ""  # the end of its output
    check_id: str = ""

    @classmethod
    def read(cls, data: Mapping[str, Any] | None, *, text: str, check_id: str) -> "Verdict | None":
        """A verdict as the worker told it; None where that is none."""
        told = (data or {}).get("mergeQueue")
        if not isinstance(told, Mapping) or told.get("verdict") not in list(Said):
            return None
        values = {name: told.get(key, "") for name, key in _WIRE.items()}
        if not all(isinstance(value, str) for value in values.values()):
            return None
        return cls(said=Said(told["verdict"]), text=text[-SAID_CHARS:], check_id=check_id, **values)

    def data(self) -> dict[str, Any]:
        """As `read` takes it."""
        told = {key: getattr(self, name) for name, key in _WIRE.items()}
        return {"mergeQueue": {"verdict": self.said.value, **told}}


_WIRE = {"base": "base", "commit": "commit", "task_id": "taskId"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The results under way, by task, and what is known of them.

    The first `failing` of them do not pass on the commit `base`; `seen` checks in a row said so of these very ones.
    `sound` is a commit of the branch that has passed. `before` are those of this round that are on the branch since.
    """

    entries: tuple[str, ...] = ()
    failing: int = 0
    is_conflict: bool = False
    seen: int = 0
    base: str = ""
    sound: str = ""
    before: tuple[str, ...] = ()
    text: str = ""  # of the check that failed last
    check_id: str = ""

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> "Round":
        """As `stored` gives it."""
        lists = {name: tuple(stored.get(name, ())) for name in ("entries", "before")}
        return cls(**{**stored, **lists})

    def stored(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**asdict(self), "entries": list(self.entries), "before": list(self.before)}

    def without(self, task_id: str) -> "Round":
        """The round without a result that nobody checks now; what was known of more than stand before it counts no
        more.
        """
        place = self.entries.index(task_id)
        entries = tuple(one for one in self.entries if one != task_id)
        return replace(self, entries=entries, failing=self.failing if place >= self.failing else 0)

    def over(self) -> "Round":
        """Nothing under way; what is known of the branch stays."""
        return Round(sound=self.sound)


@dataclass(frozen=True, slots=True)
class Check:
    """Check the first `size` results of the round; none: the branch by itself."""

    size: int


@dataclass(frozen=True, slots=True)
class Blame:
    """The first result of the round does not fit: it goes back to its author."""

    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a verdict makes of a round. `is_broken`: the branch fails by itself, which is no result's fault."""

    round: Round
    landed: tuple[str, ...] = ()
    is_broken: bool = False


def next_step(of: Round, *, retries: int) -> Check | Blame | None:
    """What to do with a round; None where nothing is under way, and the next one can begin.

    Nobody is blamed for what one check alone said, unless `retries` is 0, nor before the branch has passed by itself.
    """
    if not of.entries:
        return None
    if not of.failing:
        return Check(len(of.entries))
    if of.failing > 1:
        return Check(of.failing - 1 if of.is_conflict else of.failing // 2)
    if not of.is_conflict and of.seen <= retries:
        return Check(1)
    if not of.is_conflict and of.base != of.sound:
        return Check(0)
    return Blame(of.entries[0])


def judge(of: Round, size: int, verdict: Verdict) -> Judged | None:
    """The round after a check of its first `size` results; None where the verdict makes no sense."""
    match verdict.said:
        case Said.MOVED:
            return Judged(round=of.over())
        case Said.LANDED:
            return _landed(of, size, verdict)
        case Said.FAILED:
            return Judged(round=of.over(), is_broken=True) if size == 0 else Judged(round=_failed(of, size, verdict))
        case Said.CONFLICT:
            if verdict.task_id not in of.entries[:size]:
                return None
            place = of.entries.index(verdict.task_id) + 1
            return Judged(round=_told(of, place, verdict, is_conflict=True, seen=1))


def _landed(of: Round, size: int, verdict: Verdict) -> Judged:
    landed, rest = of.entries[:size], of.entries[size:]
    # Results that were on the branch already are not checked: that says nothing of the commit that it is at.
    sound = of.sound if size and verdict.commit == verdict.base else verdict.commit
    if of.base != verdict.base or of.failing <= size:
        return Judged(round=Round(sound=sound), landed=landed)
    after = replace(
        of,
        entries=rest,
        failing=of.failing - size,
        base=verdict.commit,
        sound=sound,
        before=(*of.before, *landed),
    )
    return Judged(round=after, landed=landed)


def _failed(of: Round, size: int, verdict: Verdict) -> Round:
    is_again = of.base == verdict.base and of.failing == size and not of.is_conflict
    return _told(of, size, verdict, is_conflict=False, seen=of.seen + 1 if is_again else 1)


def _told(of: Round, failing: int, verdict: Verdict, *, is_conflict: bool, seen: int) -> Round:
    same = of.base == verdict.base
    return replace(
        of,
        failing=failing,
        is_conflict=is_conflict,
        seen=seen,
        base=verdict.base,
        before=of.before if same else (),
        text=verdict.text,
        check_id=verdict.check_id,
    )
