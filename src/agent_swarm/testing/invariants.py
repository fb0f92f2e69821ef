"""The rules of a task's life, checked on what a run left behind: its events, attempts and tasks.

`violations` reads events in the shape of `GET /api/events` and knows nothing of how they came about. `audit` reads
everything a store holds, which adds the chain of hashes and the agreement of events with rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent_swarm.domain.tasks import TERMINAL
from agent_swarm.protocol.events import EVENT_TYPES
from agent_swarm.services import views
from agent_swarm.store.base import Queries
from agent_swarm.store.events import GENESIS, Draft, chain
from agent_swarm.store.records import AttemptRecord, Event, TaskFilter, TaskRecord
from agent_swarm.testing import budget_rules, mail_rules

GAPLESS = "events are numbered without a gap"
CHAINED = "every event is chained to the one before"
FORWARD = "time does not go back"
KNOWN = "every event has a known type"
FILED = "a task is filed once, before anything else happens to it"
ALTERNATE = "claims alternate with ends of attempts"
CLAIMABLE = "only a pending task is claimed"
COUNTED = "attempts count up by one"
FENCE = "the fence grows with every claim"
UPSTREAMS = "a task is claimed after its dependencies completed"
CURRENT = "only the current attempt is told about, costs excepted"
HOLDER = "an attempt is ended for the agent that holds it"
ONE_RESULT = "a task completes once"
STAYS_CANCELLED = "what is cancelled stays cancelled"
STAYS_ENDED = "what has ended stays ended"
ROWS_AGREE = "rows say what the events say"

_ENDS_ATTEMPT = frozenset(
    {"task.completed", "task.failed", "task.requeued", "task.paused", "task.cancelled", "task.killed"}
)
_ENDS_TASK = frozenset({"task.completed", "task.failed", "task.cancelled"})
_WITHIN_ATTEMPT = frozenset(
    {"task.started", "task.progressed", "task.attached", "task.outcomeStated", "task.pauseRequested", "task.completed"}
)
_PUTS = {
    "task.unblocked": "pending",
    "task.promoted": "pending",
    "task.resumed": "pending",
    "task.requeued": "pending",
    "task.offered": "offered",
    "task.offerAccepted": "pending",
    "task.offerRejected": "pending",
    "task.offerExpired": "pending",
    "task.shelved": "backlog",
    "task.paused": "paused",
    "task.killed": "paused",
    "task.claimed": "held",
    "task.completed": "completed",
    "task.failed": "failed",
    "task.cancelled": "cancelled",
}
_OUTCOMES = {
    "task.completed": {"completed"},
    "task.killed": {"killed"},
    "task.cancelled": {"cancelled"},
    "task.failed": {"failed", "lost"},
}
_PAGE = 1000

Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that does not hold, and where."""

    rule: str
    about: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.about}"


@dataclass(slots=True)
class _Story:
    """One task as far as it has been told."""

    stands: str
    fence: int = 0
    attempts: int = 0
    holder: str | None = None
    ends: dict[int, str] = field(default_factory=dict)  # by attempt, the event that ended it

    @property
    def has_ended(self) -> bool:
        return f"task.{self.stands}" in _ENDS_TASK


def violations(events: Sequence[Told], *, upstreams: Mapping[str, Sequence[str]] | None = None) -> list[Violation]:
    """Every rule that a whole history breaks; `upstreams` are the dependencies of tasks, by id."""
    stories: dict[str, _Story] = {}
    found = [Violation(rule, _said(event)) for rule, event in _in_order(events)]
    for event in events:
        if _is_of_task(event):
            rules = _told(stories, event, upstreams or {})
            found.extend(Violation(rule, _said(event)) for rule in rules)
    return found


def audit(queries: Queries) -> list[Violation]:
    """Every rule that a store's content breaks."""
    others = (*mail_rules.broken(queries), *budget_rules.broken(queries))
    return [*audit_tasks(queries), *(Violation(rule, about) for rule, about in others)]


def audit_tasks(queries: Queries) -> list[Violation]:
    """Those of them that are about the life of tasks, and the chain of events."""
    records = _all_events(queries)
    events = [views.event(record).model_dump(by_alias=True) for record in records]
    tasks = queries.list_tasks(TaskFilter(), after=None, limit=1_000_000)
    upstreams = {
        task.spec.id: [edge.other_id for edge in queries.upstreams(task.spec.id)]
        for task in tasks
        if task.has_upstreams
    }
    found = [Violation(CHAINED, f"event {seq}") for seq in _unchained(records)]
    found += violations(events, upstreams=upstreams)
    stories: dict[str, _Story] = {}
    for event in events:
        if _is_of_task(event):
            list(_told(stories, event, {}))
    for task in tasks:
        found.extend(
            Violation(ROWS_AGREE, what)
            for what in _disagreements(task, queries.attempts(task.spec.id), stories.get(task.spec.id))
        )
    return found


_ABOUT_TASKS = ("message.", "approval.", "trigger.", "mergeQueue.")


def _is_of_task(event: Told) -> bool:
    """Whether it is a step of a task's life; what is said about a task, what it asked and what follows it is none."""
    return event["taskId"] is not None and not event["type"].startswith(_ABOUT_TASKS)


