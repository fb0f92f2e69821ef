"""Push dispatch: a task that becomes claimable is handed to exactly one waiting worker that may run it.

`seats` are the workers' ends, `demand` what is ready, `waiting` who waits for it, `dispatcher` brings them together
through the store. It is an accelerator: what is true is decided by the claim statement
alone.
"""

from agent_swarm.services.dispatch.dispatcher import CREDITS_PER_SEAT, Dispatcher
from agent_swarm.services.dispatch.seats import Receiver, Seat

__all__ = ["CREDITS_PER_SEAT", "Dispatcher", "Receiver", "Seat"]
