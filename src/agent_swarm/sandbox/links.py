"""Symbolic links on the way to a path: what has to be shown so that the path also leads somewhere inside a sandbox."""

import errno
import os
from dataclasses import dataclass

_MOST_LINKS = 40  # as the kernel follows: path_resolution(7)


@dataclass(frozen=True, slots=True)
class Trail:
    """The links met on the way, each with what it says, and the real place at the end, which may not exist."""

    links: tuple[tuple[str, str], ...]
    end: str


def trail(path: str) -> Trail:
    """Follow an absolute path. OSError where links lead in circles."""
    links: list[tuple[str, str]] = []
    here = "/"
    ahead = _parts(path)
    while ahead:
        name = ahead.pop(0)
        if name == "..":
            here = os.path.dirname(here)
            continue
        there = os.path.join(here, name)
        try:
            target = os.readlink(there)
        except OSError:  # no link, or not there
            here = there
            continue
        links.append((there, target))
        if len(links) > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if target.startswith("/"):
            here = "/"
        ahead[:0] = _parts(target)
    return Trail(tuple(links), here)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
