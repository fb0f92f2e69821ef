"""Removes secrets from what an agent says, before it is written to disk or sent.

`Redactor` replaces whole secrets in a text or a JSON value: those the worker knows, and tokens of well-known shape.
`SplitGuard` is for texts that arrive in pieces: an end that is likely the beginning of a secret is held back until the
next piece shows what it is. The server redacts again.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

REPLACEMENT = "[redacted]"
SHORTEST = 6  # characters; a shorter "secret" would blank ordinary words
LIKELY = 8  # so many characters of the beginning of a secret are no coincidence
HELD_BACK = 4096  # characters that a text may hold back at most
DEEPEST = 200  # levels of nesting that are looked into

# Tokens whose issuers gave them a shape to be found by: a fixed beginning, then so many characters of an alphabet.
_SHAPES: tuple[tuple[str, str], ...] = (
    ("asw_", r"[a-z]{2,16}_[0-9a-f]{4,32}_[A-Za-z0-9_-]{20,}"),
    ("sk-ant-", r"[A-Za-z0-9_-]{8,}"),
    ("sk-", r"[A-Za-z0-9_-]{32,}"),
    ("ghp_", r"[A-Za-z0-9]{16,}"),
    ("gho_", r"[A-Za-z0-9]{16,}"),
    ("ghu_", r"[A-Za-z0-9]{16,}"),
    ("ghs_", r"[A-Za-z0-9]{16,}"),
    ("ghr_", r"[A-Za-z0-9]{16,}"),
    ("github_pat_", r"[A-Za-z0-9_]{16,}"),
    ("glpat-", r"[A-Za-z0-9_-]{16,}"),
    ("xoxb-", r"[A-Za-z0-9-]{8,}"),
    ("xoxp-", r"[A-Za-z0-9-]{8,}"),
    ("xapp-", r"[A-Za-z0-9-]{8,}"),
    ("AKIA", r"[A-Z0-9]{16}"),
    ("ASIA", r"[A-Z0-9]{16}"),
    ("AIza", r"[A-Za-z0-9_-]{35}"),
    ("eyJ", r"[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
)
_SHAPED = re.compile("|".join(rf"\b{re.escape(head)}{rest}" for head, rest in _SHAPES))
_HEADS = "|".join(re.escape(head) for head, _ in _SHAPES)
_OPEN_SHAPE = re.compile(rf"\b(?:{_HEADS})[A-Za-z0-9_.-]{{0,{HELD_BACK}}}\Z")
_URL_PASSWORD = re.compile(r"(?<=://)[^/\s:@\"']{0,100}:[^/\s@\"']{1,200}(?=@)")


class Redactor:
    """Knows secrets and removes them. Immutable."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = frozenset(secret for secret in secrets if len(secret) >= SHORTEST)
        self._forms = sorted({form for secret in self._secrets for form in _forms(secret)}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, self._forms))) if self._forms else None

    def also(self, *secrets: str) -> "Redactor":
        """One that knows `secrets` as well."""
        return Redactor((*self._secrets, *secrets))

    def text(self, text: str) -> str:
        """`text` without secrets."""
        if self._known is not None:
            text = self._known.sub(REPLACEMENT, text)
        return _URL_PASSWORD.sub(REPLACEMENT, _SHAPED.sub(REPLACEMENT, text))

    def value(self, value: Any, *, depth: int = 0) -> Any:
        """A JSON value with every text in it, keys included, free of secrets; what is nested too deeply is left out."""
        if isinstance(value, str):
            return self.text(value)
        if depth >= DEEPEST and isinstance(value, Mapping | list | tuple):
            return REPLACEMENT
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(inner, depth=depth + 1) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner, depth=depth + 1) for inner in value]
        return value

    def open_end(self, text: str) -> int:
        """Where the end of `text` begins that may go on into a secret; `len(text)` where none does."""
        start = len(text)
        for form in self._forms:
            for length in range(min(len(form) - 1, len(text)), 0, -1):
                if text.endswith(form[:length]):
                    start = min(start, len(text) - length)
                    break
        shaped = _OPEN_SHAPE.search(text, max(0, len(text) - HELD_BACK))
        if shaped is not None and not _SHAPED.fullmatch(shaped.group()):
            start = min(start, shaped.start())
        return max(start, self._whole_until(text))

    def _whole_until(self, text: str) -> int:
        """Where the last whole secret in `text` ends; 0 where there is none."""
        patterns = (_SHAPED,) if self._known is None else (_SHAPED, self._known)
        return max((match.end() for pattern in patterns for match in pattern.finditer(text)), default=0)


class SplitGuard:
    """Lets pieces of one text through so that a secret cut in two by their borders does not show.

    A short beginning is let through, because almost everything begins like some secret; when the next piece completes
    the secret, only that beginning has been seen.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._shown = ""  # a short beginning that was let through
        self._held = ""

    def feed(self, piece: str) -> str:
        """What may be shown now, redacted; the rest comes with the next piece or with `rest`."""
        text = self._shown + self._held + piece
        start = self._redactor.open_end(text)
        is_likely = len(text) - start >= LIKELY
        cut = max(start, len(self._shown), len(text) - HELD_BACK) if is_likely else len(text)
        clean = self._redactor.text(text[:cut])
        shown_before = self._shown
        self._held = text[cut:]
        self._shown = text[start:cut] if cut - start < LIKELY else ""
        return clean.removeprefix(shown_before)

    def rest(self) -> str:
        """What takes the place of what was held back, now that no more comes."""
        is_held, self._held, self._shown = bool(self._held), "", ""
        return REPLACEMENT if is_held else ""


def _forms(secret: str) -> set[str]:
    """How a secret looks in plain text, inside JSON text and in a URL."""
    return {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, safe="")}
