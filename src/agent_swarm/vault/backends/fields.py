"""One entry of a secret that holds several. Pure.

A JSON object gives the entry of that name; anything else is read as lines `NAME=value`, as env files have them.
"""

import json
from collections.abc import Mapping
from typing import Any

from agent_swarm.vault.backends.base import LARGEST_BYTES
from agent_swarm.vault.backends.errors import SecretNotFound, SecretUnusable
from agent_swarm.vault.backends.references import Reference


def text_of(content: bytes, reference: Reference) -> str:
    """Bytes as the text they have to be."""
    if len(content) > LARGEST_BYTES:
        raise SecretUnusable(
            f"{reference} is larger than {LARGEST_BYTES:,} bytes", hint="keep one secret there, not a file"
        )
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise SecretUnusable(f"{reference} is not UTF-8 text", hint="store it as text, such as Base64") from None


def chosen(text: str, reference: Reference) -> str:
    """The entry that the reference picks out of `text`; all of it where it picks none."""
    if not reference.field:
        return text
    return entry(_entries(text, reference), reference)


def entry(entries: Mapping[str, Any], reference: Reference) -> str:
    """The named entry as text; where none is named the only one there is."""
    name = reference.field or (next(iter(entries)) if len(entries) == 1 else "")
    if not name:
        raise SecretUnusable(
            f"{reference} holds {len(entries)} entries and the reference names none",
            hint=f"add #NAME to it; there are: {', '.join(sorted(entries))}",
        )
    if name not in entries:
        raise SecretNotFound(
            f"{reference} has no such entry", hint=f"there are: {', '.join(sorted(entries)) or 'none at all'}"
        )
    value = entries[name]
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, dict | list):
        raise SecretUnusable(f"{reference} is no text", hint="point the reference at an entry that is a text")
    return json.dumps(value)


def _entries(text: str, reference: Reference) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return _lines(text)
    if not isinstance(found, dict):
        raise SecretUnusable(
            f"{reference} names an entry of something that has none", hint="keep a JSON object there, or drop #…"
        )
    return found


def _lines(text: str) -> dict[str, str]:
    entries = {}
    for line in text.splitlines():
        name, separator, value = line.strip().removeprefix("export ").partition("=")
        if separator and not name.startswith("#"):
            entries[name.strip()] = _unquoted(value.strip())
    return entries


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"" else value
