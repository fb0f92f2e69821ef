"""Random histories with budgets: what happens in them, and what holds after each step."""

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import count
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent_swarm.domain import budgets as rules
from agent_swarm.domain import commands
from agent_swarm.domain.budgets import Amount, Budget, BudgetAction, BudgetPeriod, BudgetScope, BudgetStand
from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.kill_switch import Activation, SwitchScope
from agent_swarm.domain.matching import AgentProfile, Requirements, serves
from agent_swarm.domain.tasks import FailureClass, PauseReason, TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.services.budget_keeping import look
from agent_swarm.store import operations as ops
from agent_swarm.store.asking import AnswerApproval
from agent_swarm.store.base import Engine, Queries
from agent_swarm.store.families import budgets
from agent_swarm.store.families.approvals import APPROVALS
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.records import AgentRecord, CostBy, TaskSpec, TokenKind
from agent_swarm.testing.driver import LEASE, START, snapshot, token
from agent_swarm.testing.invariants import audit

FAMILIES: tuple[Any, ...] = (
    budgets.BUDGETS,
    budgets.BUDGET_TARGETS,
    budgets.BUDGET_LOOKS,
    budgets.BUDGET_WAITS,
    budgets.RESERVATIONS,
    budgets.ADMISSIONS,
)
MOST = 5  # budgets at a time


def _kept(queries: Queries) -> dict[str, list[Any]]:
    kept = {family.name: queries.scan(family, limit=10_000) for family in FAMILIES}
    return {**kept, **{by.value: queries.costs(by, since=None, until=None, limit=1_000) for by in CostBy}}


def _plain(reply: Any) -> Any:
    return (reply.code, reply.message, reply.hint, reply.details) if isinstance(reply, SwarmError) else reply


