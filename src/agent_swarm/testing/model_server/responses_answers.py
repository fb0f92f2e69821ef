"""Bodies and events of OpenAI's Responses API, for answers that scripts give in the words of the Messages API."""

import json
from collections.abc import Iterator
from typing import Any

from agent_swarm.testing.model_server.messages import Event, new_id, pieces
from agent_swarm.testing.model_server.replies import Block, Call, Fail, Message, Say, Think, Usage
from agent_swarm.testing.model_server.responses import ResponsesRequest

_SHELL = "Bash"  # as scripts call it
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded", 500: "server_error"}


def body_of(message: Message, request: ResponsesRequest) -> dict[str, Any]:
    """The answer to a request without streaming."""
    output = [_item(block, request) for block in message.blocks]
    return {**_head(message, request), "status": "completed", "output": output, "usage": _usage(message.usage)}


def events_of(message: Message, request: ResponsesRequest) -> Iterator[Event]:
    """The same answer as a stream; all that it used is counted in the last event."""
    whole = body_of(message, request)
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    yield {"type": "response.created", "response": begun}
    for index, item in enumerate(whole["output"]):
        yield {"type": "response.output_item.added", "output_index": index, "item": _emptied(item)}
        for piece in pieces(_text(item)):
            delta = {"item_id": item["id"], "output_index": index, "content_index": 0, "delta": piece}
            yield {"type": "response.output_text.delta", **delta}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": "response.completed", "response": whole}


def error_of(fail: Fail) -> dict[str, Any]:
    """The body of an HTTP error."""
    code = fail.kind or _CODES.get(fail.status)
    return {
        "error": {"message": fail.message, "type": fail.kind or "error", "code": code, "param": None, **fail.details}
    }


def failure_of(fail: Fail) -> Event:
    """The event that ends a stream which has begun."""
    code = {"overloaded_error": "server_is_overloaded"}.get(fail.kind, fail.kind)
    error = {"code": code, "message": fail.message}
    return {"type": "response.failed", "response": {"id": new_id("resp"), "status": "failed", "error": error}}


def _head(message: Message, request: ResponsesRequest) -> dict[str, Any]:
    return {"id": new_id("resp"), "object": "response", "model": message.model or request.model}


def _usage(used: Usage) -> dict[str, Any]:
    """What came from a cache is part of the input here."""
    fed = used.input_tokens + used.cache_creation_input_tokens + used.cache_read_input_tokens
    return {
        "input_tokens": fed,
        "input_tokens_details": {"cached_tokens": used.cache_read_input_tokens},
        "output_tokens": used.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": fed + used.output_tokens,
    }


def _item(block: Block, request: ResponsesRequest) -> dict[str, Any]:
    match block:
        case Say():
            content = [{"type": "output_text", "text": block.text, "annotations": []}]
            return {"type": "message", "id": new_id("msg"), "role": "assistant", "content": content}
        case Think():
            summary = [{"type": "summary_text", "text": block.text}]
            return {"type": "reasoning", "id": new_id("rs"), "summary": summary, "encrypted_content": "sealed"}
        case Call():
            return _call(block, request)


def _call(call: Call, request: ResponsesRequest) -> dict[str, Any]:
    """The call as this client's tools take it."""
    about = {"call_id": call.id or new_id("call"), "status": "completed"}
    if (
        call.tool == _SHELL and _SHELL.lower() not in request.tools
    ):  # Codex takes it, and does not offer it to every model
        arguments = json.dumps({"cmd": call.input["command"]})
        return {"type": "function_call", "id": new_id("fc"), "name": "exec_command", "arguments": arguments, **about}
    offered = {
        _plain(f"{space}__{tool['name']}" if space else tool["name"]): (space, tool) for space, tool in request.offers
    }
    wanted = _plain(call.tool)
    space, tool = offered.get(wanted) or offered.get(wanted.lower()) or ("", {"name": call.tool})
    if tool.get("type") == "custom":
        return {"type": "custom_tool_call", "id": new_id("ctc"), "name": tool["name"], **call.input, **about}
    called = {"name": tool["name"], **({"namespace": space} if space else {}), "arguments": json.dumps(call.input)}
    return {"type": "function_call", "id": new_id("fc"), **called, **about}


def _plain(name: str) -> str:
    """The client knows no `-` in the names of tools."""
    return name.replace("-", "_")


def _text(item: dict[str, Any]) -> str:
    return str(item["content"][0]["text"]) if item["type"] == "message" else ""


def _emptied(item: dict[str, Any]) -> dict[str, Any]:
    blank: dict[str, Any] = {"content": [], "summary": [], "arguments": "", "input": ""}
    return {name: blank.get(name, value) for name, value in item.items()}
