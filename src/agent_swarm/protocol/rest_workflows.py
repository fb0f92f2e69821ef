"""The REST shapes of workflows."""

from typing import Annotated, Any

from pydantic import Field

from agent_swarm.protocol.limits import PAGE_MAX
from agent_swarm.protocol.rest import Input, Output, Text, at_most

STAGES = 100
SOURCE_CHARS = 256 * 1024
ITEMS_SHOWN = 100


class WorkflowInput(Input):
    """A workflow: `source` is the YAML of a file, `workflow` the same as JSON; one of them."""

    source: Annotated[Text, Field(min_length=1, max_length=SOURCE_CHARS)] | None = None
    workflow: dict[str, Any] | None = None


class WorkflowRunInput(WorkflowInput):
    """Body of `POST /api/workflows`: the workflow, and what it is given."""

    inputs: dict[str, Any] = Field(default_factory=dict)


class WorkflowStageSpec(Output):
    """A stage as a file has it."""

    name: str
    kind: str
    needs: Annotated[list[str], at_most(STAGES)]


class WorkflowCheck(Output):
    """Answer of `POST /api/workflows/validate`: what a valid file has, its stages in an order that fits."""

    name: str
    has_shell: bool  # something would run on the server's machine
    inputs: Annotated[list[str], at_most(STAGES)]
    stages: Annotated[list[WorkflowStageSpec], at_most(STAGES)]


class WorkflowRun(Output):
    """A run; its id is that of the task which stands for the whole."""

    id: str
    name: str
    status: str
    started_by: str
    created_at: str
    finished_at: str | None


class WorkflowItem(Output):
    """One item of a stage with foreach, or what an agent does for a stage."""

    task_id: str
    position: int
    status: str


class WorkflowStage(Output):
    """A stage of a run. `outcome` is completed, skipped or failed once it has ended."""

    name: str
    kind: str
    needs: Annotated[list[str], at_most(STAGES)]
    task_id: str
    status: str
    outcome: str | None
    output: str
    items: Annotated[list[WorkflowItem], at_most(ITEMS_SHOWN)]
    approval_id: str | None  # of the question that its gate asks, while that is open


class WorkflowRunDetail(WorkflowRun):
    """A run, whole."""

    inputs: dict[str, Any]
    stages: Annotated[list[WorkflowStage], at_most(STAGES)]
    outputs: Any = None
    message: str  # why it failed


class WorkflowRunList(Output):
    """A page of runs, the latest first."""

    runs: Annotated[list[WorkflowRun], at_most(PAGE_MAX)]
    next_cursor: str | None


class WorkflowCancelInput(Input):
    """Body of `POST /api/workflows/{id}/cancel`."""

    reason: Annotated[Text, Field(max_length=2_000)] = ""
