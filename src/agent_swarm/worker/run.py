"""One attempt, from its claim to its last record in the spool."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import structlog

from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.recording import TAG
from agent_swarm.domain.tasks import FailureClass, PauseReason
from agent_swarm.faults import crash_point
from agent_swarm.harness.base import Emit, Harness, Outcome, Session, Turn
from agent_swarm.protocol.pool import Claimed, MessageText
from agent_swarm.redaction import Redactor
from agent_swarm.sandbox.base import Sandbox, SandboxCapability, SandboxProvider, SandboxSpec
from agent_swarm.worker import claims, confinement, landing, stops
from agent_swarm.worker.agent import StopSignal
from agent_swarm.worker.candidates import Candidate, candidates, names_for
from agent_swarm.worker.corrections import check_at, follow_to_a_result
from agent_swarm.worker.credentials import CredentialPool
from agent_swarm.worker.heartbeats import Heartbeats
from agent_swarm.worker.lending import Lending, is_refusal, soonest
from agent_swarm.worker.mailbox import Mailbox
from agent_swarm.worker.recording import Recorder
from agent_swarm.worker.replay.taping import Untaped, taped
from agent_swarm.worker.resting import Resting
from agent_swarm.worker.settings import WorkerSettings
from agent_swarm.worker.spool import Kind, Spool
from agent_swarm.worker.stops import Ending, Stop, Whereabouts
from agent_swarm.worker.turns import Employer, going_on, turn_for
from agent_swarm.worker.work import Work
from agent_swarm.worker.workspace import Workspace, Workspaces
from agent_swarm.worker.workspace.errors import GitTimedOut, MirrorBusy, RepositoryUnreachable

log = structlog.get_logger(__name__)

T = TypeVar("T")

COLLECT_AGAIN_AFTER = (1.0, 5.0, 20.0, 60.0)  # seconds: finished work is worth waiting for a network
_PASSING = (RepositoryUnreachable, MirrorBusy, GitTimedOut)


class _Stopped(Exception):
    """Somebody wants the run stopped, and it is nowhere where that needs care."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What the runs of one worker have in common."""

    employer: Employer
    workspaces: Workspaces
    provider: SandboxProvider
    sandboxes: Path
    recording: Callable[[str, int], Path]  # the folder for the recording of an attempt
    find_harness: Callable[[str], Harness]
    heartbeats: Heartbeats
    resting: Resting
    credentials: CredentialPool

    @property
    def settings(self) -> WorkerSettings:
        """Of the worker."""
        return self.employer.settings

    @property
    def agent_id(self) -> str:
        """Whose runs they are."""
        return self.employer.agent_id


