"""What the running attempts at a project have now, as their workers tell it, and which of them would not merge.

One record for each attempt that is compared. An overlap stands in that of the task whose id is the smaller one: its
worker merges the two. Records of attempts that have ended are of no account, and are removed when somebody next tells
something about the project.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent_swarm.domain import overlaps
from agent_swarm.domain.messages import MessageKind, of_task
from agent_swarm.domain.overlaps import MOST_AT_PROJECT, MOST_MESSAGES, MOST_TOLD, Overlap
from agent_swarm.store.events import SYSTEM, Draft, of_agent
from agent_swarm.store.families.family import Family
from agent_swarm.store.families.mail import Message
from agent_swarm.store.families.posting import Addressee, PostMessage
from agent_swarm.store.operations import Desk, RecordOperation

FOUND = "project.overlapFound"
GONE = "project.overlapGone"
SENDER = "conflict radar"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWork:
    """An attempt that is compared: the commit of what it has now, which others can fetch where it `is_published`.

    `overlaps` are {taskId, attempt, files, more, since}, by task. `told` are the files that the agents of a pair were
    told of, by the other task; `messages` is how many its agent got.
    """

    project_id: str
    task_id: str
    attempt: int
    fence: int
    agent_id: str
    commit: str
    is_published: bool = False
    overlaps: tuple[Mapping[str, Any], ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)
    messages: int = 0


LIVE_WORK = Family("live_work", LiveWork, key=("project_id", "task_id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareLiveWork(RecordOperation[tuple[LiveWork, ...]]):
    """Keep what an agent's attempts at a project have now; answers what those of others have.

    `present` are all of this agent that run, `over` are (task, fence) of whatever attempts are known to have ended.
    """

    project_id: str
    agent_id: str
    present: tuple[LiveWork, ...] = ()
    over: frozenset[tuple[str, int]] = frozenset()

    @property
    def keys(self) -> tuple[str, ...]:
        return (_key(self.project_id),)

    @property
    def weight(self) -> int:
        return 1 + len(self.present)

    def carry_out(self, desk: Desk) -> tuple[LiveWork, ...]:
        """Overlaps with an attempt that is over are gone."""
        rows = _rows(desk, self.project_id)
        gone = {row.task_id for row in rows.values() if self._is_over(row)}
        for row in list(rows.values()):
            for entry in [one for one in row.overlaps if row.task_id in gone or one["taskId"] in gone]:
                desk.say(_told(GONE, self.agent_id, row, entry))
            if row.task_id in gone:
                desk.remove(LIVE_WORK, row.project_id, row.task_id)
                del rows[row.task_id]
            elif not gone.isdisjoint((*(one["taskId"] for one in row.overlaps), *row.told)):
                rows[row.task_id] = _without(row, gone)
                desk.put(LIVE_WORK, rows[row.task_id])
        for one in self.present:
            before = rows.get(one.task_id)
            if before is None and len(rows) < MOST_AT_PROJECT:
                rows[one.task_id] = one
                desk.put(LIVE_WORK, one)
            elif before is not None and (before.commit, before.is_published) != (one.commit, one.is_published):
                desk.put(LIVE_WORK, replace(before, commit=one.commit, is_published=one.is_published))
        return tuple(row for row in rows.values() if row.agent_id != self.agent_id)

    def _is_over(self, row: LiveWork) -> bool:
        if (row.task_id, row.fence) in self.over:
            return True
        present = {(one.task_id, one.fence) for one in self.present}
        return row.agent_id == self.agent_id and (row.task_id, row.fence) not in present


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundOverlap:
    """What a worker found of a pair; no files where the two would merge."""

    task_id: str
    fence: int
    other_task_id: str
    other_attempt: int
    files: tuple[str, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteOverlaps(RecordOperation[int]):
    """Keep what an agent's worker found; answers how many pairs have other files than before.

    Only its own attempts count, each with one of a task whose id is greater, and only while both are compared. Both
    agents are told by one message each, of files of a pair that they were not told of; nobody is woken. `names` are
    those of agents, `message_ids` are for the tasks that may be told.
    """

    project_id: str
    agent_id: str
    found: tuple[FoundOverlap, ...]
    names: Mapping[str, str]
    message_ids: Mapping[str, str]

    @property
    def keys(self) -> tuple[str, ...]:
        return (_key(self.project_id),)

    @property
    def weight(self) -> int:
        return 1 + 2 * len(self.found)

    def carry_out(self, desk: Desk) -> int:
        """One event for each pair, however many files it has."""
        before = _rows(desk, self.project_id)
        rows, changed, news = dict(before), 0, _News(self.names)
        for one in self.found:
            row, other = rows.get(one.task_id), rows.get(one.other_task_id)
            if row is None or other is None or not self._may_say(one, row, other):
                continue
            entry = next((entry for entry in row.overlaps if entry["taskId"] == one.other_task_id), None)
            known = (list(entry["files"]), entry["more"]) if entry else ([], 0)
            if known == (list(one.files), one.more):
                continue
            changed += 1
            now = _entry(one, since=entry["since"] if entry else desk.now)
            desk.say(_told(FOUND if one.files else GONE, self.agent_id, row, now))
            rows[one.task_id] = self._noted(row, other, now, news)
        for task_id, overlaps_of in news.by_task.items():
            rows[task_id] = self._tell(desk, rows[task_id], overlaps_of)
        for task_id, row in rows.items():
            if row != before[task_id]:
                desk.put(LIVE_WORK, row)
        return changed

    def _may_say(self, one: FoundOverlap, row: LiveWork, other: LiveWork) -> bool:
        """Each pair is compared by one worker, the same one every time."""
        is_own = row.agent_id == self.agent_id and row.fence == one.fence
        return is_own and one.task_id < one.other_task_id and other.attempt == one.other_attempt

    def _noted(self, row: LiveWork, other: LiveWork, entry: Mapping[str, Any], news: "_News") -> LiveWork:
        """The row with what the pair is now, and with what both are about to be told."""
        rest = [one for one in row.overlaps if one["taskId"] != other.task_id]
        kept = [*rest, entry] if entry["files"] else rest
        told = list(row.told.get(other.task_id, ()))
        unknown = [name for name in entry["files"] if name not in told]
        if unknown:
            news.add(row, other, entry)
        return replace(
            row,
            overlaps=tuple(sorted(kept, key=lambda one: str(one["taskId"]))),
            told={**row.told, other.task_id: (told + unknown)[:MOST_TOLD]} if unknown else row.told,
        )

    def _tell(self, desk: Desk, row: LiveWork, found: Iterable[Overlap]) -> LiveWork:
        if row.messages >= MOST_MESSAGES:
            return row
        said = Message(
            id=self.message_ids[row.task_id],
            kind=MessageKind.STEER,
            sender=SYSTEM,
            sender_name=SENDER,
            task_id=row.task_id,
            to=(of_task(row.task_id),),
            text=overlaps.message(found, is_last=row.messages + 1 == MOST_MESSAGES),
        )
        PostMessage(message=said, addressees=(Addressee(recipient=of_task(row.task_id)),), most_hops=0).carry_out(desk)
        return replace(row, messages=row.messages + 1)


class _News:
    """What agents are to be told, by task."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self.by_task: dict[str, list[Overlap]] = {}

    def add(self, one: LiveWork, other: LiveWork, entry: Mapping[str, Any]) -> None:
        """Each of the two hears of the other one."""
        for told, about in ((one, other), (other, one)):
            overlap = Overlap(
                task_id=about.task_id,
                attempt=about.attempt,
                agent_id=about.agent_id,
                agent=self._names.get(about.agent_id, about.agent_id),
                files=tuple(entry["files"]),
                more=entry["more"],
            )
            self.by_task.setdefault(told.task_id, []).append(overlap)


