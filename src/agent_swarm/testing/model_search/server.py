"""The server of the model: the memory engine, frozen between any two moves.

A `Server` is one content of the store. Equal contents are one object, and each move is carried out once per content
and instant, so that a search can afford the real code.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from agent_swarm.domain import commands
from agent_swarm.domain.approvals import ApprovalStatus
from agent_swarm.domain.errors import StaleLease, SwarmError
from agent_swarm.domain.kill_switch import Activation, Switch, SwitchScope
from agent_swarm.domain.matching import AgentProfile, serves
from agent_swarm.domain.offers import OfferStatus
from agent_swarm.domain.tasks import AttemptOutcome, FailureClass, PauseReason, TaskState, TaskStatus
from agent_swarm.domain.time import SECOND
from agent_swarm.store import asking
from agent_swarm.store import operations as ops
from agent_swarm.store.families.approvals import APPROVALS, Approval
from agent_swarm.store.families.offers import TASK_OFFERS
from agent_swarm.store.families.switches import SWITCHES
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.records import AgentRecord, TaskSpec, TokenKind, TokenRecord
from agent_swarm.testing.model_search.messages import AGENTS, TASKS, Lease, Message

LEASE_SECONDS = 30
ASKED_SECONDS = 15  # how long people may think
OFFER_SECONDS = 15
UNCLAIMED = "nobody claims what is offered"
KEPT_FOR_ONE = "what one agent accepted goes to no other"
_START = 1_800_000_000
_TAKEN_AWAY = (AttemptOutcome.LOST, AttemptOutcome.CANCELLED, AttemptOutcome.KILLED)


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt, as the store knows it."""

    task: str
    fence: int
    claim: str
    agent: str
    outcome: AttemptOutcome | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a task asks people, as the store knows it."""

    task: str
    status: ApprovalStatus
    expires_at: int
    id: str

    @property
    def is_open(self) -> bool:
        """Whether it waits for an answer."""
        return self.status is ApprovalStatus.OPEN


@dataclass(eq=False, slots=True)
class Server:
    """One content of the store. Equal ones are the same object."""

    engine: MemoryEngine
    tasks: tuple[TaskState, ...]
    attempts: tuple[Tried, ...]
    asked: tuple[Asked, ...] = ()
    killed: str = ""  # the activation of the kill switch, while it is on
    broken: str | None = None  # a rule that this content breaks

    def task(self, task_id: str) -> TaskState:
        """A task as it stands."""
        return next(state for state in self.tasks if state.id == task_id)

    @property
    def has_ended(self) -> bool:
        """Every task has, and nobody is asked about it any more."""
        return all(state.is_terminal for state in self.tasks) and not any(one.is_open for one in self.asked)

    def unsettled(self, now: int) -> tuple[Asked, ...]:
        """What waits for answers, and will get none: its time is over, or its task."""
        ended = {state.id for state in self.tasks if state.is_terminal}
        return tuple(one for one in self.asked if one.is_open and (one.task in ended or one.expires_at <= instant(now)))


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move led to: the content, the answer, and the rule that the move broke, if any."""

    server: Server
    reply: Any
    broken: str | None = None


def instant(seconds: int) -> int:
    """The clock of the store, in microseconds, after so many seconds of the model."""
    return (_START + seconds) * SECOND


