"""Tasks are filed, commanded, moved in the queue, and found due."""

from dataclasses import replace

from agent_swarm.domain.changes import Change
from agent_swarm.domain.commands import Complete, Fail
from agent_swarm.domain.deadlines import TIMED_OUT
from agent_swarm.domain.kill_switch import SwitchScope, refusal
from agent_swarm.domain.tasks import AttemptOutcome, FailureClass, TaskState
from agent_swarm.domain.time import SECOND
from agent_swarm.domain.transitions import tick
from agent_swarm.domain.values import changed
from agent_swarm.store import events, refusals, rows
from agent_swarm.store import operations as ops
from agent_swarm.store.applying import caps, offers
from agent_swarm.store.applying.budgets import add_budget
from agent_swarm.store.applying.work import NOTHING_TOLD, Work
from agent_swarm.store.families import offers as kept
from agent_swarm.store.families import workflows
from agent_swarm.store.families.merge_queue import QUEUE_TASKS, QueueTaskKind
from agent_swarm.store.families.swarms import unknown_swarm_in
from agent_swarm.store.families.task_terms import TASK_TERMS
from agent_swarm.store.families.triggers import TRIGGER_WORK, TRIGGERS
from agent_swarm.store.records import AttemptReport, TaskRecord
from agent_swarm.store.rows import Entry


def create_tasks(work: Work, op: ops.CreateTasks) -> ops.Created:
    """Create tasks together or not at all, once per idempotency key."""
    earlier = work.earlier(op.idempotency)
    if earlier is not None:
        return ops.Created(task_ids=earlier, replayed=True)
    _refuse_while_killed(work, op)
    _check_references(work, op)
    caps.check_caps(work, op)
    records = tuple(create_task(work, new, op.actor) for new in op.tasks)
    created = tuple(record.spec.id for record in records)
    work.remember(op.idempotency, created)
    return ops.Created(task_ids=created, records=records)


def _refuse_while_killed(work: Work, op: ops.CreateTasks) -> None:
    for switch in work.rows.killed():
        in_swarm = switch.scope is SwitchScope.SWARM and any(new.spec.swarm_id == switch.scope_id for new in op.tasks)
        if in_swarm or switch.scope is SwitchScope.ALL:
            raise refusal(switch)


def _check_references(work: Work, op: ops.CreateTasks) -> None:
    made: set[str] = set()
    for swarm_id in sorted({new.spec.swarm_id for new in op.tasks if new.spec.swarm_id}):
        swarm = work.rows.swarm(swarm_id)
        if swarm is None or not swarm.is_there:
            raise unknown_swarm_in("swarm", swarm_id)
    for new in op.tasks:
        spec = new.spec
        if spec.id in made:
            raise refusals.task_exists(spec.id)
        for edge in new.edges:
            if edge.upstream_id not in made and work.rows.entry(edge.upstream_id) is None:
                raise refusals.unknown_reference("dependsOn", "task", edge.upstream_id)
        if spec.project_id is not None and not work.rows.has_project(spec.project_id):
            raise refusals.unknown_reference("project", "project", spec.project_id)
        if spec.requires.agent_id is not None and work.rows.agent(spec.requires.agent_id) is None:
            raise refusals.unknown_reference("agentId", "agent", spec.requires.agent_id)
        if new.offer is not None:
            offers.require_fit(work, new.offer.agent_id, spec.requires, field="offerTo")
        made.add(spec.id)


def create_task(work: Work, new: ops.NewTask, actor: str) -> TaskRecord:
    """One task, of which all that it names exists and is fetched."""
    spec = changed(new.spec, created_at=work.now, root_id=new.spec.root_id or new.spec.id)
    if new.not_before is not None and new.not_before <= work.now:
        new = replace(new, not_before=None)
    upstream = {edge.upstream_id: work.must(edge.upstream_id).state.status for edge in new.edges}
    state, created = rows.new_state(new, upstream, actor=actor)
    class_id = work.intern(spec.requires)
    offered = offers.offered_at_once(work, state, new)
    claim_class = class_id
    if offered is not None:
        claim_class = work.intern(spec.requires.pinned_to(offered.state.pinned_agent))
        created.append(events.of_task(offered.event, offered.state, actor=actor, data=offered.detail))
        kept.keep(work, state, offered, actor=actor, reason="")
        state = offered.state
    entry = Entry(
        state,
        class_id,
        claim_class,
        created_at=work.now,
        priority=spec.priority,
        labels=spec.labels,
        permissions=spec.permissions,
        root_id=spec.root_id,
        project_id=spec.project_id,
    )
    finished_at = work.now if state.is_terminal else None
    record = TaskRecord(
        spec=spec, state=state, has_upstreams=bool(new.edges), updated_at=work.now, finished_at=finished_at
    )
    work.rows.add_task(record, new.edges, entry)
    if new.terms is not None:
        work.add(TASK_TERMS, [new.terms])
    for budget in new.budgets:
        add_budget(work, budget, actor=actor)
    work.add(TRIGGERS, [replace(one.trigger, created_at=work.now) for one in new.triggers])
    work.add(TRIGGER_WORK, [one.work for one in new.triggers])
    if new.part is not None:
        workflows.put(work, new.part)
    caps.note_filed(work, new)
    work.tell(entry, *created)
    work.note(None, state, entry)
    return record


