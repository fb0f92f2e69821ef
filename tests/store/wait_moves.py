"""Moves of random histories with tasks that wait for those below them, and what holds after each of them."""

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent_swarm.domain import commands
from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.tasks import PauseReason, TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.store import operations as ops
from agent_swarm.store.base import Engine, Queries
from agent_swarm.store.families.task_waits import TASK_WAITS, TaskWait
from agent_swarm.store.memory import MemoryEngine


def _waits(queries: Queries) -> list[TaskWait]:
    return queries.scan(TASK_WAITS, limit=999)


class WaitMoves(RuleBasedStateMachine):
    """For a machine that feeds batches to two engines, and fails where their answers differ."""

    now: int
    memory: MemoryEngine
    other: Engine
    leases: list[tuple[ops.Held, ops.ClaimTask]]
    waited: ClassVar[set[str]] = set()  # what happened in any history, so that a test may ask for it

    def apply(self, *operations: ops.Operation[Any]) -> list[Any]:
        """The answers of both engines, which are the same."""
        raise NotImplementedError

    def some_leases(self, data: st.DataObject, least: int = 1) -> list[tuple[ops.Held, ops.ClaimTask]]:
        """Leases of this history, most of them still held."""
        raise NotImplementedError

    def begin(self) -> tuple[ops.Held, ops.ClaimTask] | None:
        """An attempt that has just begun to run; None where nobody may."""
        raise NotImplementedError

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), times=st.integers(1, 2))
    def wait(self, data: st.DataObject, times: int) -> None:
        """A lease asks to wait, whether it still holds or not."""
        held, claim = self.some_leases(data)[0]
        for _ in range(times):
            self._ask(held, claim)

    def _ask(self, held: ops.Held, claim: ops.ClaimTask) -> None:
        asked = ops.WaitForTasks(task_id=held.task_id, fence=held.fence, actor=f"agent:{claim.agent_id}")
        (reply,) = self.apply(asked)
        if isinstance(reply, SwarmError):
            self.waited.add("refused")

    @rule(
        moves=st.lists(
            st.sampled_from(["ask", "stop", "stop", "end", "end", "pause", "resume", "lose", "cancel"]),
            min_size=1,
            max_size=6,
        )
    )
    def wait_for_tasks(self, moves: list[str]) -> None:
        """An attempt of its own waits, and then anything happens to it, in any order."""
        begun = self.begin()
        if begun is None:
            return
        held, claim = begun
        self._ask(held, claim)
        for move in moves:
            match move:
                case "ask":
                    self._ask(held, claim)
                case "stop":
                    stops = commands.Pause(task_id=held.task_id, fence=held.fence, reason=PauseReason.PERSON)
                    self.apply(ops.TaskCommand(command=stops, actor=f"agent:{claim.agent_id}"))
                case "end":
                    self._end(held.task_id)
                case "lose":
                    self.now += 31 * SECOND
                    self.apply(ops.RunTimers(jitter=0.3))
                case "pause" | "resume" | "cancel":
                    kind = {
                        "pause": commands.RequestPause,
                        "resume": commands.Resume,
                        "cancel": commands.Cancel,
                    }[move]
                    self.apply(ops.TaskCommand(command=kind(task_id=held.task_id), actor="operator"))
            self.a_task_that_waits_for_tasks_is_known_to_wait()

    @rule(times=st.integers(1, 2))
    def end_waits(self, times: int) -> None:
        """As the server does, which may look twice."""
        for _ in range(times):
            for wait in self.memory.read(_waits):
                self._end(wait.task_id)

    def _end(self, task_id: str) -> None:
        """End a wait; only a task that is paused for that goes on by it."""
        before = self.memory.records[task_id].state
        (went_on,) = self.apply(ops.EndWait(task_id=task_id))
        after = self.memory.records[task_id].state
        if went_on:
            assert (before.status, before.pause_reason) == (TaskStatus.PAUSED, PauseReason.TASKS)
            assert after.status is not TaskStatus.PAUSED
            self.waited.add("went on")
        else:
            assert after == before

    # --- invariants ---------------------------------------------------------------------------------------------------

    @invariant()
    def waits_agree(self) -> None:
        assert self.other.read(_waits) == self.memory.read(_waits)

    @invariant()
    def a_task_that_waits_for_tasks_is_known_to_wait(self) -> None:
        known = {wait.task_id for wait in self.memory.read(_waits)}
        for record in self.memory.records.values():
            if (record.state.status, record.state.pause_reason) == (TaskStatus.PAUSED, PauseReason.TASKS):
                assert record.state.id in known
                self.waited.add("waited")
