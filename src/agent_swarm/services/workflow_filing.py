"""A workflow becomes tasks: the whole, and one below it for each stage, all of it in one operation or nothing.

The tasks of stages wait for each other by edges, so the graph is there from the start. Their texts are filled in when
they begin: only then it is known what those before them have come to.
"""

from collections.abc import Mapping
from typing import Any

from agent_swarm.domain.budgets import RootCaps
from agent_swarm.domain.dependencies import in_creation_order
from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import RUNNER_CAPABILITY, Requirements
from agent_swarm.domain.priority import DEFAULT_PRIORITY
from agent_swarm.domain.time import SECOND
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import BatchTaskInput
from agent_swarm.services import task_references, tasks
from agent_swarm.services.task_budgets import root_budgets
from agent_swarm.services.tasks import Rules
from agent_swarm.services.tokens import Identity, Scope
from agent_swarm.store.base import Queries
from agent_swarm.store.families.workflows import PartKind, WorkflowPart
from agent_swarm.store.operations import NewTask
from agent_swarm.store.records import Edge, TaskRecord, TaskSpec, TokenKind
from agent_swarm.workflows.document import AnyStage, BuiltinStage, ShellStage, SwarmStage, Workflow, dumped
from agent_swarm.workflows.rendering import task_fields

LABEL = "workflow"
FOR_RUNNERS = Requirements(capabilities=frozenset({RUNNER_CAPABILITY}))
MAX_LOSSES = 20  # servers that are killed are no fault of a workflow


def new_run(workflow: Workflow, inputs: Mapping[str, Any], *, by: str, caps: RootCaps) -> tuple[NewTask, ...]:
    """The tasks of a run, the one for the whole first, which `caps` are for."""
    run_id = new_id()
    ids = {stage.name: new_id() for stage in workflow.stages}
    order = in_creation_order({stage.name: stage.needs for stage in workflow.stages})
    content = {"document": dumped(workflow), "inputs": dict(inputs)}
    part = WorkflowPart(task_id=run_id, run_id=run_id, kind=PartKind.RUN, name=workflow.name, content=content)
    spec = TaskSpec(
        id=run_id,
        title=workflow.name,
        prompt=workflow.description or f"The workflow {workflow.name}.",
        requires=FOR_RUNNERS,
        labels=(LABEL,),
        created_by=by,
    )
    budgets = root_budgets(run_id, caps)
    whole = NewTask(spec=spec, max_attempts=1, max_losses=MAX_LOSSES, part=part, budgets=budgets)
    return (whole, *(_stage_task(workflow.stage(name), spec, ids) for name in order))


def new_items(stage: AnyStage, above: TaskRecord, run_id: str, first: int, items: tuple[Any, ...]) -> list[NewTask]:
    """The tasks of items that the runner carries out by itself, below the task of their stage."""
    return [
        NewTask(
            spec=TaskSpec(
                id=(task_id := new_id()),
                title=_titled(f"{stage.name} {first + place}"),
                prompt=f"Item {first + place} of stage {stage.name}.",
                requires=FOR_RUNNERS,
                priority=above.spec.priority,
                created_by=above.spec.created_by,
                parent_id=above.spec.id,
                root_id=above.spec.root_id,
                depth=above.spec.depth + 1,
            ),
            max_attempts=_attempts(stage),
            max_losses=MAX_LOSSES,
            part=WorkflowPart(
                task_id=task_id,
                run_id=run_id,
                kind=PartKind.ITEM,
                stage=stage.name,
                position=first + place,
                content={"item": item},
            ),
        )
        for place, item in enumerate(items)
    ]


def filer_of(run: TaskRecord) -> Identity:
    """Whoever started a run, as if that one filed the tasks for agents."""
    return Identity(
        kind=TokenKind.OPERATOR,
        token_id=f"workflow:{run.spec.id}",
        scopes=frozenset({Scope.TASKS_WRITE.value}),
        owner=run.spec.created_by,
    )


def require_fileable(queries: Queries, workflow: Workflow, *, by: Identity, rules: Rules) -> None:
    """Refuse a workflow whose agents' stages name what does not exist. Raises what filing them would raise."""
    for stage in workflow.stages:
        if not isinstance(stage, SwarmStage):
            continue
        body = {**task_fields(stage), "prompt": stage.prompt}
        try:
            wanted = BatchTaskInput.model_validate(body)
            known = task_references.look_up([wanted], by=by, profiles=rules.profiles)(queries)
            tasks.create_task(wanted, known, by=by, rules=rules)
        except SwarmError as exc:
            exc.message = f"stage {stage.name!r}: {exc.message}"
            raise


def _stage_task(stage: AnyStage, run: TaskSpec, ids: Mapping[str, str]) -> NewTask:
    task_id = ids[stage.name]
    spec = TaskSpec(
        id=task_id,
        title=_titled(f"{run.title}: {stage.name}"),
        prompt=stage.description or f"Stage {stage.name} of the workflow {run.title}.",
        requires=FOR_RUNNERS,
        priority=DEFAULT_PRIORITY,
        timeout=int(stage.timeout_seconds * SECOND) if isinstance(stage, ShellStage) else None,
        created_by=run.created_by,
        parent_id=run.id,
        root_id=run.id,
        depth=1,
    )
    return NewTask(
        spec=spec,
        edges=tuple(Edge(upstream_id=ids[need]) for need in stage.needs),
        max_attempts=_attempts(stage) if stage.foreach is None else 1,
        max_losses=MAX_LOSSES,
        part=WorkflowPart(task_id=task_id, run_id=run.id, kind=PartKind.STAGE, stage=stage.name),
    )


def _attempts(stage: AnyStage) -> int:
    return stage.retries + 1 if isinstance(stage, ShellStage | BuiltinStage) else 1


def _titled(text: str) -> str:
    return text if len(text) <= limits.TITLE_CHARS else f"{text[: limits.TITLE_CHARS - 1]}…"
