"""Log lines of our own processes as people read them."""

import json
from typing import Any

import click

from agent_swarm.cli.text import clock, printable

LEVEL_COLOURS = {"warning": "yellow", "error": "red", "critical": "red"}
LEFT_OUT = ("event", "level", "timestamp", "version", "data_dir")


def readable(line: str) -> str:
    """`{"event": "started", "level": "info", "timestamp": …}` as `12:00:01 started …`; any other line as it is."""
    fields = _fields(line)
    if fields is None:
        return printable(line)
    details = " ".join(f"{name}={_value(value)}" for name, value in fields.items() if name not in LEFT_OUT)
    words = f"{_time(fields)}{fields['event']} {details}".rstrip()
    return click.style(printable(words), fg=LEVEL_COLOURS.get(str(fields.get("level"))))


def _fields(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "event" in found else None


def _time(fields: dict[str, Any]) -> str:
    try:
        return f"{clock(fields['timestamp'])} "
    except (KeyError, TypeError, ValueError):
        return ""


def _value(value: Any) -> str:
    if isinstance(value, str) and value and not any(char.isspace() for char in value):
        return value
    return json.dumps(value, ensure_ascii=False)
