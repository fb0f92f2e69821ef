"""One difference between what was promised and what is."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """`where` is the place, `what` happened there; `breaks` says that clients or workers that kept to it now fail."""

    where: str
    what: str
    breaks: bool

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def broken(where: str, what: str) -> Change:
    """A change that needs a recipe."""
    return Change(where, what, breaks=True)


def allowed(where: str, what: str) -> Change:
    """A change that nobody who keeps to the contract notices."""
    return Change(where, what, breaks=False)


def gone_and_new(
    old: Iterable[str], new: Iterable[str], where: str, *, what: str, may_go: bool = False, may_come: bool = True
) -> Iterator[Change]:
    """The names that one side has and the other has not."""
    before, after = set(old), set(new)
    for name in sorted(before - after):
        yield Change(where, f"removed the {what} {name}", breaks=not may_go)
    for name in sorted(after - before):
        yield Change(where, f"added the {what} {name}", breaks=not may_come)


def differing(old: Document, new: Document, keys: Iterable[str], where: str) -> Iterator[Change]:
    """A break for each of `keys` whose value is another one."""
    for key in keys:
        if old.get(key) != new.get(key):
            yield broken(where, f"changed {key} from {old.get(key)!r} to {new.get(key)!r}")
