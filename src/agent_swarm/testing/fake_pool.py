"""The server side of the worker protocol, in this process, on loopback, with faults on command.

It keeps the rules of the real one by using the same pure functions (`domain.transitions.decide`): fences, repeats of
the same, contiguous transcripts, one live process per agent. What it leaves out is everything around them: matching,
priorities, dependencies.
"""

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, TypeVar

from agent_swarm.domain import commands, transitions
from agent_swarm.domain.changes import Change
from agent_swarm.domain.errors import (
    Busy,
    NotFound,
    StaleLease,
    Superseded,
    SwarmError,
    Unauthenticated,
    UnknownTask,
)
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.tasks import TaskState, TaskStatus
from agent_swarm.domain.transitions import decide
from agent_swarm.protocol import pool
from agent_swarm.protocol.errors import TranscriptGap, error_body
from agent_swarm.protocol.pool import Frame, FrameType
from agent_swarm.testing.fake_pool_records import FakeAttempt, FakeTask
from agent_swarm.testing.fake_pool_reports import parsed
from agent_swarm.testing.fake_pool_wire import Client, Drop, Wire

T = TypeVar("T")

API_KEY = "a-key-for-the-fake-pool"


class Fault(Enum):
    """What goes wrong with the next frame of a kind."""

    DROP_BEFORE = "the connection breaks before the frame is applied"
    DROP_AFTER = "it is applied, and the connection breaks before the answer"
    LOSE_REPLY = "it is applied, and the answer is lost"
    DOUBLE_REPLY = "it is applied, and the answer comes twice"
    BUSY = "it is refused: try again later"


@dataclass
class FakeAgent:
    """An agent's live process."""

    instance_id: str
    token: str
    profile: pool.RegisterRequest
    client: Client | None = None
    credits: dict[str, None] = field(default_factory=dict)
    is_gone: bool = False