def _in_order(events: Sequence[Told]) -> Iterator[tuple[str, Told]]:
    at = ""
    for seq, event in enumerate(events, 1):
        if event["seq"] != seq:
            yield GAPLESS, event
        if event["at"] < at:
            yield FORWARD, event
        if event["type"] not in EVENT_TYPES:
            yield KNOWN, event
        at = event["at"]


def _told(stories: dict[str, _Story], event: Told, upstreams: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Go on with the story of the event's task; the rules that it breaks by that."""
    task_id, kind = event["taskId"], event["type"]
    story = stories.get(task_id)
    if (story is None) != (kind == "task.created"):
        yield FILED
    if story is None:
        stories[task_id] = _Story(event["data"].get("status", "pending"))
        if kind == "task.created":
            return
        story = stories[task_id]
    if kind == "task.usageBooked":
        if not 1 <= event["attempt"] <= story.attempts:
            yield CURRENT
        return
    if kind == "task.archived":
        return  # it is about lists: what has ended is put aside, too
    if story.has_ended and not (kind == f"task.{story.stands}" and _is_end_at_birth(story)):
        yield from _after_the_end(story, kind)
        return
    if kind == "task.claimed":
        yield from _claimed(story, event)
        if any(stories[upstream].stands != "completed" for upstream in upstreams.get(task_id, ())):
            yield UPSTREAMS
    else:
        yield from _went_on(story, event)
    story.stands = _PUTS.get(kind, story.stands)


def _is_end_at_birth(story: _Story) -> bool:
    """Filed behind a dependency that had failed: `task.created` says how it ended, and an event says why."""
    return not story.attempts


def _after_the_end(story: _Story, kind: str) -> Iterator[str]:
    if story.stands == "completed" and kind == "task.completed":
        yield ONE_RESULT
    elif story.stands == "cancelled":
        yield STAYS_CANCELLED
    else:
        yield STAYS_ENDED


def _claimed(story: _Story, event: Told) -> Iterator[str]:
    if story.holder is not None:
        yield ALTERNATE
    elif story.stands != "pending":
        yield CLAIMABLE
    if event["attempt"] != story.attempts + 1:
        yield COUNTED
    if event["data"]["fence"] <= story.fence:
        yield FENCE
    story.attempts, story.fence = event["attempt"], event["data"]["fence"]
    story.holder = event["data"]["agentId"]


def _went_on(story: _Story, event: Told) -> Iterator[str]:
    kind, holder = event["type"], story.holder
    if kind in _WITHIN_ATTEMPT and (holder is None or event["attempt"] != story.attempts):
        yield CURRENT
    if kind == "task.requeued" and holder is None:
        yield ALTERNATE
    if kind in _ENDS_ATTEMPT and holder is not None:
        if event["data"].get("agentId", holder) != holder:
            yield HOLDER
        story.ends[story.attempts] = kind
        story.holder = None


def _disagreements(task: TaskRecord, attempts: Sequence[AttemptRecord], story: _Story | None) -> Iterator[str]:
    """Where the rows of a task differ from what its events tell."""
    name = f"task {task.spec.id}"
    if story is None:
        yield f"{name} has no events"
        return
    state = task.state
    if (state.status in TERMINAL or story.has_ended) and story.stands != state.status.value:
        yield f"{name} is {state.status.value}, its events say {story.stands}"
    if (state.agent_id, state.attempt) != (story.holder, story.attempts):
        told = f"{story.holder} attempt {story.attempts}"
        yield f"{name} is held by {state.agent_id} as attempt {state.attempt}, its events say {told}"
    if state.fence < story.fence:
        yield f"{name} has fence {state.fence}, its events say {story.fence}"
    if [attempt.number for attempt in attempts] != list(range(1, story.attempts + 1)):
        yield f"{name} has attempts {[attempt.number for attempt in attempts]}, its events tell of {story.attempts}"
    for attempt in attempts:
        end = story.ends.get(attempt.number)
        outcome = attempt.outcome.value if attempt.outcome is not None else None
        if (outcome is None) != (end is None) or (end in _OUTCOMES and outcome not in _OUTCOMES[end]):
            yield f"{name}, attempt {attempt.number}: the row says {outcome}, the event {end}"


def _unchained(events: Sequence[Event]) -> Iterator[int]:
    """The numbers of events whose hash is not that of their content after the one before."""
    head = GENESIS
    for event in events:
        draft = Draft(
            type=event.type,
            actor=event.actor,
            subject_kind=event.subject_kind,
            subject_id=event.subject_id,
            task_id=event.task_id,
            attempt=event.attempt,
            data=event.data,
        )
        (expected,) = chain([draft], seq=event.seq - 1, head=head, at=event.at)
        if (event.hash, event.id) != (expected.hash, expected.id):
            yield event.seq
        head = event.hash


def _all_events(queries: Queries) -> list[Event]:
    found: list[Event] = []
    while page := queries.events_after(found[-1].seq if found else 0, limit=_PAGE):
        found.extend(page)
    return found


def _said(event: Told) -> str:
    return f"event {event['seq']}, {event['type']} of {event['subject']['id']}"
