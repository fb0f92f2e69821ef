"""Harness `script`: runs the script agent (`script_agent`) and reads its stream.

The demo and the tests are real with it: a process, a stream, tools, commits and tasks for others, without a model.
"""

import json
import sys
from typing import Any

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.harness.base import AgentEvent, EventKind, Grants, Outcome, Turn
from agent_swarm.harness.stream import Parsed, StreamSession
from agent_swarm.sandbox.base import Launch, Sandbox

# Per type of line: the event and the fields it may carry, with their types. What is not here is not passed on.
_TEXT, _FLAG, _NUMBER, _ANY = (str,), (bool,), (int, float), (object,)
_EVENTS: dict[str, tuple[EventKind, dict[str, tuple[type, ...]]]] = {
    "started": (EventKind.STARTED, {"session": _TEXT}),
    "text": (EventKind.TEXT, {"text": _TEXT}),
    "toolCall": (EventKind.TOOL_CALL, {"id": _TEXT, "name": _TEXT, "input": _ANY}),
    "toolResult": (EventKind.TOOL_RESULT, {"id": _TEXT, "ok": _FLAG, "output": _TEXT}),
    "progress": (EventKind.PROGRESS, {"text": _TEXT, "percent": _NUMBER}),
    "usage": (
        EventKind.USAGE,
        {"inputTokens": (int,), "outputTokens": (int,), "costUsd": _NUMBER, "model": _TEXT},
    ),
}


class ScriptHarness:
    """Meets `harness.base.Harness`."""

    name = "script"
    grants = Grants()

    def available(self) -> str | None:
        """It comes with us."""
        return None

    async def open(self, sandbox: Sandbox, turn: Turn) -> StreamSession:
        """Start the agent; the script goes in over standard input."""
        turn.agent_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        argv = [sys.executable, "-I", "-m", "agent_swarm.harness.script_agent"]
        argv += ["--workspace", str(turn.workspace), "--state-dir", str(turn.agent_dir)]
        argv += ["--session", turn.session] if turn.session else []
        env = {"AGENT_SWARM_ATTEMPT": str(turn.attempt), **turn.env}
        process = await sandbox.start(Launch(argv=tuple(argv), cwd=turn.workspace, env=env))
        return StreamSession(
            process=process,
            parse=parse_line,
            prompt=turn.prompt.encode("utf-8", errors="replace"),
            handle=turn.session,
        )


def parse_line(line: bytes) -> Parsed:
    """What one line of the agent's output says; a line that is none of its events is passed on as a log line."""
    try:
        body = json.loads(line)
    except ValueError:
        return _log(line)
    if not isinstance(body, dict):
        return _log(line)
    if body.get("type") == "result":
        return Parsed(outcome=_outcome(body))
    kind, fields = _EVENTS.get(str(body.get("type")), (None, {}))
    if kind is None:
        return _log(line)
    data = {name: body[name] for name, types in fields.items() if name in body and _fits(body[name], types)}
    return Parsed((AgentEvent(kind, data),))


def _fits(value: object, types: tuple[type, ...]) -> bool:
    return isinstance(value, types) and (not isinstance(value, bool) or bool in types or object in types)


def _outcome(body: dict[str, Any]) -> Outcome:
    result = str(body.get("result", ""))
    if body.get("ok") is True:
        return Outcome(ok=True, result=result)
    told = str(body.get("class", ""))
    return Outcome(
        ok=False,
        result=result,
        failure=FailureClass(told) if told in set(FailureClass) else FailureClass.AGENT,
        failure_code=str(body.get("code", "")),
        message=str(body.get("message", "")),
    )


def _log(line: bytes) -> Parsed:
    text = line.decode("utf-8", errors="replace")
    return Parsed((AgentEvent(EventKind.LOG, {"stream": "stdout", "text": text}),))
