"""The REST shapes of what tasks are told to do."""

from typing import Annotated

from pydantic import Field

from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Input, Priority, Text


class CancelInput(Input):
    """Body of `POST /api/tasks/{id}/cancel`; with `recursive` all tasks below it are cancelled, too."""

    reason: Annotated[Text, Field(max_length=limits.PROGRESS_CHARS)] = ""
    recursive: Annotated[bool, Field(strict=True)] = False


class TaskPatch(Input):
    """Body of `PATCH /api/tasks/{id}`."""

    priority: Priority


class ProgressInput(Input):
    """Body of `POST /api/tasks/{id}/progress`, with an attempt's token."""

    text: Annotated[Text, Field(min_length=1, max_length=limits.PROGRESS_CHARS)]
