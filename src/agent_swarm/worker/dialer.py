"""How a new link comes about: register without a token, then a WebSocket, then plain HTTP where none gets through."""

from collections.abc import Callable

import structlog

from agent_swarm.protocol.pool import LeaseRef, RegisterReply
from agent_swarm.worker.clock import Clock
from agent_swarm.worker.link import Link
from agent_swarm.worker.longpoll import PollLink
from agent_swarm.worker.registration import Registrar
from agent_swarm.worker.websocket import NoWebSocket, WebSocketLink

log = structlog.get_logger(__name__)

PLAIN_SECONDS = 600.0  # how long a WebSocket is not tried again after none got through


class Dialer:
    """Opens links for `connection.Connection`."""

    def __init__(
        self,
        url: str,
        registrar: Registrar,
        clock: Clock,
        *,
        held: Callable[[], tuple[LeaseRef, ...]],
        on_registered: Callable[[RegisterReply], None],
    ) -> None:
        self._url = url
        self._registrar = registrar
        self._clock = clock
        self._held = held
        self._on_registered = on_registered
        self._plain_until = float("-inf")

    async def __call__(self) -> Link:
        """A link that has not greeted yet."""
        if self._registrar.token is None:
            self._on_registered(await self._registrar.register(self._held()))
        token = self._registrar.token or ""
        if self._clock() >= self._plain_until:
            try:
                return await WebSocketLink.open(self._url, token)
            except NoWebSocket as exc:
                log.warning("no_websocket", reason=exc.message, instead="long poll")
                self._plain_until = self._clock() + PLAIN_SECONDS
        return PollLink(self._url, token, wait_seconds=self._registrar.timing.long_poll_seconds)
