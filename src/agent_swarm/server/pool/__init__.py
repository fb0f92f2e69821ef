"""The workers' face: registration, the socket that tasks are pushed through, and the poll where none gets through.

`routes` is the table, `context` what the connections share. `socket` and `poll` carry frames; `exchange` takes them,
whatever carried them; `presence` is a connected process and its credits; `roster` knows all of them.
"""

from agent_swarm.server.pool.context import PoolContext
from agent_swarm.server.pool.routes import routes

__all__ = ["PoolContext", "routes"]
