"""The stub model's server: takes requests, remembers them, has the script's reply delivered."""

import asyncio
import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from agent_swarm.testing.model_server import completions, gemini, responses
from agent_swarm.testing.model_server.agents import follow_steps
from agent_swarm.testing.model_server.completions import CompletionsRequest
from agent_swarm.testing.model_server.delivery import deliver
from agent_swarm.testing.model_server.gemini import GeminiRequest
from agent_swarm.testing.model_server.messages import error_of, new_id
from agent_swarm.testing.model_server.replies import Computed, Fail, Reply
from agent_swarm.testing.model_server.requests import ModelRequest, Purpose
from agent_swarm.testing.model_server.responses import ResponsesRequest
from agent_swarm.testing.model_server.script import Player, Script
from agent_swarm.testing.model_server.wire import HEAD_BYTES, Answer, BadRequest, Received, receive

T = TypeVar("T")

WITHIN_SECONDS = 60.0  # a coding agent whose program is not in the page cache has taken 40 s to its first request
PATHS = frozenset({"/v1/messages", "/v1/messages/count_tokens", completions.PATH, responses.PATH})
_BYTES_PER_TOKEN = 4  # a rule of thumb, for count_tokens


class ModelServer:
    """Use it as `async with ModelServer(script) as model`; `model.url` is the client's base URL.

    It lives in the running event loop: whoever blocks that, blocks the model. When the block ends it raises what a
    function of the script raised, such as an assertion about a request.
    """

    def __init__(
        self,
        script: Script = follow_steps,
        *,
        delegates: Computed = follow_steps,
        is_shared: bool = False,
        port: int = 0,
        heard: Callable[[ModelRequest], None] | None = None,
    ) -> None:
        """`is_shared`: all conversations together play the script once. `heard` is told of each request."""
        self.everything: list[ModelRequest] = []  # in the order of arrival
        self._player = Player(script, delegates=delegates, is_shared=is_shared)
        self._port = port
        self._heard = heard
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._arrived = asyncio.Event()
        self._failures: list[Exception] = []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        if exc is None and self._failures:
            raise self._failures[0]

    @property
    def url(self) -> str:
        """Where it listens; the same again after `stop` and `start`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def requests(self) -> list[ModelRequest]:
        """The turns of main loops, which are what the script answers."""
        return self.of(Purpose.TURN)

    def of(self, purpose: Purpose) -> list[ModelRequest]:
        """The requests with this purpose."""
        return [request for request in self.everything if request.purpose is purpose]

    async def start(self) -> None:
        """Listen."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self._port, limit=HEAD_BYTES)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Break every connection and stop listening. Twice is fine, before start is fine."""
        if self._listener is not None:
            self._listener.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def requested(self, count: int = 1, *, within: float = WITHIN_SECONDS) -> ModelRequest:
        """Wait until so many turns were asked for, and return that one. AssertionError after `within` seconds."""
        await self.until(lambda: len(self.requests) >= count, within=within)
        return self.requests[count - 1]

    async def until(self, predicate: Callable[[], T], *, within: float = WITHIN_SECONDS) -> T:
        """Wait for a request that makes `predicate` answer something true, and return that."""
        try:
            async with asyncio.timeout(within):
                while not (answer := predicate()):
                    self._arrived.clear()
                    await self._arrived.wait()
                return answer
        except TimeoutError:
            purposes = [request.purpose.value for request in self.everything]
            raise AssertionError(f"waited {within} s in vain; so far the model was asked for {purposes}") from None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._handle(await receive(reader), Answer(writer)):
                pass
        except BadRequest as exc:
            await self._refuse(Answer(writer), Fail(400, message=str(exc)))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has left
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._connections.discard(task)
            writer.close()

    async def _handle(self, received: Received, answer: Answer) -> bool:
        """Answer one request; whether another one may follow on the same connection."""
        if received.method == "HEAD":  # a client that looks whether anybody is there
            await answer.send(200, b"", {})
            return True
        if received.method != "POST" or not _is_known(received.path):
            return await self._refuse(answer, Fail(404, message=f"no such thing: {received.method} {received.path}"))
        body = _object(received.content)
        if body is None:
            return await self._refuse(answer, Fail(400, message="the body is no JSON object"))
        request = _read(received, body)
        self.everything.append(request)
        self._arrived.set()
        if self._heard is not None:
            self._heard(request)
        if request.purpose is Purpose.COUNT:
            await answer.send_json(200, {"input_tokens": len(received.content) // _BYTES_PER_TOKEN}, {})
            return True
        return await deliver(await self._reply_to(request), request, answer)

    async def _reply_to(self, request: ModelRequest) -> Reply:
        try:
            return await self._player.reply_to(request)
        except Exception as exc:  # an assertion of the test; raised again where the block ends
            self._failures.append(exc)
            return Fail(403, message=f"the script's function raised {type(exc).__name__}: {exc}")

    @staticmethod
    async def _refuse(answer: Answer, fail: Fail) -> bool:
        await answer.send_json(fail.status, error_of(fail, new_id("req")), {})
        return True


def _is_known(path: str) -> bool:
    return path in PATHS or path.startswith(gemini.PREFIX)


def _read(received: Received, body: dict[str, Any]) -> ModelRequest:
    """In the words of the API that it is for."""
    if received.path == responses.PATH:
        return ResponsesRequest(received.path, received.headers, body)
    if received.path == completions.PATH:
        return CompletionsRequest(received.path, received.headers, body)
    if received.path.startswith(gemini.PREFIX):
        return GeminiRequest(received.path, received.headers, body)
    return ModelRequest(received.path, received.headers, body)


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