class ServerModel:
    """Moves servers. Its methods are the seams at which tests plant a defect."""

    def __init__(self, tasks: int = 1, *, tells_pins_apart: bool = False) -> None:
        """`tells_pins_apart`: a worker claims nothing that waits for another one, as the dispatcher has it."""
        self._tells_pins_apart = tells_pins_apart
        self._known: dict[Any, Server] = {}
        self._moved: dict[Any, Moved] = {}
        self._tasks = TASKS[:tasks]

    def initial(self) -> Server:
        """Tasks are filed and claimable; no worker has registered."""
        engine = MemoryEngine()
        new = tuple(
            ops.NewTask(spec=TaskSpec(id=task_id, title="t", prompt="p"), max_attempts=2, max_losses=3)
            for task_id in self._tasks
        )
        engine.apply_batch([ops.CreateTasks(tasks=new, actor="operator")], instant(0))
        return self._content(engine)

    # --- moves ------------------------------------------------------------------------------------------------------

    def request(self, server: Server, message: Message, now: int) -> Moved:
        """A message of a worker arrives."""
        operation = self.operation(server, message)
        moved = self._once((server, message, now), server, operation, now)
        is_accepted = isinstance(moved.reply, ops.CommandReply) and not moved.reply.repeated
        if is_accepted and server.task(message.lease.task).fence != message.lease.fence:
            return replace(moved, broken="an accepted write carried the current fence")
        return moved

    def register(self, server: Server, worker: int, instance: int, held: tuple[Lease, ...], now: int) -> Moved:
        """A process of a worker reports for work."""
        profile = AgentProfile(id=AGENTS[worker])
        agent = AgentRecord(profile=profile, name=f"worker {worker}", instance_id=str(instance))
        token = _token(f"agent-{worker}-{instance}", TokenKind.AGENT)
        own = replace(token, agent_id=profile.id, instance_id=str(instance))
        operation = ops.RegisterAgent(agent=agent, token=own, held=tuple(map(_held, held)))
        return self._once(("register", server, worker, instance, held, now), server, operation, now)

    def sign_off(self, server: Server, worker: int, instance: int, now: int) -> Moved:
        """A process of a worker says goodbye."""
        operation = ops.SignOff(agent_id=AGENTS[worker], instance_id=str(instance))
        return self._once(("signOff", server, worker, instance, now), server, operation, now)

    def order(self, server: Server, what: str, task_id: str, now: int) -> Moved:
        """A person's wish: cancel, requestPause or resume."""
        kinds: dict[str, Callable[..., commands.Command]] = {
            "cancel": commands.Cancel,
            "requestPause": commands.RequestPause,
            "resume": commands.Resume,
        }
        operation = ops.TaskCommand(command=kinds[what](task_id=task_id), actor="operator")
        return self._once((what, server, task_id, now), server, operation, now)

    def offer(self, server: Server, task_id: str, worker: int, now: int) -> Moved:
        """A person asks a worker whether it takes a task."""
        operation = ops.OfferTask(
            task_id=task_id, agent_id=AGENTS[worker], ttl=OFFER_SECONDS * SECOND, actor="operator"
        )
        return self._once(("offer", server, task_id, worker, now), server, operation, now)

    def answer_offer(self, server: Server, task_id: str, now: int, *, accepts: bool) -> Moved:
        """Whoever was asked answers."""
        operation = ops.AnswerOffer(task_id=task_id, agent_id=None, accepts=accepts, actor="operator")
        return self._once(("answer", server, task_id, accepts, now), server, operation, now)

    def kill(self, server: Server, activation: str, now: int) -> Moved:
        """The kill switch is used."""
        asked = Activation(id=activation, reason="", by="operator")
        operation = ops.ActivateKillSwitch(scope=SwitchScope.ALL, asked=asked)
        return self._once(("kill", server, activation, now), server, operation, now)

    def lift(self, server: Server, now: int, *, resume: bool) -> Moved:
        """It is lifted."""
        operation = ops.LiftKillSwitch(scope=SwitchScope.ALL, by="operator", resume=resume)
        return self._once(("lift", server, resume, now), server, operation, now)

    def reply(self, server: Server, asked: Asked, now: int, *, denies: bool) -> Moved:
        """A person answers, or says no."""
        answered = asking.AnswerApproval(approval_id=asked.id, task_id=asked.task, actor="operator", denies=denies)
        return self._once(("reply", server, asked, denies, now), server, answered, now)

    def settle(self, server: Server, now: int) -> Moved:
        """What nobody answers any more is settled."""
        unsettled = tuple((one.id, one.task) for one in server.unsettled(now))
        return self._once(("settle", server, now), server, asking.SettleApprovals(asked=unsettled), now)

    def timers(self, server: Server, now: int, *, leases: bool) -> Moved:
        """What is due is carried out."""
        return self._once(("timers", server, leases, now), server, ops.RunTimers(jitter=0.0, leases=leases), now)

    def next_timer(self, server: Server) -> int | None:
        """The second at which something is due."""
        at = server.engine.read(lambda queries: queries.next_timer())
        return None if at is None else at // SECOND - _START

    # --- seams ------------------------------------------------------------------------------------------------------

    def operation(self, server: Server, message: Message) -> ops.Operation[Any]:
        """What a message asks the store to do."""
        agent_id, instance = AGENTS[message.worker], str(message.instance)
        lease = LEASE_SECONDS * SECOND
        if message.kind == "claim":
            classes = self.classes_of(server, agent_id)
            return ops.ClaimTask(
                claim_id=message.claim,
                agent_id=agent_id,
                instance_id=instance,
                class_ids=classes,
                lease=lease,
                token=_token(f"attempt-{message.claim}", TokenKind.ATTEMPT),
            )
        if message.kind == "beat":
            held = tuple(map(_held, message.leases))
            return ops.Heartbeat(agent_id=agent_id, instance_id=instance, lease=lease, leases=held)
        if message.kind == "ask":
            return _question(message)
        if message.kind == "confirm":
            return ops.AcknowledgeKill(activation=message.detail, agent_id=agent_id, runs=1)
        return ops.TaskCommand(command=_report(message), actor=f"agent:{agent_id}")

    def classes_of(self, server: Server, agent_id: str) -> tuple[int, ...]:
        """The classes that a worker claims from."""
        classes = server.engine.read(lambda queries: queries.classes())
        profile = AgentProfile(id=agent_id)
        return tuple(
            sorted(one for one, needs in classes.items() if not self._tells_pins_apart or serves(profile, needs))
        )

    def apply(self, engine: MemoryEngine, operation: ops.Operation[Any], now: int) -> Any:
        """Carry an operation out on `engine`."""
        return engine.apply_batch([operation], instant(now)).replies[0]

    def recovered(self, server: Server) -> Server:
        """What a killed server finds when it starts again: all that it ever answered, which is all there is."""
        return server

    # --- contents ---------------------------------------------------------------------------------------------------

    def _once(self, key: Any, server: Server, operation: ops.Operation[Any], now: int) -> Moved:
        moved = self._moved.get(key)
        if moved is None:
            engine = _twin(server.engine)
            reply = self.apply(engine, operation, now)
            after = self._content(engine)
            is_persons = key[0] in ("resume", "requestPause", "cancel", "lift")
            broken = after.broken or _move_breaks(server, after) or (not is_persons and _decides(server, after))
            moved = self._moved[key] = Moved(after, reply, broken or None)
        return moved

    def _content(self, engine: MemoryEngine) -> Server:
        tasks = tuple(record.state for record in engine.records.values())
        attempts = tuple(
            Tried(one.task_id, one.fence, one.claim_id, one.agent_id, one.outcome) for one in engine.attempts.values()
        )
        processes = tuple(sorted((id_, one.instance_id, one.offline_at is None) for id_, one in engine.agents.items()))
        asked = tuple(Asked(a.task_id, a.status, a.expires_at, a.id) for a in engine.kept(APPROVALS).values())
        switch = engine.kept(SWITCHES).get((SwitchScope.ALL, ""), Switch())
        killing = (switch.status, switch.id, tuple(switch.awaited.items()), switch.paused)
        offers = tuple(engine.kept(TASK_OFFERS).values())
        key = (tasks, attempts, processes, asked, offers, killing)
        known = self._known.get(key)
        if known is None:
            killed = switch.id if switch.is_killed else ""
            known = self._known[key] = Server(engine, tasks, attempts, asked, killed)
            known.broken = _content_breaks(known)
        return known


