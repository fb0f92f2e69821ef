"""Servers and workers with one defect each, which the search has to find."""

from dataclasses import replace
from typing import Any

from agent_swarm.domain import commands
from agent_swarm.domain.approvals import ApprovalStatus
from agent_swarm.domain.tasks import AttemptOutcome, PauseReason, TaskState, TaskStatus
from agent_swarm.store import asking
from agent_swarm.store import operations as ops
from agent_swarm.store.families.approvals import APPROVALS
from agent_swarm.store.families.switches import SWITCHES
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.testing.model_search.messages import Lease, Message
from agent_swarm.testing.model_search.server import LEASE_SECONDS, Moved, Server, ServerModel
from agent_swarm.testing.model_search.worker import Worker, WorkerModel


def put(engine: MemoryEngine, task_id: str, **changes: Any) -> None:
    """Change a task behind the back of the rules."""
    record = engine.records[task_id]
    engine.records[task_id] = replace(record, state=replace(record.state, **changes))


class FenceIsNotChecked(ServerModel):
    def operation(self, server: Server, message: Message) -> ops.Operation[Any]:
        if message.lease.task:
            current = Lease(message.lease.task, server.task(message.lease.task).fence)
            message = message._replace(lease=current)
        return super().operation(server, message)


class _AfterMove(ServerModel):
    """Does something to the tasks that a kind of operation changed."""

    kind: type = object

    def apply(self, engine: MemoryEngine, operation: ops.Operation[Any], now: int) -> Any:
        before = {task_id: record.state for task_id, record in engine.records.items()}
        reply = super().apply(engine, operation, now)
        if isinstance(getattr(operation, "command", operation), self.kind):
            for task_id, was in before.items():
                self.spoil(engine, was, engine.records[task_id].state)
        return reply

    def spoil(self, engine: MemoryEngine, was: TaskState, state: TaskState) -> None:
        raise NotImplementedError


class LapseKeepsTheFence(_AfterMove):
    kind = ops.RunTimers

    def spoil(self, engine: MemoryEngine, was: TaskState, state: TaskState) -> None:
        put(engine, was.id, fence=was.fence)


class CancelKeepsTheFence(_AfterMove):
    kind = commands.Cancel

    def spoil(self, engine: MemoryEngine, was: TaskState, state: TaskState) -> None:
        put(engine, was.id, fence=was.fence)


class KillKeepsTheFence(_AfterMove):
    kind = ops.ActivateKillSwitch

    def spoil(self, engine: MemoryEngine, was: TaskState, state: TaskState) -> None:
        put(engine, was.id, fence=was.fence)


class KillForgetsTheLease(_AfterMove):
    kind = ops.ActivateKillSwitch

    def spoil(self, engine: MemoryEngine, was: TaskState, state: TaskState) -> None:
        put(engine, was.id, not_before=None)


class AcceptedGoesToAnybody(ServerModel):
    """Claims do not look at whom a task waits for."""


class OffersNeverRunOut(_AfterMove):
    kind = ops.OfferTask

    def __init__(self) -> None:
        super().__init__(tells_pins_apart=True)

    def spoil(self, engine: MemoryEngine, was: TaskState, state: TaskState) -> None:
        put(engine, was.id, pinned_until=None)


class KillLetsThemReturn(_AfterMove):
    kind = ops.Heartbeat

    def spoil(self, engine: MemoryEngine, was: TaskState, state: TaskState) -> None:
        if was.pause_reason is PauseReason.KILL:
            put(engine, was.id, status=TaskStatus.PENDING, pause_reason=None, ready=True)


class ClaimsWhileKilled(ServerModel):
    def apply(self, engine: MemoryEngine, operation: ops.Operation[Any], now: int) -> Any:
        switches = engine.kept(SWITCHES)
        if isinstance(operation, ops.ClaimTask):
            hidden, engine.families[SWITCHES] = dict(switches), {}
            reply = super().apply(engine, operation, now)
            engine.families[SWITCHES] = hidden
            return reply
        return super().apply(engine, operation, now)


class ReleaseResetsTheFence(_AfterMove):
    kind = commands.Release

    def spoil(self, engine: MemoryEngine, was: TaskState, state: TaskState) -> None:
        put(engine, was.id, fence=0)


class RegistrationReopensWhatHasEnded(_AfterMove):
    kind = ops.RegisterAgent

    def spoil(self, engine: MemoryEngine, was: TaskState, state: TaskState) -> None:
        if state.is_terminal:
            put(engine, was.id, status=TaskStatus.PENDING, ready=True)


