"""The tools there are, who may use which, and how a call becomes an answer.

A tool is a name, a description, a model of what it takes, who may call it, and a function that calls a service. What a
service refuses, and arguments that do not fit, are answers for the model that called: never errors of the protocol.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from pydantic import BaseModel, ValidationError

from agent_swarm.domain.errors import Denied, InvalidInput, SwarmError
from agent_swarm.protocol import rest
from agent_swarm.protocol.errors import error_body, status_of
from agent_swarm.server import problems
from agent_swarm.server.access import Access
from agent_swarm.server.mcp.schemas import schema_of
from agent_swarm.services.tokens import Identity

log = structlog.get_logger()


class UnknownTool(LookupError):
    """There is no tool of that name; the protocol has an error of its own for that."""


Tell = Callable[[str], Awaitable[None]]


async def nobody_listens(_: str) -> None:
    """Tells nobody how a long call stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls a tool: the token decides what it may do and is kept out of what is stored."""

    identity: Identity
    token: str
    tell: Tell = nobody_listens  # how a long call stands, where the client listens


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Something that an agent can do here. `call` gets a `takes`, and answers what JSON can hold, or a model."""

    name: str
    description: str
    takes: type[BaseModel]
    access: Access
    call: Callable[[Any, Caller], Awaitable[Any]]
    is_reading: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of its arguments."""
        return schema_of(self.takes)


@dataclass(frozen=True, slots=True)
class Begun:
    """What a tool answers that began one task: a client that follows tasks gets that, all others get `shown`."""

    shown: Any
    task: rest.Task


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call comes to: JSON, as text for the model; and the one task that it began, if it did."""

    text: str
    is_error: bool = False
    begun: rest.Task | None = None


class Catalogue:
    """All tools. Raises TypeError where two have one name."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            if self._tools.setdefault(tool.name, tool) is not tool:
                raise TypeError(f"two tools are named {tool.name!r}; one would never be called")

    def offered_to(self, identity: Identity) -> tuple[Tool, ...]:
        """The tools that this token may call, in their order."""
        return tuple(tool for tool in self._tools.values() if not tool.access.refusal(identity))

    async def call(self, name: str, arguments: Mapping[str, Any], caller: Caller) -> Answer:
        """Call a tool and answer what it says, good or bad. Raises UnknownTool."""
        tool = self._tools.get(name)
        if tool is None:
            known = ", ".join(tool.name for tool in self.offered_to(caller.identity))
            raise UnknownTool(f"there is no tool {problems.shown(name, limit=64)!r}; this token may call: {known}")
        try:
            _require_access(tool, caller.identity)
            said = await tool.call(_parsed(tool, arguments), caller)
            if isinstance(said, Begun):
                return Answer(rendered(said.shown), begun=said.task)
            return Answer(rendered(said))
        except SwarmError as exc:
            return _refused(exc if status_of(exc) != 500 else problems.internal())
        except Exception:  # whatever it is, it is not for clients
            log.exception("tool_failed", tool=problems.shown(name, limit=64))
            return _refused(problems.internal())


def _require_access(tool: Tool, identity: Identity) -> None:
    if refusal := tool.access.refusal(identity):
        raise Denied(
            f"{tool.name}: {refusal}",
            hint="call one of the tools that tools/list offers",
            details={"tool": tool.name, "kind": identity.kind.value},
        )


def _parsed(tool: Tool, arguments: Mapping[str, Any]) -> Any:
    try:
        return tool.takes.model_validate_json(orjson.dumps(arguments))
    except TypeError:  # halves of characters, numbers beyond 64 bits, a depth without end
        raise InvalidInput(
            "the arguments are not JSON that every reader understands", hint="send Unicode text and plain numbers"
        ) from None
    except ValidationError as exc:
        raise problems.from_validation(exc) from None


def _refused(error: SwarmError) -> Answer:
    whole = orjson.dumps(error_body(error), default=str, option=orjson.OPT_NON_STR_KEYS)
    return Answer(whole.decode(), is_error=True)


def rendered(value: Any) -> str:
    """JSON with nothing in it that says nothing: a model pays for every null."""
    plain = value.model_dump(mode="json", by_alias=True) if isinstance(value, BaseModel) else value
    return orjson.dumps(_without_nothing(plain), default=_plain).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _without_nothing(value.model_dump(mode="json", by_alias=True))
    return str(value)


def _without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _without_nothing(one) for name, one in value.items()}
        return {name: one for name, one in kept.items() if one is not None and one not in ("", [], {})}
    return [_without_nothing(one) for one in value] if isinstance(value, list | tuple) else value
