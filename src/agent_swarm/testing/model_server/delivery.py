"""Carries out one reply: the contents, whole or as a stream, and the ways to go wrong."""

import asyncio
from collections.abc import AsyncIterator, Iterable

from agent_swarm.testing.model_server.dialects import body_of, error_of, events_of, failure_of
from agent_swarm.testing.model_server.messages import Event, encoded, new_id
from agent_swarm.testing.model_server.replies import (
    Content,
    CutStream,
    Fail,
    FailStream,
    Garbage,
    Hang,
    Reply,
    SlowStream,
)
from agent_swarm.testing.model_server.requests import ModelRequest
from agent_swarm.testing.model_server.wire import Answer


async def deliver(reply: Reply, request: ModelRequest, answer: Answer) -> bool:
    """Answer a request; whether the connection can be used again."""
    request_id = new_id("req")
    headers = {"request-id": request_id}
    match reply:
        case Fail():
            await answer.send_json(reply.status, error_of(reply, request, request_id), {**headers, **reply.headers})
        case Garbage():
            await answer.send(reply.status, reply.body, headers, content_type=reply.content_type)
        case Hang():
            await reply.gate.wait()
            return await deliver(reply.then, request, answer)
        case CutStream():
            if request.is_streamed:
                await answer.begin(headers)
                await _send(_first(reply.after, reply.content, request), answer)
            await answer.cut()
            return False
        case FailStream():
            error = Fail(529, reply.kind, reply.message)
            if not request.is_streamed:
                return await deliver(error, request, answer)
            await answer.begin(headers)
            await _send([*_first(reply.after, reply.content, request), failure_of(error, request, request_id)], answer)
            await answer.end()
        case SlowStream():
            if not request.is_streamed:
                if reply.gate is not None:
                    await reply.gate.wait()
                return await deliver(reply.content, request, answer)
            await answer.begin(headers)
            async for event in _slowly(reply, request):
                await answer.chunk(encoded(event))
            await answer.end()
        case _:
            await _whole(reply, request, answer, headers)
    return True


async def _whole(content: Content, request: ModelRequest, answer: Answer, headers: dict[str, str]) -> None:
    if not request.is_streamed:
        await answer.send_json(200, body_of(content, request), headers)
        return
    await answer.begin(headers)
    await _send(events_of(content, request), answer)
    await answer.end()


async def _send(events: Iterable[Event], answer: Answer) -> None:
    for event in events:
        await answer.chunk(encoded(event))


def _first(count: int, content: Content, request: ModelRequest) -> list[Event]:
    return list(events_of(content, request))[:count]


async def _slowly(reply: SlowStream, request: ModelRequest) -> AsyncIterator[Event]:
    for position, event in enumerate(events_of(reply.content, request)):
        if position == reply.after and reply.gate is not None:
            await reply.gate.wait()
        if reply.chunk_seconds:
            await asyncio.sleep(reply.chunk_seconds)
        yield event
