"""A request in the words of OpenAI's Responses API, which Codex speaks, read as one of the Messages API.

Items become messages, so that scripts and tests ask the same of either client: a command's answer is its output, what
the user says while a call runs is an interjection, what the client adds of its own is nothing that the user said. A
call is to the script what it is to Claude Code: `Bash`, `mcp__server__tool`; `responses_answers` translates it back.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from agent_swarm.testing.model_server.requests import INTERJECTED, ModelRequest, Purpose

PATH = "/v1/responses"
_OWN = ("<environment_context>", "<turn_aborted>", "<user_instructions>", "# AGENTS.md instructions", "<skill>")
_OF_COMMAND = re.compile(
    r"\A(?:Chunk ID: .*\n)?(?:Wall time: .*\n).*?^Output:\n(?P<output>.*)\Z", re.DOTALL | re.MULTILINE
)
_FAILED = re.compile(r"^Process exited with code [1-9]", re.MULTILINE)
_FIRST = "/root"  # the agent that the user talks to
# What clients note as the answer of a call that was cut off.
_ABORTED = re.compile(
    r"\A(?:aborted|Command aborted)\Z|^User aborted the command\n</shell_metadata>\Z"
    r"|\AThe execution of this tool, or a previous tool was interrupted\.\Z",
    re.MULTILINE,
)


class ResponsesRequest(ModelRequest):
    """One POST to /v1/responses."""

    @property
    def system(self) -> str:
        """What the client and its user tell the model to be."""
        own = [str(self.body.get("instructions") or "")]
        said = (item for role in ("developer", "system") for item in self._items("message", role))
        return "\n".join((*own, *(text for item in said for text in _texts(item))))

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation so far, as messages with blocks."""
        return _merged(_messages(self.body.get("input") or ()))

    @property
    def offers(self) -> list[tuple[str, Mapping[str, Any]]]:
        """The tools on offer, each with the namespace that it stands in, or none. Some come among the items."""
        later = [tool for item in self._items("additional_tools", "developer") for tool in item.get("tools") or ()]
        return list(_offers([*(self.body.get("tools") or ()), *later]))

    @property
    def tools(self) -> list[str]:
        """Names of the tools on offer; those of MCP servers as `mcp__server__tool`."""
        return [f"{space}__{tool.get('name')}" if space else str(tool.get("name", "")) for space, tool in self.offers]

    @property
    def session(self) -> str:
        """The client's conversation."""
        return str(self._about("thread_id") or self.body.get("prompt_cache_key") or "")

    @cached_property
    def purpose(self) -> Purpose:
        """Agents that the agent started have names below its own."""
        if self._about("request_kind") not in ("", "turn") or not self.tools:
            return Purpose.BACKGROUND
        return Purpose.TURN if self._about("agent_name") in ("", _FIRST) else Purpose.DELEGATE

    def _about(self, name: str) -> str:
        told = self.body.get("client_metadata")
        try:
            more = json.loads((told or {}).get("x-codex-turn-metadata", "{}"))
        except (AttributeError, ValueError):
            return ""
        return str(more.get(name) or "")

    def _items(self, kind: str, role: str) -> Iterator[Mapping[str, Any]]:
        for item in self.body.get("input") or ():
            if _kind(item) == kind and item.get("role") == role:
                yield item


def _merged(messages: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """One message for what one side said in a row."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        if merged and merged[-1]["role"] == message["role"]:
            merged[-1]["content"] += message["content"]
        else:
            merged.append(message)
    return merged


def _messages(items: Any) -> Iterator[dict[str, Any]]:
    """Calls and their answers, and what both sides said. What comes right after an answer was said meanwhile."""
    is_working = False
    for item in items:
        match _kind(item):
            case "function_call" | "custom_tool_call":
                yield {"role": "assistant", "content": [_call(item)]}
            case "function_call_output" | "custom_tool_call_output":
                answer = _answer(item)
                is_working = _ABORTED.search(answer["content"][0]["text"]) is None
                yield {"role": "user", "content": [answer]}
            case "message" if item.get("role") == "user":
                texts = [text for text in _texts(item) if not text.startswith(_OWN)]
                is_working = is_working and len(texts) == len(_texts(item))
                prefix = INTERJECTED if is_working else ""
                yield {"role": "user", "content": [{"type": "text", "text": prefix + text} for text in texts]}
            case "message" if item.get("role") == "assistant":
                is_working = False
                yield {"role": "assistant", "content": [{"type": "text", "text": text} for text in _texts(item)]}


def _kind(item: Mapping[str, Any]) -> str:
    """Clients leave out that a message is one."""
    return str(item.get("type") or ("message" if "role" in item else ""))


def _call(item: Mapping[str, Any]) -> dict[str, Any]:
    name = "__".join(filter(None, (item.get("namespace"), item.get("name"))))
    given = item.get("arguments", item.get("input"))
    return {"type": "tool_use", "id": item.get("call_id"), "name": name, "input": given}


def _answer(item: Mapping[str, Any]) -> dict[str, Any]:
    """What a tool gave back: of a command its output, without what the client says about it."""
    output = item.get("output")
    text = output if isinstance(output, str) else "\n".join(_texts({"content": output}))
    found = _OF_COMMAND.match(text)
    return {
        "type": "tool_result",
        "tool_use_id": item.get("call_id"),
        "content": [{"type": "text", "text": found["output"].rstrip("\n") if found else text}],
        "is_error": _FAILED.search(text) is not None,
    }


def _offers(tools: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for tool in tools:
        if tool.get("type") == "namespace":
            yield from ((str(tool.get("name")), one) for one in tool.get("tools") or ())
        elif "name" in tool:
            yield "", tool


def _texts(item: Mapping[str, Any]) -> list[str]:
    content = item.get("content")
    if isinstance(content, str):
        return [content]
    return [str(part["text"]) for part in content or () if isinstance(part, dict) and "text" in part]
