"""A native task as the board has it: what was told of it, and in which words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_swarm.domain.ids import new_id

TAG = "claude-team"
IN_PROGRESS = "in-progress"
WAITING = "waiting"


@dataclass
class Shown:
    """A native task, and what the board was told of it."""

    team: str
    id: str
    subject: str
    description: str
    status: str
    owner: str
    blocked_by: list[str] = field(default_factory=list)
    key: str = field(default_factory=new_id)  # by which it is filed once
    task_id: str = ""  # on the board
    told: str = ""  # the status that the board knows
    words: dict[str, Any] = field(default_factory=dict)  # that the board has; before it took the task: is being told
    failures: int = 0  # of telling it, since that last succeeded

    @property
    def is_over(self) -> bool:
        """Its team has ended it."""
        return self.status in ("completed", "deleted")

    @property
    def is_told(self) -> bool:
        """The board knows how it stands; whether it has its words is another question."""
        if self.status == "completed":
            return self.told == "completed"
        return self.told in ("deleted", "completed") if self.status == "deleted" else bool(self.told)


def wording(one: Shown, tasks: Mapping[str, Shown]) -> dict[str, Any]:
    """Title, prompt and tags of a task among all that are known of its team."""
    waits_for = [task for task in _blockers(one, tasks) if task.status not in ("completed", "deleted")]
    by = f" by {one.owner}" if one.owner else ""
    said = [
        one.description or one.subject,
        f"Task {one.id} of the team {one.team}, which works on it itself.",
        *([f"In progress{by}."] if one.status == "in_progress" else [f"Taken{by}."] if by else []),
        *(f"Waits for task {task.id}: {task.subject}" for task in waits_for),
    ]
    states = [*([IN_PROGRESS] if one.status == "in_progress" else []), *([WAITING] if waits_for else [])]
    return {"title": one.subject, "prompt": "\n\n".join(said), "tags": list(dict.fromkeys([TAG, one.team, *states]))}


def _blockers(one: Shown, tasks: Mapping[str, Shown]) -> list[Shown]:
    found = (tasks.get(f"{one.team}/{id_}") for id_ in one.blocked_by)
    return [task for task in found if task is not None]
