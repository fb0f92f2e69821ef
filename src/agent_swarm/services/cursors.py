"""Cursors: where the next page of a list begins. Opaque to clients, and refused when no page of ours has given them."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.ids import normalize_id
from agent_swarm.store.records import Cursor, NameCursor, TaskRecord

T = TypeVar("T")

_NUMBER_DIGITS = 9
_BACK = "before."


def page(found: Sequence[T], limit: int, place: Callable[[T], str]) -> tuple[Sequence[T], str | None]:
    """Of `limit + 1` rows asked for, those to show, and the cursor of the next page; null where there is none."""
    shown = found[:limit]
    return shown, place(shown[-1]) if len(found) > limit else None


def after_task(record: TaskRecord) -> str:
    """Where the page that ends with `record` is continued."""
    return _encoded(f"{record.spec.created_at}.{record.spec.id}")


def read_task(text: str) -> Cursor:
    """The place that a cursor of a list of tasks names; raises InvalidInput for what `after_task` has not made."""
    created_at, _, task_id = _decoded(text).partition(".")
    if not _is_number(created_at, 18) or normalize_id(task_id) != task_id:
        raise _unknown()
    return Cursor(int(created_at), task_id)


def back_from(number: int) -> str:
    """Where a page of a list that runs back by numbers is continued: before `number`."""
    return _encoded(f"{_BACK}{number}")


def read_back(text: str | None) -> int | None:
    """The number that a cursor of such a list names; raises InvalidInput for what `back_from` has not made."""
    if text is None:
        return None
    number = _decoded(text)
    if not number.startswith(_BACK) or not _is_number(number.removeprefix(_BACK), 18):
        raise _unknown()
    return int(number.removeprefix(_BACK))


def after_name(name: str, identifier: str) -> str:
    """Where a page of a list that runs by name is continued."""
    return _encoded(f"{identifier}.{name}")


def read_name(text: str | None) -> NameCursor | None:
    """The place that a cursor of a list by name names; raises InvalidInput for what `after_name` has not made."""
    if text is None:
        return None
    identifier, _, name = _decoded(text).partition(".")
    if normalize_id(identifier) != identifier or not name or "\0" in name:
        raise _unknown()
    return NameCursor(name, identifier)


def after_entry(scope: str, scope_id: str, key: str) -> str:
    """Where a page of the stored configuration is continued."""
    return _encoded("\n".join((scope, scope_id, key)))


def read_entry(text: str | None) -> tuple[str, str, str] | None:
    """The place that a cursor of the configuration names; raises InvalidInput for what `after_entry` has not made."""
    if text is None:
        return None
    parts = _decoded(text).split("\n")
    if len(parts) != 3 or not all(part.isprintable() for part in parts):
        raise _unknown()
    return parts[0], parts[1], parts[2]


def after_number(number: int) -> str:
    """Where a page of a numbered list is continued."""
    return _encoded(str(number))


def read_number(text: str | None) -> int:
    """The number that a cursor names, 0 for none; raises InvalidInput for what `after_number` has not made."""
    if text is None:
        return 0
    number = _decoded(text)
    if not _is_number(number, _NUMBER_DIGITS):
        raise _unknown()
    return int(number)


def after_ranked(rank: int, name: str) -> str:
    """The cursor behind this rank and name."""
    return _encoded(f"{rank} {name}")


def read_ranked(text: str | None) -> tuple[int, str] | None:
    """The rank and the name to go on behind. Raises InvalidInput."""
    if text is None:
        return None
    rank, _, name = _decoded(text).partition(" ")
    if not name or not _is_number(rank.removeprefix("-"), _NUMBER_DIGITS):
        raise _unknown()
    return int(rank), name


def after_words(*words: str) -> str:
    """Where a page of a list that runs by one or more plain words is continued."""
    return _encoded("\n".join(("", *words)))


def read_words(text: str | None, number: int) -> tuple[str, ...] | None:
    """The words that a cursor names, so many; raises InvalidInput for what `after_words` has not made."""
    if text is None:
        return None
    first, *words = _decoded(text).split("\n")
    if first or len(words) != number or not all(word.isprintable() and word for word in words):
        raise _unknown()
    return tuple(words)


def after_place(at: int, identifier: str) -> str:
    """Where a page of a list that runs by instants, or minus them, and ids is continued."""
    return after_words(str(at), identifier)


def read_place(text: str | None) -> tuple[int, str] | None:
    """The instant and the id that such a cursor names; raises InvalidInput for what `after_place` has not made."""
    words = read_words(text, 2)
    if words is None:
        return None
    at, identifier = words
    if not _is_number(at.removeprefix("-"), 17) or normalize_id(identifier) != identifier:
        raise _unknown()
    return int(at), identifier


def _is_number(text: str, digits: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= digits


def _encoded(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise _unknown() from None


def _unknown() -> InvalidInput:
    return InvalidInput(
        "cursor is not one that this server has given",
        hint="take nextCursor from the page before, or leave it out to begin at the first page",
        details={"field": "cursor"},
    )
