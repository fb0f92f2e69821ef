"""What an explanation is made of: facts of one moment go in, reasons come out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agent_swarm.domain.budgets import Budget
from agent_swarm.domain.dependencies import OnFailure
from agent_swarm.domain.kill_switch import Switch
from agent_swarm.domain.matching import AgentProfile, Requirements
from agent_swarm.domain.merge_queue import EntryStatus, QueueStatus
from agent_swarm.domain.overlaps import Overlap
from agent_swarm.domain.swarms import Swarm
from agent_swarm.domain.tasks import TaskState, TaskStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A task that this one waits for."""

    id: str
    title: str
    status: TaskStatus
    on_failure: OnFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An agent that might run it. `holds` are (id, title) of what it works on.

    `silent_since` is when it was last heard of, where a heartbeat is overdue.
    """

    profile: AgentProfile
    name: str
    is_online: bool
    slots: int = 1
    last_seen_at: int = 0
    silent_since: int | None = None
    said_goodbye: bool = False
    stopped_by: str = ""  # empty: it is not stopped
    holds: tuple[tuple[str, str], ...] = ()
    rests_until: int | None = None  # it takes nothing until then, for `rests_for`
    rests_for: str = ""

    @property
    def is_free(self) -> bool:
        """It is there and has a slot left."""
        return self.is_online and len(self.holds) < self.slots


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestion:
    """An approval that waits for an answer, until `expires_at`."""

    id: str
    title: str
    expires_at: int
    pauses: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """Where the result of a task stands in the merge queue of its project. `position` is among those that wait, from 1.

    `halted` says why the queue stands still by itself, `check_id` is the task that checks it, or settled it.
    """

    project: str
    status: EntryStatus
    queue: QueueStatus
    position: int | None = None
    halted: str = ""
    check_id: str | None = None
    followup_id: str | None = None
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything the answer rests on, of one moment.

    `unserved_since` is since when no agent that is online could take it, `cancelled_at` when the attempt that was
    current was cancelled, `last_line_at` when the agent last showed what it does, `agent_ended` that it has ended,
    `killed` are the switches of the kill switch that are on, `was_accepted` says that the agent it is pinned to has
    accepted it. `budgets` are in the period of `now`.
    """

    task: TaskState
    title: str
    requires: Requirements
    now: int
    upstreams: Sequence[Upstream] = ()
    agents: Sequence[Candidate] = ()
    started_at: int | None = None
    claimed_at: int | None = None
    finished_at: int | None = None
    last_agent: str | None = None
    failure_message: str = ""
    updated_at: int = 0
    unserved_since: int | None = None
    cancelled_at: int | None = None
    last_line_at: int | None = None
    agent_ended: bool = False
    killed: Sequence[Switch] = ()
    swarm: Swarm | None = None  # the one it belongs to
    questions: Sequence[OpenQuestion] = ()
    was_accepted: bool = False
    budgets: Sequence[Budget] = ()  # those that it counts for
    failure_code: str = ""  # of the latest attempt
    overlaps: Sequence[Overlap] = ()  # running attempts that its own would not merge with
    queued: Queued | None = None

    def name_of(self, agent_id: str) -> str:
        """The name of an agent, or its id where it is not known."""
        found = self.agent(agent_id)
        return agent_id if found is None else found.name

    def agent(self, agent_id: str | None) -> Candidate | None:
        """An agent by its id."""
        return next((agent for agent in self.agents if agent.profile.id == agent_id), None)


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing in the way."""

    code: str
    message: str
    unblock: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Explanation:
    """`summary` in one sentence; no reasons for a task that runs well or has its result."""

    summary: str
    reasons: tuple[Reason, ...] = ()
