"""What the server does by itself, now and then."""

from agent_swarm.store import operations as ops
from agent_swarm.store import unserved
from agent_swarm.store.applying.work import IDEMPOTENCY_TTL, Work
from agent_swarm.store.families.checkpoints import CHAIN_STATES, THE_CHAIN


def find_unserved(work: Work, op: ops.FindUnserved) -> int:
    """Tell of requirement classes that nobody serves."""
    number, drafts = unserved.find(work.rows, op, work.now)
    work.drafts.extend(drafts)
    return number


def prune(work: Work, op: ops.Prune) -> int:
    """Remove what can no longer matter."""
    return work.rows.prune(work.now - IDEMPOTENCY_TTL, op.limit)


def drop_archived(work: Work, op: ops.DropArchived) -> int:
    """Remove rows that a signed archive holds; never more."""
    state = work.rows.record(CHAIN_STATES, (THE_CHAIN,))
    return work.rows.drop_events(state.anchor_seq, op.limit) if state is not None else 0
