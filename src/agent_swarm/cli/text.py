"""Text for people: columns, ages, and what others wrote made safe to print."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

# C0 and C1 controls but tab and newline, and the marks that reorder text (CVE-2021-42574): an agent's words must not
# steer the terminal.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

SHORT_ID_CHARS = 8  # the end of a UUIDv7 is random; its beginning is a clock and alike for all tasks of a minute


def printable(text: object) -> str:
    """`text` without characters that control a terminal."""
    return _CONTROLS.sub("", str(text))


def one_line(text: str | None, width: int = 60) -> str:
    """The first line with something on it, cut to `width` characters."""
    line = next((line.strip() for line in printable(text or "").splitlines() if line.strip()), "")
    return line if len(line) <= width else line[: width - 1] + "…"


def short_id(identifier: str | None) -> str:
    """The last characters of an id, which commands take for the whole."""
    return (identifier or "")[-SHORT_ID_CHARS:]


def columns(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of aligned columns, two spaces apart."""
    cells = [[printable(cell).replace("\n", " ").replace("\t", " ") for cell in row] for row in (headers, *rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(headers))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def instant(text: str) -> datetime:
    """The moment of a time on the wire."""
    return datetime.fromisoformat(text)


def age(text: str | None, *, now: datetime | None = None) -> str:
    """How long ago a time on the wire is, such as `4 min`."""
    return "" if text is None else span(((now or datetime.now(UTC)) - instant(text)).total_seconds())


def lasted(start: str | None, end: str | None) -> str:
    """The time between two instants on the wire; empty while one of them is missing."""
    return span((instant(end) - instant(start)).total_seconds()) if start and end else ""


def span(seconds: float) -> str:
    """Seconds as people say them: `0.4 s`, `12 s`, `4 min`, `3 h`, `2 d`."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    for limit, size, unit in ((90, 1, "s"), (90 * 60, 60, "min"), (36 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


def size(number: int) -> str:
    """Bytes as people say them: `512 B`, `8.2 MiB`."""
    amount, units = float(number), iter(("B", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    while amount >= 1024 and unit != "TiB":
        amount, unit = amount / 1024, next(units)
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def clock(text: str) -> str:
    """The local time of day of a time on the wire."""
    return f"{instant(text).astimezone():%H:%M:%S}"


def usage(data: Mapping[str, Any]) -> str:
    """Tokens and money spent, as events and transcripts tell them."""
    cost = f", {data['costUsd']:.4f} USD" if data.get("costUsd") else ""
    return f"{data.get('inputTokens', 0)} tokens in, {data.get('outputTokens', 0)} out{cost}"
