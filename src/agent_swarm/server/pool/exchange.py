"""Frames of one worker and their answers, whatever carries them.

Frames are taken in the order they come and are not held up by one another's commits; the store keeps their order
(`lane`). Each is answered once. How many may be under way is for the carrier to bound: it takes no more while `load`
is too high.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError

from agent_swarm.domain.errors import InvalidInput, Superseded, SwarmError, Unauthenticated, UnknownTask
from agent_swarm.domain.ids import normalize_id
from agent_swarm.domain.time import SECOND
from agent_swarm.faults import crash_point
from agent_swarm.protocol import pool as protocol
from agent_swarm.protocol import pool_radar
from agent_swarm.protocol.limits import LEASE_SECONDS
from agent_swarm.protocol.pool import Frame, FrameType
from agent_swarm.server.pool import wire
from agent_swarm.server.pool.cleaning import clean_text
from agent_swarm.server.pool.context import PoolContext
from agent_swarm.server.pool.owners import Owner, require_number, require_own
from agent_swarm.server.pool.presence import Presence
from agent_swarm.server.pool.reports import answer_body
from agent_swarm.server.problems import from_validation, internal
from agent_swarm.services import outcomes
from agent_swarm.store.families.mailing import NoteDelivery
from agent_swarm.store.families.rests import RestAgent
from agent_swarm.store.operations import AcknowledgeKill, Heartbeat, Held, LeaseVerdict, Operation, SignOff

log = structlog.get_logger()

LEASE = int(LEASE_SECONDS * SECOND)
LARGE_BYTES = 8 * 1024  # redacting takes about 0.2 us a byte, measured
BIGGEST = 2**53  # the largest whole number that JSON and every database agree on

_BODIES: dict[FrameType, TypeAdapter[Any]] = {
    FrameType.HELLO: TypeAdapter(protocol.Hello),
    FrameType.CREDIT: TypeAdapter(protocol.Credit),
    FrameType.WITHDRAW: TypeAdapter(protocol.Withdraw),
    FrameType.HEARTBEAT: TypeAdapter(protocol.Heartbeat),
    FrameType.START: TypeAdapter(protocol.Start),
    FrameType.PROGRESS: TypeAdapter(protocol.Progress),
    FrameType.EVENTS: TypeAdapter(protocol.Events),
    FrameType.USAGE: TypeAdapter(protocol.Usage),
    FrameType.COMPLETE: TypeAdapter(protocol.Complete),
    FrameType.FAIL: TypeAdapter(protocol.Fail),
    FrameType.PAUSE: TypeAdapter(protocol.Pause),
    FrameType.RELEASE: TypeAdapter(protocol.Release),
    FrameType.KILLED: TypeAdapter(protocol.Killed),
    FrameType.RECEIVED: TypeAdapter(protocol.Received),
    FrameType.SYNCED: TypeAdapter(protocol.Synced),
    FrameType.LIVE: TypeAdapter(pool_radar.Live),
    FrameType.OVERLAPS: TypeAdapter(pool_radar.Overlaps),
    FrameType.BYE: TypeAdapter(protocol.Wire),
}


class Exchange:
    """Takes frames of the process at `presence`; `answer` gets each answer, encoded."""

    def __init__(self, pool: PoolContext, presence: Presence, answer: Callable[[bytes], None]) -> None:
        self._pool = pool
        self._presence = presence
        self._answer = answer
        self._transcript: asyncio.Task[dict[str, Any]] | None = None  # lines are stored one frame after the other
        self.load = 0  # frames without an answer
        self.refusals = 0

    async def take(self, frame: Frame, size: int) -> None:
        """Begin what the frame of `size` bytes asks for.

        Waits only where it has to be read whose attempt the frame is about, and where redacting it takes long.
        """
        self.load += 1
        try:
            adapter = _BODIES.get(frame.type)
            if adapter is None:
                raise InvalidInput(f"{frame.type.value!r} frames are sent by servers", hint="see the worker protocol")
            await self._begin(frame.type, frame.id, adapter.validate_python(frame.body), is_large=size > LARGE_BYTES)
        except ValidationError as exc:
            self.refuse(frame.id, from_validation(exc, "body"))
        except SwarmError as exc:
            self.refuse(frame.id, exc)
        except Exception:  # one frame must not take the connection with it
            log.exception("frame_failed", type=frame.type.value)
            self.refuse(frame.id, internal())

    async def _begin(self, frame_type: FrameType, frame_id: str, body: Any, *, is_large: bool) -> None:
        match frame_type:
            case FrameType.HEARTBEAT:
                self._write(frame_id, self._heartbeat(body.leases), lambda verdicts: _verdicts(body.leases, verdicts))
            case FrameType.CREDIT:
                self._presence.offer(_claim_ids(body.claim_ids))
                self._reply(frame_id, {})
            case FrameType.WITHDRAW:
                self._later(frame_id, self._withdraw(body, _claim_ids(body.claim_ids)))
            case FrameType.EVENTS:
                await self._append(frame_id, body)
            case FrameType.HELLO:
                self._hello(frame_id, body)
            case FrameType.KILLED:
                heard = AcknowledgeKill(activation=body.activation, agent_id=self._presence.agent.id, runs=body.runs)
                self._write(frame_id, heard, lambda _: {})
            case FrameType.SYNCED:
                told = self._pool.reports.of_copy(body, self._presence.agent.id)
                self._write(frame_id, told, lambda noted: {"noted": noted})
            case FrameType.LIVE:
                self._later(frame_id, self._share(body))
            case FrameType.OVERLAPS:
                self._later(frame_id, self._note(body))
            case FrameType.BYE:
                identity = self._presence.identity
                sign_off = SignOff(agent_id=identity.agent_id or "", instance_id=identity.instance_id or "")
                self._write(frame_id, sign_off, self._goodbye)
            case _:
                await self._tell(frame_type, frame_id, body, is_large=is_large)

    async def _tell(self, frame_type: FrameType, frame_id: str, body: Any, *, is_large: bool) -> None:
        """What a worker says of an attempt of its own."""
        body, owner = await self._own(body)
        if frame_type is FrameType.RECEIVED:
            self._write(frame_id, self._received(body), lambda moved: {"noted": moved})
            return
        if frame_type is FrameType.USAGE:
            await self._require_number(owner, body)
        if isinstance(body, protocol.Complete | protocol.Fail) and (owner is None or owner.has_terms):
            body = await self._as_wanted(body)
            frame_type = FrameType.FAIL if isinstance(body, protocol.Fail) else FrameType.COMPLETE
        report, actor = self._pool.reports.operation, self._presence.identity.actor
        if is_large:
            operation = await asyncio.to_thread(report, frame_type, body, actor)
        else:
            operation = report(frame_type, body, actor)
        self._write(frame_id, operation, answer_body)

    # --- what frames do -------------------------------------------------------------------------------------------

    def _hello(self, frame_id: str, body: protocol.Hello) -> None:
        if body.instance_id != self._presence.instance_id:
            raise Unauthenticated(
                f"this token is not that of process {body.instance_id!r}", hint="every process registers for itself"
            )
        claim_ids = _claim_ids(body.claim_ids)
        self._presence.expect(claim_ids)
        self._presence.syncs = body.syncs
        self._later(frame_id, self._greet(body.held, claim_ids))

    async def _greet(self, held: tuple[protocol.LeaseRef, ...], claim_ids: list[str]) -> dict[str, Any]:
        verdicts = await self._pool.store.apply(self._heartbeat(held), lane=self._presence)
        if self._presence.syncs:
            await self._pool.roster.ask_again(self._presence)
        await self._presence.redeem(claim_ids)
        return _verdicts(held, verdicts)

    def _heartbeat(self, leases: tuple[protocol.LeaseRef, ...]) -> Heartbeat:
        held = [Held(task_id=lease.task_id.lower(), fence=lease.fence) for lease in leases if _can_exist(lease)]
        identity = self._presence.identity
        return Heartbeat(
            agent_id=identity.agent_id or "",
            instance_id=identity.instance_id or "",
            lease=LEASE,
            leases=tuple(dict.fromkeys(held)),
        )

    def _received(self, body: protocol.Received) -> NoteDelivery:
        if body.refused:
            self._pool.postman.refuses(body.task_id, body.fence)
        return NoteDelivery(
            agent_id=self._presence.agent.id,
            task_id=body.task_id,
            fence=body.fence,
            delivered=tuple(one.lower() for one in body.delivered),
            acknowledged=tuple(one.lower() for one in body.acknowledged),
        )

    async def _withdraw(self, body: protocol.Withdraw, claim_ids: list[str]) -> dict[str, Any]:
        claimed = await self._presence.withdraw(claim_ids)
        if body.rest_seconds:
            await self._pool.store.apply(
                RestAgent(
                    agent_id=self._presence.agent.id,
                    instance_id=self._presence.instance_id,
                    span=round(body.rest_seconds * SECOND),
                    reason=clean_text(body.reason),
                )
            )
        return {"claimed": claimed}

    async def _append(self, frame_id: str, body: protocol.Events) -> None:
        body, owner = await self._own(body)
        await self._require_number(owner, body)
        self._transcript = self._later(frame_id, self._append_after(self._transcript, body))

    async def _append_after(self, before: "asyncio.Task[Any] | None", body: protocol.Events) -> dict[str, Any]:
        if before is not None and not before.done():
            await asyncio.wait([before])
        following = await self._pool.transcripts.append(
            body.task_id, body.attempt, body.first, body.lines, now=self._pool.store.now()
        )
        return {"next": following}

    async def _share(self, body: pool_radar.Live) -> dict[str, Any]:
        reply = await self._pool.radar.share(body, agent_id=self._presence.agent.id)
        return reply.model_dump(mode="json")

    async def _note(self, body: pool_radar.Overlaps) -> dict[str, Any]:
        return {"noted": await self._pool.radar.note(body, agent_id=self._presence.agent.id)}

    def _goodbye(self, _: None) -> dict[str, Any]:
        asyncio.get_running_loop().call_soon(self._presence.end, None)  # after the answer
        return {}

    # --- whose attempt --------------------------------------------------------------------------------------------

    async def _own(self, body: Any) -> "tuple[Any, Owner | None]":
        """The body with its task id as we write it, and the attempt it is about. Raises Denied for another agent's."""
        task_id = normalize_id(body.task_id)
        if task_id is None or not _can_exist(body):
            raise UnknownTask(body.task_id)
        if task_id != body.task_id:
            body = body.model_copy(update={"task_id": task_id})
        owners = self._pool.owners
        owner = owners.known(task_id, body.fence) or await owners.find(task_id, body.fence)
        require_own(owner, self._presence.agent.id, task_id=task_id, fence=body.fence)
        return body, owner

    async def _as_wanted(self, body: protocol.Complete | protocol.Fail) -> protocol.Complete | protocol.Fail:
        """How the run ended, by the word of its agent where there is one, and by what its result has to be."""
        stated, terms = await self._pool.store.read(outcomes.stated_outcome(body.task_id, body.fence))
        if terms is not None and terms.result_schema is not None:
            return await asyncio.to_thread(outcomes.ended, body, stated, terms)  # a check may take a while
        return outcomes.ended(body, stated, terms)

    async def _require_number(self, owner: Owner | None, body: protocol.Events | protocol.Usage) -> None:
        """Usage and transcripts count whether or not the lease is over; the attempt has to be a real one."""
        if owner is None and await self._pool.store.read(lambda queries: queries.task(body.task_id)) is None:
            raise UnknownTask(body.task_id)
        number = body.seq if isinstance(body, protocol.Usage) else body.first
        if max(body.attempt, number) > BIGGEST:
            raise InvalidInput(f"{max(body.attempt, number)} is out of range", hint="lines and usage grow by one")
        require_number(owner, body.attempt, task_id=body.task_id)

    # --- answers --------------------------------------------------------------------------------------------------

    def _write(self, frame_id: str, operation: Operation[Any], render: Callable[[Any], dict[str, Any]]) -> None:
        writing = self._pool.store.begin(operation, lane=self._presence)
        writing.add_done_callback(lambda done: self._answered(frame_id, done, render))

    def _later(self, frame_id: str, work: Coroutine[Any, Any, dict[str, Any]]) -> "asyncio.Task[dict[str, Any]]":
        task = asyncio.ensure_future(work)
        task.add_done_callback(lambda done: self._answered(frame_id, done, lambda body: body))
        return task

    def _answered(self, frame_id: str, done: "asyncio.Future[Any]", render: Callable[[Any], dict[str, Any]]) -> None:
        if done.cancelled():
            return
        try:
            self._reply(frame_id, render(done.result()))
        except SwarmError as exc:
            self.refuse(frame_id, exc)
        except Exception:  # one frame must not take the connection with it
            log.exception("frame_failed")
            self.refuse(frame_id, internal())

    def _reply(self, frame_id: str, body: dict[str, Any]) -> None:
        answer = wire.reply(frame_id, body)
        self.load -= 1
        crash_point("pool.answering")
        self._answer(answer)

    def refuse(self, frame_id: str, refusal: SwarmError) -> None:
        """Answer a frame that was taken with an error; where that is about the process itself, end its connection."""
        self.load -= 1
        self.refusals += 1
        self._answer(wire.error(frame_id, refusal))
        if isinstance(refusal, Superseded | Unauthenticated):
            self._presence.end(refusal)


