"""Events as a file that can be checked by itself: JSON lines or CSV, with the numbers and hashes of the chain.

Every line is an event, as it is stored. The first one also has `previous`, the hash before it, from which the others
follow. There is one way to write a row, and what is written otherwise is reported as altered.
"""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

import orjson

from agent_swarm.audit.chain import COLUMNS, EventRow
from agent_swarm.audit.verifying import Part, UnreadableRows
from agent_swarm.domain.errors import InvalidInput
from agent_swarm.store.events import GENESIS

FORMATS: Final = ("jsonl", "csv")
NAMES: Final = (
    "seq",
    "id",
    "type",
    "at",
    "actor",
    "subjectKind",
    "subjectId",
    "taskId",
    "attempt",
    "data",
    "v",
    "hash",
)
PREVIOUS: Final = "previous"
_NUMBERS: Final = frozenset({"seq", "at", "attempt", "v"})
_EMPTY: Final = "\\empty"  # in CSV, where nothing means that there is no value
LINE_CHARS: Final = 16 * 2**20
_GZIP: Final = b"\x1f\x8b"


def json_lines(rows: Iterable[EventRow], previous: str) -> Iterator[bytes]:
    """The rows as lines of JSON, `previous` being the hash before the first one."""
    for row in rows:
        yield json_line(row, previous)
        previous = ""


def json_line(row: EventRow, previous: str = "") -> bytes:
    """One row as a line, its end included; `data` stands in it as it is stored."""
    fields: dict[str, Any] = {PREVIOUS: previous} if previous else {}
    fields |= {name: _plain(value) for name, value in zip(NAMES, row, strict=True)}
    if _is_json(row[9]):
        fields["data"] = orjson.Fragment(row[9])
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def csv_lines(rows: Iterable[EventRow], previous: str) -> Iterator[bytes]:
    """The rows as CSV with a line of names; `data` is JSON text in its cell."""
    yield _cells([*NAMES, PREVIOUS])
    for row in rows:
        yield _cells([*map(_cell, row), previous])
        previous = ""


def read(path: Path) -> tuple[Part, Iterator[EventRow]]:
    """What part of the chain an export or an archive is, and its rows; raises InvalidInput where it is none.

    The rows raise UnreadableRows where the file cannot be read any further.
    """
    lines = _lines(path)
    parsed: Iterator[tuple[str, EventRow]]
    try:
        first = next(lines, b"")
    except UnreadableRows as exc:
        raise _no_export(path, str(exc)) from exc
    if first.startswith(b"{"):
        parsed = (_from_json(line) for line in chain([first], lines))
    elif first.rstrip() == _cells([*NAMES, PREVIOUS]).rstrip():
        parsed = _from_csv(lines)
    else:
        raise _no_export(path, "it begins with no event")
    try:
        begin = next(parsed, None)
    except UnreadableRows as exc:
        raise _no_export(path, str(exc)) from exc
    if begin is None:
        raise _no_export(path, "there is no event in it")
    previous, row = begin
    if type(row[0]) is not int or row[0] < 1 or not previous:
        raise _no_export(path, "its first event does not say what came before it")
    if row[0] == 1 and previous != GENESIS:
        raise _no_export(path, "there is nothing before the first event, and it says that there is")
    return Part(row[0] - 1, previous, is_last=False), chain([row], _rest(parsed))


def _rest(parsed: Iterator[tuple[str, EventRow]]) -> Iterator[EventRow]:
    for previous, row in parsed:
        if previous:
            raise UnreadableRows("an export begins anew in the midst of it")
        yield row


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as raw:
            is_packed = raw.read(2) == _GZIP
            raw.seek(0)
            with gzip.open(raw) if is_packed else raw as file:
                while line := file.readline(LINE_CHARS):
                    yield line
    except (OSError, EOFError, gzip.zlib.error) as exc:  # type: ignore[attr-defined]  # not in its stub
        raise UnreadableRows(getattr(exc, "strerror", None) or str(exc)) from exc


def _from_json(line: bytes) -> tuple[str, EventRow]:
    try:
        fields = orjson.loads(line)
        data = fields["data"]
        text = data if isinstance(data, str) else orjson.dumps(data).decode()
        row = tuple(text if name == "data" else fields[name] for name in NAMES)
        previous = str(fields.get(PREVIOUS, ""))
        is_as_written = json_line(row, previous).rstrip() == line.rstrip()
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise UnreadableRows(f"a line is no event ({type(exc).__name__})") from exc
    if not is_as_written:
        raise UnreadableRows(f"the line of event {row[0]} was changed")
    return previous, row


def _from_csv(lines: Iterator[bytes]) -> Iterator[tuple[str, EventRow]]:
    for line in lines:
        try:
            (cells,) = csv.reader([line.decode()], strict=True)
        except (UnicodeDecodeError, ValueError, csv.Error) as exc:
            raise UnreadableRows(f"a row cannot be read ({type(exc).__name__})") from exc
        if len(cells) != len(NAMES) + 1 or _cells(cells).rstrip() != line.rstrip():
            raise UnreadableRows(f"the row of event {cells[0] if cells else '?'} was changed")
        *values, previous = cells
        yield previous, tuple(_value(name, cell) for name, cell in zip(NAMES, values, strict=True))


def _value(name: str, cell: str) -> Any:
    if cell == "":
        return None
    if name not in _NUMBERS:
        return "" if cell == _EMPTY else cell
    try:
        number = int(cell)
    except ValueError:
        return cell
    return number if str(number) == cell else cell


def _cell(value: Any) -> str:
    plain = _plain(value)
    return "" if plain is None else _EMPTY if plain == "" else str(plain)


def _cells(values: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()


def _plain(value: Any) -> Any:
    """A stored value as JSON can hold it; what was put into the database by force may be of any kind."""
    if isinstance(value, bytes):
        return f"bytes {value.hex()}"
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _is_json(text: Any) -> bool:
    """Whether `data` can stand in a line as it is: a JSON value written as we write it, and no text."""
    try:
        value = orjson.loads(text)
        return not isinstance(value, str) and orjson.dumps(value).decode() == text
    except (TypeError, ValueError):
        return False


def _no_export(path: Path, why: str) -> InvalidInput:
    return InvalidInput(
        f"{path} is no export of events: {why}", hint="write one with: agent-swarm audit export > events.jsonl"
    )


assert len(NAMES) == len(COLUMNS)
