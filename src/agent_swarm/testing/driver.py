"""Drives an `Engine` in the words of the domain: agents register, claim, finish; time moves when told to."""

from dataclasses import dataclass, field, replace
from typing import Any

from agent_swarm.domain import commands
from agent_swarm.domain.agent_tree import AgentCaps
from agent_swarm.domain.dependencies import OnFailure
from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.kill_switch import Activation, SwitchScope
from agent_swarm.domain.matching import AgentProfile, AgentRole, Requirements, serves
from agent_swarm.domain.swarms import Swarm, SwarmChange, is_id
from agent_swarm.domain.tasks import FailureClass, PauseReason, TaskState
from agent_swarm.domain.time import SECOND
from agent_swarm.store import operations as ops
from agent_swarm.store.base import BatchResult, Engine, Queries
from agent_swarm.store.families.agent_children import AGENT_CHILDREN
from agent_swarm.store.families.agent_profiles import AGENT_REPORTS, PROFILE_VERSIONS
from agent_swarm.store.families.mail import (
    CALLS,
    CHANNELS,
    CONVERSATIONS,
    DELIVERIES,
    MEMBERSHIPS,
    MESSAGES,
    TRAYS,
)
from agent_swarm.store.families.swarms import SWARM_NAMES, SWARMS
from agent_swarm.store.families.switches import all_switches
from agent_swarm.store.records import (
    AgentRecord,
    AttemptReport,
    ClaimedTask,
    Edge,
    MessageFilter,
    NameCursor,
    TaskFilter,
    TaskRecord,
    TaskSpec,
    TokenKind,
    TokenRecord,
)

LEASE = 30 * SECOND
START = 1_800_000_000 * SECOND


