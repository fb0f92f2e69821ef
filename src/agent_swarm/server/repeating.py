"""The same request twice acts once: what an Idempotency-Key stands for."""

import hashlib

from starlette.requests import Request

from agent_swarm.services.tokens import Identity
from agent_swarm.store.operations import Idempotency

REPLAYED = {"Idempotency-Replayed": "true"}


async def idempotency_of(request: Request, by: Identity, key: str | None) -> Idempotency | None:
    """The request under its key; None where it has none."""
    if key is None:
        return None
    digest = hashlib.sha256(await request.body()).hexdigest()
    return Idempotency(subject=by.subject, route=f"{request.method} {request.scope['path']}", key=key, body_hash=digest)