def _can_exist(lease: protocol.LeaseRef) -> bool:
    return lease.fence <= BIGGEST and normalize_id(lease.task_id) is not None


def _claim_ids(sent: tuple[str, ...]) -> list[str]:
    for claim_id in sent:
        if normalize_id(claim_id) != claim_id:
            raise InvalidInput("a claim id is a lower-case UUID", hint="make a new random one for every credit")
    return list(dict.fromkeys(sent))


def _verdicts(asked: tuple[protocol.LeaseRef, ...], verdicts: tuple[LeaseVerdict, ...]) -> dict[str, Any]:
    """The body of a `protocol.pool.HeartbeatReply`: one status for each lease asked about."""
    by_lease = {(verdict.task_id, verdict.fence): verdict for verdict in verdicts}
    return {
        "lease_seconds": LEASE_SECONDS,
        "leases": [_status(lease, by_lease.get((lease.task_id.lower(), lease.fence))) for lease in asked],
    }


def _status(lease: protocol.LeaseRef, verdict: LeaseVerdict | None) -> dict[str, Any]:
    return {
        "task_id": lease.task_id,
        "fence": lease.fence,
        "status": "ok" if verdict is not None and verdict.renewed else "stale",
        "wants": verdict.wants if verdict is not None else "",
    }
