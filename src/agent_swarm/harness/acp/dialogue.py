"""The Agent Client Protocol, from our side: JSON-RPC in lines. Pure: lines and wishes go in, lines to write come out.

A turn is a prompt that is answered when it is over. Nothing can be told to a turn that goes on: what is said meanwhile
begins the next one, and what interrupts cancels first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from agent_swarm import __version__
from agent_swarm.harness.acp import outcomes
from agent_swarm.harness.acp.manner import Manner
from agent_swarm.harness.acp.reading import Reading
from agent_swarm.harness.base import AgentEvent, EventKind, Outcome, PermissionMode, Turn
from agent_swarm.harness.kept.heard import ALIVE, NOTHING, Heard, Strays, as_dict, as_dicts, as_text, log
from agent_swarm.harness.kept.outcomes import turns_spent
from agent_swarm.harness.kept.spoken import Line
from agent_swarm.sandbox.base import Exit

VERSION = 1  # of the protocol
_INITIALIZE, _OPEN, _PROMPT = "initialize", "open", "prompt"
_LOOKING = ("read", "search", "think")  # kinds of tools
_ALLOWED = {  # the kinds that need no leave, by permission mode; None: every one
    PermissionMode.ALL: None,
    PermissionMode.EDITS: (*_LOOKING, "edit"),
    PermissionMode.ALLOWED: _LOOKING,
    PermissionMode.PLAN: _LOOKING,
}


class AcpDialogue:
    """Meets `kept.spoken.Dialogue`."""

    def __init__(
        self, manner: Manner, turn: Turn, *, session: str | None, cost_usd: float = 0.0, refused: tuple[str, ...] = ()
    ) -> None:
        """`session` is to go on, and has cost so much; `refused` are MCP servers that let nobody in."""
        self._manner, self._turn, self._refused = manner, turn, refused
        self._resumed = session
        self._session: str | None = None
        self._is_told_history = False
        self._reading = Reading(manner, cost_usd, cost_usd)
        self._strays = Strays()
        self._waiting: list[tuple[str, str]] = []
        self._written: tuple[str, ...] = ()  # the messages of the turn that goes on, until something is heard of it
        self._is_running = self._is_stopping = self._is_halted = self._is_spent = self._is_refused = False
        self._has_begun = False
        self._out: list[Line] = []
        able = {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False}
        client = {"name": "agent-swarm", "title": "Agent Swarm", "version": __version__}
        about = {"protocolVersion": VERSION, "clientCapabilities": able, "clientInfo": client}
        self._ask(_INITIALIZE, "initialize", about)

    @property
    def session(self) -> str | None:
        """The agent's name for the conversation."""
        return self._session

    @property
    def goes_on(self) -> bool:
        """Whether a turn is under way, or another one follows."""
        return bool(self._is_running or self._waiting)

    def written(self) -> list[Line]:
        """What has to be written now; once."""
        out, self._out = self._out, []
        return out

    def post(self, message_id: str, text: str, *, interrupt: bool = False) -> None:
        """Tell the agent something when its turn is over; at once where `interrupt` ends it."""
        self._is_halted = False
        self._waiting.append((message_id, text))
        if interrupt:
            self._stop()
        self._advance()

    def halt(self) -> None:
        """End the turn that goes on, and begin no other one."""
        self._is_halted = True
        self._stop()

    def feed(self, line: bytes) -> Heard:
        """What a line says."""
        body = self._strays.read(line)
        if isinstance(body, Heard):
            return body
        if isinstance(body.get("method"), str):
            params = as_dict(body.get("params"))
            return self._asked(body, params) if "id" in body else self._told(body["method"], params)
        heard = self._answered(body.get("id"), as_dict(body.get("result")), as_dict(body.get("error")))
        self._advance()
        return heard

    def last(self) -> Heard:
        """How much was dropped of what is no JSON."""
        return self._strays.last()

    def totals(self) -> Mapping[str, Any]:
        """What the conversation has cost."""
        return {"costUsd": self._reading.cost_usd}

    def rest(self) -> Iterable[AgentEvent]:
        """Words that were not told yet."""
        return self._reading.words()

    def knows_nothing(self, ended: Exit) -> bool:
        """It says so, and does not end."""
        return False

    def _ask(self, ident: str, method: str, params: Mapping[str, Any]) -> None:
        self._out.append({"jsonrpc": "2.0", "id": ident, "method": method, "params": dict(params)})

    def _stop(self) -> None:
        if self._is_running and not self._is_stopping:
            self._is_stopping = True
            about = {"sessionId": self._session}
            self._out.append({"jsonrpc": "2.0", "method": "session/cancel", "params": about})

    def _advance(self) -> None:
        """Begin a turn with all that waits."""
        is_busy = self._session is None or self._is_told_history or self._is_running
        if is_busy or self._is_halted or not self._waiting:
            return
        messages, self._waiting = self._waiting, []
        self._is_running, self._written = True, tuple(ident for ident, _ in messages)
        self._is_refused = False
        self._reading.begin()
        texts = [text for _, text in messages]
        if (said_first := self._system_prompt()) and not self._has_begun:
            texts[0] = f"{said_first}\n\n{texts[0]}"
        self._has_begun = True
        blocks = [{"type": "text", "text": text} for text in texts]
        self._ask(_PROMPT, "session/prompt", {"sessionId": self._session, "prompt": blocks})

    def _system_prompt(self) -> str:
        """What has to be said with the first message, as the protocol knows nothing of it."""
        is_known = self._manner.takes_system_prompt or self._resumed is not None
        return "" if is_known else self._turn.system_prompt or ""

    def _told(self, method: str, params: Mapping[str, Any]) -> Heard:
        """A history that is told again when a conversation is opened is known."""
        if method != "session/update" or self._session is None or params.get("sessionId") != self._session:
            return ALIVE
        update = as_dict(params.get("update"))
        if self._is_told_history:
            self._is_told_history = update.get("sessionUpdate") != "available_commands_update"
            self._advance()
            return ALIVE
        heard = Heard(events=self._reading.feed(update))
        bound = self._turn.bounds.turns
        if bound is not None and self._reading.calls >= bound and not self._is_spent:
            self._is_spent = True
            self._stop()
        return self._come_to(heard) if self._is_running else heard

    def _come_to(self, heard: Heard) -> Heard:
        """The first that is heard of a turn says that the agent has its messages."""
        written, self._written = self._written, ()
        return replace(heard, delivered=written, begun=written[0] if written else None) if written else heard

    def _answered(self, ident: object, result: Mapping[str, Any], error: Mapping[str, Any]) -> Heard:
        match ident:
            case "initialize" if error or result.get("protocolVersion") != VERSION:
                return self._not_opened(error or {"message": f"expected version {VERSION} of the protocol"})
            case "initialize" if self._refused:
                return Heard(refused_servers=self._refused)
            case "initialize":
                self._open(as_dict(result.get("agentCapabilities")))
            case "open" if error:
                return self._not_opened(error)
            case "open":
                return self._opened(result)
            case "prompt":
                return self._turn_over(result, error)
        return NOTHING

    def _open(self, able: Mapping[str, Any]) -> None:
        servers = [server_of(name, server) for name, server in self._turn.mcp_servers.items()]
        about = {"cwd": str(self._turn.workspace), "mcpServers": servers}
        if self._resumed is None:
            self._ask(_OPEN, "session/new", about)
            return
        can_resume = "resume" in as_dict(able.get("sessionCapabilities"))
        method = "session/resume" if can_resume else "session/load"
        self._ask(_OPEN, method, {"sessionId": self._resumed, **about})

    def _not_opened(self, error: Mapping[str, Any]) -> Heard:
        """Whatever is wrong with a conversation that was to go on, a new one can do without it."""
        outcome = outcomes.cannot_begin(error, title=self._manner.title, remedy=self._manner.remedy)
        return Heard(is_unknown=self._resumed is not None, outcome=outcome, lost=self._give_up())

    def _opened(self, result: Mapping[str, Any]) -> Heard:
        self._session = as_text(result.get("sessionId")) or self._resumed
        self._is_told_history = self._resumed is not None and self._manner.tells_history_late
        started = AgentEvent(EventKind.STARTED, {"session": self._session})
        about = f"{self._manner.title}, model {self._turn.model or 'of its choice'}"
        return Heard(events=(started, log(about, stream=self._manner.name)))

    def _turn_over(self, result: Mapping[str, Any], error: Mapping[str, Any]) -> Heard:
        """What was said meanwhile begins the next turn; of a turn that failed that is nothing."""
        self._is_running = self._is_stopping = False
        if result.get("stopReason") == "end_turn" and (failure := self._reading.failure()):
            error = outcomes.told_in_words(failure)
        events = (*self._reading.words(), *self._reading.used(result, model=self._turn.model or ""))
        outcome = self._outcome(result, error)
        is_failed = not outcome.ok and outcome.failure_code != "interrupted"
        lost = self._give_up() if is_failed else ()
        return self._come_to(Heard(events=events, outcome=outcome, is_booked=True, lost=lost))

    def _give_up(self) -> tuple[str, ...]:
        """The messages that no turn will begin with."""
        lost, self._waiting = tuple(ident for ident, _ in self._waiting), []
        return lost

    def _outcome(self, result: Mapping[str, Any], error: Mapping[str, Any]) -> Outcome:
        said = self._reading.said
        if error:
            return outcomes.refused(error, remedy=self._manner.remedy, said=said)
        outcome = outcomes.outcome_of(result, said=said)
        if outcome.ok and self._is_refused and self._manner.leaves_when_refused:
            return outcomes.left_refused(said)
        is_spent = self._is_spent and outcome.failure_code == "interrupted"
        return turns_spent(self._reading.calls) if is_spent else outcome

    def _asked(self, body: Mapping[str, Any], params: Mapping[str, Any]) -> Heard:
        """Yes or no to what needs leave; no to whatever else the agent asks."""
        about = {"jsonrpc": "2.0", "id": body["id"]}
        if body["method"] != "session/request_permission":
            self._out.append({**about, "error": {"code": -32601, "message": "not supported"}})
            return NOTHING
        call = as_dict(params.get("toolCall"))
        is_allowed = self._may(call)
        wanted = ("allow_always", "allow_once") if is_allowed else ("reject_once", "reject_always")
        options = {as_text(one.get("kind")): one.get("optionId") for one in as_dicts(params.get("options"))}
        chosen = next((options[kind] for kind in wanted if kind in options), None)
        answer = {"outcome": "cancelled"} if chosen is None else {"outcome": "selected", "optionId": chosen}
        self._out.append({**about, "result": {"outcome": answer}})
        if is_allowed:
            return ALIVE
        self._is_refused = True
        denied = {"id": as_text(call.get("toolCallId")), "name": self._reading.name_of(call)}
        return Heard(events=(AgentEvent(EventKind.DENIED, {**denied, "input": call.get("rawInput")}),))

    def _may(self, call: Mapping[str, Any]) -> bool:
        """By the kind of the tool; tools of MCP servers that the worker gave are allowed."""
        permissions, name = self._turn.permissions, self._reading.name_of(call)
        kinds = None if permissions.by_sandbox else _ALLOWED[permissions.mode]
        is_given = any(name.startswith((f"{server}_", f"mcp_{server}_")) for server in self._turn.mcp_servers)
        return kinds is None or is_given or call.get("kind") in kinds


def server_of(name: str, server: Mapping[str, Any]) -> dict[str, Any]:
    """An MCP server as the protocol has it."""
    if "url" in server:
        return {"type": "http", "name": name, "url": server["url"], "headers": _pairs(server.get("headers"))}
    command = {"command": server.get("command", ""), "args": list(server.get("args") or ())}
    return {"name": name, **command, "env": _pairs(server.get("env"))}


def _pairs(values: object) -> list[dict[str, str]]:
    return [{"name": name, "value": as_text(value)} for name, value in as_dict(values).items()]
