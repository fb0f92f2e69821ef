"""Workflows: people start them, look at how they stand, and call them off. Agents do not."""

from collections.abc import Mapping
from typing import Any

from agent_swarm.domain.dependencies import in_creation_order
from agent_swarm.domain.ids import normalize_id
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.domain.time import to_wire
from agent_swarm.protocol import rest_workflows as rest
from agent_swarm.services import cursors
from agent_swarm.services.cancelling import cancel_with_all_below
from agent_swarm.services.tasks import Rules
from agent_swarm.services.tokens import Identity
from agent_swarm.services.workflow_facts import Below, RunState, gate_id, outcome_of, parts_below, run_state
from agent_swarm.services.workflow_starting import read, run_of
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.approvals import APPROVALS
from agent_swarm.store.families.workflows import WORKFLOW_RUNS
from agent_swarm.store.operations import CreateTasks, Idempotency
from agent_swarm.store.records import TaskRecord
from agent_swarm.workflows.document import Workflow
from agent_swarm.workflows.rendering import StageOutcome

_SHOWN_CHARS = 4_000  # of what a stage said


class Workflows:
    """The workflows of one store."""

    def __init__(self, store: Store, rules: Rules) -> None:
        self._store = store
        self._rules = rules

    def check(self, wanted: rest.WorkflowInput) -> rest.WorkflowCheck:
        """What a valid file has. Raises InvalidInput with all that is wrong with it."""
        workflow = read(wanted)
        order = in_creation_order({stage.name: stage.needs for stage in workflow.stages})
        return rest.WorkflowCheck(
            name=workflow.name,
            has_shell=workflow.has_shell,
            inputs=list(workflow.inputs),
            stages=[_spec(workflow, name) for name in order],
        )

    async def run(
        self, wanted: rest.WorkflowRunInput, *, by: Identity, once: Idempotency | None = None
    ) -> rest.WorkflowRunDetail:
        """Start a workflow, all of it or nothing. Raises InvalidInput, Denied, and what filing tasks raises."""
        tasks = await self._store.read(lambda queries: run_of(queries, wanted, by=by, rules=self._rules))
        created = await self._store.apply(CreateTasks(tasks=tasks, actor=by.actor, idempotency=once))
        return await self.get(created.task_ids[0])

    async def get(self, run_id: str) -> rest.WorkflowRunDetail:
        """A run as it stands. Raises NotFound."""
        return await self._store.read(lambda queries: _detail(queries, run_state(queries, _identifier(run_id))))

    async def page(self, *, cursor: str | None, limit: int) -> rest.WorkflowRunList:
        """Runs, the latest first."""
        after = cursors.read_place(cursor)

        def reading(queries: Queries) -> rest.WorkflowRunList:
            places = queries.scan(WORKFLOW_RUNS, after=after, limit=limit + 1)
            shown, following = cursors.page(places, limit, lambda one: cursors.after_place(one.rank, one.id))
            tasks = {task.spec.id: task for task in queries.tasks([place.id for place in shown])}
            runs = [rest.WorkflowRun(**_head(tasks[place.id], place.name)) for place in shown if place.id in tasks]
            return rest.WorkflowRunList(runs=runs, next_cursor=following)

        return await self._store.read(reading)

    async def cancel(self, run_id: str, reason: str, *, by: Identity) -> rest.WorkflowRunDetail:
        """End a run with everything below it; what has ended stays as it is. Raises NotFound."""
        run = await self._store.read(lambda queries: run_state(queries, _identifier(run_id)))
        await cancel_with_all_below(self._store, run.task.spec.id, reason, by=by)
        return await self.get(run_id)


def _identifier(text: str) -> str:
    return normalize_id(text) or text[:64]


def _spec(workflow: Workflow, name: str) -> rest.WorkflowStageSpec:
    stage = workflow.stage(name)
    return rest.WorkflowStageSpec(name=name, kind=stage.kind, needs=list(stage.needs))


def _head(task: TaskRecord, name: str) -> dict[str, Any]:
    return {
        "id": task.spec.id,
        "name": name,
        "status": task.state.status.value,
        "started_by": task.spec.created_by,
        "created_at": to_wire(task.spec.created_at),
        "finished_at": None if task.finished_at is None else to_wire(task.finished_at),
    }


def _detail(queries: Queries, run: RunState) -> rest.WorkflowRunDetail:
    result: Mapping[str, Any] = run.task.result or {}
    outputs = (result.get("data") or {}).get("data") if run.task.state.status is TaskStatus.COMPLETED else None
    return rest.WorkflowRunDetail(
        **_head(run.task, run.part.name),
        inputs=dict(run.known.inputs),
        stages=[_stage(queries, run, stage.name) for stage in run.workflow.stages],
        outputs=outputs,
        message=str((run.task.failure or {}).get("message") or ""),
    )


def _stage(queries: Queries, run: RunState, name: str) -> rest.WorkflowStage:
    stage, below = run.workflow.stage(name), run.stages[name]
    approval = queries.record(APPROVALS, gate_id(below.task.spec.id)) if stage.gate is not None else None
    outcome = _outcome(below.task)
    return rest.WorkflowStage(
        name=name,
        kind=stage.kind,
        needs=list(stage.needs),
        task_id=below.task.spec.id,
        status=below.task.state.status.value,
        outcome=None if outcome is None else outcome.status.value,
        output=(outcome.output if outcome else str((below.task.failure or {}).get("message") or ""))[:_SHOWN_CHARS],
        items=[_item(one) for one in parts_below(queries, below.task.spec.id)],
        approval_id=approval.id if approval is not None and approval.is_open else None,
    )


def _outcome(task: TaskRecord) -> StageOutcome | None:
    return StageOutcome.from_result(task.result) if task.state.status is TaskStatus.COMPLETED else None


def _item(one: Below) -> rest.WorkflowItem:
    outcome = outcome_of(one)
    return rest.WorkflowItem(
        task_id=one.task.spec.id,
        position=one.part.position,
        status=one.task.state.status.value if outcome is None else outcome.status.value,
    )
