"""The parameters that several routes share, and how their text becomes a value."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import Header, Path, Query

from agent_swarm.domain.errors import InvalidInput, NotFound, UnknownTask
from agent_swarm.domain.ids import normalize_id
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Id, Input, Text
from agent_swarm.server.problems import shown

SEQ_MAX = 2**53 - 1  # what every JSON reader holds exactly
_STATUSES = "|".join(TaskStatus)

PathId = Annotated[str, Path(json_schema_extra={"format": "uuid"})]
PathName = Annotated[str, Path(max_length=limits.LABEL_CHARS)]
AttemptNumber = Annotated[int, Path(ge=1, le=2**31 - 1)]
Limit = Annotated[int, Query(ge=1, le=limits.PAGE_MAX)]
Cursor = Annotated[str | None, Query(max_length=limits.CURSOR_CHARS, description="`nextCursor` of the page before")]
IdQuery = Annotated[Id | None, Query(json_schema_extra={"format": "uuid"})]
TextQuery = Annotated[Text | None, Query(max_length=limits.LABEL_CHARS)]
StatusList = Annotated[
    str | None,
    Query(
        max_length=200,
        description="comma-separated statuses",
        json_schema_extra={"pattern": f"^({_STATUSES})(,({_STATUSES}))*$"},
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern="^[!-~]+$",
        description="the same request twice, with the same key, acts once; kept for 24 h",
    ),
]


class NoFields(Input):
    """The body of a command that needs none; it may be left out."""


def task_id(text: str) -> str:
    """The id in the path of a task; raises UnknownTask for text that cannot be one."""
    found = normalize_id(text)
    if found is None:
        raise UnknownTask(shown(text, limit=64))
    return found


def agent_id(text: str) -> str:
    """The id in the path of an agent; raises NotFound for text that cannot be one."""
    found = normalize_id(text)
    if found is None:
        raise NotFound(
            f"no agent has the id {shown(text, limit=64)!r}", hint="list agents with: agent-swarm agent list"
        )
    return found


def statuses(text: str | None) -> tuple[TaskStatus, ...]:
    """`pending,running` as statuses; raises InvalidInput naming the known ones."""
    try:
        return tuple(TaskStatus(name) for name in comma_separated(text))
    except ValueError:
        raise InvalidInput(
            f"query.status: {shown(text or '', limit=64)!r} is not a list of statuses",
            hint=f"known: {', '.join(TaskStatus)}",
            details={"field": "query.status", "known": list(TaskStatus)},
        ) from None


def comma_separated(text: str | None) -> Iterable[str]:
    """`a, b` as "a", "b"."""
    return (part.strip() for part in (text or "").split(",") if part.strip())
