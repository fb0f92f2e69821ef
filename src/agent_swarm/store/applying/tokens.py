"""Tokens come and go."""

from dataclasses import replace

from agent_swarm.store import events
from agent_swarm.store import operations as ops
from agent_swarm.store.applying.work import Work
from agent_swarm.store.records import TokenKind


def put_token(work: Work, op: ops.PutToken) -> None:
    """Add a token, unless it counts already; an operator's replaces the one with the same label."""
    if work.rows.token_valid(op.token.hash):
        return
    replaced = 0
    if op.token.kind is TokenKind.OPERATOR:
        replaced = work.rows.revoke_tokens(work.now, kind=TokenKind.OPERATOR, label=op.token.label)
    work.rows.add_token(replace(op.token, created_at=work.now))
    work.drafts.append(events.token_created(op.token, replaced=replaced > 0))


def revoke_token(work: Work, op: ops.RevokeToken) -> bool:
    """Revoke a token; whether it counted until now."""
    revoked = work.rows.revoke_tokens(work.now, token_id=op.token_id)
    if revoked:
        work.drafts.append(events.token_revoked(op))
    return revoked > 0
