"""What can go wrong between a worker and an agent, beside the agent's work itself.

SwarmError
└── NotDelivered               a message did not reach the agent
"""

from agent_swarm.domain.errors import SwarmError


class NotDelivered(SwarmError):
    """A message did not reach the agent, and will not: send it to the next run."""

    code = "notDelivered"