@dataclass
class Driver:
    """One engine with a clock of its own."""

    engine: Engine
    now: int = START
    instances: dict[str, str] = field(default_factory=dict)
    profiles: dict[str, AgentProfile] = field(default_factory=dict)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += int(seconds * SECOND)

    def run(self, *operations: ops.Operation[Any]) -> list[Any]:
        """Apply a batch; refused operations are answered by their error."""
        return self.batch(*operations).replies

    def batch(self, *operations: ops.Operation[Any]) -> BatchResult:
        """Apply a batch; the answers and the news."""
        return self.engine.apply_batch(list(operations), self.now)

    def do(self, operation: ops.Operation[Any]) -> Any:
        """Apply one operation; raises where it is refused."""
        (reply,) = self.run(operation)
        if isinstance(reply, SwarmError):
            raise reply
        return reply

    def register(
        self,
        name: str = "ada",
        *,
        agent_id: str | None = None,
        instance: str | None = None,
        role: AgentRole = AgentRole.WORKER,
        tags: tuple[str, ...] = (),
        capabilities: tuple[str, ...] = (),
        held: tuple[ops.Held, ...] = (),
    ) -> str:
        """Register an agent's process; answers the agent's id."""
        agent_id = agent_id or new_id()
        self.instances[agent_id] = instance or new_id()
        profile = AgentProfile(id=agent_id, agent_role=role, tags=frozenset(tags), capabilities=frozenset(capabilities))
        self.profiles[agent_id] = profile
        agent = AgentRecord(profile=profile, name=name, instance_id=self.instances[agent_id])
        self.do(ops.RegisterAgent(agent=agent, token=self.agent_token(agent_id), held=held))
        return agent_id

    def agent_token(self, agent_id: str) -> TokenRecord:
        """A token for the agent's process."""
        return replace(token(TokenKind.AGENT, agent_id=agent_id), instance_id=self.instances[agent_id])

    def file(
        self,
        *,
        after: tuple[str, ...] = (),
        on_failure: OnFailure = OnFailure.FAIL,
        task_id: str | None = None,
        requires: Requirements = Requirements(),
        priority: int = 50,
        **options: Any,
    ) -> str:
        """File one task; answers its id."""
        spec = TaskSpec(id=task_id or new_id(), title="t", prompt="p", requires=requires, priority=priority)
        edges = tuple(Edge(upstream_id=upstream, on_failure=on_failure) for upstream in after)
        self.do(ops.CreateTasks(tasks=(ops.NewTask(spec=spec, edges=edges, **options),), actor="operator"))
        return spec.id

    def claim_operation(self, agent_id: str, claim_id: str | None = None) -> ops.ClaimTask:
        """A credit of an agent, for every class it serves."""
        profile = self.profiles[agent_id]
        classes = self.engine.read(lambda q: q.classes())
        served = tuple(sorted(number for number, needs in classes.items() if serves(profile, needs)))
        return ops.ClaimTask(
            claim_id=claim_id or new_id(),
            agent_id=agent_id,
            instance_id=self.instances[agent_id],
            class_ids=served,
            lease=LEASE,
            token=token(TokenKind.ATTEMPT),
        )

    def claim(self, agent_id: str, claim_id: str | None = None) -> ClaimedTask | None:
        """Claim the next task for an agent."""
        claimed: ClaimedTask | None = self.do(self.claim_operation(agent_id, claim_id))
        return claimed

    def take(self, agent_id: str) -> ops.Held:
        """Claim and start the next task; answers the lease."""
        claimed = self.claim(agent_id)
        assert claimed is not None, "nothing to claim"
        held = ops.Held(task_id=claimed.task.spec.id, fence=claimed.task.state.fence)
        self.start(held)
        return held

    def command(self, command: commands.Command, **options: Any) -> ops.CommandReply:
        """Carry out a command; raises where it is refused."""
        reply: ops.CommandReply = self.do(ops.TaskCommand(command=command, actor="tester", **options))
        return reply

    def start(self, held: ops.Held) -> ops.CommandReply:
        """The run begins."""
        return self.command(commands.Start(task_id=held.task_id, fence=held.fence))

    def complete(self, held: ops.Held, result: str = "done") -> ops.CommandReply:
        """The run ends well."""
        command = commands.Complete(task_id=held.task_id, fence=held.fence, digest=result)
        return self.command(command, report=AttemptReport(text=result))

    def fail(
        self,
        held: ops.Held,
        failure: FailureClass = FailureClass.AGENT,
        *,
        jitter: float = 0.0,
        retry_after: int = 0,
        is_limit: bool = False,
    ) -> ops.CommandReply:
        """The run ends badly."""
        command = commands.Fail(
            task_id=held.task_id,
            fence=held.fence,
            failure=failure,
            digest="no",
            jitter=jitter,
            retry_after=retry_after,
            is_limit=is_limit,
        )
        report = AttemptReport(text="it broke", failure_class=failure.value, failure_code="exitCode")
        return self.command(command, report=report)

    def pause(self, held: ops.Held, reason: PauseReason = PauseReason.SHUTDOWN) -> ops.CommandReply:
        """The run is interrupted in good order."""
        command = commands.Pause(task_id=held.task_id, fence=held.fence, reason=reason)
        return self.command(command, report=AttemptReport(session="s-1", snapshot="refs/swarm/x"))

    def cancel(self, task_id: str) -> ops.CommandReply:
        """Nobody wants it any more."""
        return self.command(commands.Cancel(task_id=task_id))

    def kill(self, what: str = "", *, reason: str = "enough", **options: Any) -> ops.SwitchReply:
        """Turn the kill switch on, for everything, or for the agent or the swarm with this id."""
        asked = Activation(id=new_id(), reason=reason, by="tester", **options)
        reply: ops.SwitchReply = self.do(ops.ActivateKillSwitch(scope=scope_of(what), scope_id=what, asked=asked))
        return reply

    def lift(self, what: str = "", **options: Any) -> ops.SwitchReply:
        """Turn it off."""
        reply: ops.SwitchReply = self.do(
            ops.LiftKillSwitch(scope=scope_of(what), scope_id=what, by="tester", **options)
        )
        return reply

    def introduce(
        self,
        name: str = "child",
        *,
        below: str | None = None,
        caps: AgentCaps | None = None,
        swarm_id: str | None = None,
        **fields: Any,
    ) -> AgentRecord:
        """Have an agent known, perhaps below another one, perhaps for a task of a swarm."""
        profile = AgentProfile(id=new_id(), swarm_id=swarm_id)
        agent = AgentRecord(profile=profile, name=name, instance_id=new_id(), parent_id=below, **fields)
        added: ops.AgentAdded = self.do(ops.AddAgent(agent=agent, actor="tester", caps=caps))
        return added.agent

    def stop(self, agent_id: str, *, recursive: bool = False, actor: str = "tester") -> ops.AgentsStopped:
        """Let an agent get no work."""
        operation = ops.StopAgent(agent_id=agent_id, actor=actor, recursive=recursive, reason="enough")
        stopped: ops.AgentsStopped = self.do(operation)
        return stopped

    def let_work(self, agent_id: str, *, recursive: bool = False, actor: str = "tester") -> ops.AgentsStopped:
        """Let a stopped agent get work again."""
        started: ops.AgentsStopped = self.do(ops.StartAgent(agent_id=agent_id, actor=actor, recursive=recursive))
        return started

    def agent(self, agent_id: str) -> AgentRecord:
        """An agent as it stands."""
        found = self.engine.read(lambda q: q.agent(agent_id))
        assert found is not None
        return found

    def create_swarm(self, name: str = "checkout", *members: str) -> str:
        """Make a swarm that these agents are in; answers its id."""
        made: Swarm = self.do(ops.CreateSwarm(name=name, actor="tester"))
        for agent_id in members:
            self.join(made.id, agent_id)
        return made.id

    def join(self, swarm_id: str, agent_id: str) -> bool:
        """Have an agent join a swarm; whether that was a change."""
        return self._set_member(swarm_id, agent_id, joins=True)

    def leave(self, swarm_id: str, agent_id: str) -> bool:
        """Have an agent leave a swarm; whether that was a change."""
        return self._set_member(swarm_id, agent_id, joins=False)

    def _set_member(self, swarm_id: str, agent_id: str, *, joins: bool) -> bool:
        asked = ops.SetSwarmMember(swarm_id=swarm_id, agent_id=agent_id, joins=joins, actor="tester")
        is_change: bool = self.do(asked)
        agent = self.engine.read(lambda q: q.agent(agent_id))
        assert agent is not None
        self.profiles[agent_id] = agent.profile
        return is_change

    def pause_swarm(self, swarm_id: str, *, paused: bool = True) -> Swarm:
        """Let nothing of a swarm begin, or have it go on."""
        change = SwarmChange(paused=paused)
        swarm: Swarm = self.do(ops.ChangeSwarm(swarm_id=swarm_id, change=change, actor="tester"))
        return swarm

    def beat(self, agent_id: str, *leases: ops.Held) -> tuple[ops.LeaseVerdict, ...]:
        """Renew leases."""
        verdicts: tuple[ops.LeaseVerdict, ...] = self.do(
            ops.Heartbeat(agent_id=agent_id, instance_id=self.instances[agent_id], lease=LEASE, leases=tuple(leases))
        )
        return verdicts

    def timers(self, *, leases: bool = True) -> int:
        """Carry out what is due."""
        done: int = self.do(ops.RunTimers(jitter=0.0, leases=leases))
        return done

    def task(self, task_id: str) -> TaskRecord:
        """A task as it stands."""
        record = self.engine.read(lambda q: q.task(task_id))
        assert record is not None
        return record

    def state(self, task_id: str) -> TaskState:
        """Where a task stands."""
        return self.task(task_id).state


