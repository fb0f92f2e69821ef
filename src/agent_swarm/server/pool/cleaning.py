"""What agents send may hold what no database stores. No result shall be lost for that: it is replaced, not refused."""

import math
from dataclasses import replace
from typing import Any

from agent_swarm.store.records import AttemptReport

NUL_SHOWN = "\ufffd"
_TEXTS = ("session", "branch", "commit", "snapshot", "text", "failure_code")


def clean_text(text: str) -> str:
    """`text` without NUL characters, which PostgreSQL cannot store."""
    return text.replace("\x00", NUL_SHOWN) if "\x00" in text else text


def clean_value(value: Any) -> Any:
    """A JSON value without NUL characters, numbers beyond 64 bits, and numbers that are none."""
    match value:
        case str():
            return clean_text(value)
        case dict():
            return {clean_text(key): clean_value(item) for key, item in value.items()}
        case list():
            return [clean_value(item) for item in value]
        case bool():
            return value
        case int() if not -(2**63) <= value < 2**63:
            return str(value)
        case float() if not math.isfinite(value):
            return None
        case _:
            return value


def clean_report(report: AttemptReport) -> AttemptReport:
    """A report that can be stored."""
    cleaned: dict[str, Any] = {name: clean_text(text) for name in _TEXTS if "\x00" in (text := getattr(report, name))}
    if report.data is not None:
        cleaned["data"] = clean_value(report.data)
    return replace(report, **cleaned) if cleaned else report
