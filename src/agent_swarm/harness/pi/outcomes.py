"""How a turn ended, by the last answer of the model. Pure.

pi's exit code is 0 whatever happened, and a run ends alike whether its model answered or not: `stopReason` decides.
"""

import re
from collections.abc import Mapping
from typing import Any

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.harness.base import Outcome
from agent_swarm.harness.kept import outcomes
from agent_swarm.harness.kept.heard import as_text

_STATUS = re.compile(r"error \((\d{3})\)|^(\d{3})\b|status(?: code)?:? (\d{3})", re.IGNORECASE)
_NO_KEY = re.compile(r"no api key|no models available|credential", re.IGNORECASE)
KEY_REMEDY = "set OPENAI_API_KEY, OPENROUTER_API_KEY or GEMINI_API_KEY for the worker"


def outcome_of(message: Mapping[str, Any] | None, *, said: str, is_aborted: bool) -> Outcome:
    """The outcome of a run that has settled; `message` is the last one of the model."""
    reason = as_text((message or {}).get("stopReason"))
    if is_aborted or reason == "aborted":
        return outcomes.turn_interrupted(said)
    if reason == "stop":
        return Outcome(ok=True, result=said)
    if reason == "length":
        text = "the model's answer was cut off at its longest"
        return Outcome(ok=False, result=said, failure=FailureClass.AGENT, failure_code="outputLimit", message=text)
    error = as_text((message or {}).get("errorMessage")) or f"the turn ended as {reason or 'nothing known'}"
    found = _STATUS.search(error)
    status = int(next(filter(None, found.groups()))) if found else None
    return outcomes.model_failed(status, error, said=said, remedy=KEY_REMEDY)


def prompt_refused(error: str) -> Outcome:
    """pi does not take what it is told."""
    if _NO_KEY.search(error):
        return outcomes.model_failed(401, error.partition("\n")[0], remedy=KEY_REMEDY)
    return Outcome(ok=False, failure=FailureClass.AGENT, failure_code="modelRefused", message=error)
