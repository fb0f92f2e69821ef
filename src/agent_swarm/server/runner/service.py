"""The server's own agent: it claims parts of workflows, keeps their leases, and gives back what it does not finish.

It reports for work when there is a workflow, and not before: a server without any has no such agent. Claims go through
dispatch as those of workers do. What ends a lease elsewhere (a cancel, a pause, the kill switch) is heard in what is
committed, and ends what runs here at once.
"""

import asyncio
import random
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass

import structlog

from agent_swarm.domain import commands
from agent_swarm.domain.errors import Busy, Superseded, SwarmError, Unavailable
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import RUNNER_CAPABILITY
from agent_swarm.domain.tasks import FailureClass, PauseReason
from agent_swarm.domain.time import SECOND
from agent_swarm.protocol.limits import HEARTBEAT_SECONDS, LEASE_SECONDS, SWEEP_SECONDS
from agent_swarm.server.context import Context
from agent_swarm.server.runner.identity import registration, runner_agent
from agent_swarm.server.runner.parts import Attempt, folder_of
from agent_swarm.server.runner.scripts import Scripts
from agent_swarm.server.service import ListeningService
from agent_swarm.server.settings import ServerSettings
from agent_swarm.services.dispatch import Dispatcher, Seat
from agent_swarm.store import operations as ops
from agent_swarm.store.base import Committed, Queries
from agent_swarm.store.families.workflows import WORKFLOW_RUNS
from agent_swarm.store.records import AttemptReport, ClaimedTask, Event

log = structlog.get_logger()

LEASE = int(LEASE_SECONDS * SECOND)
_BUSY_SECONDS = 0.5  # between tries at a store that is busy
_BUSY_TRIES = 20


@dataclass(slots=True, eq=False)
class Held:
    """An attempt at work here."""

    claimed: ClaimedTask
    work: "asyncio.Task[None]"
    is_lost: bool = False  # the lease is over: nothing more is said of it
    is_pausing: bool = False  # a person wants it paused


