"""Bodies and events of the Messages API, version 2023-06-01. Pure but for the ids it makes."""

import dataclasses
import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from agent_swarm.testing.model_server.replies import KINDS, Block, Call, Fail, Message, Say, Think

Event = dict[str, Any]

_CHUNK_CHARACTERS = 16  # a text comes in pieces of at least so many, and in
_CHUNKS = 8  # so many pieces at most


def new_id(prefix: str) -> str:
    """`msg_…`, `toolu_…`, `req_…`: unique, as clients look for repeats over several servers of a resumed session."""
    return f"{prefix}_stub{secrets.token_hex(10)}"


def body_of(message: Message, *, model: str) -> dict[str, Any]:
    """The answer to a request without streaming."""
    return {
        **_head(message, model=model),
        "content": [_block(block) for block in message.blocks],
        "stop_reason": stop_reason(message),
        "usage": dataclasses.asdict(message.usage),
    }


def events_of(message: Message, *, model: str) -> Iterator[Event]:
    """The same answer as a stream. Input is counted in the first event, all of it in the last but one."""
    started = {**dataclasses.asdict(message.usage), "output_tokens": min(1, message.usage.output_tokens)}
    yield {"type": "message_start", "message": {**_head(message, model=model), "content": [], "usage": started}}
    for index, block in enumerate(message.blocks):
        whole = _block(block)
        yield {"type": "content_block_start", "index": index, "content_block": _emptied(whole)}
        for delta in _deltas(whole):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ending = {"stop_reason": stop_reason(message), "stop_sequence": None}
    yield {"type": "message_delta", "delta": ending, "usage": dataclasses.asdict(message.usage)}
    yield {"type": "message_stop"}


def error_of(fail: Fail, request_id: str) -> dict[str, Any]:
    """The body of an HTTP error."""
    kind = fail.kind or KINDS.get(fail.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": fail.message}, "request_id": request_id}


def encoded(event: Mapping[str, Any]) -> bytes:
    """An event on the wire; Google's have no names."""
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n".encode()


def stop_reason(message: Message) -> str:
    """Why the model stopped: what the script says, else what its blocks say."""
    calls = any(isinstance(block, Call) for block in message.blocks)
    return message.stop_reason or ("tool_use" if calls else "end_turn")


def _head(message: Message, *, model: str) -> dict[str, Any]:
    return {
        "id": new_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": message.model or model,
        "stop_reason": None,
        "stop_sequence": None,
    }


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Say():
            return {"type": "text", "text": block.text}
        case Think():
            return {"type": "thinking", "thinking": block.text, "signature": new_id("sig")}
        case Call():
            call_id = block.id or new_id("toolu")
            return {"type": "tool_use", "id": call_id, "name": block.tool, "input": dict(block.input)}


def _emptied(whole: Mapping[str, Any]) -> dict[str, Any]:
    blank = {"text": "", "thinking": "", "signature": "", "input": {}}
    return {name: blank.get(name, value) if name != "type" else value for name, value in whole.items()}


def _deltas(whole: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    match whole["type"]:
        case "text":
            for piece in pieces(whole["text"]):
                yield {"type": "text_delta", "text": piece}
        case "thinking":
            for piece in pieces(whole["thinking"]):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": whole["signature"]}
        case "tool_use":
            for piece in pieces(json.dumps(whole["input"])):
                yield {"type": "input_json_delta", "partial_json": piece}


def pieces(text: str) -> list[str]:
    """A text in the pieces in which a stream brings it."""
    size = max(_CHUNK_CHARACTERS, -(-len(text) // _CHUNKS))
    return [text[start : start + size] for start in range(0, len(text), size)]
