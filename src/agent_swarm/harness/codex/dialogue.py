"""The app-server protocol, from our side: JSON-RPC in lines. Pure: lines and wishes go in, lines to write come out.

A conversation is a thread, which has a turn or none. A message begins a turn, or is put into the one that goes on
(`turn/steer`). The CLI forgets what it was steered with when that turn is interrupted: such messages begin the next
turn. Whether a turn has come to a message is told by the message's id.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from agent_swarm.harness.base import AgentEvent, EventKind
from agent_swarm.harness.codex import outcomes
from agent_swarm.harness.codex.reading import Reading
from agent_swarm.harness.kept.heard import NOTHING, Heard, as_dict, as_text

_SERVERS_REFUSED = "required MCP servers failed"
_NOT_THERE = "no rollout found"
_DECLINED = {"decision": "decline"}
_ANSWERS = {  # to what the CLI asks; it asks nothing under our policy, and must not wait for ever if it does
    "item/commandExecution/requestApproval": _DECLINED,
    "item/fileChange/requestApproval": _DECLINED,
    "mcpServer/elicitation/request": {"action": "decline", "content": None, "_meta": None},
}

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Message:
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request of ours that waits for its answer."""

    method: str
    message: _Message | None = None


class Dialogue:
    """Who says what when. After each call, `written` is what has to be written."""

    def __init__(
        self, reading: Reading, thread: Mapping[str, Any], *, session: str | None, calls: int | None = None
    ) -> None:
        """`session` is the thread to go on with; `calls` how often the model may be asked."""
        self.reading = reading
        self._servers = tuple(as_dict(as_dict(thread.get("config")).get("mcp_servers")))
        self._bound = calls
        self._turn: str | None = None
        self._deaf: str | None = None  # a turn that takes no messages
        self._is_starting = self._is_stopping = self._is_halted = self._is_spent = False
        self._waiting: deque[_Message] = deque()
        self._given: dict[str, _Message] = {}  # written, and the agent has not come to them
        self._asked: dict[int, _Asked] = {}
        self._out: list[Line] = []
        self._number = 0
        client = {"name": "agent-swarm", "title": "Agent Swarm", "version": _version()}
        self._ask("initialize", {"clientInfo": client, "capabilities": {"experimentalApi": True}})
        self._out.append({"method": "initialized"})
        if session is None:
            self._ask("thread/start", thread)
        else:
            self._ask("thread/resume", {"threadId": session, "excludeTurns": True, **thread})

    @property
    def has_unread(self) -> bool:
        """Whether there are messages that the agent has not come to."""
        return bool(self._waiting or self._given)

    def written(self) -> list[Line]:
        """What has to be written now; once."""
        out, self._out = self._out, []
        return out

    def post(self, message_id: str, text: str, *, interrupt: bool = False) -> None:
        """Tell the agent something; at once where `interrupt` ends the turn that goes on."""
        self._is_halted = False
        self._waiting.append(_Message(message_id, text))
        if interrupt:
            self._stop()
        self._advance()

    def halt(self) -> None:
        """End the turn that goes on, and begin no other one."""
        self._is_halted = True
        self._stop()

    def feed(self, line: bytes) -> Heard:
        """What a line says."""
        body = self.reading.message(line)
        if isinstance(body, Heard):
            return body
        method = body.get("method")
        if isinstance(method, str):
            params = as_dict(body.get("params"))
            return self._answer(method, body, params) if "id" in body else self._notified(method, params)
        asked = self._asked.pop(body["id"], None) if isinstance(body.get("id"), int) else None
        if asked is None:
            return NOTHING
        heard = self._answered(asked, body)
        self._advance()
        return heard

    def _notified(self, method: str, params: Mapping[str, Any]) -> Heard:
        heard = self.reading.feed(method, params)
        if heard.begun is not None:
            self._given.pop(heard.begun, None)
        if heard.is_booked:
            self._count()
        if heard.outcome is not None:
            heard = self._turn_over(heard)
        return heard

    def _turn_over(self, heard: Heard) -> Heard:
        """What the turn did not come to begins the next one; of a turn that failed that is nothing."""
        assert heard.outcome is not None
        self._turn, self._deaf, self._is_stopping = None, None, False
        is_interrupted = heard.outcome.failure_code == "interrupted"
        if is_interrupted:  # what it has left running would run on
            self._ask("thread/backgroundTerminals/clean", {"threadId": self.reading.thread})
        if heard.outcome.ok or is_interrupted:
            self._waiting.extendleft(reversed(self._given.values()))
        self._given.clear()
        if is_interrupted and self._is_spent:
            self._waiting.clear()
            return replace(heard, outcome=outcomes.spent(self.reading.calls))
        if not heard.outcome.ok and not is_interrupted:
            self._waiting.clear()
        self._advance()
        return heard

    def _count(self) -> None:
        """A turn ends at its bound of model calls, where it goes on: an answer without a call is its last."""
        has_called, self.reading.has_called = self.reading.has_called, False
        if self._bound is not None and self.reading.calls >= self._bound and has_called and self._turn is not None:
            self._is_spent = True
            self._stop()

    def _stop(self) -> None:
        if self._turn is not None and not self._is_stopping:
            self._ask("turn/interrupt", {"threadId": self.reading.thread, "turnId": self._turn})
        self._is_stopping = self._turn is not None or self._is_starting

    def _advance(self) -> None:
        """Write what waits, as far as the agent can take it now."""
        if self.reading.thread is None or self._is_starting or self._is_stopping or self._is_halted:
            return
        while self._waiting and self._turn is not None and self._turn != self._deaf:
            self._give("turn/steer", {"expectedTurnId": self._turn})
        if self._waiting and self._turn is None:
            self._is_starting = True
            self._give("turn/start", {})

    def _give(self, method: str, params: Line) -> None:
        message = self._waiting.popleft()
        self._given[message.id] = message
        content = [{"type": "text", "text": message.text, "text_elements": []}]
        about = {"threadId": self.reading.thread, "clientUserMessageId": message.id, "input": content}
        self._ask(method, {**about, **params}, message)

    def _ask(self, method: str, params: Mapping[str, Any], message: _Message | None = None) -> None:
        self._number += 1
        number = self._number
        self._asked[number] = _Asked(method, message)
        self._out.append({"id": number, "method": method, "params": dict(params)})

    def _answered(self, asked: _Asked, body: Mapping[str, Any]) -> Heard:
        error, result = as_dict(body.get("error")), as_dict(body.get("result"))
        match asked.method:
            case "thread/start" | "thread/resume":
                return self._not_opened(error) if error else self.reading.opened(result)
            case "turn/start":
                return self._not_started(error, asked) if error else self._started(result, asked)
            case "turn/steer" if asked.message is not None and error:
                self._deaf = self._turn
                self._waiting.appendleft(self._given.pop(asked.message.id, asked.message))
            case "turn/steer" if asked.message is not None:
                return Heard(delivered=asked.message.id)
            case "initialize" if error:
                return Heard(outcome=outcomes.cannot_begin(error))
        return NOTHING

    def _not_opened(self, error: Mapping[str, Any]) -> Heard:
        said = as_text(error.get("message"))
        self._waiting.clear()
        if _NOT_THERE in said:
            return Heard(is_unknown=True, outcome=outcomes.cannot_begin(error))
        if _SERVERS_REFUSED in said and (names := tuple(name for name in self._servers if f"{name}:" in said)):
            return Heard(refused_servers=names)
        return Heard(outcome=outcomes.cannot_begin(error))

    def _started(self, result: Mapping[str, Any], asked: _Asked) -> Heard:
        assert asked.message is not None
        self._is_starting = False
        self._turn = as_text(as_dict(result.get("turn")).get("id"))
        if self._is_stopping:
            self._is_stopping = False
            self._stop()
        return Heard(delivered=asked.message.id)

    def _not_started(self, error: Mapping[str, Any], asked: _Asked) -> Heard:
        assert asked.message is not None
        self._is_starting = self._is_stopping = False
        self._given.pop(asked.message.id, None)
        return Heard(outcome=outcomes.prompt_refused(error))

    def _answer(self, method: str, body: Mapping[str, Any], params: Mapping[str, Any]) -> Heard:
        """No, to whatever the CLI asks."""
        if method not in _ANSWERS:
            self._out.append({"id": body["id"], "error": {"code": -32601, "message": "not supported"}})
            return NOTHING
        self._out.append({"id": body["id"], "result": _ANSWERS[method]})
        about = {"id": as_text(params.get("itemId")), "name": method, "input": {"command": params.get("command")}}
        return Heard(events=(AgentEvent(EventKind.DENIED, about),))


def _version() -> str:
    try:
        return version("agent-swarm")
    except PackageNotFoundError:
        return "0"
