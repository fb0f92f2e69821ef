"""Values under keys: what agents hand each other, count, and agree on."""

from typing import Annotated, Any

from pydantic import Field

from agent_swarm.domain.kv import KEY_CHARS, KEY_PATTERN
from agent_swarm.protocol import rest, rest_kv
from agent_swarm.server.access import operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.mcp.catalogue import Caller, Tool
from agent_swarm.server.mcp.tools.arguments import Cursor, Limit
from agent_swarm.services.kv import KeyValues
from agent_swarm.services.tokens import Scope

PAGE = 50


class InNamespace(rest.Input):
    """A tool about values; `namespace` says whose they are."""

    namespace: Annotated[
        str, Field(max_length=64, pattern="^(swarm|agent|task)(:[A-Za-z0-9._-]+)?$", description="swarm, agent or task")
    ] = "swarm"


class OfKey(InNamespace):
    """A tool about one value."""

    key: Annotated[str, Field(max_length=KEY_CHARS, pattern=KEY_PATTERN)]


class SetValue(OfKey, rest_kv.KvInput):
    """Arguments of kv-set."""


class IncrementValue(OfKey, rest_kv.KvIncrement):
    """Arguments of kv-incr."""


class DeleteValue(OfKey):
    """Arguments of kv-delete."""

    if_version: rest_kv.Version | None = None


class ListValues(InNamespace):
    """Arguments of kv-list."""

    limit: Limit = PAGE
    cursor: Cursor | None = None


class KeepingTools:
    """Parses, calls `services.kv`, renders."""

    def __init__(self, context: Context) -> None:
        self._values: KeyValues = context.key_values

    async def get(self, asked: OfKey, caller: Caller) -> rest_kv.KvValue:
        """The value under a key."""
        return await self._values.get(asked.namespace, asked.key, by=caller.identity)

    async def set(self, asked: SetValue, caller: Caller) -> dict[str, Any]:
        """Put a value under a key."""
        return _head(await self._values.set(asked.namespace, asked.key, asked, by=caller.identity))

    async def increment(self, asked: IncrementValue, caller: Caller) -> rest_kv.KvValue:
        """Add to a number."""
        return await self._values.increment(asked.namespace, asked.key, asked, by=caller.identity)

    async def delete(self, asked: DeleteValue, caller: Caller) -> dict[str, Any]:
        """Remove a value."""
        version, by = asked.if_version, caller.identity
        return _head(await self._values.remove(asked.namespace, asked.key, if_version=version, by=by))

    async def list(self, asked: ListValues, caller: Caller) -> rest_kv.KvList:
        """The values of a namespace, by key."""
        return await self._values.page(asked.namespace, cursor=asked.cursor, limit=asked.limit, by=caller.identity)


def _head(value: rest_kv.KvValue) -> dict[str, Any]:
    return value.model_dump(mode="json", by_alias=True, exclude={"value"})


def tools(context: Context) -> list[Tool]:
    """The table."""
    face = KeepingTools(context)
    reading = operators_and_attempts(Scope.KV_READ, Scope.OWN_KV)
    writing = operators_and_attempts(Scope.KV_WRITE, Scope.OWN_KV)
    return [
        Tool(
            name="kv-get",
            description="The value under a key, and its version.",
            takes=OfKey,
            access=reading,
            call=face.get,
            is_reading=True,
        ),
        Tool(
            name="kv-set",
            description=(
                "Put JSON under a key, shared by the swarm unless said otherwise. With ifVersion only where that is "
                "still its version; 0: only where nothing is."
            ),
            takes=SetValue,
            access=writing,
            call=face.set,
        ),
        Tool(
            name="kv-incr",
            description="Add to the number under a key, in one step; nothing there counts as 0.",
            takes=IncrementValue,
            access=writing,
            call=face.increment,
        ),
        Tool(
            name="kv-delete",
            description="Remove the value under a key.",
            takes=DeleteValue,
            access=writing,
            call=face.delete,
        ),
        Tool(
            name="kv-list",
            description="The values of a namespace, by key.",
            takes=ListValues,
            access=reading,
            call=face.list,
            is_reading=True,
        ),
    ]
