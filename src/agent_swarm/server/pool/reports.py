"""What workers write about attempts, as operations; one function per frame. Pure: jitter comes in.

Texts of agents pass the redactor first. The digest of a result is taken before that, so that the same result is
recognised even when the redactor learns another secret in between.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from agent_swarm.domain import commands
from agent_swarm.domain.backoff import SECRET_MISSING
from agent_swarm.domain.provider_limits import is_limit
from agent_swarm.domain.tasks import FailureClass
from agent_swarm.domain.time import SECOND
from agent_swarm.protocol import pool as wire
from agent_swarm.protocol.pool import FrameType
from agent_swarm.server.pool.cleaning import clean_report, clean_text, clean_value
from agent_swarm.services import outcomes
from agent_swarm.services.environments import VariablesMissing
from agent_swarm.services.redaction import Redactor
from agent_swarm.store.events import SYSTEM
from agent_swarm.store.families.project_copies import ReportCopy
from agent_swarm.store.families.stated_outcomes import StatedOutcome
from agent_swarm.store.operations import BookUsage, CommandReply, Operation, ReportProgress, TaskCommand
from agent_swarm.store.records import AttemptReport, TaskRecord

MICROS_PER_USD = 1_000_000


class Reports:
    """Turns the frames of one agent into operations."""

    def __init__(self, redactor: Redactor, draw: Callable[[], float]) -> None:
        self._redactor = redactor
        self._draw = draw  # jitter in [0, 1)
        self._by_type: Mapping[FrameType, Callable[[Any, str], Operation[Any]]] = {
            FrameType.START: self.start,
            FrameType.PROGRESS: self.progress,
            FrameType.USAGE: self.usage,
            FrameType.COMPLETE: self.complete,
            FrameType.FAIL: self.fail,
            FrameType.PAUSE: self.pause,
            FrameType.RELEASE: self.release,
        }

    def operation(self, frame_type: FrameType, body: wire.LeaseRef, actor: str) -> Operation[Any]:
        """What to write for a frame of this type."""
        return self._by_type[frame_type](body, actor)

    def start(self, body: wire.Start, actor: str) -> TaskCommand:
        """The agent is about to run."""
        report = clean_report(AttemptReport(session=body.session, branch=body.branch, enforced=body.enforced))
        return self._command(commands.Start(task_id=body.task_id, fence=body.fence), actor, report)

    def of_copy(self, body: wire.Synced, agent_id: str) -> ReportCopy:
        """What became of a worker's copy of a project."""
        report = clean_value(
            {
                "ok": body.status != "failed",
                "status": body.status,
                "branch": body.branch,
                "head": body.head,
                "before": body.before,
                "error": self._redactor.text(body.error),
                "workspaces": [
                    {
                        "taskId": one.task_id,
                        "attempt": one.attempt,
                        "branch": one.branch,
                        "head": one.head,
                        "changedFiles": one.changed_files,
                        "ahead": one.ahead,
                        "behind": one.behind,
                        "held": one.held,
                        "problem": self._redactor.text(one.problem),
                    }
                    for one in body.workspaces
                ],
            }
        )
        return ReportCopy(project_id=body.project_id, agent_id=agent_id, request_id=body.request_id, report=report)

    def progress(self, body: wire.Progress, actor: str) -> ReportProgress:
        """A line for people."""
        text = self._redactor.text(clean_text(body.text))
        return ReportProgress(task_id=body.task_id, fence=body.fence, text=text, actor=actor)

    def usage(self, body: wire.Usage, _: str) -> BookUsage:
        """What was spent."""
        return BookUsage(
            task_id=body.task_id,
            attempt=body.attempt,
            seq=body.seq,
            input_tokens=body.input_tokens,
            output_tokens=body.output_tokens,
            cost_micros=round(body.cost_usd * MICROS_PER_USD),
            model=clean_text(body.model),
        )

    def complete(self, body: wire.Complete, actor: str) -> TaskCommand:
        """The run ended well, as far as its worker knows."""
        return replace(self._completed(body, actor), restated=self._restated(body, actor))

    def fail(self, body: wire.Fail, actor: str) -> TaskCommand:
        """The run ended badly, as far as its worker knows."""
        return replace(self._failed(body, actor, self._draw()), restated=self._restated(body, actor))

    def _restated(self, body: wire.Complete | wire.Fail, actor: str) -> Callable[[StatedOutcome], TaskCommand]:
        """What it comes to by the word of its agent."""
        jitter = self._draw()

        def restated(stated: StatedOutcome) -> TaskCommand:
            ended = outcomes.as_stated(body, stated)
            if isinstance(ended, wire.Complete):
                return self._completed(ended, actor)
            return self._failed(ended, actor, jitter)

        return restated

    def _completed(self, body: wire.Complete, actor: str) -> TaskCommand:
        report = clean_report(_where(body, text=body.text, data=body.data))
        digest = _digest("complete", report.text, report.data, report.branch, report.commit)
        command = commands.Complete(task_id=body.task_id, fence=body.fence, digest=digest)
        return self._command(command, actor, report)

    def _failed(self, body: wire.Fail, actor: str, jitter: float) -> TaskCommand:
        report = clean_report(_where(body, text=body.message, failure_class=body.failure.value, failure_code=body.code))
        digest = _digest("fail", report.failure_class, report.failure_code, report.text)
        command = commands.Fail(
            task_id=body.task_id,
            fence=body.fence,
            failure=body.failure,
            digest=digest,
            jitter=jitter,
            retry_after=round(body.retry_after_seconds * SECOND),
            is_limit=is_limit(body.failure, body.code),
        )
        return self._command(command, actor, report)

    def missing(self, task: TaskRecord, missing: VariablesMissing) -> TaskCommand:
        """The server ends an attempt that lacks a variable, before it begins; the next try comes later each time."""
        report = clean_report(
            AttemptReport(
                text=f"{missing.message}" + (f"; {missing.hint}" if missing.hint else ""),
                failure_class=FailureClass.INFRASTRUCTURE.value,
                failure_code=missing.cause,
            )
        )
        command = commands.Fail(
            task_id=task.spec.id,
            fence=task.state.fence,
            failure=FailureClass.INFRASTRUCTURE,
            digest=_digest("fail", report.failure_class, report.failure_code, report.text),
            retry_after=SECRET_MISSING.delay(task.state.losses + 1, (1 + self._draw()) / 2),
        )
        return self._command(command, SYSTEM, report)

    def pause(self, body: wire.Pause, actor: str) -> TaskCommand:
        """The run was interrupted and can go on."""
        command = commands.Pause(task_id=body.task_id, fence=body.fence, reason=body.reason)
        return self._command(command, actor, clean_report(_where(body)))

    def release(self, body: wire.Release, actor: str) -> TaskCommand:
        """The task goes back untouched."""
        return TaskCommand(command=commands.Release(task_id=body.task_id, fence=body.fence), actor=actor)

    def _command(self, command: commands.Command, actor: str, report: AttemptReport) -> TaskCommand:
        return TaskCommand(command=command, actor=actor, report=self._redactor.report(report))


def answer_body(answer: Any) -> dict[str, Any]:
    """What a worker is told about its operation."""
    if isinstance(answer, CommandReply):
        return {"status": answer.state.status.value, "repeated": answer.repeated}
    return {"booked": answer}


def _where(body: wire.Where, **more: Any) -> AttemptReport:
    return AttemptReport(
        session=body.session,
        branch=body.branch,
        commit=body.commit,
        snapshot=body.snapshot,
        denials=body.denials,
        **more,
    )


def _digest(*content: Any) -> str:
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