def scope_of(what: str) -> SwitchScope:
    """What a switch with this id is about."""
    if not what:
        return SwitchScope.ALL
    return SwitchScope.SWARM if is_id(what) else SwitchScope.AGENT


def token(kind: TokenKind, *, agent_id: str | None = None) -> TokenRecord:
    """A token record with a hash of its own."""
    number = new_id()
    return TokenRecord(id=number, kind=kind, hash=number.replace("-", "") * 2, scopes=("x",), agent_id=agent_id)


def snapshot(queries: Queries) -> dict[str, Any]:
    """Everything a store holds, in a form that compares."""
    tasks = queries.list_tasks(TaskFilter(), after=None, limit=100_000)
    ids = [record.spec.id for record in tasks]
    return {
        "tasks": queries.tasks(ids),
        "list": tasks,
        "upstreams": {task_id: queries.upstreams(task_id) for task_id in ids},
        "dependants": {task_id: queries.dependants(task_id, limit=100) for task_id in ids},
        "attempts": {task_id: queries.attempts(task_id) for task_id in ids},
        "later_attempts": {task_id: queries.attempts(task_id, after=1, limit=2) for task_id in ids},
        "agents": queries.agents(),
        "swarms": [
            (swarm, queries.counts(swarm.id), queries.agents(swarm_id=swarm.id), _tasks_in(queries, swarm.id))
            for swarm in queries.scan(SWARMS, limit=100)
        ],
        "swarm_names": queries.scan(SWARM_NAMES, limit=100),
        "later_agents": [
            queries.agents(after=NameCursor(agent.name, agent.profile.id), limit=1) for agent in queries.agents()
        ],
        "tokens": queries.tokens(),
        "projects": queries.projects(),
        "later_projects": [
            queries.projects(after=NameCursor(project.name, project.id), limit=1) for project in queries.projects()
        ],
        "classes": queries.classes(),
        "ready": queries.ready_classes(),
        "unserved": queries.unserved(),
        "held": queries.held_tasks(),
        "counts": {status: number for status, number in queries.counts().items() if number},
        "events": queries.events_after(0, limit=100_000),
        "head": queries.head(),
        "epoch": queries.epoch(),
        "switches": all_switches(queries),
        "agent_children": queries.scan(AGENT_CHILDREN, limit=100_000),
        "stopped_agents": queries.stopped_agents(),
        "profile_versions": queries.scan(PROFILE_VERSIONS, limit=100_000),
        "agent_reports": queries.scan(AGENT_REPORTS, limit=100_000),
        **_mail(queries),
        "timer": queries.next_timer(),
        "timer_but_leases": queries.next_timer(leases=False),
    }


