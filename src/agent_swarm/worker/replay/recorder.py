"""Passes what an agent CLI and its servers say to each other on, as it comes, and writes it down."""

import asyncio
import json
import time
from dataclasses import replace

from agent_swarm.worker.replay.routes import Routes
from agent_swarm.worker.replay.tape import Exchange, Tape
from agent_swarm.worker.replay.upstream import Response, asked
from agent_swarm.worker.replay.wire import BODY_BYTES, Answer, LoopbackServer, Request

_JSON = {"content-type": "application/json"}


class ExchangeRecorder:
    """The server of one attempt. It has no credentials: it passes on those of the CLI, and keeps none."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._routes = Routes(outside={})
        self._server = LoopbackServer(self._handle)
        self._writing: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Of loopback."""
        return self._server.port

    async def start(self) -> None:
        """Listen; everything is refused until it `serves` something."""
        await self._server.start()

    def serves(self, routes: Routes) -> None:
        """Pass on what these routes lead to."""
        self._routes = routes

    async def stop(self) -> None:
        """Break what is still under way, and see what was said written down; idempotent."""
        await self._server.stop()
        await asyncio.gather(*self._writing)

    def _write(self, exchange: Exchange, request: bytes, answer: bytes) -> None:
        """In a thread: looking through a long conversation for secrets takes a while."""
        writing = asyncio.create_task(asyncio.to_thread(self._tape.exchange, exchange, request, answer))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)

    async def _handle(self, request: Request, answer: Answer) -> None:
        found = self._routes.find(request.target)
        if found is None:
            await answer.send_json(404, {"error": {"type": "notFound", "message": "nothing of this run is here"}})
            return
        route, rest = found
        kept = bytearray()
        path = rest.partition("?")[0]
        exchange = Exchange(n=self._tape.number(), route=route, method=request.method, path=path, request=None)
        exchange = replace(exchange, is_whole=False)
        began_at = time.monotonic()
        try:
            async with asked(self._routes.outside[route], rest, request) as response:
                exchange = replace(exchange, status=response.status, headers=response.headers)
                await _passed_on(response, answer, kept)
                exchange = replace(exchange, is_whole=len(kept) <= BODY_BYTES)
        except OSError as exc:
            if answer.is_begun:
                raise
            kept[:] = await _unreachable(answer, exc)
            exchange = replace(exchange, status=502, headers=_JSON, is_whole=True)
        finally:
            seconds = round(time.monotonic() - began_at, 3)
            if request.method == "POST":  # others ask whether anybody is there, or listen
                exchange = replace(exchange, seconds=seconds)
                self._write(exchange, request.body, bytes(kept))


async def _passed_on(response: Response, answer: Answer, kept: bytearray) -> None:
    await answer.begin(response.status, response.headers)
    async for piece in response.pieces:
        if len(kept) <= BODY_BYTES:
            kept += piece
        await answer.piece(piece)
    await answer.end()


async def _unreachable(answer: Answer, exc: OSError) -> bytes:
    """What a CLI is told instead of an answer; it tries again, as it would by itself."""
    reason = "no answer in time" if isinstance(exc, TimeoutError) else exc.strerror or str(exc)
    error = {"type": "api_error", "message": f"the server cannot be reached: {reason}"}
    body = json.dumps({"type": "error", "error": error}).encode()
    await answer.send(502, body, _JSON)
    return body