def _rows(desk: Desk, project_id: str) -> dict[str, LiveWork]:
    """All of a project, by task: locked in the order of keys, so that nobody waits for one who waits for them."""
    return {row.task_id: row for row in desk.scan(LIVE_WORK, project_id, limit=MOST_AT_PROJECT)}


def _without(row: LiveWork, gone: set[str]) -> LiveWork:
    return replace(
        row,
        overlaps=tuple(one for one in row.overlaps if one["taskId"] not in gone),
        told={task_id: files for task_id, files in row.told.items() if task_id not in gone},
    )


def _entry(one: FoundOverlap, *, since: int) -> dict[str, Any]:
    return {
        "taskId": one.other_task_id,
        "attempt": one.other_attempt,
        "files": list(one.files),
        "more": one.more,
        "since": since,
    }


def _told(event: str, agent_id: str, row: LiveWork, entry: Mapping[str, Any]) -> Draft:
    data: dict[str, Any] = {
        "taskId": row.task_id,
        "attempt": row.attempt,
        "otherTaskId": entry["taskId"],
        "otherAttempt": entry["attempt"],
    }
    if event == FOUND:
        data |= {"files": entry["files"], "more": entry["more"]}
    return Draft(type=event, actor=of_agent(agent_id), subject_kind="project", subject_id=row.project_id, data=data)


def _key(project_id: str) -> str:
    return f"liveWork:{project_id}"
