"""Frames of the conflict radar: what running attempts at a project have now, and which of them would not merge.

A worker sends them only where the server has told it a time between two looks (`Timing.radar_seconds`).
"""

from typing import Annotated

from pydantic import Field

from agent_swarm.domain.overlaps import MOST_FILES, MOST_SHARED, PATH_CHARS
from agent_swarm.protocol import limits
from agent_swarm.protocol.pool import Id, LeaseRef, Wire

Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
Commit = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
FilePath = Annotated[str, Field(min_length=1, max_length=PATH_CHARS)]


class LiveAttempt(LeaseRef):
    """The live snapshot of an attempt; `published` says that `refs/swarm/live/<task>/<attempt>` has it."""

    attempt: Number
    commit: Commit
    published: bool = False


class Live(Wire):
    """All running attempts of this worker at a project, as they are now; those that were told before and are not among
    them are over for the radar.
    """

    project_id: Id
    attempts: tuple[LiveAttempt, ...] = Field(default=(), max_length=MOST_SHARED)


class OtherAttempt(Wire):
    """A running attempt of another agent at the same project; no `commit` where nobody can fetch it."""

    task_id: str
    attempt: int
    commit: str = ""


class LiveReply(Wire):
    """Body of the reply to `live`."""

    others: tuple[OtherAttempt, ...] = ()


class Overlap(LeaseRef):
    """What a worker found when it merged an attempt of its own with that of a task whose id is greater: the `files` in
    conflict, and how many `more`. None of both: the two would merge.
    """

    other_task_id: Id
    other_attempt: Number
    files: tuple[FilePath, ...] = Field(default=(), max_length=MOST_FILES)
    more: int = Field(default=0, ge=0, le=2**31 - 1)


class Overlaps(Wire):
    """The pairs whose files in conflict are others than those that were told before."""

    project_id: Id
    overlaps: tuple[Overlap, ...] = Field(max_length=limits.PAGE_MAX)
