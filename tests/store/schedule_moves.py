"""Moves of random histories with schedules, and what holds after each of them."""

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent_swarm.domain.schedules import Missed, Overlap, ScheduleStatus, following, interval_rule, once_rule
from agent_swarm.domain.time import SECOND
from agent_swarm.store import operations as ops
from agent_swarm.store.base import Engine, Queries
from agent_swarm.store.families import schedules
from agent_swarm.store.families.schedules import Schedule, ScheduleWork
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.records import TaskSpec
from agent_swarm.store.scheduling import (
    ChangeSchedule,
    CreateSchedule,
    PauseSchedule,
    RemoveSchedule,
    ResumeSchedule,
)

FAMILIES: tuple[Any, ...] = (
    schedules.SCHEDULES,
    schedules.SCHEDULE_WORK,
    schedules.SCHEDULE_NAMES,
    schedules.SCHEDULE_LOOKS,
    schedules.SCHEDULES_OF_AGENT,
    schedules.SCHEDULE_RUNS,
)
_NAMES = st.sampled_from(["a", "b", "c"])
_PROBLEM = ops.Problem(code="unknownReference", message="gone")


def _all(queries: Queries) -> list[Schedule]:
    return queries.scan(schedules.SCHEDULES, limit=99)


def _kept(queries: Queries) -> dict[str, list[Any]]:
    return {family.name: queries.scan(family, limit=10_000) for family in FAMILIES}


class ScheduleMoves(RuleBasedStateMachine):
    """For a machine that feeds batches to two engines, and fails where their answers differ."""

    now: int
    memory: MemoryEngine
    other: Engine
    tasks: list[str]

    def apply(self, *operations: ops.Operation[Any]) -> list[Any]:
        """The answers of both engines, which are the same."""
        raise NotImplementedError

    def fresh_id(self) -> str:
        """An id of its own."""
        raise NotImplementedError

    @rule(
        name=_NAMES,
        seconds=st.sampled_from([10, 30, 600]),
        once=st.sampled_from([False, False, False, True]),
        missed=st.sampled_from(Missed),
        overlap=st.sampled_from(Overlap),
        max_failures=st.sampled_from([0, 1, 2]),
        max_runs=st.sampled_from([None, None, 2]),
    )
    def add_a_schedule(
        self,
        name: str,
        seconds: int,
        once: bool,
        missed: Missed,
        overlap: Overlap,
        max_failures: int,
        max_runs: int | None,
    ) -> None:
        when = once_rule(self.now + seconds * SECOND) if once else interval_rule(seconds, self.now)
        new = Schedule(
            id=self.fresh_id(),
            name=name,
            description="",
            rule=when.stored(),
            missed=missed,
            overlap=overlap,
            max_failures=max_failures,
            max_runs=max_runs,
            until=None,
            status=ScheduleStatus.ACTIVE,
            next_at=following(when, self.now, None),
            created_by="operator",
        )
        self.apply(CreateSchedule(schedule=new, work=ScheduleWork(schedule_id=new.id, starts={"task": {}})))

    @precondition(lambda self: self.memory.read(_all))
    @rule(
        data=st.data(),
        what=st.sampled_from(["pause", "resume", "resume", "change", "remove"]),
    )
    def touch_a_schedule(self, data: st.DataObject, what: str) -> None:
        found = data.draw(st.sampled_from(self.memory.read(_all)))
        of: dict[str, Any] = {"schedule_id": found.id, "actor": "operator"}
        match what:
            case "pause":
                self.apply(PauseSchedule(**of))
            case "resume":
                self.apply(ResumeSchedule(**of))
            case "remove":
                self.apply(RemoveSchedule(**of))
            case _:
                when = interval_rule(20, self.now)
                changed = replace(found, rule=when.stored(), next_at=following(when, self.now, None))
                version = found.version - data.draw(st.sampled_from([0, 0, 1]))
                self.apply(ChangeSchedule(**of, version=version, changed=changed))

    @precondition(lambda self: self.memory.read(_all))
    @rule(
        later=st.sampled_from([0, 10, 10, 30, 60, 5_000]),
        times=st.integers(1, 3),
        asked=st.sampled_from([False, False, True]),
        broken=st.sampled_from([False, False, False, True]),
        stale=st.sampled_from([False, False, False, True]),
    )
    def fire_schedules(self, later: int, times: int, asked: bool, broken: bool, stale: bool) -> None:
        """Time passes, and a server fires all there are, in one batch; others do the same after it."""
        self.now += later * SECOND
        found = self.memory.read(_all)
        for _ in range(times):
            answers = self.apply(*(self._firing(one, asked=asked, broken=broken, stale=stale) for one in found))
            for answer in answers:
                run = getattr(answer, "run", None)
                if run is not None:
                    self.tasks.extend(run.task_ids)

    def _firing(self, schedule: Schedule, *, asked: bool, broken: bool, stale: bool) -> ops.FireSchedule:
        new = ops.NewTask(spec=TaskSpec(id=self.fresh_id(), title="t", prompt="p"))
        return ops.FireSchedule(
            schedule_id=schedule.id,
            version=schedule.version + stale,
            tasks=() if broken else (new,),
            problem=_PROBLEM if broken else None,
            asked=ops.Asked(by="operator") if asked else None,
        )

    # --- invariants ---------------------------------------------------------------------------------------------------

    @invariant()
    def schedules_agree(self) -> None:
        assert self.other.read(_kept) == self.memory.read(_kept)

    @invariant()
    def no_instant_runs_twice_and_each_task_is_of_one_run(self) -> None:
        runs = self.memory.read(lambda queries: queries.scan(schedules.SCHEDULE_RUNS, limit=10_000))
        instants = Counter((run.schedule_id, run.planned_at) for run in runs if run.planned_at is not None)
        tasks = Counter(task_id for run in runs for task_id in run.task_ids)
        assert set(instants.values()) <= {1}
        assert set(tasks.values()) <= {1}
        for run in runs:
            for task_id in run.task_ids:
                spec = self.memory.records[task_id].spec
                assert (spec.schedule_id, spec.planned_at) == (run.schedule_id, run.planned_at)

    @invariant()
    def a_schedule_is_looked_at_when_something_of_it_is_due(self) -> None:
        kept = self.memory.read(_all)
        looks = self.memory.read(lambda queries: queries.scan(schedules.SCHEDULE_LOOKS, limit=999))
        assert sorted((one.at, one.id) for one in looks) == sorted(
            (one.look_at, one.id) for one in kept if one.look_at is not None
        )
        for one in kept:
            if one.status is ScheduleStatus.ACTIVE:
                assert one.look_at is not None
                assert one.next_at is None or one.look_at <= one.next_at
                assert one.next_at is not None or one.waiting
            else:
                assert not one.waiting
