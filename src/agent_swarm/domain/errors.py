"""Everything that can be refused, in one tree.

    SwarmError
    ├── InvalidInput             what was sent is not acceptable as it stands
    │   ├── UnknownReference     it names something that does not exist
    │   ├── DependencyCycle
    │   ├── TooLarge
    │   ├── IdempotencyMismatch
    │   ├── ResultMismatch   a result is not what its task asks for
    │   └── InvalidAuditKey
    ├── NotFound
    │   └── UnknownTask
    ├── Conflict                 the state of the thing does not allow it
    │   ├── StaleLease
    │   ├── IllegalTransition
    │   ├── ResultConflict
    │   ├── NotOnOffer       a task is not offered to this agent, or no more
    │   ├── CannotTake       an agent could not run what it is offered
    │   ├── AlreadyExists
    │   ├── Superseded
    │   ├── SecretUnreadable
    │   └── EncryptionKeyMissing
    │   ├── CannotBeEnforced a worker cannot keep to the permission profile
    │   ├── CapReached       an agent has filed as much as it may
    │   ├── Superseded
    │   ├── NoNotary
    │   └── HistoryDiffers
    ├── Denied                   who asks may not do it
    │   └── Unauthenticated
    └── Unavailable              try again later
        ├── Busy
        ├── Killed
        ├── RateLimited
        └── ShuttingDown

Each class has a stable `code` for the wire; `protocol.errors` gives it an HTTP status and says whether a retry helps.
A message says what happened and what was expected; the hint says what to do.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

# What people can tell a task, by the verb of the transition table; the other verbs are the swarm's own.
_FOR_PEOPLE = {
    "shelve": "backlog",
    "promote": "promote",
    "pause": "pause",
    "resume": "resume",
    "cancel": "cancel",
    "offer": "offer",
    "accept": "accept",
    "reject": "reject",
}


class SwarmError(Exception):
    """Root of all refusals."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, Any] = dict(details or {})

    @classmethod
    def restored(cls, message: str, *, hint: str = "", details: Mapping[str, Any] | None = None) -> Self:
        """The error as the other side told it, without the reasoning that made it there."""
        error = cls.__new__(cls)
        SwarmError.__init__(error, message, hint=hint, details=details)
        return error


class InvalidInput(SwarmError):
    """What was sent is not acceptable as it stands."""

    code = "invalidInput"


class UnknownReference(InvalidInput):
    """The input names a task, agent, project or harness that does not exist."""

    code = "unknownReference"


class DependencyCycle(InvalidInput):
    """Tasks of one batch wait for each other."""

    code = "dependencyCycle"


class TooLarge(InvalidInput):
    """A body, prompt or batch is over its limit."""

    code = "tooLarge"


class IdempotencyMismatch(InvalidInput):
    """The same Idempotency-Key came with another body."""

    code = "idempotencyMismatch"


class ResultMismatch(InvalidInput):
    """A result does not match the JSON Schema of its task; `details.problems` say where."""

    code = "resultMismatch"


class InvalidAuditKey(InvalidInput):
    """A key for signed checkpoints cannot be used."""

    code = "invalidAuditKey"


class NotFound(SwarmError):
    """What was asked for does not exist."""

    code = "notFound"


class UnknownTask(NotFound):
    """No task has this id."""

    code = "unknownTask"

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"no task has the id {task_id!r}",
            hint="list tasks with: agent-swarm task list",
            details={"taskId": task_id},
        )


class Conflict(SwarmError):
    """The state of the thing does not allow it."""

    code = "conflict"


class StaleLease(Conflict):
    """The fencing token presented is not the current one: stop the run and discard its result."""

    code = "staleLease"

    def __init__(self, task_id: str, *, presented: int, current: int) -> None:
        super().__init__(
            f"lease on task {task_id!r} is stale: presented fencing token {presented}, current is {current}",
            hint="stop the run, discard its result and claim again",
            details={"taskId": task_id, "presentedFence": presented, "currentFence": current},
        )


class IllegalTransition(Conflict):
    """The task's status does not allow this command."""

    code = "illegalTransition"

    def __init__(self, task_id: str, *, status: str, command: str, allowed: tuple[str, ...]) -> None:
        can = ", ".join(_FOR_PEOPLE[verb] for verb in allowed if verb in _FOR_PEOPLE)
        super().__init__(
            f"cannot {command} task {task_id!r}: it is {status}",
            hint=f"a {status} task can be told to: {can}" if can else "it has ended; retry files it anew",
            details={"taskId": task_id, "status": status, "command": command, "allowed": list(allowed)},
        )


class ResultConflict(Conflict):
    """The task already has another result; the first one stands."""

    code = "resultConflict"


class NotOnOffer(Conflict):
    """The task is not offered to this agent, or no more; `details` say what became of the offer."""

    code = "notOnOffer"


class CannotTake(Conflict):
    """The agent that is offered a task, or claims one, could not run it, or not now."""

    code = "cannotTake"


class AlreadyExists(Conflict):
    """Something else already has this name or id."""

    code = "alreadyExists"


class CannotBeEnforced(Conflict):
    """The permission profile that an agent has to run under is more than its worker can enforce."""

    code = "cannotBeEnforced"


class AgentStopped(Conflict):
    """The agent was stopped: it claims nothing until it is started."""

    code = "agentStopped"


class CapReached(Conflict):
    """An agent would file or introduce more than it may; `details` name the cap, its value and the setting."""

    code = "capReached"


class BudgetExhausted(Conflict):
    """A budget of the agent has no room for another attempt; `details` name it."""

    code = "budgetExhausted"


class Superseded(Conflict):
    """A newer process runs under this AGENT_ID; this one must stop."""

    code = "superseded"


class SecretUnreadable(Conflict):
    """An encrypted value cannot be opened: its key is not here, or its text was changed."""

    code = "secretUnreadable"


class EncryptionKeyMissing(Conflict):
    """There is no key to encrypt secrets with, or to open those that are stored."""

    code = "encryptionKeyMissing"


class NoNotary(Conflict):
    """This server cannot sign checkpoints of the history now."""

    code = "noNotary"


class HistoryDiffers(Conflict):
    """The history is not what its hashes say."""

    code = "historyDiffers"


class Denied(SwarmError):
    """Who asks is known and may not do this."""

    code = "denied"


class Unauthenticated(Denied):
    """No token, or one that is unknown, expired or revoked."""

    code = "unauthenticated"


class Unavailable(SwarmError):
    """Nothing is wrong with the request; it can be sent again later."""

    code = "unavailable"


class Busy(Unavailable):
    """The bounded queue of operations is full."""

    code = "busy"


class Killed(Unavailable):
    """The kill switch is on; `details` say for what, why and by whom."""

    code = "killed"


class RateLimited(Unavailable):
    """This subject has asked too often; `details.retryAfterSeconds` says when to come again."""

    code = "rateLimited"


class ShuttingDown(Unavailable):
    """The server is on its way out."""

    code = "shuttingDown"
