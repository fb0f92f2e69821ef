"""How a run of a workflow stands, read from its tasks: what is known, what its stages have come to, what is open.

Nothing else is kept of it: a server that dies forgets nothing, and any other one goes on from here.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from agent_swarm.domain.approvals import ApprovalStatus
from agent_swarm.domain.errors import NotFound
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.store.base import Queries
from agent_swarm.store.families.approvals import APPROVALS, Approval
from agent_swarm.store.families.workflows import WORKFLOW_PARTS, PartKind, WorkflowPart
from agent_swarm.store.records import TaskFilter, TaskRecord
from agent_swarm.workflows.deciding import Child, Facts, GateAnswer
from agent_swarm.workflows.document import SwarmStage, Workflow
from agent_swarm.workflows.reading import workflow_of
from agent_swarm.workflows.rendering import OUTPUT_CHARS, Known, StageOutcome, StageStatus

BELOW = 200  # tasks directly below one: more than a run has stages, or a stage items
GATE_QUESTION = "open"
_NAMES = uuid.UUID("8d0c1c8e-2f2b-4c35-9a67-1f7c5f0a4b11")  # ids of the questions that gates ask


@dataclass(frozen=True, slots=True)
class Below:
    """A task of a workflow, and what it stands for."""

    task: TaskRecord
    part: WorkflowPart


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """A run as it stands: its task, its workflow, and the tasks of its stages by name."""

    task: TaskRecord
    part: WorkflowPart
    known: Known
    stages: Mapping[str, Below]

    @property
    def workflow(self) -> Workflow:
        """What is carried out."""
        return self.known.workflow

    @property
    def failures(self) -> dict[str, str]:
        """Why each stage that did not end well did not."""
        ended = (TaskStatus.FAILED, TaskStatus.CANCELLED)
        return {name: failure_of(one.task) for name, one in self.stages.items() if one.task.state.status in ended}

    @property
    def is_over(self) -> bool:
        """No stage is open."""
        return all(one.task.state.is_terminal for one in self.stages.values())


def run_state(queries: Queries, run_id: str) -> RunState:
    """How a run stands. Raises NotFound for what is no run."""
    task, part = queries.task(run_id), queries.record(WORKFLOW_PARTS, run_id)
    if task is None or part is None or part.kind is not PartKind.RUN:
        raise NotFound(f"no run of a workflow has the id {run_id!r}", hint="see: agent-swarm workflow runs")
    stages = {one.part.stage: one for one in parts_below(queries, run_id) if one.part.kind is PartKind.STAGE}
    outcomes = {
        name: StageOutcome.from_result(one.task.result)
        for name, one in stages.items()
        if one.task.state.status is TaskStatus.COMPLETED
    }
    known = Known(
        run_id=run_id,
        workflow=workflow_of(part.content["document"]),
        inputs=part.content["inputs"],
        stages=outcomes,
    )
    return RunState(task=task, part=part, known=known, stages=stages)


def parts_below(queries: Queries, task_id: str) -> list[Below]:
    """The tasks directly below one that are parts of its workflow, by position; what others filed there is none."""
    found = queries.list_tasks(TaskFilter(parent_id=task_id), after=None, limit=BELOW)
    parts = ((task, queries.record(WORKFLOW_PARTS, task.spec.id)) for task in found)
    below = [Below(task, part) for task, part in parts if part is not None]
    return sorted(below, key=lambda one: (one.part.position, one.task.spec.id))


def stage_facts(queries: Queries, task_id: str) -> Facts:
    """What has become of a stage so far."""
    children = [Child(position=one.part.position, outcome=outcome_of(one)) for one in parts_below(queries, task_id)]
    return Facts(gate=_gate(queries.record(APPROVALS, gate_id(task_id))), children=children)


def gate_id(task_id: str) -> str:
    """The id of the question that the gate of a stage asks: the same by whichever attempt."""
    return str(uuid.uuid5(_NAMES, task_id))


def outcome_of(below: Below) -> StageOutcome | None:
    """What an item, or the task of an agent, has come to; None while it is open."""
    status, result = below.task.state.status, below.task.result or {}
    if status is TaskStatus.COMPLETED and below.part.kind is PartKind.AGENT:
        text = str(result.get("text") or "")[:OUTPUT_CHARS]
        return StageOutcome(status=StageStatus.COMPLETED, output=text, data=result.get("data"))
    if status is TaskStatus.COMPLETED:
        return StageOutcome.from_result(result)
    if below.task.state.is_terminal:
        return StageOutcome(status=StageStatus.FAILED, output=failure_of(below.task)[:OUTPUT_CHARS])
    return None


def agents_before(queries: Queries, run: RunState, stage: str) -> list[str]:
    """The tasks of agents whose work a stage builds upon: those of the stages it needs, or of what these need."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    ahead = list(run.workflow.stage(stage).needs)
    while ahead:
        name = ahead.pop(0)
        if name in seen or name not in run.stages:
            continue
        seen.add(name)
        if isinstance(run.workflow.stage(name), SwarmStage):
            below = parts_below(queries, run.stages[name].task.spec.id)
            done = (one for one in below if one.task.state.status is TaskStatus.COMPLETED)
            found.update((one.task.spec.id, None) for one in done)
        else:
            ahead += run.workflow.stage(name).needs
    return list(found)


def failure_of(task: TaskRecord) -> str:
    """Why a task did not end well, in a few words."""
    failure = task.failure or {}
    return str(failure.get("message") or failure.get("code") or task.state.status.value)


def _gate(asked: Approval | None) -> GateAnswer | None:
    if asked is None:
        return None
    if asked.status is ApprovalStatus.OPEN:
        return GateAnswer.OPEN
    is_yes = asked.status is ApprovalStatus.ANSWERED and asked.answers.get(GATE_QUESTION) is True
    return GateAnswer.YES if is_yes else GateAnswer.NO
