"""A request to the model, as it came in, with what tests ask of it.

A coding agent asks its model for more than its own turns: titles, summaries, checks of a quota, turns of agents
that it started itself. The script must be spent on the agent's own turns, so each request has a purpose:

- `count`: it went to /v1/messages/count_tokens;
- `background`: it offers no tools. Whatever the main loop asks, it offers the agent's tools with it;
- `delegate`: the header `x-claude-code-agent-id` says that an agent asks which the agent started;
- `turn`: everything else, a turn of the main loop.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

_REMINDER = re.compile(r"\s*<system-reminder>.*</system-reminder>\s*", re.DOTALL)


class Purpose(Enum):
    """What the client wants an answer for."""

    TURN = "turn"
    DELEGATE = "delegate"
    BACKGROUND = "background"
    COUNT = "count"


@dataclass(frozen=True)
class ModelRequest:
    """One POST. `headers` have lower-case names and hold the key as it was given; they are not shown."""

    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: Mapping[str, Any] = field(repr=False)

    @property
    def key(self) -> str:
        """The API key or bearer token that came with it."""
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def model(self) -> str:
        """The model asked for."""
        return str(self.body.get("model", ""))

    @property
    def is_streamed(self) -> bool:
        """Whether events are wanted."""
        return bool(self.body.get("stream"))

    @property
    def system(self) -> str:
        """The system prompt, its blocks joined; what stands in messages of the role `system` left out."""
        return "\n".join(_texts(self.body.get("system")))

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation so far."""
        return list(self.body.get("messages", ()))

    @property
    def tools(self) -> list[str]:
        """Names of the tools on offer."""
        return [str(tool.get("name", "")) for tool in self.body.get("tools", ())]

    @property
    def session(self) -> str:
        """The client's session, from its header or from the user id in the metadata; empty where it tells none."""
        if found := self.headers.get("x-claude-code-session-id"):
            return found
        user = str((self.body.get("metadata") or {}).get("user_id", ""))
        try:
            told = json.loads(user)
        except ValueError:
            return ""
        return str(told.get("session_id", "")) if isinstance(told, dict) else ""

    @property
    def conversation(self) -> str:
        """What tells conversations apart: the session, else what was said first."""
        return self.session or json.dumps(self.messages[:1], sort_keys=True)

    @cached_property
    def purpose(self) -> Purpose:
        """What the client wants it for; how that is told is said above."""
        if self.path == "/v1/messages/count_tokens":
            return Purpose.COUNT
        if not self.tools:
            return Purpose.BACKGROUND
        if "x-claude-code-agent-id" in self.headers:
            return Purpose.DELEGATE
        return Purpose.TURN

    @property
    def prompts(self) -> list[str]:
        """What the user said, message by message; reminders that the client adds left out."""
        return [text for message in self.messages if (text := _spoken(message))]

    @property
    def prompt(self) -> str:
        """The last thing the user said."""
        return self.prompts[-1] if self.prompts else ""

    @property
    def results(self) -> "list[ToolResult]":
        """What tools answered since the user last said something."""
        found: list[ToolResult] = []
        for message in self.messages:
            if _spoken(message):
                found = []
            found += _results(message)
        return found


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came back from one tool call."""

    call_id: str
    text: str
    is_error: bool


def _spoken(message: Mapping[str, Any]) -> str:
    """What the user said in a message; a message with tool results says nothing of the user's own."""
    content = message.get("content")
    if message.get("role") != "user" or _results(message):
        return ""
    said = [_REMINDER.sub("", text) for text in _texts(content)]
    return "\n".join(text for text in said if text.strip())


def _results(message: Mapping[str, Any]) -> list[ToolResult]:
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    return [
        ToolResult(str(block["tool_use_id"]), "\n".join(_texts(block.get("content"))), bool(block.get("is_error")))
        for block in blocks
        if block.get("type") == "tool_result"
    ]


def _texts(content: object) -> list[str]:
    """The texts of what is either one text or a list of blocks."""
    if isinstance(content, str):
        return [content]
    blocks = content if isinstance(content, list) else []
    return [str(block["text"]) for block in blocks if block.get("type") == "text"]
