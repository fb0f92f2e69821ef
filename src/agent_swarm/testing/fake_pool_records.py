"""What the fake pool knows of a task and its attempts, for tests to look at."""

from dataclasses import dataclass, field
from typing import Any

from agent_swarm.domain.tasks import AttemptOutcome, TaskState, TaskStatus
from agent_swarm.protocol import pool


@dataclass
class FakeAttempt:
    """One try at a task, and what the worker told about it."""

    number: int
    fence: int
    claim_id: str
    agent_id: str
    outcome: AttemptOutcome | None = None
    where: dict[str, str] = field(default_factory=dict)  # session, branch, commit, snapshot
    message: str = ""
    code: str = ""
    progress: list[str] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[int, pool.Usage] = field(default_factory=dict)

    def texts(self) -> list[str]:
        """What its transcript says, line by line."""
        return [str(line["data"]["text"]) for line in self.lines if "text" in line["data"]]


@dataclass
class FakeTask:
    """A task, as the worker sees it in a claim, with its state."""

    claim: dict[str, Any]
    state: TaskState
    attempts: list[FakeAttempt] = field(default_factory=list)
    result: pool.Complete | None = None
    results: int = 0  # accepted ones; more than one is a bug
    received: list[pool.Received] = field(default_factory=list)  # what workers say about messages, as it came

    @property
    def attempt(self) -> FakeAttempt:
        """The latest one."""
        return self.attempts[-1]

    @property
    def status(self) -> TaskStatus:
        """Where it stands."""
        return self.state.status
