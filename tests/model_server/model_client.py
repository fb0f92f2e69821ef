"""A plain client of the stub model, in the words of the Messages API."""

import json
from dataclasses import dataclass
from typing import Any

import httpx2

from agent_swarm.testing.model_server import ModelServer

KEY = "a-key-for-the-stub"
TOOLS = [{"name": "Bash", "description": "Run a command", "input_schema": {"type": "object"}}]
REMINDER = {"type": "text", "text": "<system-reminder>\nnot what the user said\n</system-reminder>"}


def turn(text: str = "hello", **more: Any) -> dict[str, Any]:
    """What a turn sends."""
    messages = [{"role": "user", "content": text}]
    return {"model": "claude-test", "max_tokens": 100, "messages": messages, "tools": TOOLS, **more}


def text(words: str) -> dict[str, Any]:
    """A block."""
    return {"type": "text", "text": words}


def tool_result(text: str, *, call_id: str = "toolu_1", is_error: bool = False) -> dict[str, Any]:
    """A message that answers a call."""
    block = {"type": "tool_result", "tool_use_id": call_id, "content": [{"type": "text", "text": text}]}
    return {"role": "user", "content": [{**block, "is_error": is_error}, REMINDER]}


@dataclass
class ModelClient:
    """Asks as a coding agent's main loop does: with tools, in a session."""

    http: httpx2.AsyncClient

    async def ask(self, model: ModelServer, text: str = "hello", session: str = "s-1", **more: Any) -> httpx2.Response:
        """One turn, without streaming unless `stream=True` is said."""
        headers = {"x-api-key": KEY, "x-claude-code-session-id": session}
        return await self.http.post(f"{model.url}/v1/messages?beta=true", json=turn(text, **more), headers=headers)

    async def say(self, model: ModelServer, text: str = "hello", session: str = "s-1", **more: Any) -> str:
        """The text of the answer to one turn."""
        answer = await self.ask(model, text, session, **more)
        return "".join(block["text"] for block in answer.json()["content"] if block["type"] == "text")


def events(response: httpx2.Response) -> list[dict[str, Any]]:
    """The events of a whole stream; each line `event:` agrees with its data."""
    found = []
    for part in response.text.removesuffix("\n\n").split("\n\n"):
        name, data = part.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found
