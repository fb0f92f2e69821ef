"""The REST shapes of the conflict radar."""

from typing import Annotated

from agent_swarm.domain.overlaps import MOST_FILES
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Output, at_most


class ConflictSide(Output):
    """One of the two attempts."""

    task_id: str
    title: str
    attempt: int
    agent_id: str
    agent_name: str


class Conflict(Output):
    """Two running attempts that would not merge as they are now: in these files, and so many more."""

    id: str  # of the pair, while both attempts run
    project_id: str
    project_name: str
    since: str
    files: Annotated[list[str], at_most(MOST_FILES)]
    more: int
    attempts: Annotated[list[ConflictSide], at_most(2)]


class ConflictPage(Output):
    """Some of the conflicts that there are now, by project and task."""

    conflicts: Annotated[list[Conflict], at_most(limits.PAGE_MAX)]
    next_cursor: str | None