def _content_breaks(server: Server) -> str | None:
    if server.killed and any(task.is_held for task in server.tasks):
        return "nothing runs while the kill switch is on"
    for task in server.tasks:
        waits = task.status is TaskStatus.PAUSED and task.pause_reason is PauseReason.APPROVAL
        if waits and not any(one.is_open for one in server.asked if one.task == task.id):
            return "what waits for an answer has asked for one"
        mine = [attempt for attempt in server.attempts if attempt.task == task.id]
        going_on = [attempt.fence for attempt in mine if attempt.outcome is None]
        if going_on != ([task.fence] if task.is_held else []):
            return "at most one unexpired lease per task"
        results = sum(attempt.outcome is AttemptOutcome.COMPLETED for attempt in mine)
        if results > 1:
            return "at most one accepted result"
        if results and task.status is not TaskStatus.COMPLETED:
            return "an accepted result stands"
    return None


def _move_breaks(before: Server, after: Server) -> str | None:
    if _settles_again(before, after):
        return "the first answer stands"
    ended = {(one.task, one.fence): one.outcome for one in before.attempts}
    for was, now in zip(before.tasks, after.tasks, strict=True):
        if was.is_terminal and now.status is not was.status:
            too_late = (was.status, now.status) == (TaskStatus.CANCELLED, TaskStatus.COMPLETED)
            return "after cancelled no success" if too_late else "terminal states stay terminal"
        if now.fence < was.fence:
            return "the fence only grows"
        if was.status is TaskStatus.OFFERED and now.is_held:
            return UNCLAIMED
        if (
            now.is_held
            and not was.is_held
            and was.pinned_agent not in (None, now.agent_id)
            and _was_accepted(after, was)
        ):
            return KEPT_FOR_ONE
        taken_away = any(
            one.outcome in _TAKEN_AWAY and ended.get((one.task, one.fence)) is None
            for one in after.attempts
            if one.task == now.id
        )
        if taken_away and now.fence == was.fence:
            return "a lease that is taken away moves the fence"
    return None


