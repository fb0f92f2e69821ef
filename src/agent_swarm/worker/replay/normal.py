"""When two requests ask the same, and where they first do not. Pure.

What differs between any two runs is no difference: where the folders of the run are, ids and times that somebody made
up on the way, commits of the run's own, ports, how long a command took, and notes to the model's server about caches
and accounts.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ABOUT_TRANSPORT = frozenset({"cache_control", "client_metadata", "prompt_cache_key", "safety_identifier"})
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_MADE_UP = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        (r"(?<![0-9A-Za-z])[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9A-Za-z])", "<id>"),
        (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?([.,]\d+)?(Z| ?[+-]\d\d:?\d\d)?", "<time>"),
        (r"\b\d{4}-\d\d-\d\d\b", "<date>"),
        (rf"\b({_MONTHS}) +\d{{1,2}} \d\d:\d\d(:\d\d)?( \d{{4}}| [+-]\d{{4}})*", "<time>"),
        (r"(?<![0-9A-Za-z])(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}(?![0-9A-Za-z])", "<hash>"),
        (r"\b(127\.0\.0\.1|localhost):\d+(/[\w-]{22}(?=/))?", "<local>"),
        (r"\b\d+(\.\d+)? ?(ms|s|secs?|seconds?)\b", "<span>"),
        (r"(?<=Chunk ID: )\w+", "<id>"),
        (r"(?<=cch=)\w+", "<hash>"),
    )
)
_AROUND = 120  # characters of a text that are shown on both sides of where it differs


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two values first differ: `at` is such as `messages[2].content[0].text`; None stands for what is missing."""

    at: str
    recorded: Any
    asked: Any


class Normal:
    """Of one run: `places` are its own folders, each with the name that stands for it."""

    def __init__(self, places: Mapping[str, str]) -> None:
        folders = [(path.rstrip("/"), f"<{name}>") for path, name in places.items() if path.rstrip("/")]
        dashed = [(re.sub(r"[^A-Za-z0-9]", "-", path), put) for path, put in folders]  # as CLIs name files after them
        self._places = sorted((*folders, *dashed), key=lambda one: -len(one[0]))

    def text(self, text: str) -> str:
        """Without what differs between any two runs."""
        for path, put in self._places:
            text = text.replace(path, put)
        for pattern, put in _MADE_UP:
            text = pattern.sub(put, text)
        return text

    def value(self, value: Any) -> Any:
        """The same of JSON."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(k): self.value(inner) for k, inner in value.items() if k not in _ABOUT_TRANSPORT}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        return value

    def request(self, body: Any) -> Any:
        """A request to a model."""
        if isinstance(body, Mapping):
            body = {name: inner for name, inner in body.items() if name != "metadata"}  # who asks, for accounts
        return self.value(body)


def same(recorded: Any, asked: Any) -> bool:
    """Whether two normal values are equal, the order of members aside."""
    return json.dumps(recorded, sort_keys=True) == json.dumps(asked, sort_keys=True)


def first_difference(recorded: Any, asked: Any, at: str = "") -> Difference | None:
    """Where two normal values first differ, in the order in which the recorded one tells."""
    if isinstance(recorded, dict) and isinstance(asked, dict):
        for name in dict.fromkeys((*recorded, *asked)):
            inner = f"{at}.{name}" if at else name
            if found := first_difference(recorded.get(name), asked.get(name), inner):
                return found
        return None
    if isinstance(recorded, list) and isinstance(asked, list):
        for number in range(max(len(recorded), len(asked))):
            one, other = (values[number] if number < len(values) else None for values in (recorded, asked))
            if found := first_difference(one, other, f"{at}[{number}]"):
                return found
        return None
    if isinstance(recorded, str) and isinstance(asked, str) and recorded != asked:
        return Difference(at, *_excerpts(recorded, asked))
    return None if same(recorded, asked) else Difference(at, recorded, asked)


def _excerpts(one: str, other: str) -> tuple[str, str]:
    """What is around the first difference of two texts."""
    pairs = enumerate(zip(one, other, strict=False))
    first = next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
    start = max(0, first - _AROUND)
    return _cut(one, start, first), _cut(other, start, first)


def _cut(text: str, start: int, first: int) -> str:
    end = first + _AROUND
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
