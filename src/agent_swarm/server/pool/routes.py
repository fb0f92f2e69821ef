"""The table of the worker face: `/v1/pool/*`."""

from starlette.routing import BaseRoute, WebSocketRoute

from agent_swarm.protocol.pool import PollReply, RegisterReply
from agent_swarm.server.access import operators_and_workers, workers
from agent_swarm.server.fastroute import route
from agent_swarm.server.pool.context import PoolContext
from agent_swarm.server.pool.poll import PollFace
from agent_swarm.server.pool.registration import RegisterFace
from agent_swarm.server.pool.socket import SocketEndpoint
from agent_swarm.services.tokens import Scope


def routes(pool: PoolContext) -> list[BaseRoute]:
    """The table."""
    working = workers(Scope.POOL_WORK).also_while_killed()  # to hear of it, to confirm it, to book what was spent
    registering = operators_and_workers(Scope.POOL_WORK).also_while_killed()
    return [
        _socket(pool),
        route(
            "POST",
            "/v1/pool/poll",
            PollFace(pool).poll,
            answers=PollReply,
            access=working,
            conflicts=True,
        ),
        route(
            "POST",
            "/v1/pool/register",
            RegisterFace(pool).register,
            answers=RegisterReply,
            access=registering,
            conflicts=True,
        ),
    ]


def _socket(pool: PoolContext) -> WebSocketRoute:
    socket = WebSocketRoute("/v1/pool/socket", SocketEndpoint(pool))
    socket.access = workers(Scope.POOL_WORK).also_while_killed()  # type: ignore[attr-defined]  # read by server.access
    return socket
