"""Fields of foreign rows, which may hold anything. Pure; raises Unreadable, naming the field and never its value."""

import json
from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]


class Unreadable(ValueError):
    """A row does not hold what it should; the text says which field."""


def text(row: Row, name: str, default: str | None = None) -> str:
    """A text; raises where it is missing and there is no default."""
    value = row.get(name)
    if value is None or value == "":
        if default is None:
            raise Unreadable(f"{name} is missing")
        return default
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unreadable(f"{name} is no text")
    shown = str(value)
    if "\x00" in shown or not _is_utf8(shown):
        raise Unreadable(f"{name} is not UTF-8 text")
    return shown


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def first_text(row: Row, *names: str, default: str | None = None) -> str:
    """The first of these fields that holds something."""
    name = next((name for name in names if row.get(name) not in (None, "")), names[0])
    return text(row, name, default)


def whole(row: Row, name: str, default: int, *, least: int, most: int) -> int:
    """A whole number, brought between the bounds; the default where there is none."""
    value = row.get(name)
    if value is None or value == "":
        return default
    try:
        return max(least, min(most, int(value)))
    except (TypeError, ValueError, OverflowError):
        raise Unreadable(f"{name} is no number") from None


def flag(row: Row, name: str) -> bool:
    """Whether something is so: as SQLite and JSON write it."""
    return row.get(name) in (1, True, "1", "true")


def texts(row: Row, name: str) -> tuple[str, ...]:
    """A list of texts, as a list, as JSON in a text, or with commas between; doubles and blanks are left out."""
    value = row.get(name)
    if isinstance(value, str):
        value = _listed(value, name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Unreadable(f"{name} is no list of texts")
    return tuple(dict.fromkeys(one.strip() for one in value if one.strip()))


def _listed(value: str, name: str) -> Any:
    if not value.lstrip().startswith("["):
        return value.split(",")
    try:
        return json.loads(value)
    except ValueError:
        raise Unreadable(f"{name} is no list of texts") from None
