"""The settings of a server that a command is about to start, with what they need known to be installed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agent_swarm.cli.extras import require

if TYPE_CHECKING:
    from agent_swarm.server.settings import ServerSettings


def server_settings(flags: Mapping[str, Any], database: str | None) -> "ServerSettings":
    """The settings; `database` is what was typed. Raises SettingError or CommandFailed where they cannot be used."""
    require("server")
    from agent_swarm.cli.db.addressed import typed
    from agent_swarm.server.settings import load_settings
    from agent_swarm.store.address import url_of

    address = None if database is None else url_of(typed(database, "--database"))
    settings = load_settings(flags={**flags, "database_url": address})
    if settings.is_shared:
        require("postgres")
    if settings.nats is not None:
        require("nats")
    return settings
