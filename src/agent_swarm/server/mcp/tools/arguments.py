"""What several tools take."""

from typing import Annotated

from pydantic import Field

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Id, Input
from agent_swarm.services.tokens import Identity

Cursor = Annotated[str, Field(max_length=limits.CURSOR_CHARS, description="nextCursor of the page before")]
Limit = Annotated[int, Field(ge=1, le=limits.PAGE_MAX)]


class Nothing(Input):
    """A tool that needs no argument."""


class OfTask(Input):
    """A tool about one task."""

    task_id: Id


class OfTaskOrOwn(Input):
    """A tool about one task, by default the one that the caller works on."""

    task_id: Annotated[Id, Field(description="default: the task you work on")] | None = None

    def of(self, identity: Identity) -> str:
        """The task that is meant; raises InvalidInput where none is."""
        found = self.task_id or identity.task_id
        if found is None:
            raise InvalidInput(
                "taskId is missing, and this token works on no task", hint="name a task", details={"field": "taskId"}
            )
        return found