class BudgetMoves(RuleBasedStateMachine):
    """Feeds two engines the same batches, and fails where they differ, or where a budget does what it must not."""

    met: ClassVar[Counter[str]] = Counter()

    def __init__(self, other: Engine) -> None:
        super().__init__()
        self.memory = MemoryEngine()
        self.other = other
        self.now = START
        self.ids = count(1)
        self.tasks: list[str] = []
        self.begun: dict[tuple[str, int], set[str]] = defaultdict(set)  # attempts, by budget and begin of its period
        self.known: set[str] = set()  # attempts that have reserved something
        for engine in (self.memory, other):
            engine.open()
        self.profiles = [AgentProfile(id=self.fresh_id()) for _ in range(3)]
        self.instances: dict[str, str] = {}
        for profile in self.profiles:
            self.register(profile)

    def teardown(self) -> None:
        try:
            assert self.other.read(audit) == []
        finally:
            self.other.close()

    def fresh_id(self) -> str:
        """The same ids whenever the history is told again."""
        return f"00000000-0000-7000-8000-{next(self.ids):012x}"

    def apply(self, *operations: ops.Operation[Any]) -> list[Any]:
        """The answers of both engines, which are the same."""
        before = {one.id: rules.rolled(one, self.now) for one in self.budgets}
        expected = self.memory.apply_batch(operations, self.now)
        decided = self.other.decide_quickly(operations, self.now)
        actual = self.other.apply_batch(operations, self.now) if decided is None else decided.commit()
        assert [_plain(reply) for reply in actual.replies] == [_plain(reply) for reply in expected.replies]
        assert actual.committed == expected.committed
        self.met.update(event.type for event in expected.committed.events)
        self.check_admission(before)
        return expected.replies

    def register(self, profile: AgentProfile) -> None:
        """A process of the agent, new at every call: what the one before held is lost."""
        self.instances[profile.id] = self.fresh_id()
        agent = AgentRecord(profile=profile, name="ada", instance_id=self.instances[profile.id])
        own = replace(token(TokenKind.AGENT, agent_id=profile.id), instance_id=agent.instance_id)
        self.apply(ops.RegisterAgent(agent=agent, token=own))

    def credit(self, profile: AgentProfile) -> ops.ClaimTask:
        """A claim of this agent, for everything it serves."""
        classes = self.memory.read(lambda queries: queries.classes())
        return ops.ClaimTask(
            claim_id=self.fresh_id(),
            agent_id=profile.id,
            instance_id=self.instances[profile.id],
            class_ids=tuple(sorted(number for number, needs in classes.items() if serves(profile, needs))),
            lease=LEASE,
            token=token(TokenKind.ATTEMPT),
        )

    @initialize(cap=st.sampled_from([None, 60, 100]))
    def begin_with_work(self, cap: int | None) -> None:
        """Tasks, and mostly a budget for everything."""
        self.file(below=None, size=4, priority=50, cap=None)
        if cap is not None:
            made = Budget(id=self.fresh_id(), name="all", scope=BudgetScope.ALL, cap_micros=cap)
            self.apply(ops.CreateBudget(budget=made, actor="operator"))

    @rule(
        below=st.one_of(st.none(), st.integers(0, 20)),
        size=st.integers(1, 4),
        priority=st.sampled_from([0, 50, 100]),
        cap=st.sampled_from([None, None, 60]),
        number=st.sampled_from([None, None, 0, 1]),
    )
    def file(self, below: int | None, size: int, priority: int, cap: int | None, number: int | None = None) -> None:
        """Tasks, below another one or not, some with a budget of their own."""
        above = self.tasks[below % len(self.tasks)] if below is not None and self.tasks else None
        root = self.memory.records[above].spec.root_id if above else ""
        new = []
        for _ in range(size):
            spec = TaskSpec(
                id=self.fresh_id(),
                title="t",
                prompt="p",
                priority=priority,
                parent_id=above,
                root_id=root,
                requires=Requirements(agent_id=None if number is None else self.profiles[number].id),
            )
            scope = BudgetScope.TASK if above else BudgetScope.ROOT
            own = Budget(id=self.fresh_id(), name="own", scope=scope, scope_id=spec.id, cap_micros=cap)
            new.append(ops.NewTask(spec=spec, budgets=() if cap is None else (own,), max_attempts=2))
        (reply,) = self.apply(ops.CreateTasks(tasks=tuple(new), actor="operator"))
        if not isinstance(reply, SwarmError):
            self.tasks.extend(one.spec.id for one in new)

    @rule(
        data=st.data(),
        way=st.sampled_from(
            ["start", "complete", "fail", "pause", "stop", "release", "cancel", "resume", "ask to pause"]
        ),
    )
    def tell(self, data: st.DataObject, way: str) -> None:
        """What workers and people say about a task, in time or not."""
        held = sorted(task_id for task_id, record in self.memory.records.items() if record.state.is_held)
        task_id = data.draw(st.sampled_from(held if held and way != "resume" else self.tasks))
        fence = self.memory.records[task_id].state.fence
        said: dict[str, commands.Command] = {
            "start": commands.Start(task_id=task_id, fence=fence),
            "complete": commands.Complete(task_id=task_id, fence=fence, digest="d"),
            "fail": commands.Fail(task_id=task_id, fence=fence, failure=FailureClass.AGENT, digest="d"),
            "pause": commands.Pause(task_id=task_id, fence=fence, reason=PauseReason.SHUTDOWN),
            "stop": commands.Pause(task_id=task_id, fence=fence, reason=PauseReason.PERSON),
            "release": commands.Release(task_id=task_id, fence=fence),
            "cancel": commands.Cancel(task_id=task_id),
            "resume": commands.Resume(task_id=task_id),
            "ask to pause": commands.RequestPause(task_id=task_id),
        }
        self.apply(ops.TaskCommand(command=said[way], actor="operator"))

    @rule(seldom=st.integers(0, 9), resume=st.booleans())
    def kill_and_lift(self, seldom: int, resume: bool) -> None:
        """Everything stops, and may go on."""
        if seldom == 7:
            asked = Activation(id=self.fresh_id(), reason="enough", by="operator")
            self.apply(ops.ActivateKillSwitch(scope=SwitchScope.ALL, scope_id="", asked=asked))
            self.apply(ops.LiftKillSwitch(scope=SwitchScope.ALL, by="operator", resume=resume))

    @rule(number=st.integers(0, 2))
    def replace_a_process(self, number: int) -> None:
        """Another process of an agent, which holds nothing."""
        self.register(self.profiles[number])

    @rule(seconds=st.sampled_from([1, 31, 700]))
    def let_time_pass(self, seconds: int) -> None:
        """Leases lapse, waits end."""
        self.now += seconds * SECOND
        self.apply(ops.RunTimers(jitter=0.3))

    @property
    def budgets(self) -> list[Budget]:
        """Those that there are."""
        return list(self.memory.kept(budgets.BUDGETS).values())

    @precondition(lambda self: len(self.budgets) < MOST)
    @rule(
        data=st.data(),
        scope=st.sampled_from(BudgetScope),
        micros=st.sampled_from([None, 1, 50, 100, 300]),
        tokens=st.sampled_from([None, None, 40, 200]),
        attempts=st.sampled_from([None, None, 1, 3]),
        at_once=st.sampled_from([None, None, 1, 2]),
        estimate=st.sampled_from([None, 30]),
        period=st.sampled_from(BudgetPeriod),
        action=st.sampled_from(BudgetAction),
    )
    def add_budget(self, data: st.DataObject, scope: BudgetScope, **caps: Any) -> None:
        """For something that is there, or not."""
        ids = {
            BudgetScope.TASK: self.tasks,
            BudgetScope.ROOT: self.tasks,
            BudgetScope.AGENT: [profile.id for profile in self.profiles],
            BudgetScope.ALL: [""],
        }.get(scope, [self.fresh_id()])
        made = Budget(
            id=self.fresh_id(),
            name="b",
            scope=scope,
            scope_id=data.draw(st.sampled_from(ids)),
            cap_micros=caps["micros"],
            cap_tokens=caps["tokens"],
            cap_attempts=caps["attempts"],
            cap_at_once=caps["at_once"],
            estimate_micros=caps["estimate"],
            period=caps["period"],
            action=caps["action"],
        )
        self.apply(ops.CreateBudget(budget=made, actor="operator"))

    @precondition(lambda self: self.budgets)
    @rule(
        data=st.data(),
        what=st.sampled_from(
            [
                {"cap_micros": 500},
                {"cap_micros": 60},
                {"cap_attempts": 2},
                {"cap_at_once": 1},
                {"enabled": False},
                {"enabled": True},
                {"estimate_micros": 10},
                {},
            ]
        ),
    )
    def change_budget(self, data: st.DataObject, what: dict[str, Any]) -> None:
        """Another cap, off and on; nothing at all takes it away."""
        chosen = data.draw(st.sampled_from([one.id for one in self.budgets]))
        if what:
            self.apply(ops.ChangeBudget(budget_id=chosen, values=what, actor="operator"))
        else:
            self.apply(ops.RemoveBudget(budget_id=chosen, actor="operator"))

    @rule(data=st.data(), estimate=st.sampled_from([1, 40, 100]), size=st.integers(1, 4), is_kept=st.booleans())
    def claim_and_use(self, data: st.DataObject, estimate: int, size: int, is_kept: bool) -> None:
        """Agents claim, some use something in the same batch, also of attempts that are long over."""
        agents = data.draw(st.lists(st.sampled_from(self.profiles), min_size=1, max_size=size))
        claims = [replace(self.credit(one), estimate=Amount(estimate, estimate)) for one in agents]
        self.apply(*self.some_usage(data), *claims)
        if is_kept:
            self.look_after_budgets()

    def some_usage(self, data: st.DataObject) -> list[ops.BookUsage]:
        """Of any attempt that ever was; sometimes the same again."""
        made = sorted(self.memory.attempts)
        chosen = data.draw(st.lists(st.sampled_from(made), max_size=3, unique_by=lambda one: one[0])) if made else []
        return [
            ops.BookUsage(
                task_id=task_id,
                attempt=number,
                seq=data.draw(st.integers(1_000, 1_003)),
                input_tokens=data.draw(st.sampled_from([0, 20])),
                output_tokens=5,
                cost_micros=data.draw(st.sampled_from([0, 10, 70])),
                model="opus",
            )
            for task_id, number in chosen
        ]

    @rule()
    def keep(self) -> None:
        """The server's keeper has a turn."""
        self.look_after_budgets()

    @rule()
    def keep_until_nothing_is_left_to_do(self) -> None:
        """It finds an end; then whoever waits is waited for: by an attempt that gives something back, or by people."""
        for _ in range(20):
            if not self.look_after_budgets():
                break
        assert not self.look_after_budgets(), "the keeper finds an end"
        for budget in (rules.rolled(one, self.now) for one in self.budgets):
            if budget.action is BudgetAction.REFUSE or budget.stand is BudgetStand.DENIED or not self.waiting(budget):
                continue
            asked = self.memory.kept(APPROVALS).get((budget.approval_id,))
            is_asked = asked is not None and asked.is_open
            self.met["asked with something left"] += is_asked and not budget.is_reached
            self.met["waits for a place"] += budget.places_left == 0 and not is_asked
            assert is_asked if budget.is_for_people else budget.under_way or budget.let_go

    def waiting(self, budget: Budget) -> list[str]:
        """Tasks that wait for room in it, and nothing else."""
        waits = [one for one in self.memory.kept(budgets.BUDGET_WAITS).values() if one.budget_id == budget.id]
        states = [self.memory.records[wait.task_id].state for wait in waits]
        return [
            state.id
            for state in states
            if (state.status is TaskStatus.PENDING and not state.ready and state.not_before is None)
            or (state.status, state.pause_reason) == (TaskStatus.PAUSED, PauseReason.BUDGET)
        ]

    def look_after_budgets(self) -> int:
        """What the server's keeper does in one round; answers for how many budgets."""
        found = self.memory.read(lambda queries: look(queries, self.now))
        for operation in found.due:
            self.apply(replace(operation, approval_id=self.fresh_id()))
        return len(found.due)

    @rule(denies=st.booleans(), choice=st.integers(0, 1))
    def answer_about_a_budget(self, denies: bool, choice: int) -> None:
        """A person says what becomes of it."""
        kept = sorted(self.memory.kept(APPROVALS).values(), key=lambda one: one.id)
        asked = next((one for one in kept if one.is_open and one.budget_id), None)
        if asked is not None:
            answers = {} if denies else {"goOn": asked.asked[0].choices[choice]}
            self.apply(
                AnswerApproval(
                    approval_id=asked.id, task_id=asked.task_id, actor="operator", answers=answers, denies=denies
                )
            )

    @rule()
    def next_day(self) -> None:
        """Long enough for budgets of a day."""
        self.now += 24 * 3_600 * SECOND
        self.apply(ops.RunTimers(jitter=0.5))

    @invariant()
    def what_is_reserved_is_what_attempts_hold(self) -> None:
        for one in self.budgets:
            budget = rules.rolled(one, self.now)
            held = [found.part(budget.id) for found in self.memory.kept(budgets.RESERVATIONS).values()]
            assert budget.reserved == sum(held, rules.NOTHING)

    @invariant()
    def attempts_are_counted_as_they_begin_and_places_as_they_are_taken(self) -> None:
        for one in self.budgets:
            budget = rules.rolled(one, self.now)
            holders = [found for found in self.memory.kept(budgets.RESERVATIONS).values() if budget.id in found.parts]
            assert budget.under_way == len(holders)
            assert budget.attempts == len(self.begun[budget.id, budget.since])

    @invariant()
    def only_attempts_under_way_hold_anything(self) -> None:
        for found in self.memory.kept(budgets.RESERVATIONS).values():
            state = self.memory.records[found.task_id].state
            assert state.is_held and state.attempt == found.number

    @invariant()
    def whoever_waits_for_room_is_known_to_wait(self) -> None:
        waits = {wait.task_id for wait in self.memory.kept(budgets.BUDGET_WAITS).values()}
        looks = {one.id for one in self.memory.kept(budgets.BUDGET_LOOKS).values()}
        assert {wait.budget_id for wait in self.memory.kept(budgets.BUDGET_WAITS).values()} <= looks
        for record in self.memory.records.values():
            state = record.state
            if state.status is TaskStatus.PENDING and not state.ready and state.not_before is None:
                assert state.id in waits
            if (state.status, state.pause_reason) == (TaskStatus.PAUSED, PauseReason.BUDGET):
                assert state.id in waits

    @invariant()
    def both_keep_the_same(self) -> None:
        assert self.memory.read(_kept) == self.other.read(_kept)
        assert self.memory.read(snapshot) == self.other.read(snapshot)

    def check_admission(self, before: dict[str, Budget]) -> None:
        """Where a batch has reserved something, what is spent and reserved together is within the cap."""
        self.note_begun()
        for one in self.budgets:
            known = before.get(one.id)
            if known is None or not one.is_in_force or caps_of(one) != caps_of(known):
                continue
            if one.attempts > known.attempts:
                assert one.cap_attempts is None or one.attempts <= one.cap_attempts + one.extra_attempts
            if one.under_way > known.under_way:
                assert one.cap_at_once is None or one.under_way <= one.cap_at_once
            if one.reserved_micros > known.reserved_micros or one.reserved_tokens > known.reserved_tokens:
                self.met["reserved"] += 1
                money, tokens = one.limits
                assert money is None or one.spent_micros + one.reserved_micros <= money
                assert tokens is None or one.spent_tokens + one.reserved_tokens <= tokens

    def note_begun(self) -> None:
        """Attempts that have reserved something for the first time count for the budgets that they have reserved in."""
        since = {one.id: one.since for one in self.budgets}
        kept = self.memory.kept(budgets.RESERVATIONS).values()
        for found in [one for one in kept if one.attempt not in self.known]:
            self.known.add(found.attempt)
            for budget_id in found.parts:
                self.begun[budget_id, since[budget_id]].add(found.attempt)


def caps_of(budget: Budget) -> tuple[int | None, ...]:
    """All that bounds it in its period."""
    return (*budget.limits, budget.cap_attempts, budget.extra_attempts, budget.cap_at_once)
