"""A request in the words of Google's Gemini API, read as one of the Messages API; and answers in its words.

As for `responses`, scripts and tests ask the same of either client: `Bash` and `mcp__server__tool` are called by the
names that this client has for them.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from agent_swarm.testing.model_server.messages import Event, new_id
from agent_swarm.testing.model_server.replies import Block, Call, Fail, Message, Say, Think, Usage
from agent_swarm.testing.model_server.requests import ModelRequest

PREFIX = "/v1beta/models/"
_SHELL = {"Bash": "run_shell_command"}
_OWN = ("<session_context>", "This is the Gemini CLI", "<environment_context>")
_QUOTA_FAILURE = "type.googleapis.com/google.rpc.QuotaFailure"
_STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}


class GeminiRequest(ModelRequest):
    """One POST to /v1beta/models/MODEL:METHOD."""

    @property
    def key(self) -> str:
        """The API key that came with it."""
        return self.headers.get("x-goog-api-key", "")

    @property
    def model(self) -> str:
        """The model asked for."""
        return self.path.removeprefix(PREFIX).partition(":")[0]

    @property
    def is_streamed(self) -> bool:
        """Whether events are wanted."""
        return self.path.endswith(":streamGenerateContent")

    @property
    def system(self) -> str:
        """What the client tells the model to be."""
        return "\n".join(_texts(self.body.get("systemInstruction") or {}))

    @property
    def conversation(self) -> str:
        """What was said first: the client makes one message of several that nobody has answered."""
        return json.dumps(self.prompts[:1])

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation so far, as messages with blocks."""
        roles = {"model": "assistant"}
        contents = [one for one in self.body.get("contents") or () if isinstance(one, dict)]
        return [
            {"role": roles.get(str(one.get("role")), "user"), "content": [*map(_block, _parts(one))]}
            for one in contents
        ]

    @property
    def tools(self) -> list[str]:
        """Names of the tools on offer."""
        declared = (tool.get("functionDeclarations") or () for tool in self.body.get("tools") or ())
        return [str(one.get("name", "")) for tools in declared for one in tools]


def events_of(message: Message, request: GeminiRequest) -> Iterator[Event]:
    """An answer as a stream: one event for each block; what it used and why it ended stand in the last."""
    blocks = list(message.blocks)
    for block in blocks[:-1]:
        yield _chunk([block], request)
    yield body_of(Message(blocks[-1:], message.usage), request)


def body_of(message: Message, request: GeminiRequest) -> dict[str, Any]:
    """The answer to a request without streaming."""
    whole = _chunk(list(message.blocks), request)
    whole["candidates"][0]["finishReason"] = "STOP"
    return {**whole, "usageMetadata": _usage(message.usage)}


def error_of(fail: Fail) -> dict[str, Any]:
    """The body of an HTTP error."""
    status = _STATUSES.get(fail.status, "INTERNAL")
    told: dict[str, Any] = {"code": fail.status, "message": fail.message, "status": status}
    if fail.kind == "insufficient_quota":  # of a day: asking again at once is of no use, and the CLI knows it
        told["details"] = [{"@type": _QUOTA_FAILURE, "violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}]
    return {"error": told}


def _chunk(blocks: list[Block], request: GeminiRequest) -> dict[str, Any]:
    content = {"role": "model", "parts": [_part(block, request) for block in blocks]}
    about = {"modelVersion": request.model, "responseId": new_id("resp")}
    return {"candidates": [{"content": content, "index": 0}], **about}


def _part(block: Block, request: GeminiRequest) -> dict[str, Any]:
    match block:
        case Say():
            return {"text": block.text}
        case Think():
            return {"text": block.text, "thought": True}
        case Call():
            name = _SHELL.get(block.tool) or _offered(block.tool, request)
            return {"functionCall": {"id": block.id or new_id("call"), "name": name, "args": dict(block.input)}}


def _offered(name: str, request: GeminiRequest) -> str:
    """The client knows `mcp__server__tool` as `mcp_server_tool`."""
    return next((one for one in request.tools if _plain(one) == _plain(name)), name)


def _plain(name: str) -> str:
    return name.replace("__", "_").replace("-", "_")


def _usage(used: Usage) -> dict[str, int]:
    """What came from a cache is part of the input here."""
    fed = used.input_tokens + used.cache_creation_input_tokens + used.cache_read_input_tokens
    told = {"promptTokenCount": fed, "candidatesTokenCount": used.output_tokens}
    return {**told, "totalTokenCount": fed + used.output_tokens}


def _parts(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [part for part in content.get("parts") or () if isinstance(part, dict)]


def _texts(content: Mapping[str, Any]) -> list[str]:
    return [str(part["text"]) for part in _parts(content) if "text" in part]


def _block(part: Mapping[str, Any]) -> dict[str, Any]:
    if called := part.get("functionCall"):
        return {"type": "tool_use", "id": called.get("id"), "name": called.get("name"), "input": called.get("args")}
    if answered := part.get("functionResponse"):
        given = answered.get("response") or {}
        text = given.get("output", given.get("error"))
        return {
            "type": "tool_result",
            "tool_use_id": answered.get("id"),
            "content": text if isinstance(text, str) else json.dumps(given),
            "is_error": "error" in given,
        }
    text = str(part.get("text", ""))
    return {"type": "text", "text": "" if text.lstrip().startswith(_OWN) else text}
