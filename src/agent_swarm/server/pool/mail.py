"""Takes messages to agents that are at work, as soon as they are posted.

What waits for whom is in the store; this is how a worker hears of it at once. A message goes to one attempt: that
which works on the task it is for or about, else the one that the agent took up last. A worker that does not answer, or
does not know such frames, changes nothing: what it has not confirmed comes with the agent's next attempt.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from agent_swarm.domain.messages import AT_ONCE, RECIPIENTS, of_task
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.protocol.pool import FrameType
from agent_swarm.server.pool import wire
from agent_swarm.server.pool.roster import Roster
from agent_swarm.server.pool.trays import Trays, entries_for, message_body
from agent_swarm.store.base import Committed, Queries, Store
from agent_swarm.store.families.mail import MESSAGES, TRAY, Message, Waiting
from agent_swarm.store.records import Event, TaskRecord

log = structlog.get_logger()

Lease = tuple[str, int]

_ENDS_TASK = frozenset({"task.completed", "task.failed", "task.cancelled"})
_ENDS_ATTEMPT = _ENDS_TASK | {"task.requeued", "task.paused", "task.killed"}


@dataclass(slots=True)
class Pushed:
    """What one process of an agent was sent, by message: the attempt it was for. No more than its tray holds."""

    instance_id: str
    leases: dict[str, Lease] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What an agent is to be sent now: messages by attempt, the messages that still wait, whether there are more."""

    by_lease: Mapping[Lease, Sequence[Message]]
    waiting: Collection[str]
    has_more: bool


class Postman:
    """Follows what is committed, and pushes `message` frames."""

    def __init__(self, store: Store, roster: Roster) -> None:
        self._store = store
        self._roster = roster
        self.trays = Trays()
        self._agents: set[str] = set()  # to look after
        self._tasks: set[str] = set()
        self._working: asyncio.Task[None] | None = None
        self._pushed: dict[str, Pushed] = {}  # by agent
        self._refusing: dict[str, int] = {}  # tasks of attempts that take no messages, and their fences
        self._unsubscribe: Callable[[], None] = lambda: None

    @property
    def remembered(self) -> int:
        """How many things it keeps in mind."""
        return len(self.trays) + len(self._refusing) + sum(len(one.leases) for one in self._pushed.values())

    async def open(self) -> None:
        """Follow what is committed."""
        self._unsubscribe = self._store.subscribe(self._on_committed)
        await self._store.read(self.trays.load)

    def close(self) -> None:
        """Follow no more; idempotent."""
        self._unsubscribe()
        if self._working is not None:
            self._working.cancel()

    def came_in(self, agent_id: str) -> None:
        """A process of the agent has connected: what was pushed before may be lost."""
        self._pushed.pop(agent_id, None)
        if self.trays.has_any:
            self._look_after({agent_id}, ())

    def refuses(self, task_id: str, fence: int) -> None:
        """The agent of this attempt takes no messages while it runs."""
        self._refusing[task_id] = fence

    def _on_committed(self, committed: Committed) -> None:
        for event in committed.events:
            if event.type == "message.posted":
                self._hear_of_message(event)
            elif event.type == "task.started":
                agent_id = str(event.data.get("agentId", ""))
                if self.trays.may_have(f"agent:{agent_id}", of_task(event.subject_id)):
                    self._look_after([agent_id], ())
            elif event.type in _ENDS_ATTEMPT:
                self._attempt_ended(event)
                if event.type in _ENDS_TASK:
                    self.trays.forget(of_task(event.subject_id))

    def _attempt_ended(self, event: Event) -> None:
        self._refusing.pop(event.subject_id, None)
        pushed = self._pushed.get(str(event.data.get("agentId", "")))
        if pushed is not None:
            ended = [message_id for message_id, (task_id, _) in pushed.leases.items() if task_id == event.subject_id]
            for message_id in ended:
                del pushed.leases[message_id]

    def _hear_of_message(self, event: Event) -> None:
        self.trays.hear(event)
        to = event.data.get("to")
        named = self._roster.agents() if to is None else [one.removeprefix("agent:") for one in to]
        self._look_after(named, [one.removeprefix("task:") for one in to or () if one.startswith("task:")])

    def _look_after(self, agents: Iterable[str], tasks: Iterable[str]) -> None:
        self._agents.update(agent_id for agent_id in agents if self._roster.is_here(agent_id))
        self._tasks.update(tasks)
        if self._working is None and (self._agents or self._tasks or self.trays.unnamed):
            self._working = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        try:
            while self._agents or self._tasks or self.trays.unnamed:
                agents, self._agents = self._agents, set()
                tasks, self._tasks = self._tasks, set()
                looking = partial(
                    _look,
                    agents=agents,
                    tasks=tasks,
                    unnamed=self.trays.unnamed,
                    pushed=self._pushed,  # which only grows while it is read, but for those who come in anew
                    refusing=frozenset(self._refusing.items()),
                )
                rounds, recipients = await self._store.read(looking)
                for message_id, found in recipients.items():
                    self.trays.learn(message_id, found)
                for agent_id, one in rounds.items():
                    self._push(agent_id, one)
                self._forget_who_left()
        except Exception:  # it waits in the store: the next attempt has it
            log.exception("messages_not_pushed")
        finally:
            self._working = None

    def _forget_who_left(self) -> None:
        if len(self._pushed) > len(self._roster.agents()):
            for agent_id in [one for one in self._pushed if not self._roster.is_here(one)]:
                del self._pushed[agent_id]

    def _push(self, agent_id: str, found: Round) -> None:
        presence = self._roster.here(agent_id)
        if presence is None:
            self._pushed.pop(agent_id, None)
            return
        pushed = self._pushed.get(agent_id)
        if pushed is None or pushed.instance_id != presence.instance_id:
            pushed = self._pushed[agent_id] = Pushed(presence.instance_id)
        for gone in pushed.leases.keys() - set(found.waiting):
            del pushed.leases[gone]
        for (task_id, fence), messages in found.by_lease.items():
            pushed.leases.update((message.id, (task_id, fence)) for message in messages)
            body = {"task_id": task_id, "fence": fence, "messages": [message_body(message) for message in messages]}
            presence.way.push(wire.push(FrameType.MESSAGE, messages[0].id, body))
        if not pushed.leases:
            del self._pushed[agent_id]
        if found.has_more and found.by_lease:
            self._agents.add(agent_id)


