"""A request in the words of OpenAI's Chat Completions API, read as one of the Messages API; and answers in its words.

It is what servers of models of one's own speak. As for `responses`, scripts and tests ask the same of any client.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from agent_swarm.testing.model_server.messages import Event, new_id, pieces
from agent_swarm.testing.model_server.replies import Call, Fail, Message, Say, Usage
from agent_swarm.testing.model_server.requests import ModelRequest

PATH = "/v1/chat/completions"


class CompletionsRequest(ModelRequest):
    """One POST to /v1/chat/completions."""

    @property
    def system(self) -> str:
        """What the client tells the model to be."""
        told = (one for one in self._said if one.get("role") in ("system", "developer"))
        return "\n".join(text for one in told for text in _texts(one))

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation so far, as messages with blocks."""
        return [_message(one) for one in self._said if one.get("role") in ("user", "assistant", "tool")]

    @property
    def tools(self) -> list[str]:
        """Names of the tools on offer."""
        return [str((tool.get("function") or {}).get("name", "")) for tool in self.body.get("tools") or ()]

    @property
    def conversation(self) -> str:
        """What was said first."""
        return json.dumps(self.prompts[:1])

    @property
    def _said(self) -> list[Mapping[str, Any]]:
        return [one for one in self.body.get("messages") or () if isinstance(one, dict)]


def body_of(message: Message, request: CompletionsRequest) -> dict[str, Any]:
    """The answer to a request without streaming."""
    about, calls = _head(message, request), _calls(message, request)
    said = {"role": "assistant", "content": _words(message), **({"tool_calls": calls} if calls else {})}
    choice = {"index": 0, "message": said, "finish_reason": "tool_calls" if calls else "stop"}
    return {**about, "object": "chat.completion", "choices": [choice], "usage": _usage(message.usage)}


def events_of(message: Message, request: CompletionsRequest) -> Iterator[Event]:
    """The same answer as a stream; what it used stands in the last chunk, which chooses nothing."""
    about = {**_head(message, request), "object": "chat.completion.chunk"}
    calls = _calls(message, request)
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in pieces(_words(message))]
    deltas += [{"tool_calls": [{"index": index, **call}]} for index, call in enumerate(calls)]
    for delta in deltas:
        yield {**about, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    reason = "tool_calls" if calls else "stop"
    yield {**about, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    yield {**about, "choices": [], "usage": _usage(message.usage)}


def error_of(fail: Fail) -> dict[str, Any]:
    """The body of an HTTP error, or the event that ends a stream which has begun."""
    return {"error": {"message": fail.message, "type": fail.kind or "error", "code": fail.kind or None, "param": None}}


def _head(message: Message, request: CompletionsRequest) -> dict[str, Any]:
    return {"id": new_id("chatcmpl"), "created": 0, "model": message.model or request.model}


def _words(message: Message) -> str:
    return "".join(block.text for block in message.blocks if isinstance(block, Say))


def _calls(message: Message, request: CompletionsRequest) -> list[dict[str, Any]]:
    return [
        {
            "id": block.id or new_id("call"),
            "type": "function",
            "function": {"name": _offered(block.tool, request), "arguments": json.dumps(dict(block.input))},
        }
        for block in message.blocks
        if isinstance(block, Call)
    ]


def _offered(name: str, request: CompletionsRequest) -> str:
    """The client's tool of this name, whether it begins with a capital or not."""
    return next((one for one in request.tools if one.lower() == name.lower()), name)


def _usage(used: Usage) -> dict[str, int]:
    """What came from a cache is part of the input here."""
    fed = used.input_tokens + used.cache_creation_input_tokens + used.cache_read_input_tokens
    return {"prompt_tokens": fed, "completion_tokens": used.output_tokens, "total_tokens": fed + used.output_tokens}


def _message(said: Mapping[str, Any]) -> dict[str, Any]:
    if said.get("role") == "tool":
        answer = {"type": "tool_result", "tool_use_id": said.get("tool_call_id"), "content": "\n".join(_texts(said))}
        return {"role": "user", "content": [answer]}
    blocks: list[dict[str, Any]] = [{"type": "text", "text": text} for text in _texts(said)]
    for call in said.get("tool_calls") or ():
        function = call.get("function") or {}
        blocks.append(
            {"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": function.get("arguments")}
        )
    return {"role": said.get("role"), "content": blocks}


def _texts(said: Mapping[str, Any]) -> list[str]:
    content = said.get("content")
    if isinstance(content, str):
        return [content]
    return [str(part["text"]) for part in content or () if isinstance(part, dict) and "text" in part]
