"""How a turn ended, by what `turn/completed` says, and why a request was refused. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.harness.base import Outcome
from agent_swarm.harness.kept.heard import as_dict, as_text
from agent_swarm.harness.kept.outcomes import cause_of, turn_interrupted

_INFRASTRUCTURE, _AGENT, _POLICY = FailureClass.INFRASTRUCTURE, FailureClass.AGENT, FailureClass.POLICY
_REMEDIES = {
    "authentication": "set OPENAI_API_KEY for the worker",
}
_REFUSED = (_AGENT, "modelRefused")
_CAUSES = {  # `codexErrorInfo`, where that is a word
    "unauthorized": (_INFRASTRUCTURE, "authentication"),
    "usageLimitExceeded": (_INFRASTRUCTURE, "rateLimit"),
    "rateLimitExceeded": (_INFRASTRUCTURE, "rateLimit"),
    "serverOverloaded": (_INFRASTRUCTURE, "overloaded"),
    "flexUnavailable": (_INFRASTRUCTURE, "overloaded"),
    "policyCapacityUnavailable": (_INFRASTRUCTURE, "overloaded"),
    "internalServerError": (_INFRASTRUCTURE, "modelError"),
    "modelNotFound": (_POLICY, "unknownModel"),
    "sessionBudgetExceeded": (_POLICY, "budget"),
    "badRequest": _REFUSED,
    "contextWindowExceeded": _REFUSED,
    "cyberPolicy": _REFUSED,
    "bioPolicy": _REFUSED,
    "misalignmentPolicyViolation": _REFUSED,
    "inferenceHookDenied": _REFUSED,
    "tooManyDenials": _REFUSED,
}
_NO_KEY = "Missing environment variable"


def outcome_of(turn: Mapping[str, Any], *, said: str, resets_at: float | None = None) -> Outcome:
    """The outcome; `said` is the agent's last word, `resets_at` when a limit of the account ends, in Unix seconds."""
    status = turn.get("status")
    if status == "completed":
        return Outcome(ok=True, result=said)
    if status == "interrupted":
        return turn_interrupted(said)
    error = as_dict(turn.get("error"))
    message, (failure, code) = _message(error), _cause(error)
    return Outcome(
        ok=False,
        result=said,
        failure=failure,
        failure_code=code,
        message=_with_remedy(message or f"the turn ended as {as_text(status) or 'nothing known'}", code),
        retry_at=resets_at if code == "rateLimit" else None,
    )


def prompt_refused(error: Mapping[str, Any]) -> Outcome:
    """The CLI does not take what it is told, such as a prompt that is too long."""
    return Outcome(ok=False, failure=_AGENT, failure_code="modelRefused", message=_message(error))


def cannot_begin(error: Mapping[str, Any]) -> Outcome:
    """The CLI does not begin a conversation."""
    message = f"Codex could not begin: {_message(error)}"
    return Outcome(ok=False, failure=_INFRASTRUCTURE, failure_code="cannotBegin", message=message)


def _cause(error: Mapping[str, Any]) -> tuple[FailureClass, str]:
    kind, message = error.get("codexErrorInfo"), as_text(error.get("message"))
    if isinstance(kind, str) and kind in _CAUSES:
        return _CAUSES[kind]
    if _NO_KEY in message:
        return _INFRASTRUCTURE, "authentication"
    status = next((as_dict(told).get("httpStatusCode") for told in as_dict(kind).values()), None)
    if isinstance(status, int):
        return cause_of(status)
    return _REFUSED if _body(message) else (_INFRASTRUCTURE, "modelError")


def _message(error: Mapping[str, Any]) -> str:
    """In words: of an answer with status 400 the CLI passes on the body."""
    message = as_text(error.get("message"))
    return as_text(as_dict(_body(message).get("error")).get("message")) or message


def _body(message: str) -> Mapping[str, Any]:
    try:
        return as_dict(json.loads(message)) if message.startswith("{") else {}
    except ValueError:
        return {}


def _with_remedy(message: str, code: str) -> str:
    remedy = _REMEDIES.get(code)
    return f"{message} ({remedy})" if remedy else message
