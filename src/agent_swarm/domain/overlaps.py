"""Overlaps: running attempts at one project whose work would not merge as it is now. Pure.

What an agent is told holds no text of another one's but the names of files, quoted and cut.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST_SHARED = 100  # attempts of one worker at one project that are compared
MOST_AT_PROJECT = 500  # attempts at one project that are
MOST_FILES = 20  # named of one pair
PATH_CHARS = 300  # of the name of a file; longer ones are cut
MOST_MESSAGES = 20  # that one attempt gets
MOST_TOLD = 200  # files of a pair that are remembered as told
NAMED_PAIRS = 5  # in one message
NAMED_FILES = 5  # of one pair in a text


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """That of one attempt with another: since when, in which files, and how many more there are."""

    task_id: str
    attempt: int
    agent_id: str
    agent: str  # its name
    files: tuple[str, ...]
    more: int = 0
    since: int = 0


def named(files: Sequence[str], more: int = 0) -> str:
    """`'src/a.py', 'src/b.py' and 3 more`."""
    rest = len(files) - NAMED_FILES if len(files) > NAMED_FILES else 0
    shown = ", ".join(map(repr, files[:NAMED_FILES]))
    return f"{shown} and {rest + more} more" if rest + more else shown


def message(overlaps: Iterable[Overlap], *, is_last: bool = False) -> str:
    """What the agent of an attempt is told of its overlaps; `is_last` where it is told of no further ones."""
    found = list(overlaps)
    lines = [
        f"- attempt {one.attempt} at task {one.task_id}, by agent {one.agent!r} ({one.agent_id}): "
        + named(one.files, one.more)
        for one in found[:NAMED_PAIRS]
    ]
    if len(found) > NAMED_PAIRS:
        lines.append(f"- and {len(found) - NAMED_PAIRS} more attempts")
    parts = [
        "Work that goes on beside yours changes the same places. As both are now, they would not merge:",
        "\n".join(lines),
        "Nothing has to stop. Agree with that agent who changes what, by a message to it or through your lead, or keep "
        "your change small and where it has to be.",
    ]
    if is_last:
        parts.append("You are told of no further overlaps in this attempt.")
    return "\n\n".join(parts)
