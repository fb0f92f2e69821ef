"""A database in a folder, opened again and again with the keys that are then there."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_swarm.protocol.rest_config import ConfigInput
from agent_swarm.services import tokens
from agent_swarm.services.configuration import Configuration, Where
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.secrets.rotation import KeyChanges
from agent_swarm.services.secrets.starting import open_vault
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries
from agent_swarm.store.batcher import BatchingStore
from agent_swarm.store.families.configuration import CONFIG
from agent_swarm.store.families.data_keys import DATA_KEYS
from agent_swarm.store.opening import open_store
from agent_swarm.store.records import TokenKind
from agent_swarm.vault.finding import KeySources, find_keys

OPERATOR = Identity(kind=TokenKind.OPERATOR, token_id="t", scopes=frozenset(tokens.scopes_of(TokenKind.OPERATOR)))


@dataclass
class Open:
    """A server's parts that work with secrets."""

    store: BatchingStore
    vault: Vault
    configuration: Configuration
    changes: KeyChanges
    redactor: Redactor
    known: tuple[str, ...]

    async def put(self, key: str, value: str | None = None, **fields: Any) -> Any:
        body = {"scope": "global", "key": key, "value": value, "isSecret": True, **fields}
        body = {name: field for name, field in body.items() if field is not None}
        return await self.configuration.put(ConfigInput.model_validate(body), by=OPERATOR)

    async def values(self) -> dict[str, str | None]:
        """Everything that is stored, opened."""
        page = await self.configuration.page(Where(), cursor=None, limit=200, secrets=True, by=OPERATOR)
        return {entry.key: entry.value for entry in page.entries}

    async def events(self, pattern: str = ".*") -> list[str]:
        found = await self.store.read(lambda queries: queries.events_after(0, limit=500))
        return [event.type for event in found if re.fullmatch(pattern, event.type)]

    async def stored(self) -> dict[str, str]:
        """The texts in the database."""
        return await self.store.read(
            lambda queries: {entry.key: entry.text for entry in queries.scan(CONFIG, limit=500)}
        )


@asynccontextmanager
async def opened(
    folder: Path, *, address: str | Path | None = None, is_shared: bool = False, **sources: Any
) -> AsyncIterator[Open]:
    """Start with the keys that are there; raises as a server's start would."""
    given = KeySources(data_dir=folder, **sources)
    async with open_store(address or folder / "swarm.sqlite", synchronous="normal") as store:
        vault, known = await open_vault(store, find_keys(given), is_shared=is_shared)
        redactor = Redactor()
        changes = KeyChanges(store, vault, given.own_file, is_shared=is_shared)
        yield Open(store, vault, Configuration(store, vault, redactor), changes, redactor, known)


def files(folder: Path, beginning: str = "") -> dict[str, bytes]:
    """What is in the files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith(beginning)}


def everything(queries: Queries) -> Any:
    """All that a start could change."""
    return queries.scan(CONFIG, limit=500), queries.scan(DATA_KEYS, limit=500), queries.head()