class Run:
    """An attempt under way. Meets `heartbeats.Holder`."""

    def __init__(self, claim: Claimed, spool: Spool, redactor: Redactor, site: Site) -> None:
        self.claim = claim
        self.is_cut = False
        self.stop = StopSignal()
        self._spool = spool
        self._site = site
        self._redactor = redactor
        self._recorder = Recorder(spool, redactor)
        self._work = Work(claim, site.agent_id, site.workspaces, site.settings.github_token)
        self._where = self._work.going_on.where if self._work.going_on else Whereabouts()
        self._is_started = False
        self._ends_at = 0.0  # by the clock of the event loop, once an agent has begun
        self._sandbox: Sandbox | None = None
        self._mailbox: Mailbox | None = None
        self._log = log.bind(task_id=claim.task_id, attempt=claim.attempt)

    def cut(self) -> None:
        """No external effects from here on: nothing is pushed until the lease is renewed. The agent goes on."""
        self.is_cut = True

    def restored(self) -> None:
        """External effects may go on."""
        self.is_cut = False

    def lost(self, reason: str) -> None:
        """End the run and discard it; no news where it has ended, for then its lease ends with it."""
        if self._spool.ending is None:
            self._log.warning("lease_lost", reason=reason)
            self.stop.give(Stop.LOST)

    def abandoned(self) -> None:
        """The server was silent for too long."""
        self.stop.give(Stop.OFFLINE)

    def wanted(self, what: Literal["pause", "cancel"]) -> None:
        """Somebody asked for it."""
        self.stop.give(Stop.PAUSE if what == "pause" else Stop.CANCEL)

    def tell(self, messages: Sequence[MessageText]) -> None:
        """Messages for the agent; before it is opened they wait, here or at the server."""
        if self._mailbox is not None:
            self._mailbox.take(messages)

    @property
    def workspace(self) -> Workspace | None:
        """Where its agent is at work; None while none is."""
        return self._work.workspace if self._sandbox is not None else None

    def kill(self) -> None:
        """End every process of the run at once; what it did stays where it is, for the attempt that goes on with it."""
        self.stop.give(Stop.KILLED)
        if self._sandbox is not None:
            self._sandbox.kill()

    async def execute(self) -> None:
        """Run the attempt, spool how it ended, and clear up.

        Cancelled, it ends the agent and leaves the rest as a killed worker would: to the next one's start.
        """
        self._log.info(
            "run_begins",
            harness=names_for(self.claim, self._site.settings)[0],
            going_on=self._work.going_on is not None,
        )
        ending = await self._ending()
        if ending is None or self.stop.reason.is_hard:
            self._spool.close()
            self._log.info("run_stopped", reason=self.stop.reason.name.lower())
        else:
            denials = {"denials": self._recorder.denials} if self._recorder.denials else {}
            await self._spool.end(ending.kind, {**ending.body, **denials})
            self._log.info("run_ended", ending=ending.kind.value, code=ending.body.get("code", ""))
        crash_point("run.ended")
        if self.stop.reason is Stop.KILLED:
            self._work.keep()
        await self._work.discard()

    async def _ending(self) -> Ending | None:
        """Do the work; None where nothing is to be told about how it ended."""
        try:
            outcome = await self._agent_runs()
            return await self._finished(outcome)
        except _Stopped:
            return await self._unfinished(None)
        except SwarmError as exc:
            verdict = landing.unmergeable(exc) if self._work.is_check else None
            if verdict is not None:
                self._begin(enforced="")
                return verdict
            self._log.warning("run_failed", code=exc.code, reason=exc.message)
            return stops.trouble(exc, await self._work.save(self._where))
        except Exception as exc:
            self._log.exception("run_crashed")
            reason = f"the worker failed: {type(exc).__name__}: {exc}"
            where = await self._work.save(self._where)
            return stops.fail(FailureClass.INFRASTRUCTURE, "workerError", reason, where)

    async def _agent_runs(self) -> Outcome | None:
        """Prepare everything, let an agent run to its end, and leave no process of it.

        Where every credential of its CLI is refused, the next CLI that the task allows goes on.
        """
        site = self._site
        able = candidates(self.claim, site.settings, site.provider, site.find_harness)
        workspace = await self._unless_stopped(self._work.prepare())
        crash_point("run.prepared")
        if self._work.is_check:
            if not await self._unless_stopped(self._work.secure()):
                return landing.ALREADY
        else:
            self._where = Whereabouts(branch=workspace.branch or "", session=self._where.session)
        await self._until_may_act()
        self._mailbox = Mailbox(self.claim, self._spool, reads=able[0].harness.grants.reads_messages)
        refused: list[Outcome] = []
        outcome: Outcome | None = None
        try:
            for candidate in able:
                outcome = await self._agent_of(candidate, workspace, self._mailbox)
                if outcome is None or not is_refusal(outcome) or self.stop.reason is not Stop.NONE:
                    return outcome
                refused.append(outcome)
            return soonest(refused)
        finally:
            self._mailbox.ended(keeps=_keeps(outcome, self._recorder.session))

    async def _agent_of(self, candidate: Candidate, workspace: Workspace, mailbox: Mailbox) -> Outcome | None:
        """Let the agent of one CLI run, with one credential after another as long as they are refused."""
        spec = confinement.sandbox_spec(
            f"{self.claim.task_id}-{self.claim.attempt}",
            workspace,
            self._site.employer,
            candidate.harness.grants,
            candidate.held_to,
            records=self._site.sandboxes,
        )
        async with self._taped(spec, workspace, candidate) as taping, self._opened(taping.spec) as sandbox:
            first = turn = await taping.led(self._first_turn(candidate, workspace, mailbox, spec))
            if taping.said:
                await self._recorder.note(taping.said)
            lending = Lending(self._site.credentials, first.env, candidate.harness.grants, first.model)
            outcome: Outcome | None = None
            while (env := lending.take(now=time.time())) is not None:
                lent = replace(turn, env=env)
                taping.lent(lent)
                session, outcome = await self._turned(candidate.harness, sandbox, lent, mailbox, taping)
                refusal = lending.heard(outcome, now=time.time())
                if not refusal or self.stop.reason is not Stop.NONE:
                    return outcome
                await self._recorder.note(refusal)
                turn = going_on(first, session, self._recorder.account)
            return lending.nothing_left(outcome, now=time.time())

    def _first_turn(self, candidate: Candidate, workspace: Workspace, mailbox: Mailbox, spec: SandboxSpec) -> Turn:
        """The turn of a CLI; one that takes over from another is told what that did."""
        is_first = self._begin(enforced="yes" if candidate.held_to.is_enforced else "no")
        turn = turn_for(
            self.claim,
            workspace,
            self._site.employer,
            candidate.harness.grants,
            candidate.held_to,
            model=candidate.model,
            session=self._work.session if is_first else "",
            network=spec.network.mode,
            messages=mailbox.digest,
        )
        return turn if is_first else going_on(turn, "", self._recorder.account)

    def _begin(self, *, enforced: str) -> bool:
        """Tell that the run begins, once; whether this was it."""
        is_first, self._is_started = not self._is_started, True
        if is_first:
            self._spool.append(Kind.START, {"branch": self._where.branch, "enforced": enforced})
        return is_first

    async def _turned(
        self, harness: Harness, sandbox: Sandbox, turn: Turn, mailbox: Mailbox, taping: Untaped
    ) -> tuple[str, Outcome | None]:
        """Run an agent to its end; the handle of its conversation, and how it ended."""
        session = await self._unless_stopped(harness.open(sandbox, turn))
        outcome: Outcome | None = None
        try:
            outcome = await self._followed(session, mailbox, taping.hearing(self._recorder))
        finally:
            await session.close()
            await taping.ended(outcome)
            self._recorder.note_session(session.handle or "")
            self._recorder.flush()
            self._where = replace(self._where, session=self._recorder.session or self._where.session)
        return session.handle or "", outcome

    async def _followed(self, session: Session, mailbox: Mailbox, emit: Emit) -> Outcome | None:
        """Follow the agent to its end, and hand it what others say to it meanwhile."""
        await mailbox.begin(self._recorder)
        handing = asyncio.create_task(mailbox.hand_over(session, self._recorder))
        try:
            heard = mailbox.following(emit)
            check = check_at(self._site.settings.server_url, self.claim)
            return await follow_to_a_result(session, heard, self.stop, limit=self._time_left(), check=check)
        finally:
            handing.cancel()
            await asyncio.gather(handing, return_exceptions=True)

    def _time_left(self) -> float | None:
        """Of the time for agents, in seconds; it begins with the first one."""
        if self.claim.timeout_seconds is None:
            return None
        now = asyncio.get_running_loop().time()
        self._ends_at = self._ends_at or now + self.claim.timeout_seconds
        return max(0.0, self._ends_at - now)

    def _taped(
        self, spec: SandboxSpec, workspace: Workspace, candidate: Candidate
    ) -> AbstractAsyncContextManager[Untaped]:
        """The recording of the attempt, where one is asked for."""
        is_asked = self._site.settings.record or TAG in self.claim.labels
        return taped(
            spec,
            folder=self._site.recording(self.claim.task_id, self.claim.attempt) if is_asked else None,
            redactor=self._redactor,
            workspace=workspace,
            grants=candidate.harness.grants,
            harness=candidate.harness.name,
            is_isolated=SandboxCapability.FILESYSTEM_ISOLATED in self._site.provider.capabilities,
            private=frozenset(one.name for one in self.claim.environment),
        )

    @asynccontextmanager
    async def _opened(self, spec: SandboxSpec) -> AsyncIterator[Sandbox]:
        sandbox = self._sandbox = await self._unless_stopped(self._site.provider.open(spec))
        try:
            yield sandbox
        finally:
            await sandbox.close()
            self._sandbox = None

    async def _finished(self, outcome: Outcome | None) -> Ending | None:
        """Work that is done goes out even when a shutdown is under way; it was asked for."""
        if outcome is not None:
            self._site.resting.hear(outcome, now=time.time())
        if self._work.is_check:
            return await self._checked(outcome)
        if outcome is None or not outcome.ok or self.stop.reason.is_hard:
            return await self._unfinished(outcome)
        result = await self._until_delivered(self._work.collect)
        crash_point("run.collected")
        return stops.complete(outcome, replace(self._where, branch=result.branch or "", commit=result.commit or ""))

    async def _checked(self, outcome: Outcome | None) -> Ending | None:
        """The verdict of a check. Where it passed, and its lease allows it, the merge that it ran on lands."""
        workspace, reason = self._work.workspace, self.stop.reason
        if workspace is None or reason.is_hard:
            return await self._unfinished(outcome)
        if outcome is not None and outcome.ok:
            self._begin(enforced="")
            landed = await self._until_delivered(self._work.land)
            crash_point("run.landed")
            return landing.passed(outcome, landed, workspace.trunk or "")
        if reason is Stop.TIMEOUT:
            return landing.timed_out(workspace, self.claim.timeout_seconds)
        if outcome is not None and reason is Stop.NONE and landing.is_verdict(outcome):
            return landing.failed(outcome, workspace)
        return await self._unfinished(outcome)

    async def _until_delivered(self, deliver: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Push, under a lease that allows it; raises _Stopped where that takes longer than the run may."""
        for pause in (*COLLECT_AGAIN_AFTER, None):
            await self._until_may_act()
            try:
                return await self._unless_stopped(deliver(), hard=True)
            except _PASSING as exc:
                if pause is None:
                    raise
                self._log.warning("collect_again", reason=exc.message, seconds=pause)
                await self._unless_stopped(asyncio.sleep(pause))
        raise AssertionError("the last round returns or raises")

    async def _unfinished(self, outcome: Outcome | None) -> Ending | None:
        """The run did not come to a good end; what it did is kept for the next attempt, or for people."""
        reason = self.stop.reason
        if reason.is_hard:
            return None
        is_pause = reason in (Stop.SHUTDOWN, Stop.PAUSE)
        is_untouched = not self._is_started and (self._work.workspace is None or self._work.going_on is None)
        is_untouched = is_untouched or self._work.is_check
        if is_pause and is_untouched:
            return turned_back(self.claim, self._site.agent_id, reason)
        where = await (self._work.hold(self._where) if is_pause else self._work.save(self._where))
        crash_point("run.held")
        return stops.unfinished(reason, outcome, where, timeout=self.claim.timeout_seconds, now=time.time())

    async def _until_may_act(self) -> None:
        """Wait until the lease allows external effects; raises _Stopped where it is lost, or a stop comes first."""
        lease, heartbeats = self._spool.head.lease, self._site.heartbeats
        if not heartbeats.may_act(lease) and not await self._unless_stopped(heartbeats.until_may_act(lease)):
            raise _Stopped

    async def _unless_stopped(self, work: Coroutine[Any, Any, T], *, hard: bool = False) -> T:
        """Do `work`; where a stop comes first (`hard`: a hard one), undo it and raise _Stopped."""
        doing = asyncio.create_task(work)
        stopping = asyncio.create_task(self.stop.wait(hard=hard))
        try:
            await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                return doing.result()
            raise _Stopped
        finally:
            for task in (doing, stopping):
                task.cancel()
            await asyncio.gather(doing, stopping, return_exceptions=True)


def _keeps(outcome: Outcome | None, session: str) -> bool:
    """Whether what the agent was told is with it: it did its work, or was interrupted and can go on."""
    if outcome is None:
        return False
    return outcome.ok or (outcome.failure_code == "interrupted" and bool(session))


def turned_back(claim: Claimed, agent_id: str, reason: Stop) -> Ending:
    """The ending of an attempt that did not start: the task goes back, with the work it should have gone on with."""
    going_on = claims.going_on(claim, agent_id)
    if reason is Stop.PAUSE:
        return stops.pause(PauseReason.PERSON, going_on.where if going_on else Whereabouts())
    return stops.pause(PauseReason.SHUTDOWN, going_on.where) if going_on else Ending(Kind.RELEASE, {})
