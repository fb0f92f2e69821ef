"""Takes messages to agents that are at work, as soon as they are posted.

What waits for whom is in the store; this is how a worker hears of it at once. A message goes to one attempt: that
which works on the task it is for or about, else the one that the agent took up last. A worker that does not answer, or
does not know such frames, changes nothing: what it has not confirmed comes with the agent's next attempt.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog

from agent_swarm.domain.messages import of_task
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.protocol.pool import FrameType
from agent_swarm.server.pool import wire
from agent_swarm.server.pool.roster import Roster
from agent_swarm.server.pool.trays import Trays, message_body, waiting_for
from agent_swarm.store.base import Committed, Queries, Store
from agent_swarm.store.families.mail import Message, Waiting
from agent_swarm.store.records import TaskRecord

log = structlog.get_logger()

REMEMBERED = 65_536  # messages pushed, and attempts that take none

Lease = tuple[str, int]


class Postman:
    """Follows what is committed, and pushes `message` frames."""

    def __init__(self, store: Store, roster: Roster) -> None:
        self._store = store
        self._roster = roster
        self.trays = Trays()
        self._agents: set[str] = set()  # to look after
        self._tasks: set[str] = set()
        self._working: asyncio.Task[None] | None = None
        self._pushed: OrderedDict[tuple[str, str, Lease], None] = OrderedDict()  # process, message, attempt
        self._refusing: OrderedDict[Lease, None] = OrderedDict()
        self._unsubscribe: Callable[[], None] = lambda: None

    async def open(self) -> None:
        """Follow what is committed."""
        self._unsubscribe = self._store.subscribe(self._on_committed)
        await self._store.read(self.trays.load)

    def close(self) -> None:
        """Follow no more; idempotent."""
        self._unsubscribe()
        if self._working is not None:
            self._working.cancel()

    def came_in(self, agent_id: str, instance_id: str) -> None:
        """A process of the agent has connected: what was pushed before may be lost."""
        for key in [key for key in self._pushed if key[0] == instance_id]:
            del self._pushed[key]
        if self.trays.has_any:
            self._look_after({agent_id}, ())

    def refuses(self, task_id: str, fence: int) -> None:
        """The agent of this attempt takes no messages while it runs."""
        _remember(self._refusing, (task_id, fence))

    def _on_committed(self, committed: Committed) -> None:
        for event in committed.events:
            if event.type == "message.posted":
                self.trays.hear(event)
                to = event.data.get("to")
                named = self._roster.agents() if to is None else [one.removeprefix("agent:") for one in to]
                tasks = [one.removeprefix("task:") for one in to or () if one.startswith("task:")]
                self._look_after(named, tasks)
            elif event.type == "task.started":
                agent_id = str(event.data.get("agentId", ""))
                if self.trays.may_have(f"agent:{agent_id}", of_task(event.subject_id)):
                    self._look_after([agent_id], ())

    def _look_after(self, agents: Iterable[str], tasks: Iterable[str]) -> None:
        self._agents.update(agent_id for agent_id in agents if self._roster.is_here(agent_id))
        self._tasks.update(tasks)
        if self._working is None and (self._agents or self._tasks):
            self._working = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        try:
            while self._agents or self._tasks:
                agents, self._agents = self._agents, set()
                tasks, self._tasks = self._tasks, set()
                for agent_id, found in (await self._store.read(partial(_read, agents=agents, tasks=tasks))).items():
                    self._push(agent_id, *found)
        except Exception:  # it waits in the store: the next attempt has it
            log.exception("messages_not_pushed")
        finally:
            self._working = None

    def _push(self, agent_id: str, held: Sequence[TaskRecord], waiting: Sequence[tuple[Waiting, Message]]) -> None:
        presence = self._roster.here(agent_id)
        if presence is None:
            return
        by_lease: dict[Lease, list[Message]] = {}
        for entry, message in waiting:
            lease = _attempt_for(entry, message, held, self._refusing)
            if lease is None:
                continue
            key = (presence.instance_id, message.id, lease)
            if key not in self._pushed:
                _remember(self._pushed, key)
                by_lease.setdefault(lease, []).append(message)
        for (task_id, fence), messages in by_lease.items():
            body = {"task_id": task_id, "fence": fence, "messages": [message_body(message) for message in messages]}
            presence.way.push(wire.push(FrameType.MESSAGE, messages[0].id, body))


def _read(
    queries: Queries, *, agents: set[str], tasks: set[str]
) -> dict[str, tuple[list[TaskRecord], list[tuple[Waiting, Message]]]]:
    named = {task.state.agent_id for task in queries.tasks(sorted(tasks)) if task.state.is_held}
    found = {}
    for agent_id in sorted(agents | {one for one in named if one is not None}):
        held = [task for task in queries.held_tasks(agent_id) if task.state.status is TaskStatus.RUNNING]
        if held:
            found[agent_id] = (held, waiting_for(queries, agent_id, [task.state.id for task in held]))
    return found


def _attempt_for(
    entry: Waiting, message: Message, held: Sequence[TaskRecord], refusing: Mapping[Lease, None]
) -> Lease | None:
    """The attempt that a message is taken to; None where it has to wait."""
    leases = {task.state.id: (task.state.id, task.state.fence) for task in held}
    handed = (entry.task_id, entry.fence)
    if handed in leases.values():
        lease = leases[str(entry.task_id)]
        return None if lease in refusing else lease
    if entry.recipient.startswith("task:"):
        lease = leases.get(entry.recipient.removeprefix("task:"), ("", 0))
        return lease if lease[1] and lease not in refusing else None
    open_to = [task for task in held if leases[task.state.id] not in refusing]
    if not open_to:
        return None
    about = next((task for task in open_to if task.state.id == message.task_id), None)
    latest = about or max(open_to, key=lambda task: (task.updated_at, task.state.id))
    return leases[latest.state.id]


def _remember(memory: "OrderedDict[Any, None]", key: Any) -> None:
    memory[key] = None
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
