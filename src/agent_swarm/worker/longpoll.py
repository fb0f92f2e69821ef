"""The link where no WebSocket gets through: plain POSTs that carry the same frames.

Two lanes, so that what the worker sends never waits behind what it listens for: one posts frames and takes their
answers, the other one waits for what the server sends on its own. Frames that come up while a post is under way travel
together in the next. A listening post is never repeated silently: where it fails the server may have been restarted,
and wants to be greeted anew.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from agent_swarm.domain.errors import SwarmError
from agent_swarm.protocol.pool import Frame, PollRequest
from agent_swarm.worker.http import HttpLane
from agent_swarm.worker.link import LinkLost, readable

PATH = "/v1/pool/poll"
PATIENCE_SECONDS = 10.0  # for an answer, above what the server was asked to wait
MOST_FRAMES = 1000  # protocol.pool.PollRequest.frames


class PollLink:
    """Meets `link.Link`."""

    kind = "longPoll"

    def __init__(self, url: str, token: str, *, wait_seconds: float) -> None:
        self._token = token
        self._wait_seconds = wait_seconds
        self._posting = HttpLane(url, "post")
        self._listening = HttpLane(url, "listen")
        self._outbox: list[Frame] = []
        self._has_outgoing = asyncio.Event()
        self._inbox: asyncio.Queue[Sequence[Frame] | SwarmError] = asyncio.Queue()
        self._is_greeted = asyncio.Event()
        self._lanes = [asyncio.create_task(self._guarded(lane)) for lane in (self._post, self._listen)]

    async def send(self, frames: Sequence[Frame]) -> None:
        """Queue them for the next post."""
        self._outbox.extend(frames)
        self._has_outgoing.set()

    async def receive(self) -> Sequence[Frame]:
        """Wait for the next frames of either lane."""
        received = await self._inbox.get()
        if isinstance(received, SwarmError):
            self._inbox.put_nowait(received)  # a broken link stays broken
            raise received
        return received

    async def close(self) -> None:
        """Shut both connections; what was not posted yet is dropped."""
        self._posting.close()
        self._listening.close()
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)
        self._inbox.put_nowait(LinkLost("the connection was closed"))

    async def _post(self) -> None:
        while True:
            await self._has_outgoing.wait()
            frames, self._outbox = self._outbox[:MOST_FRAMES], self._outbox[MOST_FRAMES:]
            if not self._outbox:
                self._has_outgoing.clear()
            await self._exchange(self._posting, frames, wait_seconds=0)
            self._is_greeted.set()  # the first post carries the greeting

    async def _listen(self) -> None:
        await self._is_greeted.wait()
        while True:
            await self._exchange(self._listening, [], wait_seconds=self._wait_seconds)

    async def _exchange(self, lane: HttpLane, frames: list[Frame], *, wait_seconds: float) -> None:
        request = PollRequest(frames=tuple(frames), wait_seconds=wait_seconds)
        answer: dict[str, Any] = await lane.post(
            PATH,
            request.model_dump(mode="json"),
            token=self._token,
            patience=wait_seconds + PATIENCE_SECONDS,
            again=bool(frames),
        )
        sent = answer.get("frames", [])
        received = [readable(raw) for raw in sent] if isinstance(sent, list) else []
        if received:
            self._inbox.put_nowait([frame for frame in received if frame is not None])

    async def _guarded(self, lane: Any) -> None:
        try:
            await lane()
        except SwarmError as exc:
            self._inbox.put_nowait(exc)
