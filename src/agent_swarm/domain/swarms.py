"""Swarms: named groups of agents and tasks, with at most one project.

A swarm is found by its id, which is never given again, or by its name, which is free again once the swarm is deleted.
Pure: names are judged here, and what a change makes of a swarm.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from agent_swarm.domain.errors import Conflict, InvalidInput
from agent_swarm.domain.notes import THE_SWARM

NAME_CHARS = 64
MOST = 1_000  # that live at a time
APART = 1_000  # microseconds between two of which the ids differ
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"

_ID = re.compile(r"swarm-[0-9]{1,16}")


class SwarmStatus(StrEnum):
    """Whether the tasks of a swarm are handed out."""

    ACTIVE = "active"
    PAUSED = "paused"  # what runs goes on, nothing begins
    DELETED = "deleted"  # kept for the history


@dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """A group of agents and tasks. Tasks that name no project get its own."""

    id: str
    name: str
    status: SwarmStatus = SwarmStatus.ACTIVE
    project_id: str | None = None
    created_by: str = ""
    created_at: int = 0
    deleted_at: int | None = None

    @property
    def is_there(self) -> bool:
        """It has not been deleted."""
        return self.status is not SwarmStatus.DELETED


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmChange:
    """What is to become of a swarm; None leaves it. An empty `project_id` takes the project away."""

    paused: bool | None = None
    project_id: str | None = None


def id_at(instant: int) -> str:
    """The id of a swarm that is made then; those of instants that are `APART` differ."""
    return f"swarm-{instant // APART}"


def is_id(text: str) -> bool:
    """Whether a text is the id of a swarm, and so no name."""
    return _ID.fullmatch(text) is not None


def require_name(name: str) -> str:
    """The name, where a swarm may have it. Raises InvalidInput."""
    if len(name) > NAME_CHARS or re.fullmatch(NAME_PATTERN.strip("^$"), name) is None:
        raise InvalidInput(
            f"name: expected at most {NAME_CHARS} letters, digits, '.', '_', '-' that begin with a letter or digit",
            hint="for example: checkout",
            details={"field": "name"},
        )
    if name == THE_SWARM or is_id(name):
        what = "stands for the server as a whole" if name == THE_SWARM else "looks like the id of a swarm"
        raise InvalidInput(f"name: {name!r} {what}", hint="choose another name", details={"field": "name"})
    return name


def changed(swarm: Swarm, change: SwarmChange) -> Swarm:
    """The swarm after a change; the same one where it was so already."""
    status = swarm.status
    if change.paused is not None:
        status = SwarmStatus.PAUSED if change.paused else SwarmStatus.ACTIVE
    project_id = swarm.project_id if change.project_id is None else change.project_id or None
    return replace(swarm, status=status, project_id=project_id)


def has_open_tasks(swarm: Swarm) -> Conflict:
    """That a swarm cannot be deleted while something is to be done in it."""
    return Conflict(
        f"swarm {swarm.name!r} has tasks that have not ended",
        hint=f"cancel them with it: agent-swarm swarm rm {swarm.name} --cancel-tasks",
        details={"swarmId": swarm.id},
    )


def still_works(swarm: Swarm, agent: str, task_id: str) -> Conflict:
    """That an agent cannot leave a swarm while it holds one of its tasks: what is done for the swarm is done in it."""
    return Conflict(
        f"agent {agent!r} works on task {task_id!r} of swarm {swarm.name!r}",
        hint="wait until it has ended, or cancel or pause it",
        details={"swarmId": swarm.id, "taskId": task_id},
    )
