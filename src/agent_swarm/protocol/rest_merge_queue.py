"""The REST shapes of merge queues and of the results in them."""

from typing import Annotated

from pydantic import Field

from agent_swarm.domain import merge_queue as rules
from agent_swarm.domain.merge_queue import EntryStatus, QueueStatus
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Id, Input, Label, Output, Text, at_most

Command = Annotated[Text, Field(min_length=1, max_length=rules.COMMAND_CHARS)]


class MergeQueueInput(Input):
    """Body of `PUT /api/projects/{idOrName}/queue`: what is not named stays as it is, for a new queue as it is here."""

    check: Command | None = None  # the project's own check, a shell script; a new queue needs one
    branch: Annotated[Text, Field(max_length=limits.LABEL_CHARS)] | None = None  # default, and "": the project's
    largest: Annotated[int, Field(ge=1, le=rules.LARGEST_MAX, strict=True)] | None = None  # results at a time; 8
    retries: Annotated[int, Field(ge=0, le=rules.RETRIES_MAX, strict=True)] | None = None  # of one that fails alone; 1
    automatic: bool | None = None  # whether results of its tasks enter by themselves; false
    timeout_seconds: Annotated[float, Field(gt=0, le=24 * 3600)] | None = None  # of a check
    tags: Annotated[list[Label], Field(max_length=limits.LABELS)] | None = None  # that workers need who check


class QueueEntryInput(Input):
    """Body of `POST /api/projects/{idOrName}/queue/entries`: a task of the project that is completed."""

    task_id: Id


class MergeQueue(Output):
    """The merge queue of a project. `checkTaskId` is the task that checks `checking` now; `waiting` counts to 200."""

    project_id: str
    project: str
    check: str
    branch: str | None
    largest: int
    retries: int
    automatic: bool
    timeout_seconds: float | None
    tags: Annotated[list[str], at_most(limits.LABELS)]
    status: QueueStatus
    halt_code: str | None
    halt_message: str | None
    check_task_id: str | None
    checking: Annotated[list[str], at_most(rules.LARGEST_MAX)]
    waiting: int
    checks: int
    landed: int
    returned: int
    set_by: str
    created_at: str
    updated_at: str


class QueueEntry(Output):
    """The result of a task in a merge queue. `position` counts from 1 among those that wait."""

    task_id: str
    title: str
    project_id: str
    status: EntryStatus
    position: int | None
    hops: int  # how often the work came back before
    entered_at: str
    entered_by: str
    check_task_id: str | None  # that checks it, or settled it
    tested_with: Annotated[list[str], at_most(rules.LARGEST_MAX)]
    commit: str | None  # of the branch, with it
    code: str | None
    message: str | None  # the end of what the check said
    follow_up_id: str | None
    settled_at: str | None


class QueueEntryList(Output):
    """Results that wait, first ones first; or those that are settled, the latest first."""

    entries: Annotated[list[QueueEntry], at_most(limits.PAGE_MAX)]
    next_cursor: str | None
