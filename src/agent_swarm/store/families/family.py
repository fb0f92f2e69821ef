"""What a family of small records is: a dataclass, a table of its own, a key.

What is written seldom and read by its key needs no methods of its own in `Rows` and `Queries`. A family says in one
line where its records live; both stores find, put and remove them by that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from functools import cached_property
from types import UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

R = TypeVar("R")
Key = tuple[Any, ...]


@dataclass(frozen=True, eq=False)  # without slots: cached; by identity: a family exists once
class Family(Generic[R]):
    """Records of one kind. `name` is the table's, `key` its primary key, in the order that lists have.

    The fields of `record` are the columns: plain values, enums, and what JSON can hold (Mapping and tuple).
    """

    name: str
    record: type[R]
    key: tuple[str, ...]

    def key_of(self, record: R) -> Key:
        """The key of a record."""
        return tuple(getattr(record, name) for name in self.key)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The fields, in their order."""
        return tuple(field.name for field in fields(self.record))  # type: ignore[arg-type]  # a dataclass

    @cached_property
    def kinds(self) -> Mapping[str, type]:
        """What each field holds, None aside: `tuple` and `dict` travel as JSON."""
        hints = get_type_hints(self.record)
        return {name: _kind(hints[name]) for name in self.columns}


def _kind(hint: Any) -> type:
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (one for one in get_args(hint) if one is not type(None))
    kind = get_origin(hint) or hint
    if issubclass(kind, tuple):
        return tuple
    if issubclass(kind, Mapping):
        return dict
    if kind in (str, int, float, bool, bytes) or issubclass(kind, Enum):
        return kind  # type: ignore[no-any-return]
    raise TypeError(f"a column cannot hold {hint!r}: use plain values, enums, mappings and tuples")
