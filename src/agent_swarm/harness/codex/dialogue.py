"""The app-server protocol, from our side: JSON-RPC in lines. Pure: lines and wishes go in, lines to write come out.

A conversation is a thread, which has a turn or none. A message begins a turn, or is put into the one that goes on
(`turn/steer`). The CLI forgets what it was steered with when that turn is interrupted: such messages begin the next
turn. Whether a turn has come to a message is told by the message's id.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from agent_swarm import __version__
from agent_swarm.harness.base import AgentEvent, EventKind
from agent_swarm.harness.codex import outcomes
from agent_swarm.harness.codex.reading import Reading
from agent_swarm.harness.kept.heard import ALIVE, NOTHING, Heard, as_dict, as_text
from agent_swarm.harness.kept.outcomes import turns_spent
from agent_swarm.harness.kept.spoken import Line
from agent_swarm.sandbox.base import Exit

_SERVERS_REFUSED = "required MCP servers failed"
_DECLINED = {"decision": "decline"}
_ANSWERS = {  # to what the CLI asks; it asks nothing under our policy, and must not wait for ever if it does
    "item/commandExecution/requestApproval": _DECLINED,
    "item/fileChange/requestApproval": _DECLINED,
    "mcpServer/elicitation/request": {"action": "decline", "content": None, "_meta": None},
}


@dataclass(frozen=True, slots=True)
class _Message:
    number: int
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request of ours that waits for its answer."""

    method: str
    turn: str | None = None  # that it is about
    message_ids: tuple[str, ...] = ()  # that it gives


