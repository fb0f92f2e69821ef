"""Shorter times for the processes of a test: a lease of 30 s would make every zombie take a minute.

Import nothing else of ours before `hurry`: many modules read the limits when they are imported. What is scaled is how
long things wait; the relations between the times stay as they are.
"""

import importlib

from agent_swarm.domain.time import SECOND
from agent_swarm.protocol import limits

# Pauses before something is tried again, with how many seconds each starts and ends at for a lease of 30 s.
_PAUSES = (
    ("agent_swarm.domain.backoff", "AGENT_FAILURE", 2.0, 30.0),
    ("agent_swarm.domain.backoff", "INFRASTRUCTURE_LOSS", 1.0, 30.0),
    ("agent_swarm.worker.connection", "RECONNECT", 1.0, 6.0),
    ("agent_swarm.worker.delivery", "BUSY", 1.0, 6.0),
)


def hurry(lease_seconds: float) -> None:
    """Have this process live as if a lease, which is 30 s, were so long."""
    factor = lease_seconds / limits.LEASE_SECONDS
    limits.LEASE_SECONDS *= factor
    limits.HEARTBEAT_SECONDS *= factor
    limits.SWEEP_SECONDS *= factor
    for module, name, base, cap in _PAUSES:
        found = importlib.import_module(module)
        backoff = type(getattr(found, name))
        setattr(found, name, backoff(base=int(base * factor * SECOND), cap=int(cap * factor * SECOND)))
    service = importlib.import_module("agent_swarm.worker.service")
    heartbeats = importlib.import_module("agent_swarm.worker.heartbeats")
    for module_, name in (
        (service, "CREDIT_AGAIN_SECONDS"),
        (heartbeats, "RETRY_SECONDS"),
        (heartbeats, "LOOK_SECONDS"),
    ):
        setattr(module_, name, getattr(module_, name) * factor)
