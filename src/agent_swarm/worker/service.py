"""A worker at work: the conversation with the server, the slots, the attempts, and how it leaves."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.ids import normalize_id
from agent_swarm.faults import crash_point
from agent_swarm.harness.base import Harness
from agent_swarm.protocol.pool import (
    Claimed,
    Command,
    Credit,
    Frame,
    FrameType,
    Hello,
    Kill,
    Killed,
    LeaseRef,
    Message,
    RegisterReply,
    RegisterRequest,
    Sync,
    Wire,
    Withdraw,
)
from agent_swarm.redaction import Redactor
from agent_swarm.sandbox.base import SandboxProvider
from agent_swarm.worker.attempts import Attempts
from agent_swarm.worker.clock import Clock
from agent_swarm.worker.connection import Connection
from agent_swarm.worker.copies import Copies
from agent_swarm.worker.credentials import CredentialPool
from agent_swarm.worker.dialer import Dialer
from agent_swarm.worker.heartbeats import Heartbeats
from agent_swarm.worker.home import WorkerHome
from agent_swarm.worker.link import LinkLost
from agent_swarm.worker.mcp_servers import Servers
from agent_swarm.worker.radar import Radar, Watched
from agent_swarm.worker.registration import Registrar
from agent_swarm.worker.resting import Resting
from agent_swarm.worker.run import Site
from agent_swarm.worker.settings import WorkerSettings
from agent_swarm.worker.slots import Slots
from agent_swarm.worker.spool import Kind, Spool
from agent_swarm.worker.stops import Stop
from agent_swarm.worker.turns import Employer
from agent_swarm.worker.workspace import Folders, Workspaces

log = structlog.get_logger(__name__)

CREDIT_AGAIN_SECONDS = 1.0
MEANWHILE_SECONDS = 2.0  # for claims that were on their way when the credits were withdrawn
STOP_SECONDS = 15.0  # for interrupted runs to save their work; what is not done then is left to the next start
ACK_SECONDS = 8.0  # for the server to hear of it; the spool keeps what it did not
BYE_SECONDS = 2.0
UPKEEP_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What a worker works with."""

    settings: WorkerSettings
    profile: RegisterRequest
    home: WorkerHome
    workspaces: Workspaces
    folders: Folders
    provider: SandboxProvider
    find_harness: Callable[[str], Harness]
    redactor: Redactor
    clock: Clock
    environ: Mapping[str, str]
    mcp_servers: Servers


