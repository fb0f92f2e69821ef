"""Stands in for the models and the MCP servers of a run that was recorded.

A request to a model is a step. It is answered as the same request was; where the recording has none such, the run has
diverged: nothing more is answered. Agents of one CLI ask at the same time, so steps may come in another order.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from agent_swarm.redaction import Redactor
from agent_swarm.worker.replay.bodies import kept_request
from agent_swarm.worker.replay.fork import Fork
from agent_swarm.worker.replay.mcp import McpAnswers
from agent_swarm.worker.replay.normal import Difference, Normal, first_difference, same
from agent_swarm.worker.replay.routes import Routes, is_mcp
from agent_swarm.worker.replay.tape import Exchange, Recording
from agent_swarm.worker.replay.upstream import asked
from agent_swarm.worker.replay.wire import Answer, LoopbackServer, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """The first request that the recording does not have; `step` counts from 1."""

    step: int
    of: int
    path: str
    difference: Difference | None  # None where the recording has no further step

    def to_json(self) -> dict[str, Any]:
        """For people and programs."""
        return asdict(self)


class Player:
    """The server of one replay."""

    def __init__(
        self,
        recording: Recording,
        *,
        routes: Routes,
        recorded: Normal,
        now: Normal,
        redactor: Redactor,
        fork: Fork | None = None,
    ) -> None:
        self.divergence: Divergence | None = None
        self.diverged = asyncio.Event()
        self.steps = 0  # requests to a model so far
        self._routes = routes
        self._recorded = recorded
        self._now = now
        self._redactor = redactor
        self._fork = fork
        self._left = list(recording.steps)
        self._of = len(self._left)
        self._mcp = McpAnswers([one for one in recording.exchanges if is_mcp(one.route)], recorded, now)
        self._server = LoopbackServer(self._handle)

    @property
    def port(self) -> int:
        """Of loopback."""
        return self._server.port

    @property
    def unasked(self) -> int:
        """How many steps of the recording nobody has asked for."""
        return len(self._left)

    async def start(self) -> None:
        """Listen."""
        await self._server.start()

    async def stop(self) -> None:
        """Idempotent."""
        await self._server.stop()

    async def _handle(self, request: Request, answer: Answer) -> None:
        found = self._routes.find(request.target)
        if found is None:
            await answer.send_json(404, {"error": {"type": "notFound", "message": "not of this run"}})
        elif request.method == "GET":
            await answer.send_json(405 if is_mcp(found[0]) else 404, {"error": {"message": "not in the recording"}})
        elif request.method != "POST":
            await answer.send(200, b"", {})
        elif is_mcp(found[0]):
            await self._call(found[0], request, answer)
        else:
            await self._step(*found, request, answer)

    async def _call(self, route: str, request: Request, answer: Answer) -> None:
        reply = self._mcp.reply(route, kept_request(request.body, self._redactor))
        if reply.body is None:
            await answer.begin(reply.status, {"content-type": "text/event-stream", **reply.headers})
            await asyncio.Event().wait()  # until the client, or the replay, is over
        content = json.dumps(reply.body).encode() if reply.body else b""
        await answer.send(reply.status, content, {"content-type": "application/json", **reply.headers})

    async def _step(self, route: str, rest: str, request: Request, answer: Answer) -> None:
        if self.divergence is not None:
            await _refuse(answer)
            return
        self.steps += 1
        if self._fork is not None and self.steps >= self._fork.at:
            await self._forward(route, rest, request, answer)
            return
        path = rest.partition("?")[0]
        body = self._now.request(kept_request(request.body, self._redactor))
        step = self._match(route, path, body)
        if step is None:
            self.divergence = self._where(path, body)
            self.diverged.set()
            await _refuse(answer)
            return
        self._left.remove(step)
        await _play(step, answer)

    def _match(self, route: str, path: str, body: Any) -> Exchange | None:
        for one in self._left:
            if (one.route, one.path) == (route, path) and same(self._recorded.request(one.request), body):
                return one
        return None

    def _where(self, path: str, body: Any) -> Divergence:
        """Against the step that was next."""
        found = next((one for one in self._left if one.path == path), None)
        difference = first_difference(self._recorded.request(found.request), body) if found is not None else None
        return Divergence(step=self.steps, of=self._of, path=path, difference=difference)

    async def _forward(self, route: str, rest: str, request: Request, answer: Answer) -> None:
        assert self._fork is not None
        try:
            body = json.loads(request.body)
        except ValueError:
            body = None
        content = request.body
        if isinstance(body, Mapping):
            self._fork, sent = self._fork.changed(body)
            content = json.dumps(sent).encode()
        changed = Request(request.method, request.target, request.headers, content)
        async with asked(self._routes.outside[route], self._fork.led(rest), changed) as response:
            await answer.begin(response.status, response.headers)
            async for piece in response.pieces:
                await answer.piece(piece)
            await answer.end()


async def _play(step: Exchange, answer: Answer) -> None:
    """As it was; an answer that broke off does so again."""
    if not step.status:
        raise ConnectionResetError
    await answer.begin(step.status, step.headers)
    await answer.piece(step.body.encode())
    if not step.is_whole:
        raise ConnectionResetError
    await answer.end()


async def _refuse(answer: Answer) -> None:
    """With a status after which no CLI tries again."""
    error = {"type": "invalid_request_error", "message": "the replay has diverged from its recording"}
    await answer.send_json(400, {"type": "error", "error": error})
