"""How this server reaches the others on its database: by the database itself, or by NATS.

Without NATS they have to share one directory of transcripts; the first one settles in the database which that is.
"""

import asyncio
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from agent_swarm.bus.base import Bus, NoBus
from agent_swarm.bus.logs import LogStream, NoLogStream
from agent_swarm.config import SettingError
from agent_swarm.domain.ids import new_id, normalize_id
from agent_swarm.server.settings import ServerSettings
from agent_swarm.store.base import Store
from agent_swarm.store.families.facts import SettleFact

DIRECTORY_ID = ".directory-id"  # in the directory of transcripts
CLUSTER_CHARS = 12  # of the database's id, in the names of streams


@dataclass(frozen=True, slots=True)
class Ways:
    """To the others. `carries_commits`: commits are told over the bus, not in the commit itself."""

    bus: Bus
    logs: LogStream
    carries_commits: bool = False


async def find_ways(settings: ServerSettings, store: Store, node_id: str) -> Ways:
    """The ways of a server with these settings, not open yet. Raises SettingError where they do not fit together."""
    if not settings.is_shared:
        if settings.nats is not None:
            raise SettingError(
                "NATS is for several servers on one PostgreSQL database, and this one has an SQLite file to itself",
                hint="set AGENT_SWARM_DATABASE_URL, or leave NATS out",
            )
        return Ways(NoBus(), NoLogStream())
    database_id = await store.apply(SettleFact(name="database", value=new_id()))
    if settings.nats is not None:
        return _by_nats(settings, database_id, node_id)
    await _require_shared_directory(settings.transcripts, store)
    from agent_swarm.bus.postgres import PostgresBus

    return Ways(PostgresBus(settings.postgres_url, node_id), NoLogStream())


def _by_nats(settings: ServerSettings, database_id: str, node_id: str) -> Ways:
    from agent_swarm.bus.nats.link import Link
    from agent_swarm.bus.nats.notices import NatsBus
    from agent_swarm.bus.nats.transcripts import NatsLogs

    assert settings.nats is not None
    cluster = database_id.replace("-", "")[-CLUSTER_CHARS:]
    link = Link(settings.nats, name=node_id)
    bus = NatsBus(link, cluster=cluster, node=node_id)
    return Ways(bus, NatsLogs(link, cluster=cluster, folder=settings.nats_dir), carries_commits=True)


async def _require_shared_directory(folder: Path, store: Store) -> None:
    """Raises SettingError for a directory of transcripts that is not the one the other servers use."""
    here = await asyncio.to_thread(_directory_id, folder)
    settled = await store.apply(SettleFact(name="transcripts", value=here))
    if here != settled:
        raise SettingError(
            f"{folder} is not the directory of transcripts that the other servers on this database use",
            hint="mount the same directory everywhere (AGENT_SWARM_TRANSCRIPTS_DIR), or let NATS carry transcripts "
            f"(--nats); where the directory was replaced, write {settled} into {folder / DIRECTORY_ID}",
        )


def _directory_id(folder: Path) -> str:
    """What tells this directory from others: a file in it, made by whoever comes first."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / DIRECTORY_ID
    if not path.exists():
        draft = folder / f"{DIRECTORY_ID}.{new_id()}"
        draft.write_text(f"{new_id()}\n")
        with contextlib.suppress(FileExistsError):  # another server was faster
            os.link(draft, path)
        draft.unlink()
    found = normalize_id(path.read_text(encoding="utf-8", errors="replace"))
    if found is None:
        raise SettingError(f"{path} holds no id", hint="remove it, if no other server uses this directory")
    return found
