"""Change keys while everything goes on.

The master key: every data key is wrapped by the next master key as well, the next one takes the place of the one so
far, and then the wraps by the one so far go. In between either key opens everything, so that a kill at any point, or
servers that have different ones of the two, do no harm. Where the server keeps its key in a file of its own it changes
that file itself; where the key is given to it, people do, and say when they have: `finish`.

The data key: new values are sealed with a new one at once, those that are there by `resealing`.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent_swarm.domain.errors import Conflict, EncryptionKeyMissing, InvalidInput
from agent_swarm.faults import crash_point
from agent_swarm.services.secrets.vault import NO_KEY_HINT, Opened, Vault, unwrapped
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.data_keys import (
    AddDataKey,
    AddWraps,
    DataKeyRecord,
    DataKeyRetired,
    SettleWraps,
    active_of,
)
from agent_swarm.store.families.sealed import FIRST, Mark, sealed_page
from agent_swarm.vault import keyfile
from agent_swarm.vault.datakeys import wrap
from agent_swarm.vault.keys import MasterKey, Origin, new_key
from agent_swarm.vault.sealing import new_data_key

PAGE = 200
TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatus:
    """The keys as they are. `values` counts what is sealed, by the id of the data key."""

    master: MasterKey | None
    records: tuple[DataKeyRecord, ...]
    values: dict[str, int]
    is_shared: bool

    @property
    def next_master(self) -> str | None:
        """The id of the master key that takes the place of the one so far, while that happens."""
        return next((record.next_master for record in self.records if record.next_master), None)

    @property
    def to_do(self) -> str:
        """What people have to do now; empty where there is nothing."""
        if self.next_master is None or self.master is None:
            return ""
        everywhere = "every server of the database" if self.is_shared else "the server"
        if self.master.id == self.next_master:
            return f"when {everywhere} runs with the new key: agent-swarm key rotate --finish"
        where = {
            Origin.ENVIRONMENT: "set SECRETS_ENCRYPTION_KEY to the new key",
            Origin.BACKEND: f"put the new key where {self.master.place} leads",
            Origin.FILE: f"put the new key into the file of {self.master.place}",
        }.get(self.master.origin, f"put the new key into {self.master.place}")
        last = ", then run: agent-swarm key rotate --finish" if self.is_shared else "; that ends the change"
        return f"{where} for {everywhere} and start it again{last}"


@dataclass(frozen=True, slots=True)
class Verified:
    """What opens and what does not, with the keys of this server."""

    data_keys: int
    values: int
    closed: tuple[Opened, ...]


class KeyChanges:
    """The keys of one server, and how they change. `own_file` is the key file of its data directory."""

    def __init__(self, store: Store, vault: Vault, own_file: Path, *, is_shared: bool) -> None:
        self._store = store
        self._vault = vault
        self._own_file = own_file
        self._is_shared = is_shared
        self._one_at_a_time = asyncio.Lock()

    async def status(self) -> KeyStatus:
        """The keys as they are by now."""
        await self._vault.refresh(self._store)
        values = dict.fromkeys((record.id for record in self._vault.records), 0)
        async for page in self._pages():
            for one in page:
                values[one.sealed.data_key] = values.get(one.sealed.data_key, 0) + 1
        return KeyStatus(
            master=self._vault.master, records=self._vault.records, values=values, is_shared=self._is_shared
        )

    async def verify(self) -> Verified:
        """Open everything; a data key counts where its own text opens, not because it is in memory."""
        master = self._master()
        await self._vault.refresh(self._store)
        for record in self._vault.records:
            unwrapped(record, master)
        values, closed = 0, []
        async for page in self._pages():
            values += len(page)
            closed += [one for one in page if one.value is None]
        return Verified(len(self._vault.records), values, tuple(closed))

    async def rotate(self, new: MasterKey | None, *, master: bool, values: bool, actor: str) -> None:
        """Begin to change the master key to `new`, by default to a fresh one, and end it where that is ours to do.

        With `values`, have new values sealed with a new data key; `resealing` does the rest. All of it is judged before
        any of it is done: raises InvalidInput where people have to bring the key, Conflict during another change.
        """
        async with self._one_at_a_time:
            await self._vault.refresh(self._store)
            old = self._current_master()
            following = self._following(old, new) if master else None
            if values:
                key = new_data_key()
                added = AddDataKey(id=key.id, wrapped=wrap(key, old), actor=actor)
                self._vault.take(await self._store.apply(added))
            if following is not None:
                await self._change_master(following, actor=actor)

    def _following(self, old: MasterKey, new: MasterKey | None) -> MasterKey:
        is_ours = old.origin is Origin.DATA_DIR
        if new is None and not is_ours:
            raise InvalidInput(
                f"the encryption key comes from {old.place}, so the new one has to be given",
                hint="make one with: openssl rand -base64 32 > new.key - then: "
                "agent-swarm key rotate --from-file new.key",
            )
        if new is not None and new.id == old.id:
            raise InvalidInput("the new encryption key is the one in use", hint="give another one")
        return MasterKey((new or new_key()).material, old.place, old.origin)

    async def _change_master(self, new: MasterKey, *, actor: str) -> None:
        is_ours = new.origin is Origin.DATA_DIR
        if is_ours:
            keyfile.stage(self._own_file, new)
            crash_point("keys.staged")
        await self._wrap(new, actor=actor, is_staged=is_ours)
        crash_point("keys.wrapped")
        if is_ours:
            keyfile.install(self._own_file)
            crash_point("keys.installed")
            self._vault.master = new
            if not self._is_shared:
                await self._settle(new, actor=actor)

    async def finish(self, *, actor: str) -> None:
        """End the change of the master key. Raises Conflict where this server has not got the next one."""
        async with self._one_at_a_time:
            await self._vault.refresh(self._store)
            master, to = self._master(), self._next_master()
            if master.id != to:
                raise Conflict(
                    f"this server still runs with the encryption key {master.id}, the next one is {to}",
                    hint="give the new key to every server and start it again, then finish",
                )
            await self._settle(master, actor=actor)

    async def give_up(self, *, actor: str) -> None:
        """Stay with the master key so far. Raises Conflict where this server has the next one already."""
        async with self._one_at_a_time:
            await self._vault.refresh(self._store)
            master, to = self._master(), self._next_master()
            if master.id == to:
                raise Conflict(
                    f"this server runs with the next encryption key {to} already",
                    hint="start every server with the old key first, or finish: agent-swarm key rotate --finish",
                )
            await self._settle(master, actor=actor)
            if master.origin is Origin.DATA_DIR:
                keyfile.unstage(self._own_file)

    async def _wrap(self, new: MasterKey, *, actor: str, is_staged: bool) -> None:
        """Have all data keys wrapped by `new` as well; a data key may be added in the same moment."""
        try:
            for left in reversed(range(TRIES)):
                wraps = {record.id: wrap(self._vault.key(record.id), new) for record in self._vault.records}
                try:
                    self._vault.take(await self._store.apply(AddWraps(wraps=wraps, actor=actor)))
                except DataKeyRetired:
                    if not left:
                        raise
                    await self._vault.refresh(self._store)
                else:
                    return
        except Conflict:
            if is_staged:
                keyfile.unstage(self._own_file)
            raise

    async def _settle(self, master: MasterKey, *, actor: str) -> None:
        self._vault.take(await self._store.apply(SettleWraps(keep=master.id, actor=actor)))
        crash_point("keys.settled")

    def _master(self) -> MasterKey:
        if self._vault.master is None or not self._vault.records:
            raise EncryptionKeyMissing("this server has no encryption key", hint=NO_KEY_HINT)
        return self._vault.master

    def _current_master(self) -> MasterKey:
        """The one that is not being replaced; raises Conflict where one is."""
        master = self._master()
        to = active_of(self._vault.records).next_master
        if to is not None:
            raise Conflict(
                f"the master key is being changed to {to}",
                hint="end that first: agent-swarm key rotate --finish, or --give-up",
                details={"nextMasterKeyId": to},
            )
        return master

    def _next_master(self) -> str:
        to = active_of(self._vault.records).next_master
        if to is None:
            raise Conflict("the master key is not being changed", hint="begin with: agent-swarm key rotate")
        return to

    async def _pages(self) -> AsyncIterator[list[Opened]]:
        """Everything sealed, opened as far as it does."""
        mark: Mark | None = FIRST
        while mark is not None:
            found, mark = await self._store.read(partial(self._page, mark))
            yield found

    def _page(self, mark: Mark, queries: Queries) -> tuple[list[Opened], Mark | None]:
        texts, following = sealed_page(queries, mark, limit=PAGE)
        return self._vault.opened(queries, texts), following