class FakePool:
    """Use it as `async with FakePool() as server`; `server.url` is what the worker is given."""

    def __init__(
        self,
        *,
        api_key: str = API_KEY,
        lease_seconds: float = 30.0,
        heartbeat_seconds: float = 10.0,
        long_poll_seconds: float = 5.0,
    ) -> None:
        self.api_key = api_key
        self.timing = pool.Timing(
            lease_seconds=lease_seconds, heartbeat_seconds=heartbeat_seconds, long_poll_seconds=long_poll_seconds
        )
        self.tasks: dict[str, FakeTask] = {}
        self.agents: dict[str, FakeAgent] = {}
        self.registrations: list[pool.RegisterRequest] = []
        self.frames: list[Frame] = []  # of workers, in the order they arrived
        self.refuses_upgrade = False
        self.refuses_registration: SwarmError | None = None
        self.is_unavailable = False
        self.activation = self.reason = ""  # of the kill switch, while it is on
        self.confirmed: list[pool.Killed] = []
        self._superseded: set[str] = set()
        self._faults: dict[FrameType, list[Fault | SwarmError]] = defaultdict(list)
        self._changed = asyncio.Event()
        self._wire = Wire(self)
        self._reaper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "FakePool":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- for tests: life -------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where it listens; stays the same over restarts."""
        return self._wire.url

    async def start(self) -> None:
        """Listen; after `stop`, on the same port. Leases run on for one full length from here (rule T7)."""
        await self._wire.start()
        for task in self.tasks.values():
            if task.state.is_held:
                task.state = replace(task.state, lease_expires_at=self._now() + self._lease)
        self._reaper = asyncio.create_task(self._reap())

    async def stop(self) -> None:
        """Go away as a killed server does: connections break, credits are forgotten, tasks stay."""
        if self._reaper is not None:
            self._reaper.cancel()
        for agent in self.agents.values():
            agent.client, agent.credits = None, {}
        await self._wire.stop()

    async def until(self, predicate: Callable[[], T], seconds: float = 20.0) -> T:
        """Wait until something the server knows is so; answers what `predicate` answered."""
        try:
            async with asyncio.timeout(seconds):
                while not (answer := predicate()):
                    self._changed.clear()
                    await self._changed.wait()
                return answer
        except TimeoutError:
            states = {task_id: task.state.status.value for task_id, task in self.tasks.items()}
            kinds = [frame.type.value for frame in self.frames[-30:]]
            raise AssertionError(f"waited {seconds} s in vain; tasks: {states}; last frames: {kinds}") from None

    async def until_status(self, task_id: str, status: TaskStatus, seconds: float = 20.0) -> FakeTask:
        """Wait until the task stands there; AssertionError where it has ended otherwise."""
        task = self.tasks[task_id]
        await self.until(lambda: task.status is status or task.state.is_terminal, seconds)
        told = [(attempt.outcome, attempt.code, attempt.message) for attempt in task.attempts]
        assert task.status is status, f"expected {status.value}, found {task.status.value}: {told}"
        return task

    # --- for tests: what people do ---------------------------------------------------------------------------------

    def add_task(self, prompt: str, *, harness: str | None = "shell", title: str = "a task", **claim: Any) -> str:
        """File a task; `claim` are further fields of the claim, such as `timeout_seconds` or `project`."""
        task_id = new_id()
        content = {"title": title, "prompt": prompt, "harness": harness, **claim}
        self.tasks[task_id] = FakeTask(content, TaskState(id=task_id, status=TaskStatus.PENDING, ready=True))
        self._dispatch()
        return task_id

    def cancel(self, task_id: str) -> None:
        """Cancel a task, and tell its worker."""
        task = self.tasks[task_id]
        ended_fence, agent_id = task.state.fence, task.state.agent_id
        self._decide(task, commands.Cancel(task_id=task_id))
        self._push(agent_id, FrameType.COMMAND, pool.Command(task_id=task_id, fence=ended_fence, kind="cancel"))

    def kill(self, reason: str = "enough") -> str:
        """Use the kill switch: end every attempt, and tell everybody. Answers the activation."""
        self.activation, self.reason = new_id(), reason
        for task in self.tasks.values():
            self._decide(task, commands.Kill(task_id=task.state.id))
        for agent_id in self.agents:
            self._push(agent_id, FrameType.KILL, pool.Kill(activation=self.activation, reason=reason))
        return self.activation

    def confirm_killed(self, task_id: str) -> None:
        """Take it that nothing of the killed attempt is left."""
        task = self.tasks[task_id]
        self._decide(task, commands.ConfirmKill(task_id=task_id, agent_id=task.state.preferred_agent or ""))

    def lift(self) -> None:
        """Lift it: tokens from before count no more, connections are closed."""
        self.activation = ""
        self.forget_tokens()

    def tell(self, task_id: str, *messages: pool.MessageText) -> None:
        """Push messages to the attempt that runs; the same ones again where they are sent again."""
        task = self._task(task_id)
        frame = pool.Message(task_id=task_id, fence=task.state.fence, messages=messages)
        self._push(task.state.agent_id, FrameType.MESSAGE, frame)

    def pause(self, task_id: str, *, by_command: bool = True) -> None:
        """Ask for a pause, by a command or with the next heartbeat."""
        task = self.tasks[task_id]
        self._decide(task, commands.RequestPause(task_id=task_id))
        if by_command:
            body = pool.Command(task_id=task_id, fence=task.state.fence, kind="pause")
            self._push(task.state.agent_id, FrameType.COMMAND, body)

    def resume(self, task_id: str) -> None:
        """Put a paused task back into the queue."""
        self._decide(self.tasks[task_id], commands.Resume(task_id=task_id))
        self._dispatch()

    def take_away(self, task_id: str) -> None:
        """Have the lease lapse, as far as the server is concerned."""
        self._decide(self.tasks[task_id], commands.Fence(task_id=task_id))
        self._dispatch()

    # --- for tests: what goes wrong --------------------------------------------------------------------------------

    def go_wrong(self, kind: FrameType, fault: Fault | SwarmError, times: int = 1) -> None:
        """Have the next frames of this kind meet a fault, or be refused with an error."""
        self._faults[kind].extend([fault] * times)

    def forget_tokens(self) -> None:
        """Revoke every token, as a change of keys does; connections are closed."""
        for agent in self.agents.values():
            agent.token = new_id()
            if agent.client is not None:
                agent.client.close(pool.CLOSE_UNAUTHENTICATED)
                agent.client = None

    def supersede(self, agent_id: str) -> None:
        """Have another process register under this AGENT_ID."""
        profile = self.agents[agent_id].profile.model_copy(update={"instance_id": new_id(), "held": ()})
        self.register(profile)

    def break_connections(self) -> None:
        """Cut every connection."""
        for agent in self.agents.values():
            if agent.client is not None:
                agent.client.abort()

    # --- for the wire ----------------------------------------------------------------------------------------------

    def register(self, request: pool.RegisterRequest) -> pool.RegisterReply:
        """Rule T11: one live process per agent; what it does not hold is taken from it."""
        if self.refuses_registration is not None:
            raise self.refuses_registration
        if request.instance_id in self._superseded:
            raise Superseded("another process runs under this AGENT_ID")
        self.registrations.append(request)
        old = self.agents.get(request.agent_id)
        is_new = old is not None and old.instance_id != request.instance_id
        if old is not None and is_new:
            self._superseded.add(old.instance_id)
            if old.client is not None:
                old.client.close(pool.CLOSE_SUPERSEDED)
        self.agents[request.agent_id] = FakeAgent(request.instance_id, f"token-{new_id()}", request)
        fenced = self._hand_over(request) if is_new else []
        resumed = self._resume_own(request.agent_id)
        self._note()
        return pool.RegisterReply(
            agent_id=request.agent_id,
            instance_id=request.instance_id,
            token=self.agents[request.agent_id].token,
            timing=self.timing,
            fenced=tuple(fenced),
            resumed=tuple(resumed),
        )

    def agent_of(self, token: str) -> FakeAgent:
        """Whose token it is; raises Unauthenticated."""
        for agent in self.agents.values():
            if agent.token == token and not agent.is_gone:
                return agent
        raise Unauthenticated("this token is not known", hint="register again")

    def take(self, agent: FakeAgent, frame: Frame) -> list[Frame]:
        """Apply a frame; answers the frames to reply with. Raises Drop where the connection is to break."""
        self.frames.append(frame)
        fault = self._faults[frame.type].pop(0) if self._faults[frame.type] else None
        if fault is Fault.DROP_BEFORE:
            self._note()
            raise Drop
        try:
            if isinstance(fault, SwarmError):
                raise fault
            if fault is Fault.BUSY:
                raise Busy("the queue is full", hint="try again")
            body = self._apply(agent, frame)
            reply = Frame(id=frame.id, type=FrameType.REPLY, body=body)
        except SwarmError as exc:
            reply = Frame(id=frame.id, type=FrameType.ERROR, body=error_body(exc))
        self._note()
        if fault is Fault.DROP_AFTER:
            raise Drop
        return {Fault.LOSE_REPLY: [], Fault.DOUBLE_REPLY: [reply, reply]}.get(fault, [reply])  # type: ignore[arg-type]

    def gone(self, agent: FakeAgent, client: Client) -> None:
        """A connection broke: its credits go with it."""
        if agent.client is client:
            agent.client, agent.credits = None, {}
        self._note()

    # --- the rules -------------------------------------------------------------------------------------------------

    def _apply(self, agent: FakeAgent, frame: Frame) -> dict[str, Any]:
        if self.agents.get(agent.profile.agent_id) is not agent:
            raise Superseded("another process runs under this AGENT_ID")
        match frame.type:
            case FrameType.HELLO:
                return self._hello(agent, pool.Hello.model_validate(frame.body))
            case FrameType.CREDIT:
                return self._offer(agent, pool.Credit.model_validate(frame.body).claim_ids)
            case FrameType.WITHDRAW:
                asked = pool.Withdraw.model_validate(frame.body).claim_ids
                claimed = [claim_id for claim_id in asked if agent.credits.pop(claim_id, self) is self]
                return {"claimed": claimed}
            case FrameType.HEARTBEAT:
                return self._heartbeat(agent, pool.Heartbeat.model_validate(frame.body))
            case FrameType.EVENTS:
                return self._events(pool.Events.model_validate(frame.body))
            case FrameType.USAGE:
                usage = pool.Usage.model_validate(frame.body)
                self._task(usage.task_id).attempts[usage.attempt - 1].usage.setdefault(usage.seq, usage)
                return {}
            case FrameType.PROGRESS:
                progress = pool.Progress.model_validate(frame.body)
                self._held(progress).attempt.progress.append(progress.text)
                return {}
            case FrameType.RECEIVED:
                noted = pool.Received.model_validate(frame.body)
                self._task(noted.task_id).received.append(noted)
                return {"noted": len(noted.delivered) + len(noted.acknowledged)}
            case FrameType.KILLED:
                self.confirmed.append(pool.Killed.model_validate(frame.body))
                return {}
            case FrameType.BYE:
                agent.is_gone = True
                return {}
            case _:
                return self._change(frame)

    def _hello(self, agent: FakeAgent, hello: pool.Hello) -> dict[str, Any]:
        if hello.instance_id != agent.instance_id:
            raise Superseded("another process runs under this AGENT_ID")
        if self.activation:
            killed = pool.Kill(activation=self.activation, reason=self.reason)
            self._push(agent.profile.agent_id, FrameType.KILL, killed)
        return self._offer(agent, hello.claim_ids)

    def _offer(self, agent: FakeAgent, claim_ids: tuple[str, ...]) -> dict[str, Any]:
        """Rule T2: a credit that was answered before is answered the same way again, while that attempt is held."""
        answered = {task.attempt.claim_id: task for task in self.tasks.values() if task.attempts}
        for claim_id in claim_ids:
            earlier = answered.get(claim_id)
            if earlier is None:
                agent.credits[claim_id] = None
            elif earlier.state.is_held:
                self._send_claim(agent, earlier)
        asyncio.get_running_loop().call_soon(self._dispatch)  # after the reply
        return {}

    def _heartbeat(self, agent: FakeAgent, beat: pool.Heartbeat) -> dict[str, Any]:
        statuses = []
        for lease in beat.leases:
            task = self.tasks.get(lease.task_id)
            current = task is not None and task.state.is_held and task.state.fence == lease.fence
            wants = "pause" if current and task is not None and task.state.pause_wanted else ""
            if current and task is not None:
                task.state = replace(task.state, lease_expires_at=self._now() + self._lease)
            statuses.append({**lease.model_dump(), "status": "ok" if current else "stale", "wants": wants})
        return {"lease_seconds": self.timing.lease_seconds, "leases": statuses}

    def _events(self, events: pool.Events) -> dict[str, Any]:
        """Counts from a lease that is over, too."""
        attempts = [one for one in self._task(events.task_id).attempts if one.fence == events.fence]
        if not attempts or attempts[0].number != events.attempt:
            raise NotFound("there is no such attempt")
        lines = attempts[0].lines
        if events.first > len(lines):
            raise TranscriptGap(f"expected line {len(lines)}", details={"expected": len(lines)})
        lines.extend(events.lines[len(lines) - events.first :])
        return {}

    def _change(self, frame: Frame) -> dict[str, Any]:
        """Start and the endings."""
        body, command, report = parsed(frame)
        task = self._task(body.task_id)
        attempt = task.attempt if task.attempts else None
        change = self._decide(task, command)
        if change is not None and attempt is not None:
            attempt.where.update({name: value for name, value in report.items() if value})
            attempt.message, attempt.code = getattr(body, "message", ""), getattr(body, "code", "")
            attempt.outcome = change.outcome
            if isinstance(body, pool.Complete):
                task.result, task.results = body, task.results + 1
            asyncio.get_running_loop().call_soon(self._dispatch)
        return {}

    def _decide(self, task: FakeTask, command: commands.Command) -> Change | None:
        """What the real server does, too; None where the command repeats an earlier one."""
        was_held = task.state.is_held
        done = decide(task.state, command, now=self._now())
        task.state = done.state
        if not isinstance(done, Change):
            return None
        if was_held and not done.state.is_held and task.attempts:
            task.attempt.outcome = done.outcome
        self._note()
        return done

    def _dispatch(self) -> None:
        """Hand every claimable task to a credit."""
        if self.activation:
            return
        for task in self.tasks.values():
            state = task.state
            if state.not_before is not None and state.not_before <= self._now() and not state.ready:
                task.state = replace(state, ready=True, not_before=None)
            agent = self._next_agent(task)
            if agent is not None:
                self._claim(task, agent)

    def _next_agent(self, task: FakeTask) -> FakeAgent | None:
        if task.status is not TaskStatus.PENDING or not task.state.ready:
            return None
        return next((agent for agent in self.agents.values() if agent.credits and agent.client is not None), None)

    def _claim(self, task: FakeTask, agent: FakeAgent) -> None:
        claim_id = next(iter(agent.credits))
        del agent.credits[claim_id]
        agent_id = agent.profile.agent_id
        task.state = transitions.claim(
            task.state, agent_id=agent_id, instance_id=agent.instance_id, lease=self._lease, now=self._now()
        ).state
        task.attempts.append(FakeAttempt(task.state.attempt, task.state.fence, claim_id, agent_id))
        self._send_claim(agent, task)
        self._note()

    def _send_claim(self, agent: FakeAgent, task: FakeTask) -> None:
        attempt = task.attempt
        previous = task.attempts[-2] if len(task.attempts) > 1 else None
        claimed = pool.Claimed(
            **task.claim,
            claim_id=attempt.claim_id,
            task_id=task.state.id,
            attempt=attempt.number,
            fence=attempt.fence,
            lease_seconds=self.timing.lease_seconds,
            token=f"asw_attempt_{new_id()[-12:]}_{hashlib.sha256(new_id().encode()).hexdigest()}",
            previous=None if previous is None else _previous(previous),
        )
        self._push(agent.profile.agent_id, FrameType.CLAIMED, claimed)

    def _push(self, agent_id: str | None, kind: FrameType, body: pool.Wire) -> None:
        agent = self.agents.get(agent_id or "")
        fault = self._faults[kind].pop(0) if self._faults[kind] else None
        if agent is None or agent.client is None or fault is Fault.LOSE_REPLY:
            return
        frame = Frame(id=new_id(), type=kind, body=body.model_dump(mode="json"))
        for _ in range(2 if fault is Fault.DOUBLE_REPLY else 1):
            agent.client.push(frame)

    def _hand_over(self, request: pool.RegisterRequest) -> list[pool.LeaseRef]:
        kept = set(request.held)
        fenced = []
        for task in self.tasks.values():
            lease = pool.LeaseRef(task_id=task.state.id, fence=max(1, task.state.fence))
            if task.state.is_held and task.state.agent_id == request.agent_id:
                if lease in kept:
                    task.state = replace(task.state, instance_id=request.instance_id)
                else:
                    fenced.append(lease)
                    self._decide(task, commands.Fence(task_id=task.state.id))
        return fenced

    def _resume_own(self, agent_id: str) -> list[str]:
        resumed = []
        for task in self.tasks.values():
            if task.status is TaskStatus.PAUSED:
                command = commands.Resume(task_id=task.state.id, agent_id=agent_id)
                if self._decide(task, command) is not None:
                    resumed.append(task.state.id)
        return resumed

    def _task(self, task_id: str) -> FakeTask:
        task = self.tasks.get(task_id)
        if task is None or not task.attempts:
            raise UnknownTask(task_id)
        return task

    def _held(self, lease: pool.LeaseRef) -> FakeTask:
        task = self._task(lease.task_id)
        if lease.fence != task.state.fence or not task.state.is_held:
            raise StaleLease(lease.task_id, presented=lease.fence, current=task.state.fence)
        return task

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            for task in self.tasks.values():
                if task.state.is_held:
                    self._decide(task, commands.Tick(task_id=task.state.id))
            self._dispatch()

    @property
    def _lease(self) -> int:
        return int(self.timing.lease_seconds * 1_000_000)

    def _now(self) -> int:
        return time.monotonic_ns() // 1000

    def _note(self) -> None:
        self._changed.set()


def _previous(attempt: FakeAttempt) -> pool.PreviousAttempt:
    return pool.PreviousAttempt(
        number=attempt.number,
        outcome=attempt.outcome.value if attempt.outcome else "",
        agent_id=attempt.agent_id,
        message=attempt.message,
        **attempt.where,
    )
