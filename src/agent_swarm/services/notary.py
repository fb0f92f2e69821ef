"""The notary: signs checkpoints of the event chain, and keeps them in the database and in a file outside it.

The database hands out the numbers, so that several servers make one sequence; whoever signs a checkpoint is second
takes the next one. The file follows the database: it is written after the commit, and what a kill kept out of it is
written at the next start, once its signature was checked. Only the holder of the present key signs.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from agent_swarm.audit.archives import FOLDER
from agent_swarm.audit.checkpoints import Archived, Checkpoint, CheckpointUnreadable, parse
from agent_swarm.audit.key_file import KeyFile
from agent_swarm.audit.keys import PublicKey, SigningKey
from agent_swarm.audit.ledger import Ledger, LedgerUnreadable
from agent_swarm.domain.errors import NoNotary
from agent_swarm.faults import crash_point
from agent_swarm.services.archiving import ARCHIVE_EVENTS, drop_archived, write_archive
from agent_swarm.services.history import last_before
from agent_swarm.services.signed_history import (
    checkpointed,
    checkpoints_after,
    hash_at,
    key_introduced,
    state_of,
    told_archived,
)
from agent_swarm.store.base import Store
from agent_swarm.store.events import Draft
from agent_swarm.store.families.checkpoints import CheckpointTaken, PutCheckpoint, StoredCheckpoint

log = structlog.get_logger()

TRIES = 5


class Notary:
    """Signs checkpoints with the key in `keys`, and has them in `ledger`; `folder` is for archives."""

    def __init__(self, store: Store, *, keys: KeyFile, ledger: Ledger, folder: Path) -> None:
        self._store = store
        self._keys = keys
        self._ledger = ledger
        self._archives = folder / FOLDER
        self._key: SigningKey | None = None
        self._current: PublicKey | None = None  # the one that signs the next checkpoint; None before the first
        self._last: Checkpoint | None = None
        self._turn = asyncio.Lock()
        self.problem = "it has not looked at the history yet"
        self.on_growth: Callable[[], None] = lambda: None

    @property
    def signed_seq(self) -> int:
        """The last event that a checkpoint is known for."""
        return self._last.seq if self._last else 0

    @property
    def ledger(self) -> Ledger:
        """The file outside the database."""
        return self._ledger

    def public_keys(self) -> tuple[PublicKey, ...]:
        """The keys of this server that may sign: the present one, and one that waits to be introduced."""
        waiting = self._keys.waiting()
        return tuple(key.public for key in (self._key, waiting) if key is not None)

    async def open(self) -> None:
        """Load the key, bring the file up to the database, and look whether the history is the one that was signed.

        Raises InvalidAuditKey. What is wrong with the file or the history is logged and keeps this server from
        signing; it serves all the same.
        """
        self._key = await asyncio.to_thread(self._keys.load)
        async with self._turn:
            try:
                self._last = await asyncio.to_thread(self._ledger.last)
                self._current = await asyncio.to_thread(self._key_after, self._last)
                self.problem = await self._difference()
                if not self.problem:
                    await self._follow()
                    await self._finish_replacement()
            except LedgerUnreadable as exc:
                self.problem = exc.message
        if self.problem:
            log.error("audit_history_differs", problem=self.problem)
            return
        await drop_archived(self._store)

    async def checkpoint(self, *, actor: str = "") -> Checkpoint:
        """The checkpoint of the present end of the chain; made where there is none, or where an `actor` asks for it.

        Raises NoNotary where this server cannot sign.
        """
        async with self._turn:
            return await self._sign(lambda number, seq: checkpointed(actor, number, seq) if actor else None)

    async def replace_key(self, *, actor: str, public: PublicKey | None = None) -> Checkpoint:
        """Have another key sign from now on: `public`, whose secret is elsewhere, or a new one of this server.

        Raises NoNotary, and InvalidAuditKey where this server does not keep its key itself.
        """
        async with self._turn:
            key = public or (await asyncio.to_thread(self._keys.prepare_next)).public
            made = await self._sign(lambda number, _: key_introduced(actor, number, key), introduces=key)
            crash_point("notary.introduced")
            await self._finish_replacement()
            return made

    async def archive(self, *, before: int, actor: str) -> Archived | None:
        """Put the events from before that instant into a file, as far as a checkpoint reaches, and drop their rows.

        At most ARCHIVE_EVENTS; None where there is nothing to archive. Raises HistoryDiffers where the events are not
        what their hashes say: then nothing is archived.
        """
        async with self._turn:
            await self._require_signing()
            state, to_seq = await self._store.read(lambda queries: (state_of(queries), last_before(queries, before)))
            to_seq = min(to_seq, self.signed_seq, state.anchor_seq + ARCHIVE_EVENTS)
            if to_seq <= state.anchor_seq:
                return None
            archived = await write_archive(self._store, self._archives, state, to_seq)
            crash_point("notary.archived")
            await self._sign(lambda number, _: told_archived(actor, number, archived), archives=archived)
        await drop_archived(self._store)
        return archived

    async def follow(self) -> None:
        """Bring the file up to what other servers have signed."""
        async with self._turn:
            if not self.problem:
                await self._follow()

    # --- signing ------------------------------------------------------------------------------------------------------

    @property
    def _can_sign(self) -> bool:
        return self._key is not None and self._current in (None, self._key.public)

    async def _require_signing(self) -> SigningKey:
        if self.problem:
            raise NoNotary(f"no checkpoint is signed: {self.problem}", hint="look with: agent-swarm audit verify")
        await self._follow()
        if self._key is None or not self._can_sign:
            raise NoNotary(
                f"another key signs the checkpoints of this database: {self._current.id if self._current else 'none'}",
                hint="give all servers the same key: AGENT_SWARM_AUDIT_KEY_FILE",
            )
        return self._key

    async def _sign(
        self,
        said: Callable[[int, int], Draft | None],
        *,
        introduces: PublicKey | None = None,
        archives: Archived | None = None,
        always: bool = False,
    ) -> Checkpoint:
        for _ in range(TRIES):
            key = await self._require_signing()
            (seq, digest), known = await self._store.read(lambda queries: (queries.head(), state_of(queries).number))
            number = known + 1
            if known != (self._last.number if self._last else 0):
                continue  # another server was faster: its checkpoint comes into the file first
            draft = said(number, seq)
            if self._last is not None and self._last.seq == seq and not (draft or introduces or archives or always):
                return self._last
            made = Checkpoint(
                number=number,
                seq=seq,
                hash=digest,
                at=self._store.now(),
                key_id="",
                introduces=introduces if number > 1 else key.public,
                archives=archives,
            ).signed_with(key)
            anchor = (archives.to_seq, archives.hash) if archives else None
            stored = StoredCheckpoint(number=number, seq=seq, line=made.line)
            try:
                await self._store.apply(PutCheckpoint(checkpoint=stored, anchor=anchor, said=draft))
            except CheckpointTaken:
                continue
            crash_point("notary.recorded")
            await self._write([made])
            return made
        raise NoNotary("other servers sign checkpoints faster than this one", hint="try again in a moment")

    async def _write(self, made: list[Checkpoint]) -> None:
        await asyncio.to_thread(self._ledger.append, made)
        for one in made:
            self._last, self._current = one, one.introduces or self._current
        self.on_growth()

    async def _finish_replacement(self) -> None:
        """Take the key that waits, once a checkpoint has introduced it.

        It signs before it takes the place of the other one: the last checkpoint is always of a key that is there.
        """
        waiting = await asyncio.to_thread(self._keys.waiting)
        if waiting is not None and self._current == waiting.public and not self.problem:
            self._key = waiting
            await self._sign(lambda _number, _seq: None, always=True)
            self._key = await asyncio.to_thread(self._keys.take_next)

    # --- the file, and what the database says -------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Write what the database has and the file has not."""
        while True:
            number = self._last.number if self._last else 0
            page = await self._store.read(checkpoints_after(number))
            if not page:
                return
            news: list[Checkpoint] = []
            for stored in page:
                checkpoint = self._accepted(stored, after=news[-1] if news else self._last)
                if checkpoint is None:
                    self.problem = f"checkpoint {stored.number} in the database is not signed by the key that counts"
                    log.error("audit_checkpoint_forged", number=stored.number)
                    break
                news.append(checkpoint)
                self._current = checkpoint.introduces or self._current or self._key_after(checkpoint)
            await self._write(news)
            if self.problem:
                return

    def _accepted(self, stored: StoredCheckpoint, *, after: Checkpoint | None) -> Checkpoint | None:
        try:
            checkpoint = parse(stored.line)
        except CheckpointUnreadable:
            return None
        key = self._current or checkpoint.introduces
        follows = checkpoint.number == (after.number + 1 if after else 1)
        return checkpoint if key is not None and follows and checkpoint.is_signed_by(key) else None

    def _key_after(self, last: Checkpoint | None) -> PublicKey | None:
        """The key that signs what follows `last`."""
        if last is None:
            return None
        if last.introduces is not None:
            return last.introduces
        if self._key is not None and self._key.public.id == last.key_id:
            return self._key.public
        return self._ledger.key_of(last.key_id)

    async def _difference(self) -> str:
        """What is different in the database from the last checkpoint outside it; empty where nothing is."""
        last = self._last
        if last is None:
            return ""
        if self._current is None:
            return f"nobody introduced the key {last.key_id} of the last checkpoint in {self._ledger.path}"
        state, row = await self._store.read(lambda queries: (state_of(queries), hash_at(queries, last.seq)))
        if state.number < last.number:
            return (
                f"the database knows {state.number} checkpoints, and {self._ledger.path} has {last.number}: "
                "an older copy of the database was put in its place"
            )
        if row != last.hash and last.seq > state.anchor_seq:
            return f"event {last.seq} is not the one of checkpoint {last.number} in {self._ledger.path}"
        return ""
