"""Work on a database that no server has open: the settings are a server's, the locks are held meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.serving import server_settings

if TYPE_CHECKING:
    from agent_swarm.server.settings import ServerSettings
    from agent_swarm.store.base import Store

R = TypeVar("R")
Run = Callable[[Callable[["Store"], Awaitable[R]]], R]


@contextmanager
def alone_with(
    data_dir: Path | None, database: str | None, *, purpose: str
) -> "Iterator[tuple[ServerSettings, Run[Any]]]":
    """The settings, and what runs something on the store they lead to.

    Raises StoreLockedError or CommandFailed where a server has it open, DatabaseUnreachableError where it is not there.
    """
    settings = server_settings({"data_dir": data_dir}, database)
    from agent_swarm.store.opening import open_store
    from agent_swarm.store.sql import reaching

    with reaching.reading(settings.database, purpose=purpose) as connection:  # also: it has to be there
        servers = reaching.servers_on(settings.database, connection)
    if servers:
        raise CommandFailed(
            f"the database {settings.database.shown} is in use ({'; '.join(servers)})",
            hint="stop every server that works on it, and try again",
        )

    def run(work: "Callable[[Store], Awaitable[R]]") -> R:
        async def opened() -> R:
            async with open_store(settings.database, synchronous=settings.synchronous) as store:
                return await work(store)

        return asyncio.run(opened())

    yield settings, run
