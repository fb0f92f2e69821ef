"""What is changed in the requests of a run that goes on by itself from a step on. Pure.

The agent CLI knows nothing of it: its own request stays as it is, and what is said to the model besides is put in at
the same place each time.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

_MODEL = re.compile(r"(?<=/models/)[^/:?]+(?=:)")  # in the path, as Gemini has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """From request `at` (counted from 1) on a real model answers: `model`, where given, which is told `prompt`."""

    at: int
    model: str | None = None
    prompt: str | None = None
    place: int | None = None  # of the message that the prompt was first put behind

    def changed(self, body: Mapping[str, Any]) -> tuple["Fork", dict[str, Any]]:
        """The request as the model gets it, and what to change the next one with."""
        sent = {**body, **({"model": self.model} if self.model and "model" in body else {})}
        member = next((name for name in ("messages", "input", "contents") if isinstance(body.get(name), list)), None)
        if self.prompt is None or member is None or not body[member]:
            return self, sent
        told = list(body[member])
        place = self.place if self.place is not None and self.place <= len(told) else len(told)
        if member == "input":
            told.insert(place, _message(self.prompt, "input_text"))
        elif member == "contents":
            told.insert(place, {"role": "user", "parts": [{"text": self.prompt}]})
        elif told[place - 1].get("role") == "user":
            told[place - 1] = _with(told[place - 1], self.prompt)
        else:
            told.insert(place, _message(self.prompt, "text"))
        return replace(self, place=place), {**sent, member: told}

    def led(self, target: str) -> str:
        """Where the request goes, where its path names the model."""
        return _MODEL.sub(quote(self.model, safe=""), target) if self.model else target


def _message(text: str, kind: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": kind, "text": text}]}


def _with(message: Mapping[str, Any], text: str) -> dict[str, Any]:
    content = message.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())
    return {**message, "content": [*blocks, {"type": "text", "text": text}]}