def _look(
    queries: Queries,
    *,
    agents: set[str],
    tasks: set[str],
    unnamed: Sequence[str],
    pushed: Mapping[str, Pushed],
    refusing: frozenset[Lease],
) -> tuple[dict[str, Round], dict[str, list[str]]]:
    """What is to be sent to whom, and who gets the messages whose events do not say it."""
    named = {task.state.agent_id for task in queries.tasks(sorted(tasks)) if task.state.is_held}
    rounds = {}
    for agent_id in sorted(agents | {one for one in named if one is not None}):
        held = [task for task in queries.held_tasks(agent_id) if task.state.status is TaskStatus.RUNNING]
        if held:
            leases = before.leases if (before := pushed.get(agent_id)) is not None else {}
            rounds[agent_id] = _round(queries, agent_id, held, leases, refusing)
    recipients = {
        message_id: [one.recipient for one in queries.deliveries_of(message_id, after="", limit=RECIPIENTS)]
        for message_id in unnamed
    }
    return rounds, recipients


def _round(
    queries: Queries,
    agent_id: str,
    held: Sequence[TaskRecord],
    pushed: Mapping[str, Lease],
    refusing: frozenset[Lease],
) -> Round:
    """What is new to the agent's process, AT_ONCE messages at most."""
    leases = {(task.state.id, task.state.fence) for task in held}
    recipients = [f"agent:{agent_id}", *(of_task(task.state.id) for task in held)]
    entries = entries_for(queries, recipients, limit=TRAY)
    closed = {of_task(task_id) for task_id, _ in leases & refusing}
    open_to = [entry for entry in entries if entry.recipient not in closed and _lease_of(entry) not in refusing]
    new = [entry for entry in open_to if pushed.get(entry.message_id) not in leases]
    by_lease: dict[Lease, list[Message]] = {}
    for entry in new[:AT_ONCE] if leases - refusing else ():
        message = queries.record(MESSAGES, entry.message_id)
        lease = _attempt_for(entry, message, held, refusing) if message is not None else None
        if message is not None and lease is not None:
            by_lease.setdefault(lease, []).append(message)
    return Round(by_lease=by_lease, waiting={entry.message_id for entry in entries}, has_more=len(new) > AT_ONCE)


def _lease_of(entry: Waiting) -> Lease:
    """The attempt whose worker has it."""
    return (entry.task_id or "", entry.fence or 0)


def _attempt_for(
    entry: Waiting, message: Message, held: Sequence[TaskRecord], refusing: Collection[Lease]
) -> Lease | None:
    """The attempt that a message is taken to; None where it has to wait."""
    leases = {task.state.id: (task.state.id, task.state.fence) for task in held}
    if _lease_of(entry) in leases.values():
        return _lease_of(entry)
    if entry.recipient.startswith("task:"):
        return leases.get(entry.recipient.removeprefix("task:"))
    open_to = [task for task in held if leases[task.state.id] not in refusing]
    if not open_to:
        return None
    about = next((task for task in open_to if task.state.id == message.task_id), None)
    latest = about or max(open_to, key=lambda task: (task.updated_at, task.state.id))
    return leases[latest.state.id]
