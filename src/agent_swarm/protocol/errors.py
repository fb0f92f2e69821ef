"""Errors on the wire: one shape, one registry.

`{"error": {"code", "message", "hint", "details"}}`, with a camelCase code. The registry gives each code its HTTP
status and says whether sending the same again may help. An error that comes from the other side is looked up here; it
never names a class.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_swarm.domain import errors as domain
from agent_swarm.domain.errors import SwarmError


class RemoteError(SwarmError):
    """The other side refused with a code that this version does not know."""

    code = "remote"


class InvalidJson(domain.InvalidInput):
    """The body is not JSON."""

    code = "invalidJson"


class MethodNotAllowed(domain.InvalidInput):
    """The path exists, but not with this method."""

    code = "methodNotAllowed"


class ProtocolVersion(domain.InvalidInput):
    """The worker speaks a protocol version that this server does not."""

    code = "protocolVersion"


class TranscriptGap(domain.Conflict):
    """Transcript lines are missing before the ones sent; `details.expected` is the index to send next."""

    code = "transcriptGap"


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """How a code travels over HTTP."""

    error: type[SwarmError]
    status: int
    retryable: bool = False


REGISTRY: dict[str, ErrorSpec] = {
    spec.error.code: spec
    for spec in (
        ErrorSpec(SwarmError, 500, retryable=True),
        ErrorSpec(domain.InvalidInput, 422),
        ErrorSpec(domain.UnknownReference, 422),
        ErrorSpec(domain.DependencyCycle, 422),
        ErrorSpec(domain.TooLarge, 413),
        ErrorSpec(domain.IdempotencyMismatch, 422),
        ErrorSpec(domain.ResultMismatch, 422),
        ErrorSpec(domain.InvalidAuditKey, 422),
        ErrorSpec(InvalidJson, 400),
        ErrorSpec(MethodNotAllowed, 405),
        ErrorSpec(ProtocolVersion, 426),
        ErrorSpec(domain.NotFound, 404),
        ErrorSpec(domain.UnknownTask, 404),
        ErrorSpec(domain.Conflict, 409),
        ErrorSpec(domain.StaleLease, 409),
        ErrorSpec(domain.IllegalTransition, 409),
        ErrorSpec(domain.ResultConflict, 409),
        ErrorSpec(domain.NotOnOffer, 409),
        ErrorSpec(domain.CannotTake, 409),
        ErrorSpec(domain.AlreadyExists, 409),
        ErrorSpec(domain.CannotBeEnforced, 409),
        ErrorSpec(domain.AgentStopped, 409),
        ErrorSpec(domain.CapReached, 409),
        ErrorSpec(domain.BudgetExhausted, 409),
        ErrorSpec(domain.Superseded, 409),
        ErrorSpec(domain.SecretUnreadable, 409),
        ErrorSpec(domain.EncryptionKeyMissing, 409),
        ErrorSpec(domain.NoNotary, 409),
        ErrorSpec(domain.HistoryDiffers, 409),
        ErrorSpec(TranscriptGap, 409),
        ErrorSpec(domain.Denied, 403),
        ErrorSpec(domain.Unauthenticated, 401),
        ErrorSpec(domain.Unavailable, 503, retryable=True),
        ErrorSpec(domain.Busy, 503, retryable=True),
        ErrorSpec(domain.Killed, 503, retryable=True),
        ErrorSpec(domain.RateLimited, 429, retryable=True),
        ErrorSpec(domain.ShuttingDown, 503, retryable=True),
        ErrorSpec(RemoteError, 502),
    )
}

_SPEC_OF: dict[type, ErrorSpec] = {spec.error: spec for spec in REGISTRY.values()}


def status_of(error: SwarmError) -> int:
    """The HTTP status of an error; a class outside the registry takes its nearest registered parent's."""
    return next((spec.status for cls in type(error).__mro__ for spec in (_SPEC_OF.get(cls),) if spec), 500)


def is_retryable(error: SwarmError) -> bool:
    """Whether the same request may succeed later."""
    spec = REGISTRY.get(error.code)
    return spec is not None and spec.retryable


def error_body(error: SwarmError) -> dict[str, Any]:
    """The one shape in which errors travel."""
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint, "details": error.details}}


def error_from_wire(body: Mapping[str, Any]) -> SwarmError:
    """The registered error for what the other side sent; an unknown code or another shape becomes RemoteError."""
    told = body.get("error")
    if not isinstance(told, Mapping):
        return RemoteError(
            "the server answered with an error of an unknown shape", hint="is this an Agent Swarm server?"
        )
    spec = REGISTRY.get(str(told.get("code")), REGISTRY[RemoteError.code])
    details = told.get("details")
    return spec.error.restored(
        str(told.get("message", "")),
        hint=str(told.get("hint", "")),
        details=details if isinstance(details, Mapping) else {},
    )
