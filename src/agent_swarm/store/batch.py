"""One batch: the operations of a moment, applied phase by phase on the rows of a storage.

For every phase the rows concerned are fetched in one go, each operation is decided by the rules of `domain` on the
rows as they then are, and what changed is written back in sets. The end of each phase tells dependants of the tasks
that ended in it.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent_swarm.domain.errors import SwarmError
from agent_swarm.store import operations as ops
from agent_swarm.store.applying import (
    agent_profiles,
    agent_tree,
    agents,
    approvals,
    budgets,
    claims,
    conversations,
    killing,
    leases,
    merge_queues,
    offers,
    projects,
    schedules,
    swarms,
    tasks,
    tokens,
    triggers,
    upkeep,
    waits,
)
from agent_swarm.store.applying.claims import Numbered
from agent_swarm.store.applying.work import Work
from agent_swarm.store.base import BatchResult, Committed
from agent_swarm.store.events import Draft
from agent_swarm.store.rows import Rows


class Batch:
    """Applies operations to `rows`; afterwards `drafts` are the events to chain."""

    def __init__(self, rows: Rows, now: int) -> None:
        self.now = now
        self._work = Work(rows, now)

    @property
    def drafts(self) -> list[Draft]:
        """The events of what was done, in order."""
        return self._work.drafts

    def apply(self, operations: Sequence[ops.Operation[Any]]) -> list[Any]:
        """The answers, one per operation; a refused one is answered by its SwarmError and has changed nothing."""
        replies: list[Any] = [None] * len(operations)
        by_phase: dict[type, Numbered] = defaultdict(list)
        for index, operation in enumerate(operations):
            by_phase[ops.phase_of(operation)].append((index, operation))
        for phase in ops.PHASES:
            if phase in by_phase:
                self._run_phase(phase, by_phase[phase], replies)
        self._work.ledger.settle()
        return replies

    def result(self, replies: list[Any], happened: Sequence[Any]) -> BatchResult:
        """The answers together with the news, once the events are chained."""
        work = self._work
        committed = Committed(
            at=self.now,
            events=tuple(happened),
            ready=dict(work.ready),
            labels={class_id: tuple(labels) for class_id, labels in work.labels.items()},
            classes=work.classes,
            timer_at=work.timer_at,
        )
        return BatchResult(replies, committed)

    def _run_phase(self, phase: type, chosen: Numbered, replies: list[Any]) -> None:
        if phase is ops.ClaimTask:
            claims.claim_all(self._work, chosen, replies)
            return
        self._work.rows.prefetch(**_rows_of(phase, [operation for _, operation in chosen]))
        if phase is ops.KeepBudget:
            self._work.ledger.settle()
        handle = _HANDLERS[phase]
        for index, operation in chosen:
            try:
                replies[index] = handle(self._work, operation)
            except SwarmError as refusal:
                replies[index] = refusal
        self._work.cascade()


_OF_AN_AGENT = (
    ops.SignOff,
    ops.ChangeAgentProfile,
    ops.SetAgentPermissions,
    ops.SetSwarmMember,
    ops.StartAgent,
    ops.StopAgent,
)


def _rows_of(phase: type, operations: Sequence[Any]) -> dict[str, Any]:
    """What operations of a phase name, to be fetched at once."""
    if phase is ops.TaskCommand:
        ending = {op.command.task_id for op in operations if op.restated is not None}
        return {"tasks": {op.command.task_id for op in operations}, "stated": ending}
    if phase in (ops.AnswerOffer, ops.EditTask, ops.Reprioritize, ops.ReportProgress, ops.WaitForTasks, ops.EndWait):
        return {"tasks": {op.task_id for op in operations}}
    if phase is ops.StoreAttachment:
        return {"tasks": {op.attachment.task_id for op in operations}}
    if phase is ops.StateOutcome:
        return {"tasks": {op.outcome.task_id for op in operations}}
    if phase in (ops.ApprovalOperation, ops.KeepBudget):
        return {"tasks": {task_id for op in operations for task_id in op.task_ids}}
    if phase is ops.RecordOperation:
        return {"asked": [asked for op in operations if (asked := getattr(op, "idempotency", None)) is not None]}
    if phase in (ops.CreateTasks, ops.FireSchedule, ops.SettleFiring, ops.StepQueue):
        return _rows_of_new(operations)
    return _rows_with_agents(phase, operations)


def _rows_with_agents(phase: type, operations: Sequence[Any]) -> dict[str, Any]:
    """What operations of a phase name that is about agents."""
    if phase is ops.Heartbeat:
        tasks = {held.task_id for op in operations for held in op.leases}
        return {"tasks": tasks, "agents": {op.agent_id for op in operations}}
    if phase is ops.OfferTask:
        return {"tasks": {op.task_id for op in operations}, "agents": {op.agent_id for op in operations}}
    if phase in _OF_AN_AGENT:
        return {"agents": {op.agent_id for op in operations}}
    if phase is ops.AddAgent:
        agents = [op.agent for op in operations]
        return {"agents": {agent.profile.id for agent in agents} | {agent.parent_id for agent in agents} - {None}}
    if phase in (ops.RegisterAgent, ops.IntroduceAgent):
        return {"agents": {op.agent.profile.id for op in operations}}
    if phase is ops.CreateBudget:
        named = {op.budget.scope_id for op in operations if op.budget.scope_id}
        return {"tasks": named, "agents": named}
    return {}


def _rows_of_new(operations: Sequence[Any]) -> dict[str, Any]:
    """What new tasks name; what they are counted below, too, where an agent files them."""
    new = [task for op in operations for task in op.tasks]
    capped = [op for op in operations if op.capped is not None]
    specs = [task.spec for op in capped for task in op.tasks]
    above = {task_id for spec in specs for task_id in (spec.parent_id, spec.root_id) if task_id}
    return {
        "tasks": {edge.upstream_id for task in new for edge in task.edges} | above,
        "agents": {task.spec.requires.agent_id for task in new if task.spec.requires.agent_id}
        | {task.offer.agent_id for task in new if task.offer}
        | {op.capped.agent_id for op in capped},
        "asked": [op.idempotency for op in operations if op.idempotency],
    }


_HANDLERS: Mapping[type, Callable[[Work, Any], Any]] = {
    ops.ActivateKillSwitch: killing.activate,
    ops.LiftKillSwitch: killing.lift,
    ops.AcknowledgeKill: killing.acknowledge,
    ops.CreateSwarm: swarms.create_swarm,
    ops.ChangeSwarm: swarms.change_swarm,
    ops.SetSwarmMember: swarms.set_member,
    ops.DeleteSwarm: swarms.delete_swarm,
    ops.CreateBudget: budgets.create_budget,
    ops.ChangeBudget: budgets.change_budget,
    ops.RemoveBudget: budgets.remove_budget,
    ops.RecordOperation: lambda work, op: op.carry_out(work),
    ops.PutToken: tokens.put_token,
    ops.RevokeToken: tokens.revoke_token,
    ops.RegisterAgent: agents.register_agent,
    ops.IntroduceAgent: agents.introduce_agent,
    ops.AddAgent: agent_tree.add_agent,
    ops.ChangeAgentProfile: agent_profiles.change_profile,
    ops.SetAgentPermissions: agent_tree.set_permissions,
    ops.SignOff: agents.sign_off,
    ops.StartAgent: agent_tree.start_agent,
    ops.StopAgent: agent_tree.stop_agent,
    ops.CreateProject: projects.create_project,
    ops.CreateTasks: tasks.create_tasks,
    ops.FireSchedule: schedules.fire,
    ops.SettleFiring: triggers.settle_firing,
    ops.StepQueue: merge_queues.step_queue,
    ops.OpenConversation: conversations.open_conversation,
    ops.TaskCommand: tasks.command,
    ops.OfferTask: offers.offer_task,
    ops.AnswerOffer: offers.answer_offer,
    ops.EditTask: tasks.edit,
    ops.Reprioritize: tasks.reprioritize,
    ops.ApprovalOperation: approvals.carry_out,
    ops.RunTimers: tasks.run_timers,
    ops.Heartbeat: leases.heartbeat,
    ops.ReportProgress: leases.report_progress,
    ops.StateOutcome: leases.state_outcome,
    ops.StoreAttachment: leases.store_attachment,
    ops.WaitForTasks: waits.wait_for_tasks,
    ops.EndWait: waits.end_wait,
    ops.BookUsage: leases.book_usage,
    ops.KeepBudget: budgets.keep_budget,
    ops.FindUnserved: upkeep.find_unserved,
    ops.Prune: upkeep.prune,
    ops.DropArchived: upkeep.drop_archived,
}
