"""Which tasks are parts of workflows: what a run was given, and which stage or item each of its tasks stands for.

Records are made together with their tasks and never change: how a run stands is what its tasks say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from agent_swarm.store.families.family import Family

if TYPE_CHECKING:
    from agent_swarm.store.applying.work import Work


class PartKind(StrEnum):
    """What a task of a workflow stands for."""

    RUN = "run"  # the whole
    STAGE = "stage"  # directly below the run
    ITEM = "item"  # of a stage with foreach; the runner's
    AGENT = "agent"  # what a stage asks of an agent


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowPart:
    """A task that is part of the run `run_id`. `content` is of a run {document, inputs}, of an item {item}."""

    task_id: str
    run_id: str
    kind: PartKind
    stage: str = ""
    position: int = 0  # of an item, from 0
    name: str = ""  # of a run: its workflow's
    content: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRun:
    """The place of a run in the list of all, which begins with the latest."""

    rank: int  # minus the instant
    id: str
    name: str


WORKFLOW_PARTS = Family("workflow_part", WorkflowPart, key=("task_id",))
WORKFLOW_RUNS = Family("workflow_run", WorkflowRun, key=("rank", "id"))


def put(work: "Work", part: WorkflowPart) -> None:
    """Keep what a new task stands for."""
    work.add(WORKFLOW_PARTS, [part])
    if part.kind is PartKind.RUN:
        work.add(WORKFLOW_RUNS, [WorkflowRun(rank=-work.now, id=part.task_id, name=part.name)])