class PausesForWhatIsAnswered(_AfterMove):
    kind = commands.Pause

    def spoil(self, engine: MemoryEngine, was: TaskState, state: TaskState) -> None:
        if was.pause_wanted is PauseReason.APPROVAL and state.status is TaskStatus.PENDING:
            put(engine, was.id, status=TaskStatus.PAUSED, pause_reason=PauseReason.APPROVAL, ready=False)


class AnswerLeavesItPaused(ServerModel):
    def apply(self, engine: MemoryEngine, operation: ops.Operation[Any], now: int) -> Any:
        before = dict(engine.records)
        reply = super().apply(engine, operation, now)
        if isinstance(operation, asking.AnswerApproval):
            engine.records.update(before)
        return reply


class TakesTheLastAnswer(ServerModel):
    def apply(self, engine: MemoryEngine, operation: ops.Operation[Any], now: int) -> Any:
        if isinstance(operation, asking.AnswerApproval):
            kept = engine.families[APPROVALS]
            for key, approval in kept.items():
                kept[key] = replace(approval, status=ApprovalStatus.OPEN, settled_at=None, expires_at=2**62)
        return super().apply(engine, operation, now)


class PauseForgetsWhoResumes(_AfterMove):
    kind = commands.Pause

    def spoil(self, engine: MemoryEngine, was: TaskState, state: TaskState) -> None:
        put(engine, was.id, pinned_agent=None, pinned_until=None)


class LeasesAreShorterThanTold(ServerModel):
    def operation(self, server: Server, message: Message) -> ops.Operation[Any]:
        operation = super().operation(server, message)
        if isinstance(operation, ops.ClaimTask | ops.Heartbeat):
            return replace(operation, lease=operation.lease // 2)
        return operation


class ClaimTakesWhatIsHeld(ServerModel):
    def apply(self, engine: MemoryEngine, operation: ops.Operation[Any], now: int) -> Any:
        if isinstance(operation, ops.ClaimTask):
            for task_id, record in engine.records.items():
                if record.state.is_held:
                    put(engine, task_id, status=TaskStatus.PENDING, ready=True)
        return super().apply(engine, operation, now)


class _TakesEveryResult(ServerModel):
    """Takes a result for a task of one status, whatever the rules say."""

    status = TaskStatus.PENDING

    def apply(self, engine: MemoryEngine, operation: ops.Operation[Any], now: int) -> Any:
        command = getattr(operation, "command", None)
        if isinstance(command, commands.Complete) and engine.records[command.task_id].state.status is self.status:
            for key, attempt in engine.attempts.items():
                if (attempt.task_id, attempt.fence) == (command.task_id, command.fence):
                    engine.attempts[key] = replace(attempt, outcome=AttemptOutcome.COMPLETED)
            put(engine, command.task_id, status=TaskStatus.COMPLETED)
        return super().apply(engine, operation, now)


class CompletedTakesAnotherResult(_TakesEveryResult):
    status = TaskStatus.COMPLETED


class CancelledTakesAResult(_TakesEveryResult):
    status = TaskStatus.CANCELLED


class AnswersBeforeItCommits(ServerModel):
    def __init__(self) -> None:
        super().__init__()
        self._committed: dict[Server, Server] = {}

    def request(self, server: Server, message: Message, now: int) -> Moved:
        moved = super().request(server, message, now)
        if moved.server is not server:
            self._committed.setdefault(moved.server, server)
        return moved

    def recovered(self, server: Server) -> Server:
        return self._committed.get(server, server)


class CountsFromTheAnswer(WorkerModel):
    def renewed(self, worker: Worker, lease: Lease, sent_at: int) -> Worker:
        return super().renewed(worker, lease, worker.clock)


class ActsForTheWholeLease(WorkerModel):
    def may_act(self, worker: Worker, lease: Lease) -> bool:
        return bool(self._ask(worker.book, "is_entitled", lease, now=worker.clock)[1])


class ActsBeforeAnAnswer(WorkerModel):
    def hold(self, worker: Worker, lease: Lease) -> Worker:
        return self.renewed(super().hold(worker, lease), lease, worker.clock)


class LateAnswersCount(WorkerModel):
    """An answer to an early renewal replaces one to a later, and counts for two leases."""

    def renewed(self, worker: Worker, lease: Lease, sent_at: int) -> Worker:
        return super().renewed(worker, lease, sent_at + LEASE_SECONDS)


class ConfirmsWhatStillRuns(WorkerModel):
    def kill(self, worker: Worker) -> Worker:
        return worker
