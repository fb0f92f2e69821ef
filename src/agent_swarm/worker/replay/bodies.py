"""What of bodies is kept. Pure: bytes in, texts without secrets out."""

import json
import re
from typing import Any

from agent_swarm.redaction import Redactor

# In which members of the events of a stream a model's words arrive, piece by piece.
_PIECE = re.compile(
    r'"(text|thinking|partial_json|delta|content|arguments|reasoning|reasoning_content)"\s*:\s*("(?:[^"\\]|\\.)*")'
)


def kept_request(body: bytes, redactor: Redactor) -> Any:
    """JSON as a value, other text as it is; None for what is no text: it cannot be searched for secrets."""
    text = _text(body)
    if text is None:
        return None
    try:
        return redactor.value(json.loads(text))
    except (ValueError, RecursionError):
        return redactor.text(text)


def kept_answer(body: bytes, redactor: Redactor) -> tuple[str, bool]:
    """The text, and whether it is all of it. An answer that spreads a secret over several events is not kept."""
    text = _text(body)
    if text is None:
        return "", False
    pieces: dict[str, list[str]] = {}
    for name, literal in _PIECE.findall(text):
        pieces.setdefault(name, []).append(json.loads(literal, strict=False))
    shown = redactor.text(text)
    for joined in map("".join, pieces.values()):
        if shown == text and redactor.text(joined) != joined:
            return "", False
    return shown, True


def _text(body: bytes) -> str | None:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None
