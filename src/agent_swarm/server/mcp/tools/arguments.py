"""What several tools take."""

import hashlib
from typing import Annotated

import orjson
from pydantic import Field, WithJsonSchema

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.triggers import PER_TASK, TriggerEvent
from agent_swarm.protocol import limits, rest
from agent_swarm.protocol.rest import Id, Input
from agent_swarm.services.tokens import Identity
from agent_swarm.store.operations import Idempotency

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


class OnceOnly(Input):
    """A tool whose call acts once under a key, however often it is made."""

    idempotency_key: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=255,
                pattern="^[!-~]+$",
                description="the same call with the same key acts once",
            ),
        ]
        | None
    ) = None

    def once(self, tool: str, by: Identity) -> Idempotency | None:
        """The key with what was asked under it; None without one."""
        if self.idempotency_key is None:
            return None
        content = self.model_dump(mode="json", exclude={"idempotency_key"})
        digest = hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
        return Idempotency(subject=by.subject, route=f"MCP {tool}", key=self.idempotency_key, body_hash=digest)


# In short: the whole of it would repeat all that can be said of a task, in the context of every agent.
_TRIGGERS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "on": {"enum": [*TriggerEvent]},
            "do": {
                "type": "object",
                "description": "one of createTask {prompt, and what else a task has}, "
                "postMessage {text, one of to [names], channel and filer true, includeResult}",
            },
        },
        "required": ["on", "do"],
    },
}


class TaskArgument(rest.BatchTaskInput):
    """A task that a tool files: as over REST."""

    triggers: Annotated[
        list[rest.TaskTriggerInput],
        Field(max_length=PER_TASK, description="what happens when it has ended"),
        WithJsonSchema(_TRIGGERS),
    ] = Field(default_factory=list)
