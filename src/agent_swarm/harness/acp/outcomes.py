"""How a turn ended, by the answer to its prompt. Pure.

Agents do not agree on what a failing model is: some answer with an error, some end the turn as if all were well. A turn
that ends so without a word is no good one.
"""

import re
from collections.abc import Mapping
from typing import Any

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.harness.base import Outcome
from agent_swarm.harness.kept import outcomes
from agent_swarm.harness.kept.heard import as_dict, as_text, as_whole

_INFRASTRUCTURE, _AGENT, _POLICY = FailureClass.INFRASTRUCTURE, FailureClass.AGENT, FailureClass.POLICY
_AUTHENTICATION = -32000  # the protocol's error for an agent that is not logged in
_WORDS = (  # in messages that come without a status, the first that fits counts
    (401, re.compile(r"api.?key|unauthori[sz]ed|authenticat|credential|\b40[13]\b", re.IGNORECASE)),
    (429, re.compile(r"rate.?limit|quota|too many requests|\b429\b", re.IGNORECASE)),
    (529, re.compile(r"overload|at capacity|\b529\b", re.IGNORECASE)),
    (404, re.compile(r"model.{0,80}(?:not found|not exist)|no such model|\b404\b", re.IGNORECASE)),
)
_STATUS = re.compile(r"\(HTTP (\d{3})\)|(?:\A|Last error: )(\d{3})\b")  # in the words of Copilot CLI


def outcome_of(result: Mapping[str, Any], *, said: str) -> Outcome:
    """The outcome of a turn whose prompt was answered; `said` is the agent's last word."""
    match result.get("stopReason"):
        case "end_turn" if said:
            return Outcome(ok=True, result=said)
        case "end_turn":
            text = "the agent ended its turn without a word; did its model fail?"
            return Outcome(ok=False, failure=_INFRASTRUCTURE, failure_code="noAnswer", message=text)
        case "cancelled":
            return outcomes.turn_interrupted(said)
        case "max_turn_requests":
            text = "the agent has asked its model as often as it may"
            return Outcome(ok=False, result=said, failure=_AGENT, failure_code="maxTurns", message=text)
        case "max_tokens":
            text = "the model's answer was cut off at its longest"
            return Outcome(ok=False, result=said, failure=_AGENT, failure_code="outputLimit", message=text)
        case "refusal":
            text = "the model refused to go on"
            return Outcome(ok=False, result=said, failure=_AGENT, failure_code="modelRefused", message=text)
        case reason:
            text = f"the turn ended as {as_text(reason) or 'nothing known'}"
            return Outcome(ok=False, result=said, failure=_AGENT, failure_code="failed", message=text)


def refused(error: Mapping[str, Any], *, remedy: str, said: str = "") -> Outcome:
    """A prompt that was answered with an error: what the model said, in the agent's words."""
    return outcomes.model_failed(status_of(error), _message(error), said=said, remedy=remedy)


def told_in_words(text: str) -> dict[str, Any]:
    """The error that an agent would have answered with which tells it as its last words."""
    found = _STATUS.search(text)
    status = {"status": int(found[1] or found[2])} if found else {}
    return {"message": text, "data": status}


def left_refused(said: str) -> Outcome:
    """An agent that ends its turn where it may not use a tool has done nothing more."""
    text = "the agent ended its turn, as its permission profile refused it a tool"
    return Outcome(ok=False, result=said, failure=_POLICY, failure_code="denied", message=text)


def cannot_begin(error: Mapping[str, Any], *, title: str, remedy: str) -> Outcome:
    """The agent opens no conversation."""
    if status_of(error) == 401:
        return outcomes.model_failed(401, _message(error), remedy=remedy)
    message = f"{title} could not begin: {_message(error)}"
    return Outcome(ok=False, failure=_INFRASTRUCTURE, failure_code="cannotBegin", message=message)


def status_of(error: Mapping[str, Any]) -> int | None:
    """The HTTP status of the model, as far as it is told; None where it is not."""
    data = as_dict(error.get("data"))
    if told := as_whole(data.get("status") or data.get("statusCode")):
        return told
    code = as_whole(error.get("code"))
    if 400 <= code < 500:
        return code
    if error.get("code") == _AUTHENTICATION:
        return 401
    by_words = next((status for status, words in _WORDS if words.search(_message(error))), None)
    return by_words or (code if 500 <= code < 600 else None)  # agents say 500 of what they do not know, too


def _message(error: Mapping[str, Any]) -> str:
    message, details = as_text(error.get("message")), as_text(as_dict(error.get("data")).get("details"))
    return f"{message}: {details}" if details else message or "the agent reported an error"