class WorkflowRunner(ListeningService):
    """Meets `services.dispatch.Receiver`, with one credit per slot that is free."""

    def __init__(self, context: Context, dispatcher: Dispatcher, settings: ServerSettings) -> None:
        super().__init__("workflows", context.store)
        self._context = context
        self._dispatcher = dispatcher
        self._agent = runner_agent(settings.data_dir, settings.workflow_slots)
        self._scripts = Scripts(
            folder_of(settings.data_dir), sandbox=settings.workflow_sandbox, network=settings.workflow_network
        )
        self._seat: Seat | None = None
        self._is_superseded = False
        self._held: dict[str, Held] = {}  # by task
        self._beaten_at = 0.0
        self._loose: set[asyncio.Task[None]] = set()

    async def run_once(self) -> float:
        """Report for work once there is some, and renew what is held."""
        if self._is_superseded:
            return SWEEP_SECONDS
        with suppress(Unavailable):
            if self._seat is None and await self._store.read(_has_any):
                await self._report_for_work()
            if self._seat is not None and time.monotonic() - self._beaten_at >= HEARTBEAT_SECONDS * 0.9:
                await self._beat()
        return SWEEP_SECONDS if self._seat is None else HEARTBEAT_SECONDS

    async def stop(self) -> None:
        """Claim no more, end what runs, and give it back untouched."""
        await super().stop()
        seat, self._seat = self._seat, None
        if seat is None:
            return
        self._dispatcher.leave(seat)
        held = tuple(self._held.values())
        for one in held:
            one.work.cancel()
        if held:
            await asyncio.wait({one.work for one in held})
        with suppress(SwarmError):
            await self._store.apply(ops.SignOff(agent_id=self._agent.profile.id, instance_id=self._agent.instance_id))

    # --- answers to credits: services.dispatch.Receiver ---------------------------------------------------------------

    def claimed(self, claimed: ClaimedTask, token: str) -> None:
        """A part is ours."""
        work = asyncio.create_task(self._carry_out(claimed), name=f"part {claimed.task.spec.id}")
        self._held[claimed.task.spec.id] = Held(claimed, work)

    def refused(self, claim_id: str, refusal: SwarmError) -> None:
        """A credit will never be answered: another one takes its place."""
        log.warning("runner_refused", reason=refusal.message)
        self._offer(1)

    def superseded(self, refusal: SwarmError) -> None:
        """Another process is this server: it goes on, and this one does not."""
        log.warning("runner_superseded", reason=refusal.message)
        self._is_superseded = True
        self._seat = None
        for one in self._held.values():
            one.is_lost = True
            one.work.cancel()

    def settled(self) -> None:
        """No claim is under way."""

    # --- work ---------------------------------------------------------------------------------------------------------

    async def _report_for_work(self) -> None:
        """What an earlier process of this server held is taken from it, and waits for whoever claims it next."""
        await self._scripts.clear()
        await self._store.apply(registration(self._agent, now=self._store.now(), jitter=random.random()))  # noqa: S311
        self._beaten_at = time.monotonic()
        self._seat = self._dispatcher.join(self._agent.profile, self._agent.instance_id, self)
        self._offer(self._agent.slots)

    def _offer(self, number: int) -> None:
        if self._seat is not None and self._seat.is_open:
            self._dispatcher.offer(self._seat, [new_id() for _ in range(number)])

    async def _carry_out(self, claimed: ClaimedTask) -> None:
        """One attempt, whatever comes of it; afterwards its slot is free."""
        task_id = claimed.task.spec.id
        attempt = Attempt(claimed.task, actor=self._actor, context=self._context, scripts=self._scripts)
        try:
            await attempt.carry_out(random.random())  # noqa: S311 - spreads retries
        except asyncio.CancelledError:
            await self._give_back(claimed)
        except SwarmError as exc:
            log.info("part_not_ended", task_id=task_id, code=exc.code, reason=exc.message)
            await self._lose(claimed, exc.code, exc.message)
        except Exception:  # a fault of ours in one part is not the end of the others
            log.exception("part_failed", task_id=task_id)
            await self._lose(claimed, "internal", "the server failed; see its log")
        finally:
            self._held.pop(task_id, None)
            self._offer(1)

    async def _give_back(self, claimed: ClaimedTask) -> None:
        """The work was ended from outside: say so, where the lease is still ours."""
        held = self._held.get(claimed.task.spec.id)
        if held is None or held.is_lost:
            return
        task_id, fence = claimed.task.spec.id, claimed.task.state.fence
        command: commands.Command = commands.Release(task_id=task_id, fence=fence)
        if held.is_pausing:
            command = commands.Pause(task_id=task_id, fence=fence, reason=PauseReason.PERSON)
        await self._say(command, AttemptReport())

    async def _lose(self, claimed: ClaimedTask, code: str, message: str) -> None:
        """The part cannot go on now: it is tried again later, as for a worker whose host has failed."""
        command = commands.Fail(
            task_id=claimed.task.spec.id,
            fence=claimed.task.state.fence,
            failure=FailureClass.INFRASTRUCTURE,
            digest=f"{code} {claimed.task.state.fence}",
            jitter=random.random(),  # noqa: S311 - spreads retries
        )
        failure = AttemptReport(text=message, failure_class=FailureClass.INFRASTRUCTURE.value, failure_code=code)
        await self._say(command, failure)

    async def _say(self, command: commands.Command, report: AttemptReport) -> None:
        told = ops.TaskCommand(command=command, actor=self._actor, report=self._context.redactor.report(report))
        for _ in range(_BUSY_TRIES):
            try:
                await self._store.apply(told)
            except Busy:
                await asyncio.sleep(_BUSY_SECONDS)
            except SwarmError as exc:  # the lease is over, and somebody else decides
                log.info("part_not_said", task_id=command.task_id, code=exc.code)
                return
            else:
                return

    async def _beat(self) -> None:
        self._beaten_at = time.monotonic()
        leases = tuple(
            ops.Held(task_id=task_id, fence=one.claimed.task.state.fence) for task_id, one in self._held.items()
        )
        beat = ops.Heartbeat(
            agent_id=self._agent.profile.id, instance_id=self._agent.instance_id, lease=LEASE, leases=leases
        )
        try:
            verdicts = await self._store.apply(beat)
        except Superseded as exc:
            self.superseded(exc)
            return
        for verdict in verdicts:
            held = self._held.get(verdict.task_id)
            if held is not None and held.claimed.task.state.fence == verdict.fence and not verdict.renewed:
                self._end(held)

    # --- news ---------------------------------------------------------------------------------------------------------

    def _hear(self, committed: Committed) -> None:
        if self._seat is None and self._is_news(committed):
            self.hurry()
        for event in committed.events:
            match event.type:
                case "task.cancelled" | "task.killed":
                    self._hear_of_end(event)
                case "task.pauseRequested" if "reason" not in event.data:  # what it asks for itself has one
                    held = self._held.get(event.subject_id)
                    if held is not None and held.claimed.task.state.fence == event.data["fence"]:
                        held.is_pausing = True
                        held.work.cancel()

    def _is_news(self, committed: Committed) -> bool:
        """Whether there may be a first workflow."""
        if committed.is_foreign:
            return any(event.type == "task.created" for event in committed.events)
        return any(RUNNER_CAPABILITY in needs.capabilities for needs in committed.classes.values())

    def _hear_of_end(self, event: Event) -> None:
        held = self._held.get(event.subject_id)
        if held is None or held.claimed.task.state.fence != event.data.get("endedFence"):
            return
        self._end(held)
        if event.type == "task.killed":
            self._later(self._confirm(str(event.data["activation"]), held))

    def _end(self, held: Held) -> None:
        """Its lease is over: whatever runs here ends now."""
        held.is_lost = True
        held.work.cancel()

    async def _confirm(self, activation: str, held: Held) -> None:
        """Tell the kill switch that nothing of it is left."""
        await asyncio.wait({held.work})
        if any(one.is_lost for one in self._held.values()):
            return  # the last one says it
        with suppress(SwarmError):
            await self._store.apply(ops.AcknowledgeKill(activation=activation, agent_id=self._agent.profile.id, runs=1))

    def _later(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(work)
        self._loose.add(task)
        task.add_done_callback(self._loose.discard)

    @property
    def _actor(self) -> str:
        return f"agent:{self._agent.profile.id}"


def _has_any(queries: Queries) -> bool:
    """Whether there ever was a workflow."""
    return bool(queries.scan(WORKFLOW_RUNS, limit=1))
