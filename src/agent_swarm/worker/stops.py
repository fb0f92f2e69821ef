"""Why a run is stopped, and what is told to the server about how it ended. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from agent_swarm.domain.errors import InvalidInput, SwarmError
from agent_swarm.domain.tasks import FailureClass, PauseReason
from agent_swarm.harness.base import Outcome
from agent_swarm.protocol import limits
from agent_swarm.sandbox.errors import CannotEnforce
from agent_swarm.worker.spool import Kind
from agent_swarm.worker.workspace.errors import WorkspaceError

DATA_CHARS = 1_000_000  # of a structured result: with its text it stays well below protocol.limits.BODY_BYTES


class Stop(IntEnum):
    """Why; a later reason replaces an earlier one only where it weighs more."""

    NONE = 0
    SHUTDOWN = 1
    PAUSE = 2
    TIMEOUT = 3
    OFFLINE = 4
    CANCEL = 5
    LOST = 6
    KILLED = 7

    @property
    def is_hard(self) -> bool:
        """End it at once: nobody waits for what it says about its end."""
        return self >= Stop.CANCEL


@dataclass(frozen=True, slots=True)
class Ending:
    """The last record of a spool."""

    kind: Kind
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """The conversation, and where the work is."""

    session: str = ""
    branch: str = ""
    commit: str = ""
    snapshot: str = ""

    def fields(self) -> dict[str, str]:
        """As every ending carries them."""
        return {"session": self.session, "branch": self.branch, "commit": self.commit, "snapshot": self.snapshot}


def complete(outcome: Outcome, where: Whereabouts) -> Ending:
    """The run ended well, with its work at `where`; a structured result that cannot travel makes it a failure."""
    encoded = json.dumps(None if outcome.data is None else dict(outcome.data), default=str)
    if len(encoded) > DATA_CHARS:
        said = f"the structured result has {len(encoded)} characters of JSON, at most {DATA_CHARS} can be delivered"
        return fail(FailureClass.AGENT, "resultTooLarge", said, where)
    return Ending(Kind.COMPLETE, {**where.fields(), "text": clipped(outcome.result), "data": json.loads(encoded)})


def fail(
    failure: FailureClass, code: str, message: str, where: Whereabouts, *, retry_after: float | None = None
) -> Ending:
    """The run ended badly; trying again is useless for `retry_after` seconds, where that is known."""
    body: dict[str, Any] = {"failure": failure.value, "code": code[: limits.LABEL_CHARS], "message": clipped(message)}
    if retry_after is not None:
        body["retry_after_seconds"] = min(max(0.0, retry_after), limits.RETRY_AFTER_SECONDS)
    return Ending(Kind.FAIL, {**where.fields(), **body})


def pause(reason: PauseReason, where: Whereabouts) -> Ending:
    """The run was interrupted in good order."""
    return Ending(Kind.PAUSE, {**where.fields(), "reason": reason.value})


def unfinished(stop: Stop, outcome: Outcome | None, where: Whereabouts, *, timeout: float | None, now: float) -> Ending:
    """The ending of a run that did not end well; `stop` is no hard one. `outcome` is None where it had to be killed.

    `now` is the wall clock in seconds, by which agent CLIs tell when their limits end.
    """
    match stop:
        case Stop.SHUTDOWN:
            return pause(PauseReason.SHUTDOWN, where)
        case Stop.PAUSE:
            return pause(PauseReason.PERSON, where)
        case Stop.TIMEOUT:
            return fail(FailureClass.AGENT, "timeout", f"the run was not done after {timeout:g} s", where)
        case Stop.OFFLINE:
            return fail(FailureClass.INFRASTRUCTURE, "offline", "the worker lost the server for too long", where)
    if outcome is None:
        return fail(FailureClass.INFRASTRUCTURE, "interrupted", "the run was killed", where)
    code = outcome.failure_code or "failed"
    said = outcome.message or outcome.result or code
    retry_after = None if outcome.retry_at is None else outcome.retry_at - now
    return fail(outcome.failure or FailureClass.AGENT, code, said, where, retry_after=retry_after)


def trouble(error: SwarmError, where: Whereabouts) -> Ending:
    """The run could not take place, or its work not be delivered."""
    hint = f" ({error.hint})" if error.hint else ""
    return fail(failure_of(error), error.code, f"{error.message}{hint}", where)


def failure_of(error: SwarmError) -> FailureClass:
    """Whose fault it is."""
    if isinstance(error, WorkspaceError):
        return error.failure
    return FailureClass.POLICY if isinstance(error, InvalidInput | CannotEnforce) else FailureClass.INFRASTRUCTURE


def clipped(text: str) -> str:
    """The beginning and the end of a text that is too long for a result."""
    if len(text) <= limits.RESULT_CHARS:
        return text
    half = limits.RESULT_CHARS // 2 - 40
    return f"{text[:half]}\n… {len(text) - 2 * half} characters cut …\n{text[-half:]}"
