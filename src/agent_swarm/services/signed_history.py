"""What the database says about its signed history, and the events that tell what people had done with it."""

from collections.abc import Callable
from typing import Any

from agent_swarm.audit.chain import EventRow
from agent_swarm.audit.checkpoints import Archived
from agent_swarm.audit.keys import PublicKey
from agent_swarm.store.base import Queries
from agent_swarm.store.events import GENESIS, Draft
from agent_swarm.store.families.checkpoints import (
    CHAIN_STATES,
    CHECKPOINTS,
    NOTHING_YET,
    THE_CHAIN,
    ChainState,
    StoredCheckpoint,
)

PAGE = 500


def state_of(queries: Queries) -> ChainState:
    """A reading: the last checkpoint's number, and how far events are archived."""
    return queries.record(CHAIN_STATES, THE_CHAIN) or NOTHING_YET


def checkpoints_after(number: int) -> Callable[[Queries], list[StoredCheckpoint]]:
    """A reading: the next page of checkpoints."""
    return lambda queries: queries.scan(CHECKPOINTS, after=(number,), limit=PAGE)


def rows_after(seq: int, limit: int) -> Callable[[Queries], list[EventRow]]:
    """A reading: the next events, as they are stored."""
    return lambda queries: queries.event_rows(seq, limit=limit)


def hash_at(queries: Queries, seq: int) -> Any:
    """A reading: the hash of an event; None where it is missing."""
    if seq == 0:
        return GENESIS
    rows = queries.event_rows(seq - 1, limit=1)
    return rows[0][-1] if rows and rows[0][0] == seq else None


def checkpointed(actor: str, number: int, seq: int) -> Draft:
    """The event of a checkpoint that somebody asked for."""
    return _draft("audit.checkpointed", actor, number, {"number": number, "seq": seq})


def key_introduced(actor: str, number: int, key: PublicKey) -> Draft:
    """The event of another key that signs from now on."""
    return _draft("audit.keyIntroduced", actor, number, {"number": number, "keyId": key.id})


def told_archived(actor: str, number: int, archived: Archived) -> Draft:
    """The event of an archive."""
    data = {"number": number, "fromSeq": archived.from_seq, "toSeq": archived.to_seq, "file": archived.file}
    return _draft("audit.archived", actor, number, data)


def _draft(event_type: str, actor: str, number: int, data: dict[str, Any]) -> Draft:
    return Draft(type=event_type, actor=actor, subject_kind="audit", subject_id=str(number), data=data)
