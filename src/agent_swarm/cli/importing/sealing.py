"""Where imported secrets are sealed: with the keys that a server of the same settings would use."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.output import say
from agent_swarm.cli.serving import server_settings
from agent_swarm.domain.errors import EncryptionKeyMissing, SecretUnreadable

if TYPE_CHECKING:
    from agent_swarm.importing.carrying_out import Configuration
    from agent_swarm.services.secrets.vault import Vault
    from agent_swarm.store.address import DatabaseAddress
    from agent_swarm.vault.finding import FoundKeys


def opened_configuration(address: "DatabaseAddress", data_dir: Path | None, *, dry_run: bool) -> "Configuration":
    """The configuration of that database. Makes its key where a server would; not for a dry run, which makes nothing.

    Raises CommandFailed where the key at hand is not that of the database.
    """
    settings = server_settings({"data_dir": data_dir}, None)
    from agent_swarm.importing.configuration import configuration_of
    from agent_swarm.server import logs
    from agent_swarm.server.settings import stored_settings
    from agent_swarm.services.redaction import Redactor
    from agent_swarm.services.secrets.vault import Vault
    from agent_swarm.vault.finding import find_keys

    logs.configure("warning", Redactor())
    keys = find_keys(settings.key_sources)
    if not dry_run:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        vault = Vault(keys.master) if dry_run else asyncio.run(_opened(address, keys))
    except (EncryptionKeyMissing, SecretUnreadable) as exc:
        raise CommandFailed(
            f"nothing was imported: {exc.message}",
            hint="SECRETS_ENCRYPTION_KEY is the key of this installation; give that of the other swarm with --key-file",
        ) from exc
    if keys.master is None and vault.master is not None:
        say(f"note: made the encryption key {vault.master.place}; back it up", to_errors=True)
    return configuration_of(vault, stored_settings(), is_rehearsal=dry_run)


async def _opened(address: "DatabaseAddress", keys: "FoundKeys") -> "Vault":
    from agent_swarm.services.secrets.starting import open_vault
    from agent_swarm.store.address import PostgresAddress
    from agent_swarm.store.opening import open_store

    async with open_store(address) as store:
        vault, _ = await open_vault(store, keys, is_shared=isinstance(address, PostgresAddress))
        return vault
