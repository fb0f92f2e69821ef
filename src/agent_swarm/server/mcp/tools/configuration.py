"""Stored configuration, without the values of secrets: no model ever gets those."""

from typing import Annotated

from pydantic import Field

from agent_swarm.domain.configuration import KEY_CHARS, ConfigScope
from agent_swarm.protocol import limits, rest, rest_config
from agent_swarm.server.access import operators
from agent_swarm.server.context import Context
from agent_swarm.server.mcp.catalogue import Caller, Tool
from agent_swarm.server.mcp.tools.arguments import Cursor
from agent_swarm.services.configuration import Where
from agent_swarm.services.tokens import Scope


class GetConfig(rest.Input):
    """Arguments of get-config."""

    scope: ConfigScope | None = None
    scope_id: Annotated[rest.Text, Field(max_length=limits.LABEL_CHARS)] | None = None
    key: Annotated[rest.Text, Field(max_length=KEY_CHARS)] | None = None
    cursor: Cursor | None = None


class ConfigurationTools:
    """Parses, calls `services.configuration`, renders."""

    def __init__(self, context: Context) -> None:
        self._configuration = context.configuration

    async def get(self, asked: GetConfig, caller: Caller) -> rest_config.ConfigList:
        """A page of the entries."""
        where = Where(scope=asked.scope, scope_id=asked.scope_id, key=asked.key)
        return await self._configuration.page(
            where, cursor=asked.cursor, limit=limits.PAGE_DEFAULT, secrets=False, by=caller.identity
        )

    async def set(self, asked: rest_config.ConfigInput, caller: Caller) -> rest_config.ConfigEntry:
        """Store a value in the place of the one before."""
        return await self._configuration.put(asked, by=caller.identity)


def tools(context: Context) -> list[Tool]:
    """The table."""
    face = ConfigurationTools(context)
    return [
        Tool(
            name="get-config",
            description="Stored configuration by place and key. The values of secrets are never shown.",
            takes=GetConfig,
            access=operators(Scope.CONFIG_READ),
            call=face.get,
            is_reading=True,
        ),
        Tool(
            name="set-config",
            description="Store a value for all agents, a swarm, a project or an agent. With isSecret it is encrypted.",
            takes=rest_config.ConfigInput,
            access=operators(Scope.CONFIG_WRITE),
            call=face.set,
        ),
    ]
