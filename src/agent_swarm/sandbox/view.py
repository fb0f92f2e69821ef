"""What a run sees of the host's files: built up from nothing, as arguments for bubblewrap.

Everything is shown at its own path. Later and deeper entries lie on top of earlier ones, as mounts do; what is shown
already is not shown twice.
"""

import os
from dataclasses import dataclass, field
from enum import StrEnum

from agent_swarm.sandbox.links import trail


class Kind(StrEnum):
    """How a place is shown."""

    READ = "--ro-bind"
    WRITE = "--bind"
    EMPTY = "--tmpfs"
    LINK = "--symlink"


@dataclass
class View:
    """Places by their real path.

    Writable ones are to be added before readable ones, outer ones before inner ones: below a writable one nothing is
    followed, because the run could have put a link there that leads anywhere.
    """

    _places: dict[str, tuple[Kind, str]] = field(default_factory=dict)
    _writable: list[str] = field(default_factory=list)

    def write(self, path: str) -> None:
        """Show a file or folder for writing."""
        if not self._is_below_writable(path):
            self._show(path, Kind.WRITE)
            self._writable += [os.path.normpath(path), os.path.realpath(path)]

    def read(self, path: str) -> None:
        """Show a file or folder for reading, where it is there and not writable anyway."""
        if not self._is_below_writable(path):
            self._show(path, Kind.READ)

    def empty(self, path: str) -> None:
        """A new, writable folder in memory, unless something is shown there."""
        if not self._is_below_writable(path) and not self.shows(os.path.realpath(path)):
            self._show(path, Kind.EMPTY)

    def shows(self, path: str) -> bool:
        """Whether this real path can be seen."""
        return (cover := self._cover(path)) is not None and self._places[cover][0] in (Kind.READ, Kind.WRITE)

    def arguments(self) -> list[str]:
        """For bubblewrap; folders before what is in them."""
        found: list[str] = []
        for path, (kind, target) in sorted(self._places.items(), key=lambda item: item[0].count("/")):
            above = self._cover(os.path.dirname(path))
            shown_by = self._places[above][0] if above else Kind.EMPTY
            match kind:
                case Kind.EMPTY:
                    found += [kind, path]
                case Kind.LINK:
                    found += [kind, target, path] if shown_by is Kind.EMPTY else []
                case Kind.READ:
                    found += [kind, path, path] if shown_by is not Kind.READ else []
                case Kind.WRITE:
                    found += [kind, path, path]
        return found

    def _show(self, path: str, kind: Kind) -> None:
        """OSError where links lead in circles."""
        way = trail(path)
        for link, target in way.links:
            if not self.shows(link):
                self._places.setdefault(link, (Kind.LINK, target))
        is_there = kind in (Kind.EMPTY, Kind.WRITE) or os.path.lexists(way.end)
        if not is_there or way.end == "/" or (kind is Kind.READ and self.shows(way.end)):
            return
        self._places[way.end] = (kind, "")

    def _is_below_writable(self, path: str) -> bool:
        path = os.path.normpath(path)
        return any(path == place or path.startswith(place + "/") for place in self._writable)

    def _cover(self, path: str) -> str | None:
        """The place at or above `path` that lies on top."""
        while path != "/":
            if path in self._places and self._places[path][0] is not Kind.LINK:
                return path
            path = os.path.dirname(path)
        return None
