"""The REST shapes of what tasks are told to do."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Id, Input, Labels, Output, Priority, Text, at_most


class CancelInput(Input):
    """Body of `POST /api/tasks/{id}/cancel`; with `recursive` all tasks below it are cancelled, too."""

    reason: Annotated[Text, Field(max_length=limits.PROGRESS_CHARS)] = ""
    recursive: Annotated[bool, Field(strict=True)] = False


class OfferInput(Input):
    """Body of `POST /api/tasks/{id}/offer`: the agent has `ttlSeconds` to answer."""

    agent_id: Id
    ttl_seconds: Annotated[float, Field(ge=1, le=limits.OFFER_SECONDS_MAX)] = limits.OFFER_SECONDS


class AcceptInput(Input):
    """Body of `POST /api/tasks/{id}/accept`; people may leave out for which agent."""

    agent_id: Id | None = None


class RejectInput(AcceptInput):
    """Body of `POST /api/tasks/{id}/reject`."""

    reason: Annotated[Text, Field(max_length=limits.PROGRESS_CHARS)] = ""


class TaskPatch(Input):
    """Body of `PATCH /api/tasks/{id}`: what is left out stays. What a task says changes only while nobody has it."""

    priority: Priority | None = None
    title: Annotated[Text, Field(min_length=1, max_length=limits.TITLE_CHARS)] | None = None
    prompt: Annotated[Text, Field(min_length=1)] | None = None
    tags: Labels | None = None

    @model_validator(mode="after")
    def _require_a_change(self) -> Self:
        if not any(getattr(self, name) is not None for name in self.model_fields_set):
            raise ValueError("nothing is to change: give priority, title, prompt or tags")
        return self


class RetryInput(Input):
    """Body of `POST /api/tasks/{id}/retry`; with `includeResults` the prompt ends with what the earlier try came to."""

    include_results: Annotated[bool, Field(strict=True)] = False


class ResultInput(Input):
    """Body of `POST /api/tasks/{id}/result/check`, with an attempt's token: the end of a run, as it would be told."""

    text: Annotated[Text, Field(max_length=limits.RESULT_CHARS)] = ""
    data: dict[str, Any] | None = None


class ResultCheck(Output):
    """What would be wrong with it, first things first."""

    problems: Annotated[list[str], at_most(limits.RESULT_PROBLEMS)]


class ProgressInput(Input):
    """Body of `POST /api/tasks/{id}/progress`, with an attempt's token."""

    text: Annotated[Text, Field(min_length=1, max_length=limits.PROGRESS_CHARS)]
