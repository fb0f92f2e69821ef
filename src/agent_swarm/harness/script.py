"""Harness `script`: runs the script agent (`script_agent`) and reads its stream.

The demo and the tests are real with it: a process, a stream, tools, commits and tasks for others, without a model.
"""

import asyncio
import json
import sys
import uuid
from typing import Any

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.harness.base import AgentEvent, Emit, EventKind, Grants, Outcome, Turn
from agent_swarm.harness.errors import NotDelivered
from agent_swarm.harness.stream import Parsed, StreamSession
from agent_swarm.sandbox.base import Launch, Sandbox

_RECEIVED = b'{"type": "received"'
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
    grants = Grants(reads_messages=True)

    def available(self) -> str | None:
        """It comes with us."""
        return None

    async def open(self, sandbox: Sandbox, turn: Turn) -> StreamSession:
        """Start the agent; the script goes in over standard input, and messages after it."""
        turn.agent_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        argv = [sys.executable, "-I", "-m", "agent_swarm.harness.script_agent"]
        argv += ["--workspace", str(turn.workspace), "--state-dir", str(turn.agent_dir)]
        argv += ["--messages"]
        argv += ["--session", turn.session] if turn.session else []
        env = {"AGENT_SWARM_ATTEMPT": str(turn.attempt), **turn.env}
        process = await sandbox.start(Launch(argv=tuple(argv), cwd=turn.workspace, env=env))
        first = {"script": turn.prompt, "messages": turn.messages}
        return ScriptSession(process=process, parse=parse_line, prompt=_line(first), handle=turn.session)


class ScriptSession(StreamSession):
    """A session whose agent reads lines as long as it works."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self._parse_event, self.parse = self.parse, self._parsed
        self._unheard: dict[str, asyncio.Future[None]] = {}
        self._is_over = False

    async def run(self, emit: Emit) -> Outcome:
        """Follow the agent to its end."""
        try:
            return await super().run(emit)
        finally:
            self._is_over = True
            for receipt in self._unheard.values():
                receipt.cancel()

    async def send(self, text: str, *, interrupt: bool = False, message_id: str = "") -> None:
        """Give it a further line; returns when it has read that. Raises NotDelivered."""
        message_id, receipt = message_id or str(uuid.uuid4()), asyncio.get_running_loop().create_future()
        if not self._is_over:
            self._unheard[message_id] = receipt
            await self.process.write(_line({"id": message_id, "text": text, "interrupt": interrupt}))
            await asyncio.wait({receipt})
        if not receipt.done() or receipt.cancelled():
            raise NotDelivered("the agent ended before it had the message", hint="send it to the next run")

    async def _feed(self) -> None:
        """Its input stays open: it ends by itself when its script does."""
        await self.process.write(self.prompt)

    def _parsed(self, line: bytes) -> Parsed:
        if line.startswith(_RECEIVED):
            receipt = self._unheard.pop(str(json.loads(line).get("id")), None)
            if receipt is not None and not receipt.done():
                receipt.set_result(None)
            return Parsed()
        return self._parse_event(line)


def _line(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode() + b"\n"


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
        retry_at=retry_at if isinstance(retry_at := body.get("retryAt"), float) else None,
    )


def _log(line: bytes) -> Parsed:
    text = line.decode("utf-8", errors="replace")
    return Parsed((AgentEvent(EventKind.LOG, {"stream": "stdout", "text": text}),))
