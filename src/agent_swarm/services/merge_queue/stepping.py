"""How a merge queue moves on: what its check came to is judged, and what is next is made ready, as one operation."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from agent_swarm.domain.merge_queue import (
    SAID_CHARS,
    Blame,
    Check,
    EntryStatus,
    Judged,
    QueueStatus,
    Round,
    Said,
    Verdict,
    judge,
    next_step,
)
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.services.merge_queue.filing import new_check, returning
from agent_swarm.services.tasks import Rules
from agent_swarm.store.base import Queries
from agent_swarm.store.events import SYSTEM, Draft
from agent_swarm.store.families.merge_queue import (
    MERGE_QUEUES,
    QUEUE_ENTRIES,
    QUEUE_NEWS,
    QUEUE_PLACES,
    MergeQueue,
    QueueEntry,
    told,
)
from agent_swarm.store.operations import Return, StepQueue
from agent_swarm.store.records import TaskRecord

NEWS = 200  # that one step answers


def step_of(project_id: str, rules: Rules) -> Callable[[Queries], StepQueue | None]:
    """A reading: the operation that moves a queue on from where it stands; None where there is no queue."""

    def reading(queries: Queries) -> StepQueue | None:
        queue = queries.record(MERGE_QUEUES, project_id)
        if queue is None:
            return None
        news = queries.scan(QUEUE_NEWS, project_id, limit=NEWS)
        return _Step(queries, rules, queue).taken(tuple(one.id for one in news))

    return reading


@dataclass(slots=True)
class _Step:
    """One step: the queue as it will be, and what becomes of results."""

    queries: Queries
    rules: Rules
    queue: MergeQueue
    landed: list[QueueEntry] = field(default_factory=list)
    returns: Return | None = None
    drafts: list[Draft] = field(default_factory=list)

    def taken(self, seen: tuple[str, ...]) -> StepQueue:
        """The operation."""
        before = self.queue
        if before.check_task_id is not None:
            self._hear(before.check_task_id)
        size = self._decide() if self._may_go_on else None
        check = of_check = None
        if size is not None:
            entries = self.queue.under_way.entries[:size]
            check, of_check = new_check(self.queue, self._project, entries, self.rules)
            self._change(check_task_id=check.spec.id, check_size=size, checks=self.queue.checks + 1)
        return StepQueue(
            project_id=before.project_id,
            version=before.version,
            after=self.queue,
            seen=seen,
            landed=tuple(self.landed),
            returns=self.returns,
            check=check,
            of_check=of_check,
            drafts=tuple(self.drafts),
        )

    @property
    def _may_go_on(self) -> bool:
        return self.queue.check_task_id is None and self.queue.status is QueueStatus.ACTIVE

    @property
    def _project(self) -> str:
        found = self.queries.project(self.queue.project_id)
        return found.name if found is not None else self.queue.project_id

    def _change(self, **fields: object) -> None:
        self.queue = replace(self.queue, **fields)  # type: ignore[arg-type]  # fields of a MergeQueue

    def _say(self, event: str, **data: object) -> None:
        self.drafts.append(told(event, self.queue.project_id, data, actor=SYSTEM))

    def _hear(self, check_id: str) -> None:
        """See what the check came to, where it has ended."""
        task = self.queries.task(check_id)
        if task is not None and not task.state.is_terminal:
            return
        size = self.queue.check_size
        self._change(check_task_id=None, check_size=0)
        verdict = _verdict(task)
        judged = judge(self.queue.under_way, size, verdict) if verdict is not None else None
        if judged is None or verdict is None:
            self._halt(*_unanswered(task))
        else:
            self._take(judged, verdict, size)

    def _take(self, judged: Judged, verdict: Verdict, size: int) -> None:
        of = self.queue.under_way
        if judged.landed:
            tasks = {"taskIds": list(judged.landed), "commit": verdict.commit}
            self._say("mergeQueue.landed", checkId=verdict.check_id, **tasks)
            self.landed += [
                replace(entry, status=EntryStatus.LANDED, check_task_id=verdict.check_id, commit=verdict.commit)
                for task_id in judged.landed
                if (entry := self.queries.record(QUEUE_ENTRIES, task_id)) is not None
            ]
        elif verdict.said is not Said.LANDED:
            about = {"verdict": verdict.said.value, "taskIds": list(of.entries[:size])}
            conflict = {"conflict": verdict.task_id} if verdict.said is Said.CONFLICT else {}
            self._say("mergeQueue.failed", checkId=verdict.check_id, **about, **conflict)
        self.queue = self.queue.now(judged.round, landed=self.queue.landed + len(judged.landed))
        if judged.is_broken:
            self._halt("branchFails", "the branch fails the check by itself, without any result merged")

    def _halt(self, code: str, message: str) -> None:
        self.queue = self.queue.halted(code, message)
        self._say("mergeQueue.halted", code=code, message=self.queue.halt_message)

    def _decide(self) -> int | None:
        """How many results to check next; None where there is nothing to check."""
        of = self.queue.under_way
        what = next_step(of, retries=self.queue.retries)
        if isinstance(what, Blame):
            self._return(what.task_id, of)
            what = None
        if what is None:
            of = replace(of.over(), entries=self._first(self.queue.largest))
            self.queue = self.queue.now(of)
            what = next_step(of, retries=self.queue.retries)
        return what.size if isinstance(what, Check) else None

    def _first(self, limit: int) -> tuple[str, ...]:
        """The results that wait first, without those that this step settles."""
        settled = {entry.task_id for entry in self.landed}
        settled |= {self.returns.entry.task_id} if self.returns is not None else set()
        places = self.queries.scan(QUEUE_PLACES, self.queue.project_id, limit=limit + len(settled))
        return tuple(place.task_id for place in places if place.task_id not in settled)[:limit]

    def _return(self, task_id: str, of: Round) -> None:
        entry = self.queries.record(QUEUE_ENTRIES, task_id)
        self._change(returned=self.queue.returned + 1)
        if entry is None:
            return
        entry = replace(
            entry,
            status=EntryStatus.RETURNED,
            check_task_id=of.check_id,
            tested_with=of.before,
            code="conflict" if of.is_conflict else "checkFailed",
            message=of.text[-SAID_CHARS:],
        )
        self.returns = returning(self.queries, entry, of, self._project, self.rules)


def _verdict(task: TaskRecord | None) -> Verdict | None:
    if task is None or task.state.status is not TaskStatus.COMPLETED:
        return None
    result = task.result or {}
    return Verdict.read(result.get("data"), text=str(result.get("text", "")), check_id=task.spec.id)


def _unanswered(task: TaskRecord | None) -> tuple[str, str]:
    """Why a check came to nothing, which is no result's fault: code and message."""
    if task is None:
        return "checkGone", "the task of the check is not there"
    if task.state.status is TaskStatus.CANCELLED:
        return "checkCancelled", f"the check was cancelled: task {task.spec.id}"
    if task.state.status is TaskStatus.COMPLETED:
        return "noVerdict", f"the check told no verdict: task {task.spec.id}"
    failure = task.failure or {}
    return str(failure.get("code") or "checkFailed"), f"task {task.spec.id}: {failure.get('message', '')}"
