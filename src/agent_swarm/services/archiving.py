"""Old events go from the database into files; which, and when that may be, the notary says."""

import asyncio
from pathlib import Path

from agent_swarm.audit.archives import ArchiveWriter, name_of
from agent_swarm.audit.chain import Walk
from agent_swarm.audit.checkpoints import Archived
from agent_swarm.domain.errors import HistoryDiffers
from agent_swarm.faults import crash_point
from agent_swarm.services.signed_history import PAGE, rows_after
from agent_swarm.store.base import Store
from agent_swarm.store.families.checkpoints import ChainState
from agent_swarm.store.operations import DropArchived

ARCHIVE_EVENTS = 100_000  # in one file, and in one request
DROP_AT_ONCE = 2_000


async def write_archive(store: Store, folder: Path, state: ChainState, to_seq: int) -> Archived:
    """Put the events after the anchor into a file in `folder`, every one hashed anew; raises HistoryDiffers."""
    name = name_of(state.anchor_seq + 1, to_seq)
    walk = Walk(state.anchor_seq, state.anchor_hash)
    writer = await asyncio.to_thread(ArchiveWriter, folder / name, state.anchor_hash)
    try:
        while walk.seq < to_seq:
            rows = await store.read(rows_after(walk.seq, min(PAGE, to_seq - walk.seq)))
            finding = next(filter(None, map(walk.step, rows)), None)
            if finding is not None or not rows:
                message = finding.message if finding else f"event {walk.seq + 1} is missing"
                raise HistoryDiffers(f"nothing was archived: {message}", hint="look with: agent-swarm audit verify")
            await asyncio.to_thread(writer.add, rows)
    except BaseException:
        writer.give_up()
        raise
    digest = await asyncio.to_thread(writer.finish)
    return Archived(
        from_seq=state.anchor_seq + 1,
        to_seq=to_seq,
        previous=state.anchor_hash,
        hash=walk.link or "",
        file=name,
        sha256=digest,
    )


async def drop_archived(store: Store) -> None:
    """Remove rows that are archived; what a kill left over goes at the next start."""
    while await store.apply(DropArchived(limit=DROP_AT_ONCE)):
        crash_point("notary.dropping")
