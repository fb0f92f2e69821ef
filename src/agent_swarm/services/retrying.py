"""Filing a task once more, after it has ended."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent_swarm.domain.budgets import Budget
from agent_swarm.domain.errors import IllegalTransition, UnknownTask
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.tasks import TaskStatus, verbs_of
from agent_swarm.domain.triggers import PER_TASK
from agent_swarm.services.task_budgets import budgets_for_another, own_budgets, root_budgets
from agent_swarm.services.tasks import Rules
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries
from agent_swarm.store.families.task_terms import TASK_TERMS, TaskTerms
from agent_swarm.store.families.triggers import TRIGGER_WORK, TRIGGERS, TaskTrigger
from agent_swarm.store.operations import CreateTasks, Idempotency, NewTask
from agent_swarm.store.records import DependencyRecord, Edge, TaskRecord, TaskSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A task to be filed once more, what it depended on, and what was laid down about it."""

    task: TaskRecord
    upstreams: Sequence[DependencyRecord] = ()
    terms: TaskTerms | None = None
    triggers: Sequence[TaskTrigger] = ()
    budgets: Sequence[Budget] = ()


def look_up(queries: Queries, task_id: str) -> Ended:
    """A task to be filed once more, with all that goes over to the new one. Raises UnknownTask."""
    record = queries.task(task_id)
    if record is None:
        raise UnknownTask(task_id)
    return Ended(
        task=record,
        upstreams=queries.upstreams(task_id),
        terms=queries.record(TASK_TERMS, task_id),
        budgets=own_budgets(queries, task_id),
        triggers=[
            TaskTrigger(trigger=trigger, work=work)
            for trigger in queries.scan(TRIGGERS, task_id, limit=PER_TASK)
            if (work := queries.record(TRIGGER_WORK, trigger.id)) is not None
        ],
    )


def retry(
    ended: Ended,
    *,
    by: Identity,
    rules: Rules,
    with_results: bool = False,
    idempotency: Idempotency | None = None,
) -> CreateTasks:
    """The same again as a new task, from one that has ended; `with_results` tells it what that one came to.

    It waits for the upstreams that can still be, or were, completed; those that ended without success are left out:
    whoever retries has decided that it can do without them.
    """
    state, spec, terms = ended.task.state, ended.task.spec, ended.terms
    if not state.is_terminal:
        raise IllegalTransition(state.id, status=state.status, command="retry", allowed=verbs_of(state.status))
    task_id = new_id()
    budgets = budgets_for_another(ended.budgets, task_id)
    if not budgets and spec.parent_id is None:
        budgets = root_budgets(task_id, rules.root_caps)
    if with_results:
        terms = replace(terms or TaskTerms(task_id=task_id), with_results=True)
    without_success = (TaskStatus.FAILED, TaskStatus.CANCELLED)
    edges = tuple(
        Edge(upstream_id=upstream.other_id, on_failure=upstream.on_failure)
        for upstream in ended.upstreams
        if upstream.other_status not in without_success
    )
    new = NewTask(
        spec=_once_more(spec, task_id, has_terms=terms is not None, by=by),
        edges=edges,
        max_attempts=state.max_attempts,
        max_losses=state.max_losses,
        terms=None if terms is None else replace(terms, task_id=task_id),
        triggers=tuple(_again(one, task_id) for one in ended.triggers),
        budgets=budgets,
    )
    return CreateTasks(tasks=(new,), actor=by.actor, idempotency=idempotency)


def _once_more(spec: TaskSpec, task_id: str, *, has_terms: bool, by: Identity) -> TaskSpec:
    """What a task is, as another task; one that was filed below none is a root again."""
    return TaskSpec(
        id=task_id,
        title=spec.title,
        prompt=spec.prompt,
        requires=spec.requires,
        labels=spec.labels,
        harness=spec.harness,
        model=spec.model,
        project_id=spec.project_id,
        priority=spec.priority,
        timeout=spec.timeout,
        created_by=by.actor,
        parent_id=spec.parent_id,
        root_id=spec.root_id if spec.parent_id else "",
        depth=spec.depth,
        retry_of=spec.id,
        permissions=spec.permissions,
        has_terms=has_terms,
    )


def _again(one: TaskTrigger, task_id: str) -> TaskTrigger:
    """The same trigger for another task. It stays its maker's: whoever retries lends it no rights."""
    trigger = replace(one.trigger, scope=task_id, id=new_id())
    return TaskTrigger(trigger=trigger, work=replace(one.work, trigger_id=trigger.id))
