"""The routes: POST a task or a batch, register, and the socket of a worker."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from benchmarks.prototype.hub import Hub
from benchmarks.prototype.table import Table


def build_app(path: Path) -> Starlette:
    """The app over the database at `path`."""
    faces = _Faces(Hub(Table(path)))
    return Starlette(
        routes=[
            Route("/api/tasks", faces.create, methods=["POST"]),
            Route("/api/tasks/batch", faces.create_batch, methods=["POST"]),
            Route("/v1/pool/register", faces.register, methods=["POST"]),
            Route("/ready", faces.register),
            WebSocketRoute("/v1/pool/socket", faces.socket),
        ]
    )


class _Faces:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def create(self, request: Request) -> Response:
        tasks = [_new(orjson.loads(await request.body()))]
        await self._written(tasks)
        return _json({"id": tasks[0][0], "title": tasks[0][1], "status": "pending"}, 201)

    async def create_batch(self, request: Request) -> Response:
        tasks = [_new(task) for task in orjson.loads(await request.body())["tasks"]]
        await self._written(tasks)
        return _json({"tasks": [{"id": task[0], "title": task[1], "status": "pending"} for task in tasks]}, 201)

    async def register(self, request: Request) -> Response:
        return _json({"token": "none"}, 200)

    async def socket(self, socket: WebSocket) -> None:
        await socket.accept()
        line = _Line(socket)
        try:
            while True:
                self._take(orjson.loads(await socket.receive_text()), line)
        except WebSocketDisconnect:
            return

    async def _written(self, tasks: list[tuple[str, str, str, int]]) -> None:
        done = asyncio.get_running_loop().create_future()
        self._hub.ask("create", tasks, lambda: done.set_result(None))
        await done

    def _take(self, frame: dict[str, Any], line: "_Line") -> None:
        body, answer = frame["body"], line.answer(frame["id"])
        match frame["type"]:
            case "credit":
                for claim_id in body["claim_ids"]:
                    self._hub.offer(line.give(claim_id))
                answer()
            case "progress" | "complete":
                self._hub.ask(frame["type"], (body["task_id"], body["fence"], body["text"]), answer)
            case _:
                answer()


class _Line:
    """Sends to one worker, whatever has gathered at once."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._outbox: list[str] = []
        self._sending: asyncio.Task[None] | None = None

    def answer(self, frame_id: str) -> Callable[[], None]:
        return lambda: self._push({"v": 1, "id": frame_id, "type": "reply", "body": {}})

    def give(self, claim_id: str) -> Callable[[tuple[str, int, str, str]], None]:
        def given(task: tuple[str, int, str, str]) -> None:
            names = ("task_id", "fence", "title", "prompt")
            body = {"claim_id": claim_id, **dict(zip(names, task, strict=True))}
            self._push({"v": 1, "id": claim_id, "type": "claimed", "body": body})

        return given

    def _push(self, frame: dict[str, Any]) -> None:
        self._outbox.append(orjson.dumps(frame).decode())
        if self._sending is None:
            self._sending = asyncio.ensure_future(self._send_all())

    async def _send_all(self) -> None:
        try:
            while self._outbox:
                frames, self._outbox = self._outbox, []
                for frame in frames:
                    await self._socket.send_text(frame)
        except (RuntimeError, WebSocketDisconnect):  # the worker has gone
            self._outbox.clear()
        finally:
            self._sending = None


def _new(task: dict[str, Any]) -> tuple[str, str, str, int]:
    return os.urandom(16).hex(), task["title"], task["prompt"], time.time_ns() // 1000


def _json(content: Any, status: int) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
