"""What people do in a test, over REST: as often as it takes, and no answer is taken for granted."""

import asyncio
import json
from typing import Any

from agent_swarm.testing.faults.messages import read_http

Address = tuple[str, int]

_AGAIN_SECONDS = 0.05
_PATIENCE_SECONDS = 2.0


class Refused(Exception):
    """The server said no."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


class Operator:
    """Calls the server, directly or `at` a proxy, with the key `key`."""

    def __init__(self, key: str) -> None:
        self._key = key

    async def call(self, at: Address, method: str, path: str, body: Any = None, *, idempotency: str = "") -> Any:
        """The JSON of the answer, once. Raises OSError or EOFError where none came, Refused for one that says no."""
        content = b"" if body is None else json.dumps(body).encode()
        head = [
            f"{method} {path} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Authorization: Bearer {self._key}",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
            "Connection: close",
            *([f"Idempotency-Key: {idempotency}"] if idempotency else []),
        ]
        async with asyncio.timeout(_PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(*at)
            try:
                writer.write("\r\n".join((*head, "", "")).encode() + content)
                answer = await read_http(reader)
            finally:
                writer.close()
        status = int(answer.head.split(b" ", 2)[1])
        told = json.loads(answer.body) if answer.body else None
        if status >= 500 or status == 429:
            raise ConnectionError(f"{status} {told}")
        if status >= 400:
            raise Refused(status, told)
        return told

    async def insist(self, at: Address, method: str, path: str, body: Any = None, *, idempotency: str = "") -> Any:
        """The same, until there is an answer."""
        while True:
            try:
                return await self.call(at, method, path, body, idempotency=idempotency)
            except (OSError, EOFError, TimeoutError, ValueError):
                await asyncio.sleep(_AGAIN_SECONDS)
