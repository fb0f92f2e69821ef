"""Moves of random histories with triggers, and what holds after each of them."""

from collections import Counter
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent_swarm.domain.tasks import TERMINAL
from agent_swarm.domain.time import SECOND
from agent_swarm.domain.triggers import DEPTH, TriggerAction
from agent_swarm.store import operations as ops
from agent_swarm.store.base import Engine, Queries
from agent_swarm.store.families import triggers
from agent_swarm.store.families.triggers import Firing, TaskTrigger, Trigger, TriggerWork
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.records import TaskSpec
from agent_swarm.store.triggering import (
    CreateTrigger,
    ForgetFirings,
    PauseTrigger,
    PutOffFirings,
    Redeliver,
    RemoveTrigger,
    ReportDelivery,
    ResumeTrigger,
    TakeFirings,
)

FAMILIES: tuple[Any, ...] = (
    triggers.TRIGGERS,
    triggers.TRIGGER_WORK,
    triggers.TRIGGER_NAMES,
    triggers.FIRINGS,
    triggers.FIRING_LOOKS,
    triggers.FIRINGS_OF,
    triggers.TRIGGERED_TASKS,
    triggers.TRIGGERED_ROOTS,
)
_EVENTS = st.sampled_from([("completed",), ("failed", "cancelled"), ("completed", "failed", "cancelled")])
_ACTIONS = st.sampled_from([TriggerAction.CREATE_TASK, TriggerAction.CREATE_TASK, TriggerAction.WEBHOOK])
_ORIGINS = st.sampled_from(["https://a.example", "https://b.example"])
_PROBLEM = ops.Problem(code="unknownReference", message="gone")


def _standing(queries: Queries) -> list[Trigger]:
    return queries.scan(triggers.TRIGGERS, triggers.STANDING, limit=99)


def _firings(queries: Queries) -> list[Firing]:
    return queries.scan(triggers.FIRINGS, limit=10_000)


def _kept(queries: Queries) -> dict[str, list[Any]]:
    return {family.name: queries.scan(family, limit=10_000) for family in FAMILIES}