def command(work: Work, op: ops.TaskCommand) -> ops.CommandReply:
    """Carry out one of `domain.commands`; where the agent that ran the task has spoken, by its word."""
    if op.restated is not None:
        stated = work.rows.stated(op.command.task_id)
        counts = stated is not None and isinstance(op.command, Complete | Fail) and stated.fence == op.command.fence
        if stated is not None and counts and not _is_check(work, op.command.task_id):
            op = op.restated(stated)
    return work.decide(op.command, actor=op.actor, report=op.report, note=op.note)


def _is_check(work: Work, task_id: str) -> bool:
    """Whether a merge queue has a project's check run: that runs the work that it judges, which has no say in it."""
    of_queue = work.get(QUEUE_TASKS, task_id)
    return of_queue is not None and of_queue.kind is QueueTaskKind.CHECK


def reprioritize(work: Work, op: ops.Reprioritize) -> ops.CommandReply:
    """Give an open task another priority."""
    entry = work.must(op.task_id)
    refusals.require_open(entry.state, "reprioritize")
    if entry.priority == op.priority:
        return ops.CommandReply(state=entry.state, repeated=True)
    entry.priority = op.priority
    entry.columns |= {"priority": op.priority, "updated_at": work.now}
    work.rows.save(entry)
    work.tell(entry, events.reprioritized(op, entry.state))
    return ops.CommandReply(state=entry.state)


def edit(work: Work, op: ops.EditTask) -> ops.CommandReply:
    """Have a task that nobody has taken up say something else."""
    entry = work.must(op.task_id)
    refusals.require_editable(entry.state)
    work.rows.rewrite(entry, prompt=op.prompt, labels=op.labels)
    entry.columns["updated_at"] = work.now
    if op.title is not None:
        entry.columns["title"] = op.title
    moves = False
    if op.labels is not None:
        entry.labels = entry.columns["labels"] = op.labels
        if op.any_tag is not None:
            moves = _require_one_of(work, entry, op.labels if op.any_tag else ())
    entry.whole, entry.since = None, {}  # what is remembered of it is as it was filed
    work.rows.save(entry)
    if moves:
        work.note(None, entry.state, entry)
    work.tell(entry, events.edited(op, entry.state))
    return ops.CommandReply(state=entry.state)


def _require_one_of(work: Work, entry: Entry, tags: tuple[str, ...]) -> bool:
    """Move a task to the class that requires one of `tags`, if any; whether that is another one."""
    needs = replace(work.rows.requirements(entry.class_id), any_tag=frozenset(tags))
    class_id = work.intern(needs)
    if class_id == entry.class_id:
        return False
    entry.class_id = entry.columns["class_id"] = class_id
    entry.claim_class = work.intern(needs.pinned_to(entry.state.pinned_agent))
    return True


def run_timers(work: Work, op: ops.RunTimers) -> int:
    """Carry out what is due."""
    due = work.rows.due(work.now, leases=op.leases, limit=op.limit)
    work.rows.prefetch(tasks=due)
    for index, task_id in enumerate(due):
        entry = work.must(task_id)
        change = tick(entry.state, now=work.now, jitter=rows.spread(op.jitter, index))
        if isinstance(change, Change):
            has_timed_out = change.outcome is AttemptOutcome.FAILED  # no other timer makes a run fail
            report = _timed_out(entry.state) if has_timed_out else NOTHING_TOLD
            work.change(entry, change, actor=events.SYSTEM, report=report)
    return len(due)


def _timed_out(state: TaskState) -> AttemptReport:
    """What is told of a run that its worker did not end in time."""
    span = (state.timeout or 0) / SECOND
    text = f"the run was not done after {span:g} s, and its worker has not ended it"
    return AttemptReport(text=text, failure_class=FailureClass.AGENT.value, failure_code=TIMED_OUT)