def _tasks_in(queries: Queries, swarm_id: str) -> list[str]:
    wanted = TaskFilter(swarm_id=swarm_id)
    return [record.spec.id for record in queries.list_tasks(wanted, after=None, limit=1_000)]


def _mail(queries: Queries) -> dict[str, Any]:
    """What was said, how far it has come, and the lists of it."""
    families = (MESSAGES, DELIVERIES, TRAYS, CHANNELS, MEMBERSHIPS, CALLS, CONVERSATIONS)
    kept = {family.name: queries.scan(family, limit=100_000) for family in families}
    told = kept[MESSAGES.name]
    recipients = sorted({one.recipient for one in kept[DELIVERIES.name]})[:5]
    about = sorted({one.task_id for one in told if one.task_id})
    lists = [
        MessageFilter(),
        *(MessageFilter(recipient=one) for one in recipients),
        *(MessageFilter(recipient=one, unread=True) for one in recipients),
        *(MessageFilter(recipient=one, mentions=True) for one in recipients),
        *(MessageFilter(channel=one) for one in sorted({one.channel for one in told if one.channel})),
        *(MessageFilter(task_id=one) for one in about[:2]),
        *(MessageFilter(sender=one) for one in sorted({one.sender for one in told})),
        *(MessageFilter(since=one) for one in sorted({one.posted_at for one in told})[-2:]),
    ]
    return {
        **kept,
        "pages": [queries.messages(wanted, before=None, limit=100) for wanted in lists],
        "later_pages": [queries.messages(wanted, before=len(told) // 2 + 1, limit=3) for wanted in lists],
        "deliveries": [queries.deliveries_of(one.id, after="agent:4", limit=100) for one in told],
    }