def _settles_again(before: Server, after: Server) -> bool:
    """An approval is settled once, and none is forgotten."""
    now = {one.id: one.status for one in after.asked}
    return any(not was.is_open and now.get(was.id) is not was.status for was in before.asked)


def _was_accepted(server: Server, task: TaskState) -> bool:
    offer = server.engine.kept(TASK_OFFERS).get((task.id, task.pinned_agent))
    return offer is not None and offer.status is OfferStatus.ACCEPTED


def _decides(before: Server, after: Server) -> str:
    """What the kill switch paused is for a person to decide about."""
    for was, now in zip(before.tasks, after.tasks, strict=True):
        if was.pause_reason is PauseReason.KILL and now.status is not was.status:
            return "what was killed waits for a person"
    return ""


def _report(message: Message) -> commands.Command:
    task_id, fence = message.lease
    digest = f"{message.kind} of {fence}"
    match message.kind:
        case "start":
            return commands.Start(task_id=task_id, fence=fence)
        case "complete":
            return commands.Complete(task_id=task_id, fence=fence, digest=digest)
        case "fail":
            return commands.Fail(task_id=task_id, fence=fence, failure=FailureClass.AGENT, digest=digest)
        case "lost":
            return commands.Fail(task_id=task_id, fence=fence, failure=FailureClass.INFRASTRUCTURE, digest=digest)
        case "pause":
            return commands.Pause(task_id=task_id, fence=fence, reason=PauseReason(message.detail))
        case "release":
            return commands.Release(task_id=task_id, fence=fence)
    raise AssertionError(message.kind)


def _question(message: Message) -> asking.AskApproval:
    """The one question of a task: whichever attempt asks, and however often."""
    question = Approval(
        id=f"question of {message.lease.task}",
        task_id=message.lease.task,
        attempt=0,
        agent_id=AGENTS[message.worker],
        title="may I?",
        details="",
        questions=(),
        pauses=True,
        asked_digest="may I?",
        status=ApprovalStatus.OPEN,
        asked_at=0,
        expires_at=0,
        answers={},
    )
    lasts = ASKED_SECONDS * SECOND
    return asking.AskApproval(approval=question, fence=message.lease.fence, lasts=lasts, actor="agent")


def answer(message: Message, reply: Any) -> Message | None:
    """What the server says to a message it took; None where it says nothing yet."""
    back = Message(kind="", is_request=False, worker=message.worker, instance=message.instance)
    if message.kind == "claim":
        if reply is None:
            return None  # the credit waits
        if isinstance(reply, SwarmError):
            return back._replace(kind="noClaim", claim=message.claim)
        state = reply.task.state
        return back._replace(kind="claimed", claim=message.claim, lease=Lease(state.id, state.fence))
    if message.kind == "beat":
        if isinstance(reply, SwarmError):
            return None
        return back._replace(
            kind="beaten",
            sent_at=message.sent_at,
            leases=tuple(Lease(one.task_id, one.fence) for one in reply if one.renewed),
            over=tuple(Lease(one.task_id, one.fence) for one in reply if not one.renewed),
            to_pause=tuple(Lease(one.task_id, one.fence) for one in reply if one.wants == "pause"),
        )
    if message.kind == "confirm":
        return back._replace(kind="confirmed", detail=message.detail)
    kind = "stale" if isinstance(reply, StaleLease) else "refused" if isinstance(reply, SwarmError) else "taken"
    return back._replace(kind=kind, lease=message.lease, about=message.kind)


def _twin(engine: MemoryEngine) -> MemoryEngine:
    """A copy that shares the values, which never change."""
    twin = MemoryEngine()
    for name, collection in vars(engine).items():
        setattr(twin, name, copy.copy(collection))
    twin.families = {family: dict(kept) for family, kept in engine.families.items()}
    return twin


def _held(lease: Lease) -> ops.Held:
    return ops.Held(task_id=lease.task, fence=lease.fence)


def _token(name: str, kind: TokenKind) -> TokenRecord:
    return TokenRecord(id=name, kind=kind, hash=name, scopes=())
