"""Take secrets out of everything that comes from agents, before it is stored or fanned out.

Two nets: the values this process knows to be secret, and the shapes of well-known credentials. Prompts are never
touched: they are what a person wrote and what an agent must read. A secret that is cut in two by a transcript line
escapes the second net.
"""

import json
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from agent_swarm.store.records import AttemptReport

MARK = "[redacted]"
SHORTEST_KNOWN = 8  # shorter values occur in ordinary text, and a key that short protects nothing
DEEPEST_JSON = 200  # what the JSON parser of the edge accepts, too

_REPORTED = ("branch", "commit", "snapshot", "text", "failure_code")

# Each alternative is anchored at a literal and bounded, so that no text makes the search slow.
_SHAPES = re.compile(
    r"""
      (?P<ours>asw_[a-z]{2,16}_[0-9a-f]{4,32}_[A-Za-z0-9_-]{20,})
    | (?P<anthropic>\bsk-ant-[A-Za-z0-9_-]{8,})
    | (?P<openai>\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{32,})
    | (?P<github>\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}))
    | (?P<slack>\bxox[a-z]-[A-Za-z0-9-]{8,}|\bxapp-[A-Za-z0-9-]{8,})
    | (?P<aws>\b(?:AKIA|ASIA)[A-Z0-9]{16}\b)
    | (?P<google>\bAIza[A-Za-z0-9_-]{35})
    | (?P<jwt>\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})
    | (?P<header>(?i:\bauthorization["']?\s{0,4}[:=]\s{0,4}["']?(?:bearer|basic|token)\s{1,4})[^\s"',;]{4,})
    | (?P<bearer>(?i:\bbearer\s{1,4})(?=[A-Za-z._~+/=-]{0,200}[0-9])[A-Za-z0-9._~+/=-]{16,})
    | (?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@"']{0,100}:[^\s/@"']{1,200}(?=@))
    | (?P<key>-----BEGIN\ [A-Z0-9 ]{0,40}PRIVATE\ KEY-----(?:.*?-----END\ [A-Z0-9 ]{0,40}PRIVATE\ KEY-----|.*))
    """,
    re.VERBOSE | re.DOTALL,
)


class Redactor:
    """Replaces secrets by `[redacted]`. Everything that stores what agents send shares one, which may learn more."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._values: frozenset[str] = frozenset()
        self._known: re.Pattern[str] | None = None
        self._learning = threading.Lock()
        self.learn(known)

    def learn(self, secrets: Iterable[str]) -> None:
        """Know these as well, from any thread. What was secret once is never forgotten: it may still be in use."""
        new = {form for secret in secrets if len(secret) >= SHORTEST_KNOWN for form in _forms(secret)}
        if new <= self._values:
            return
        with self._learning:
            self._values |= new
            longest_first = sorted(self._values, key=len, reverse=True)
            self._known = re.compile("|".join(map(re.escape, longest_first)))

    def text(self, text: str) -> str:
        """`text` without secrets."""
        if not text:
            return text
        known = self._known
        if known is not None:
            text = known.sub(MARK, text)
        return _SHAPES.sub(_masked, text)

    def value(self, value: Any, *, depth: int = 0) -> Any:
        """A JSON value without secrets, in keys as in values; what is nested too deeply to be checked is left out."""
        if isinstance(value, str):
            return self.text(value)
        if depth >= DEEPEST_JSON and isinstance(value, Mapping | list | tuple):
            return MARK
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item, depth=depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item, depth=depth + 1) for item in value]
        return value

    def report(self, report: AttemptReport) -> AttemptReport:
        """What a worker tells about an attempt, without secrets. The session is a handle, not a text: it stays."""
        told: dict[str, Any] = {name: self.text(text) for name in _REPORTED if (text := getattr(report, name))}
        if report.data is not None:
            told["data"] = self.value(report.data)
        return replace(report, **told) if told else report


def _forms(secret: str) -> set[str]:
    """How a secret looks in plain text, inside JSON text and in a URL."""
    return {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, safe="")}


def _masked(match: re.Match[str]) -> str:
    found = match.group()
    match match.lastgroup:
        case "header" | "bearer":
            return f"{found[: len(found) - len(found.split()[-1])]}{MARK}"
        case "url":
            scheme, _, rest = found.partition("://")
            return f"{scheme}://{rest.partition(':')[0]}:{MARK}"
        case _:
            return MARK
