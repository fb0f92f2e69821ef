"""How a turn ended, by its `result` line. Pure.

`subtype` says "success" for a turn that failed at the model, and exit codes are 0 after an interrupt: `is_error`,
`terminal_reason` and `api_error_status` decide.
"""

import re
from collections.abc import Mapping
from typing import Any

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.harness.base import Outcome
from agent_swarm.harness.kept.outcomes import cause_of

_INFRASTRUCTURE, _AGENT, _POLICY = FailureClass.INFRASTRUCTURE, FailureClass.AGENT, FailureClass.POLICY
_REMEDIES = {
    "authentication": "set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN (claude setup-token) for the worker",
    "maxTurns": "raise AGENT_SWARM_MAX_TURNS, or make the task smaller",
    "budget": "raise AGENT_SWARM_MAX_COST_USD, or make the task smaller",
}
_INTERNAL = "[ede_diagnostic]"  # what the CLI notes for its makers
_NOT_LOGGED_IN = re.compile(r"/login|Invalid API key|OAuth token|authentication_error", re.IGNORECASE)


def outcome_of(result: Mapping[str, Any], *, resets_at: float | None = None) -> Outcome:
    """The outcome; `resets_at` is when a limit of the account ends, in Unix seconds, where that was told."""
    said = result.get("result")
    text = said if isinstance(said, str) else ""
    if result.get("is_error") is False and result.get("terminal_reason", "completed") == "completed":
        return Outcome(ok=True, result=text, data=_data(result))
    failure, code = _cause(result, text)
    errors = [str(error) for error in _list(result.get("errors")) if error and not str(error).startswith(_INTERNAL)]
    message = text or "; ".join(errors) or f"the turn ended with {result.get('terminal_reason') or 'an error'}"
    remedy = _REMEDIES.get(code)
    return Outcome(
        ok=False,
        result=text,
        failure=failure,
        failure_code=code,
        message=f"{message} ({remedy})" if remedy else message,
        retry_at=resets_at if code == "rateLimit" else None,
    )


def _cause(result: Mapping[str, Any], text: str) -> tuple[FailureClass, str]:
    reason, subtype = result.get("terminal_reason"), str(result.get("subtype"))
    if reason == "max_turns" or subtype == "error_max_turns":
        return _AGENT, "maxTurns"
    if reason == "budget_exhausted" or subtype == "error_max_budget_usd":
        return _POLICY, "budget"
    status = result.get("api_error_status")
    if status in (401, 403) or (status is None and _NOT_LOGGED_IN.search(text)):
        return _INFRASTRUCTURE, "authentication"
    if isinstance(status, int) or reason == "api_error":
        return cause_of(status)
    if str(reason).startswith("aborted"):
        return _INFRASTRUCTURE, "interrupted"
    return _AGENT, str(reason or subtype or "failed")


def _data(result: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What is worth keeping of a good result: a structured answer, and what the agent was not allowed to do."""
    kept: dict[str, Any] = {}
    if isinstance(result.get("structured_output"), dict):
        kept["output"] = result["structured_output"]
    denials = [denial for denial in _list(result.get("permission_denials")) if isinstance(denial, dict)]
    if denials:
        kept["permissionDenials"] = [
            {"tool": denial.get("tool_name"), "input": denial.get("tool_input")} for denial in denials[:20]
        ]
    return kept or None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
