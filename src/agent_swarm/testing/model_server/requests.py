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
_CLOCK = re.compile(r"\A<current_datetime>.*?</current_datetime>\s*")  # by Copilot CLI
_INTERRUPTED = "[Request interrupted by user"
INTERJECTED = "The user sent a new message while you were working:\n"
_INTERJECTION = re.compile(
    INTERJECTED + r"(?P<text>.*?)(?:\n\nThis is how Claude Code .*)?\Z",
    re.DOTALL,
)


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
        """What the user said so far; what the client adds of its own left out. One message may hold several."""
        return [text for block in self._of_user() if (text := _spoken(block))]

    @property
    def prompt(self) -> str:
        """The last thing the user said."""
        return self.prompts[-1] if self.prompts else ""

    @property
    def results(self) -> "list[ToolResult]":
        """What tools answered since the user last said something."""
        found: list[ToolResult] = []
        for block in self._of_user():
            if _spoken(block):
                found = []
            elif block.get("type") == "tool_result":
                found.append(_result(block))
        return found

    @property
    def interjections(self) -> list[str]:
        """What the user said in the middle of the turn, while the last call ran; no new prompt, the turn goes on."""
        answered = max((at for at, one in enumerate(self.messages) if one.get("role") == "assistant"), default=0)
        blocks = (block for message in self.messages[answered:] for block in _blocks(message))
        return [found["text"] for block in blocks if (found := _INTERJECTION.match(str(block.get("text", ""))))]

    def _of_user(self) -> list[Mapping[str, Any]]:
        return [block for message in self.messages if message.get("role") == "user" for block in _blocks(message)]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came back from one tool call."""

    call_id: str
    text: str
    is_error: bool


def _blocks(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _spoken(block: Mapping[str, Any]) -> str:
    """The user's own words in a block; empty where there are none."""
    if block.get("type") != "text":
        return ""
    text = _CLOCK.sub("", _REMINDER.sub("", str(block.get("text", "")))).strip()
    return "" if text.startswith(_INTERRUPTED) or _INTERJECTION.match(text) else text


def _result(block: Mapping[str, Any]) -> ToolResult:
    text = "\n".join(_texts(block.get("content")))
    return ToolResult(str(block.get("tool_use_id", "")), text, bool(block.get("is_error")))


def _texts(content: object) -> list[str]:
    """The texts of what is either one text or a list of blocks."""
    if isinstance(content, str):
        return [content]
    blocks = content if isinstance(content, list) else []
    return [str(block["text"]) for block in blocks if block.get("type") == "text"]
