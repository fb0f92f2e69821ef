"""Ends of a run that are the same for every agent CLI."""

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.harness.base import Outcome

_INFRASTRUCTURE, _AGENT, _POLICY = FailureClass.INFRASTRUCTURE, FailureClass.AGENT, FailureClass.POLICY


def unreachable_servers(names: tuple[str, ...]) -> Outcome:
    """The agent would work without tools that its task needs, and would not say so."""
    listed = ", ".join(names)
    return Outcome(
        ok=False,
        failure=_INFRASTRUCTURE,
        failure_code="mcpUnavailable",
        message=f"the agent could not use MCP server {listed}: it refused the connection or its token",
    )


def stalled(seconds: float) -> Outcome:
    """Nothing was heard of the agent for too long."""
    return Outcome(
        ok=False,
        failure=_INFRASTRUCTURE,
        failure_code="stalled",
        message=f"the agent said nothing for {seconds:g} s and was ended (AGENT_SWARM_STALL_TIMEOUT)",
    )


def turn_interrupted(said: str = "") -> Outcome:
    """The CLI says that its turn was ended on request."""
    message = "the turn was interrupted"
    return Outcome(ok=False, result=said, failure=_INFRASTRUCTURE, failure_code="interrupted", message=message)


def turns_spent(calls: int) -> Outcome:
    """The bound of model calls is reached."""
    message = f"the agent has asked its model {calls} times (raise AGENT_SWARM_MAX_TURNS, or make the task smaller)"
    return Outcome(ok=False, failure=_AGENT, failure_code="maxTurns", message=message)


def cost_spent(dollars: float) -> Outcome:
    """The bound of cost is reached."""
    message = f"the agent has cost ${dollars:.4f} (raise AGENT_SWARM_MAX_COST_USD, or make the task smaller)"
    return Outcome(ok=False, failure=_POLICY, failure_code="budget", message=message)


def model_failed(
    status: int | None, message: str, *, said: str = "", remedy: str = "", retry_at: float | None = None
) -> Outcome:
    """The model answered with an HTTP status that is none of success; None where it could not be asked at all."""
    failure, code = cause_of(status)
    text = f"{message} ({remedy})" if remedy and code == "authentication" else message
    until = retry_at if code == "rateLimit" else None
    return Outcome(ok=False, result=said, failure=failure, failure_code=code, message=text, retry_at=until)


def cause_of(status: int | None) -> tuple[FailureClass, str]:
    """Whose fault an answer of the model is, and its name."""
    match status:
        case 401 | 403:
            return _INFRASTRUCTURE, "authentication"
        case 429:
            return _INFRASTRUCTURE, "rateLimit"
        case 529:
            return _INFRASTRUCTURE, "overloaded"
        case 404:
            return _POLICY, "unknownModel"
        case int() if 400 <= status < 500:
            return _AGENT, "modelRefused"
    return _INFRASTRUCTURE, "modelError"
