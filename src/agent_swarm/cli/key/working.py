"""Where a command on keys does its work: at the server, or on a database that no server has open."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from agent_swarm.cli.offline import alone_with

if TYPE_CHECKING:
    from agent_swarm.services.secrets.rotation import KeyChanges
    from agent_swarm.services.secrets.vault import Vault
    from agent_swarm.store.base import Store

R = TypeVar("R")


def offline(
    data_dir: Path | None, database: str | None, work: "Callable[[Store, Vault, KeyChanges], Awaitable[R]]"
) -> R:
    """What `work` answers, with the keys of the settings, under the locks of a server."""
    with alone_with(data_dir, database, purpose="key") as (settings, run):
        from agent_swarm.server.datadir import locked
        from agent_swarm.services.secrets.rotation import KeyChanges
        from agent_swarm.services.secrets.starting import open_vault
        from agent_swarm.vault.finding import find_keys

        async def with_keys(store: "Store") -> R:
            found = find_keys(settings.key_sources)
            vault, _ = await open_vault(store, found, is_shared=settings.is_shared)
            changes = KeyChanges(store, vault, found.own_file, is_shared=settings.is_shared)
            return await work(store, vault, changes)

        with locked(settings.data_dir):
            answer: R = run(with_keys)
            return answer