class TriggerMoves(RuleBasedStateMachine):
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

    def _trigger(self, scope: str, events: tuple[str, ...], action: TriggerAction, origin: str, name: str) -> Trigger:
        origin = origin if action is TriggerAction.WEBHOOK else ""
        return Trigger(scope=scope, id=self.fresh_id(), name=name, events=events, action=action, origin=origin)

    @rule(name=st.sampled_from(["a", "b", "c"]), events=_EVENTS, action=_ACTIONS, origin=_ORIGINS)
    def add_a_standing_trigger(self, name: str, events: tuple[str, ...], action: TriggerAction, origin: str) -> None:
        new = self._trigger(triggers.STANDING, events, action, origin, name)
        self.apply(CreateTrigger(trigger=new, work=TriggerWork(trigger_id=new.id, does={"x": 1})))

    @rule(events=_EVENTS, action=_ACTIONS, origin=_ORIGINS)
    def file_with_a_trigger(self, events: tuple[str, ...], action: TriggerAction, origin: str) -> None:
        task_id = self.fresh_id()
        new = self._trigger(task_id, events, action, origin, "")
        own = TaskTrigger(trigger=new, work=TriggerWork(trigger_id=new.id, does={}))
        spec = TaskSpec(id=task_id, title="t", prompt="p")
        self.apply(ops.CreateTasks(tasks=(ops.NewTask(spec=spec, triggers=(own,)),), actor="operator"))
        if task_id in self.memory.records:
            self.tasks.append(task_id)

    @precondition(lambda self: self.memory.read(_standing))
    @rule(data=st.data(), what=st.sampled_from([PauseTrigger, ResumeTrigger, ResumeTrigger, RemoveTrigger]))
    def touch_a_trigger(self, data: st.DataObject, what: Any) -> None:
        found = data.draw(st.sampled_from(self.memory.read(_standing)))
        self.apply(what(trigger_id=found.id, actor="operator"))

    @precondition(lambda self: self.memory.read(_firings))
    @rule(times=st.integers(1, 3), broken=st.sampled_from([False, False, False, True]))
    def settle_all(self, times: int, broken: bool) -> None:
        """Several servers settle everything there is, each in a batch of its own, one after the other."""
        found = [one for one in self.memory.read(_firings) if one.action is TriggerAction.CREATE_TASK]
        for _ in range(times):
            for answer in self.apply(*(self._settling(one, broken=broken) for one in found)):
                firing = getattr(answer, "firing", None)
                if firing is not None and firing.made_id:
                    self.tasks.append(firing.made_id)

    def _settling(self, firing: Firing, *, broken: bool) -> ops.SettleFiring:
        ended = self.memory.records[firing.task_id].spec
        spec = TaskSpec(
            id=self.fresh_id(), title="t", prompt="p", parent_id=ended.id, root_id=ended.root_id, depth=ended.depth + 1
        )
        if broken:
            return ops.SettleFiring(firing_id=firing.id, problem=_PROBLEM)
        return ops.SettleFiring(firing_id=firing.id, tasks=(ops.NewTask(spec=spec),))

    @precondition(lambda self: self.memory.read(_firings))
    @rule(
        data=st.data(),
        later=st.sampled_from([0, 5, 60, 40 * 86_400]),
        what=st.sampled_from(["take", "take", "taken", "again", "giveUp", "putOff", "redeliver", "forget"]),
        stale=st.sampled_from([0, 0, 0, 1]),
    )
    def handle_a_webhook(self, data: st.DataObject, later: int, what: str, stale: int) -> None:
        self.now += later * SECOND
        found = data.draw(st.sampled_from(self.memory.read(_firings)))
        report: dict[str, Any] = {"firing_id": found.id, "tries": found.tries - stale, "code": "refused"}
        match what:
            case "take":
                self.apply(TakeFirings(firing_ids=(found.id,), lease=60 * SECOND))
            case "taken":
                self.apply(ReportDelivery(is_taken=True, **report))
            case "again":
                self.apply(ReportDelivery(is_taken=False, again_at=self.now + 5 * SECOND, **report))
            case "giveUp":
                self.apply(ReportDelivery(is_taken=False, **report))
            case "putOff":
                self.apply(PutOffFirings(firing_ids=(found.id,), pause=5 * SECOND))
            case "redeliver":
                self.apply(Redeliver(firing_id=found.id, actor="operator"))
            case _:
                self.apply(ForgetFirings(firing_ids=(found.id,)))

    # --- invariants ---------------------------------------------------------------------------------------------------

    @invariant()
    def triggers_agree(self) -> None:
        assert self.other.read(_kept) == self.memory.read(_kept)

    @invariant()
    def each_ending_is_acted_on_once(self) -> None:
        found = self.memory.read(_firings)
        assert set(Counter((one.trigger_id, one.task_id, one.attempt) for one in found).values()) <= {1}
        made = [one.made_id for one in found if one.made_id]
        assert len(made) == len(set(made))
        for one in found:
            state = self.memory.records[one.task_id].state
            assert state.status in TERMINAL
            assert one.event.value == state.status.value

    @invariant()
    def what_triggers_file_has_an_end(self) -> None:
        filed = self.memory.read(lambda queries: queries.scan(triggers.TRIGGERED_TASKS, limit=10_000))
        assert all(1 <= one.depth <= DEPTH for one in filed)
        made = Counter(self.memory.records[one.task_id].spec.root_id for one in filed)
        roots = self.memory.read(lambda queries: queries.scan(triggers.TRIGGERED_ROOTS, limit=10_000))
        assert made == Counter({one.root_id: one.made for one in roots})

    @invariant()
    def every_firing_is_looked_at(self) -> None:
        found = self.memory.read(_firings)
        looks = self.memory.read(lambda queries: queries.scan(triggers.FIRING_LOOKS, limit=10_000))
        assert sorted((one.lane, one.at, one.id) for one in looks) == sorted(
            (one.lane, one.look_at or 0, one.id) for one in found
        )
        log = self.memory.read(lambda queries: queries.scan(triggers.FIRINGS_OF, limit=10_000))
        assert sorted(one.id for one in log) == sorted(one.id for one in found)