class Service:
    """Brings connection, leases, slots and attempts together. Meets `connection.Listener`."""

    def __init__(self, bench: Bench, group: asyncio.TaskGroup) -> None:
        settings = bench.settings
        self._bench = bench
        self._group = group
        self._is_leaving = False
        self._is_killed = False  # the server said so on this connection
        self._confirming: dict[str, asyncio.Task[None]] = {}  # by activation of the kill switch
        self._taken = asyncio.Event()  # a credit was answered
        self._greeted: frozenset[str] = frozenset()
        self._pauses_to_tell = 0
        self._slots = Slots(settings.slots)
        self._registrar = Registrar(settings.server_url, settings.api_key, bench.profile)
        self._heartbeats = Heartbeats(self._request, bench.clock, max_offline=settings.max_offline.total_seconds())
        self.connection = Connection(
            Dialer(
                settings.server_url,
                self._registrar,
                bench.clock,
                held=lambda: self._heartbeats.leases,
                on_registered=self._registered,
            ),
            self._registrar.forget,
            self,
            bench.clock,
            reply_seconds=self._registrar.timing.heartbeat_seconds,
            give_up_after=settings.connect_timeout.total_seconds(),
        )
        self._resting = Resting(self._slots, self._request, lambda: self._offer(self._slots.offer()), bench.clock)
        self._attempts = Attempts(group, self.connection, bench.home, bench.redactor, self._site(), self._slot_free)
        self._copies = Copies(
            bench.workspaces,
            self._request,
            self.connection.wait_connected,
            github_token=settings.github_token,
        )
        self._radar = Radar(bench.workspaces, self._request, self._watched)
        self._syncing: set[asyncio.Task[None]] = set()
        self._services: list[asyncio.Task[None]] = []

    def start(self, leftovers: Sequence[Spool]) -> None:
        """Begin: deliver what is left over, and offer the slots."""
        for spool in leftovers:
            is_pause = spool.ending is Kind.PAUSE
            self._pauses_to_tell += is_pause
            self._attempts.deliver(spool, self._pause_told if is_pause else lambda: None)
        self._slots.offer()
        loops = (
            self.connection.run(),
            self._heartbeats.run(),
            self._resting.run(),
            self._radar.run(),
            self._upkeep(),
        )
        self._services = [self._group.create_task(loop) for loop in loops]

    def running(self) -> list[dict[str, Any]]:
        """What runs now, for people."""
        return [
            {"taskId": run.claim.task_id, "attempt": run.claim.attempt, "cut": run.is_cut}
            for run in self._attempts.running
        ]

    async def leave(self) -> None:
        """Take nothing new, let runs finish, pause what does not, tell the server, and go."""
        self._is_leaving = True
        await self._withdraw()
        await _within(self._bench.settings.shutdown_timeout.total_seconds(), self._attempts.until_idle())
        self._attempts.stop_all(Stop.SHUTDOWN)
        await _within(STOP_SECONDS, self._attempts.until_idle())
        if not await _within(ACK_SECONDS, self._attempts.until_delivered()):
            log.warning("undelivered", hint="the next start delivers it")
        crash_point("worker.leaving")
        with suppress(SwarmError, TimeoutError):
            async with asyncio.timeout(BYE_SECONDS):
                await self.connection.request(FrameType.BYE, Wire())
        self._attempts.abandon()
        for service in (*self._services, *self._confirming.values(), *self._syncing):
            service.cancel()

    def greeting(self) -> Hello:
        """What is held and waited for right now; who is leaving waits for nothing."""
        self._is_killed = False  # the server says so again, if it is so
        claim_ids = () if self._is_leaving else self._slots.open
        self._greeted = frozenset(claim_ids)
        return Hello(
            instance_id=self._bench.profile.instance_id, held=self._heartbeats.leases, claim_ids=claim_ids, syncs=True
        )

    def connected(self) -> None:
        """Renew at once, and offer what became free while the greeting was under way."""
        self._heartbeats.beat_now()
        self._resting.connected()
        self._offer(tuple(claim_id for claim_id in self._slots.open if claim_id not in self._greeted))

    def received(self, frame: Frame) -> None:
        """A claim, a command, messages, the kill switch, or word that a credit will never be answered."""
        try:
            match frame.type:
                case FrameType.CLAIMED:
                    self._take(Claimed.model_validate(frame.body))
                case FrameType.COMMAND:
                    command = Command.model_validate(frame.body)
                    self._attempts.ask(LeaseRef(task_id=command.task_id, fence=command.fence), command.kind)
                case FrameType.MESSAGE:
                    said = Message.model_validate(frame.body)
                    self._attempts.tell(LeaseRef(task_id=said.task_id, fence=said.fence), said.messages)
                case FrameType.SYNC:
                    self._sync(Sync.model_validate(frame.body))
                case FrameType.KILL:
                    self._kill(Kill.model_validate(frame.body))
                case FrameType.ERROR if frame.id in self._slots.open:
                    self._slots.refuse(frame.id)  # a credit is refused under its claim id
                    self._offer(self._slots.offer())
                case _:
                    log.warning("unexpected_frame", type=frame.type.value)
        except ValidationError as exc:
            log.error("invalid_frame", type=frame.type.value, errors=exc.error_count())

    def _sync(self, order: Sync) -> None:
        """Bring a copy up to date beside whatever runs; a worker that leaves begins nothing."""
        if not self._is_leaving:
            syncing = self._group.create_task(self._copies.carry_out(order))
            self._syncing.add(syncing)
            syncing.add_done_callback(self._syncing.discard)

    def _kill(self, order: Kill) -> None:
        """End everything at once, and say so when nothing is left."""
        self._is_killed = True
        runs = self._attempts.kill()
        log.error("killed", activation=order.activation, scope=order.scope, reason=order.reason, runs=runs)
        if order.activation not in self._confirming:
            confirming = self._confirming[order.activation] = self._group.create_task(self._confirm(order, runs))
            confirming.add_done_callback(lambda _: self._confirming.pop(order.activation))

    async def _confirm(self, order: Kill, runs: int) -> None:
        await self._attempts.until_idle()
        while True:
            await self.connection.wait_connected()
            try:
                await self.connection.request(FrameType.KILLED, Killed(activation=order.activation, runs=runs))
                return
            except SwarmError as exc:
                log.warning("kill_not_confirmed", code=exc.code, reason=exc.message)
                await asyncio.sleep(CREDIT_AGAIN_SECONDS)

    def _take(self, claim: Claimed) -> None:
        is_ours = self._slots.take(claim.claim_id)
        self._taken.set()
        is_valid = normalize_id(claim.task_id) == claim.task_id and claim.fence >= 1 and claim.attempt >= 1
        is_known = is_valid and LeaseRef(task_id=claim.task_id, fence=claim.fence) in self._attempts
        if not is_valid or is_known or self._is_killed:  # known: sent again, because the first one could have been lost
            log.log(
                logging.INFO if is_valid else logging.ERROR,
                "claim_ignored",
                claim_id=claim.claim_id,
                known=is_known,
                killed=self._is_killed,
            )
            if is_ours:
                self._slot_free()
        elif is_ours and not self._is_leaving:
            crash_point("worker.claimed")
            self._attempts.start(claim)
        else:
            self._attempts.turn_back(claim)

    def _slot_free(self) -> None:
        self._slots.give_back()
        self._offer(self._slots.offer())

    def _offer(self, claim_ids: tuple[str, ...]) -> None:
        if claim_ids and self.connection.is_connected and not self._is_leaving:
            self._group.create_task(self._send_credit(claim_ids))

    async def _send_credit(self, claim_ids: tuple[str, ...]) -> None:
        """Until it is heard; the next greeting carries what a broken connection lost."""
        while not self._is_leaving:
            try:
                await self.connection.request(FrameType.CREDIT, Credit(claim_ids=claim_ids))
                return
            except LinkLost:
                return
            except SwarmError as exc:
                log.warning("credit_refused", code=exc.code, reason=exc.message)
                await asyncio.sleep(CREDIT_AGAIN_SECONDS)

    async def _withdraw(self) -> None:
        """Take the open credits back. Claims that were on their way are waited for and turned back."""
        claim_ids = self._slots.close()
        if not claim_ids:
            return
        try:
            reply = await self.connection.request(FrameType.WITHDRAW, Withdraw(claim_ids=claim_ids))
        except SwarmError as exc:
            log.warning("credits_not_withdrawn", reason=exc.message)
            return
        answered = {str(claim_id) for claim_id in reply.get("claimed", ())}
        await _within(MEANWHILE_SECONDS, self._until_taken(answered))

    async def _until_taken(self, claim_ids: set[str]) -> None:
        while claim_ids & set(self._slots.open):
            self._taken.clear()
            await self._taken.wait()

    def _registered(self, reply: RegisterReply) -> None:
        self.connection.reply_seconds = self._heartbeats.heartbeat_seconds = reply.timing.heartbeat_seconds
        self._heartbeats.fenced(reply.fenced)
        self._radar.every(reply.timing.radar_seconds)
        log.info("registered", agent_id=reply.agent_id, fenced=len(reply.fenced), resumed=len(reply.resumed))

    def _watched(self) -> list[Watched]:
        """What the radar looks at: runs that may have effects, and are not about to end."""
        runs = [run for run in self._attempts.running if not run.is_cut and run.stop.reason is Stop.NONE]
        return [Watched(run.workspace, run.claim.fence) for run in runs if run.workspace is not None]

    def _pause_told(self) -> None:
        """An earlier process's pause has arrived: what is paused for this agent comes back when it registers."""
        self._pauses_to_tell -= 1
        if not self._pauses_to_tell:
            self._registrar.forget()
            self._group.create_task(self.connection.drop(LinkLost("registers again, for its paused tasks")))

    async def _request(self, kind: FrameType, body: BaseModel) -> dict[str, Any]:
        return await self.connection.request(kind, body)

    async def _upkeep(self) -> None:
        """Pack the mirrors while nothing runs."""
        while True:
            await asyncio.sleep(UPKEEP_SECONDS)
            if not self._attempts.running:
                try:
                    await self._bench.workspaces.maintain()
                except (SwarmError, OSError) as exc:
                    log.warning("upkeep_failed", reason=str(exc))

    def _site(self) -> Site:
        bench = self._bench
        return Site(
            employer=Employer(
                settings=bench.settings,
                agent_id=bench.profile.agent_id,
                folders=bench.folders,
                environ=bench.environ,
                abilities=bench.provider.capabilities,
                mcp_servers=bench.mcp_servers,
                mcp_path=lambda: self._registrar.mcp_path,
            ),
            workspaces=bench.workspaces,
            provider=bench.provider,
            sandboxes=bench.home.sandboxes,
            recording=bench.home.recording,
            find_harness=bench.find_harness,
            heartbeats=self._heartbeats,
            resting=self._resting,
            credentials=CredentialPool(bench.settings.directory),
        )


async def _within(seconds: float, work: Any) -> bool:
    """Wait for `work`, but no longer than so; whether it was done."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        return False
    return True