class Dialogue:
    """Meets `kept.spoken.Dialogue`."""

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
        self._waiting: list[_Message] = []
        self._posted = 0
        self._given: dict[int, list[_Message]] = {}  # by request: written, and the agent has not come to them
        self._asked: dict[int, _Asked] = {}
        self._out: list[Line] = []
        self._number = 0
        client = {"name": "agent-swarm", "title": "Agent Swarm", "version": __version__}
        self._ask("initialize", {"clientInfo": client, "capabilities": {"experimentalApi": True}})
        self._out.append({"method": "initialized"})
        if session is None:
            self._ask("thread/start", thread)
        else:
            self._ask("thread/resume", {"threadId": session, "excludeTurns": True, **thread})

    @property
    def session(self) -> str | None:
        """The thread, which the CLI names when it has begun."""
        return self.reading.thread

    @property
    def has_unread(self) -> bool:
        """Whether there are messages that the agent has not come to."""
        return bool(self._waiting or self._given)

    @property
    def goes_on(self) -> bool:
        """Whether a turn is under way, or another one follows."""
        return self.has_unread or self._is_starting or self._turn is not None

    def written(self) -> list[Line]:
        """What has to be written now; once."""
        out, self._out = self._out, []
        return out

    def post(self, message_id: str, text: str, *, interrupt: bool = False) -> None:
        """Tell the agent something; at once where `interrupt` ends the turn that goes on."""
        self._is_halted = False
        self._posted += 1
        self._waiting.append(_Message(self._posted, message_id, text))
        if interrupt:
            self._stop()
        self._advance()

    def halt(self) -> None:
        """End the turn that goes on, and begin no other one."""
        self._is_halted = True
        self._stop()

    def feed(self, line: bytes) -> Heard:
        """What a line says."""
        body = self.reading.strays.read(line)
        if isinstance(body, Heard):
            return body
        method = body.get("method")
        if isinstance(method, str):
            params = as_dict(body.get("params"))
            return self._answer(method, body, params) if "id" in body else self._notified(method, params)
        number = body.get("id")
        if not isinstance(number, int) or (asked := self._asked.pop(number, None)) is None:
            return NOTHING
        heard = self._answered(number, asked, body)
        self._advance()
        return heard

    def last(self) -> Heard:
        """How much was dropped of what is no JSON."""
        return self.reading.strays.last()

    def totals(self) -> Mapping[str, Any]:
        """Per thread."""
        return self.reading.meter.to_json()

    def rest(self) -> Iterable[AgentEvent]:
        """What was heard of a conversation that was never opened. Nothing is known of an answer that broke off."""
        return self.reading.early

    def knows_nothing(self, ended: Exit) -> bool:
        """It says so, and does not end."""
        return False

    def _notified(self, method: str, params: Mapping[str, Any]) -> Heard:
        heard = self.reading.feed(method, params)
        if heard is NOTHING:
            return ALIVE  # such as a piece of what a command prints
        if heard.begun is not None:
            self._given = {n: ms for n, ms in self._given.items() if heard.begun not in (one.id for one in ms)}
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
            for number in tuple(self._given):
                self._take_back(number)
        self._given.clear()
        if is_interrupted and self._is_spent:
            self._waiting.clear()
            return replace(heard, outcome=turns_spent(self.reading.calls))
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
        if self._waiting and self._turn is None:
            self._is_starting = True
            self._give("turn/start", {})
        elif self._waiting and self._turn != self._deaf:
            self._give("turn/steer", {"expectedTurnId": self._turn})

    def _give(self, method: str, params: Line) -> None:
        """All that waits, under the id of the last of them."""
        messages, self._waiting = self._waiting, []
        content = [{"type": "text", "text": message.text, "text_elements": []} for message in messages]
        about = {"threadId": self.reading.thread, "clientUserMessageId": messages[-1].id, "input": content}
        number = self._ask(method, {**about, **params}, tuple(message.id for message in messages))
        self._given[number] = messages

    def _take_back(self, number: int) -> None:
        self._waiting = sorted([*self._waiting, *self._given.pop(number, ())], key=lambda message: message.number)

    def _ask(self, method: str, params: Mapping[str, Any], message_ids: tuple[str, ...] = ()) -> int:
        self._number += 1
        self._asked[self._number] = _Asked(method, self._turn, message_ids)
        self._out.append({"id": self._number, "method": method, "params": dict(params)})
        return self._number

    def _answered(self, number: int, asked: _Asked, body: Mapping[str, Any]) -> Heard:
        error, result = as_dict(body.get("error")), as_dict(body.get("result"))
        match asked.method:
            case "thread/start" | "thread/resume":
                return self._not_opened(asked, error) if error else self.reading.opened(result)
            case "turn/start":
                return self._not_started(number, error) if error else self._started(asked, result)
            case "turn/steer" if error:  # the turn is about to end, or is one that cannot be steered
                self._deaf = asked.turn
                self._take_back(number)
            case "turn/steer":
                return Heard(delivered=asked.message_ids)
            case "initialize" if error:
                self._waiting.clear()
                return Heard(outcome=outcomes.cannot_begin(error))
        return NOTHING

    def _not_opened(self, asked: _Asked, error: Mapping[str, Any]) -> Heard:
        """Whatever is wrong with a conversation that was to go on, a new one can do without it."""
        said = as_text(error.get("message"))
        self._waiting.clear()
        if _SERVERS_REFUSED in said and (names := tuple(name for name in self._servers if f"{name}:" in said)):
            return Heard(refused_servers=names)
        return Heard(is_unknown=asked.method == "thread/resume", outcome=outcomes.cannot_begin(error))

    def _started(self, asked: _Asked, result: Mapping[str, Any]) -> Heard:
        self._is_starting = False
        self._turn = as_text(as_dict(result.get("turn")).get("id"))
        if self._is_stopping:
            self._is_stopping = False
            self._stop()
        return Heard(delivered=asked.message_ids)

    def _not_started(self, number: int, error: Mapping[str, Any]) -> Heard:
        self._is_starting = self._is_stopping = False
        self._given.pop(number, None)
        return Heard(outcome=outcomes.prompt_refused(error))

    def _answer(self, method: str, body: Mapping[str, Any], params: Mapping[str, Any]) -> Heard:
        """No, to whatever the CLI asks."""
        if method not in _ANSWERS:
            self._out.append({"id": body["id"], "error": {"code": -32601, "message": "not supported"}})
            return NOTHING
        self._out.append({"id": body["id"], "result": _ANSWERS[method]})
        about = {"id": as_text(params.get("itemId")), "name": method, "input": {"command": params.get("command")}}
        return Heard(events=(AgentEvent(EventKind.DENIED, about),))
