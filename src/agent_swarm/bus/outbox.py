"""Notices that wait to be sent: bounded, because the way to the others may be gone for long.

Where there is no room, commits give way first: the newest one that waits leads to all that was committed before it, so
several become one that says "look". Then the oldest of the others is dropped.
"""

from collections import deque

from agent_swarm.bus.base import Notice, NoticeKind

LIMIT = 1024


class Outbox:
    """First in, first out, commits before the rest. `merged` and `dropped` count what never went out as it was."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._commits: deque[Notice] = deque()
        self._others: deque[Notice] = deque()
        self.merged = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._commits) + len(self._others)

    def add(self, notice: Notice) -> None:
        """Have it wait; where there is no room, older ones make some."""
        (self._commits if notice.kind is NoticeKind.COMMITTED else self._others).append(notice)
        if len(self) <= self._limit:
            return
        if len(self._commits) > 1:
            self.merged += len(self._commits) - 1
            self._commits = deque([_look(self._commits)])
        else:
            (self._others or self._commits).popleft()
            self.dropped += 1

    def take(self, count: int) -> list[Notice]:
        """Take out as many as there are, `count` at most."""
        taken = [self._commits.popleft() for _ in range(min(count, len(self._commits)))]
        taken += [self._others.popleft() for _ in range(min(count - len(taken), len(self._others)))]
        return taken


def _look(commits: deque[Notice]) -> Notice:
    """One commit in the place of several: up to the last of them, with no counts."""
    newest = commits[-1]
    seq = max(int(notice.body.get("seq", 0)) for notice in commits)
    return Notice(newest.kind, newest.node, {**newest.body, "seq": seq, "ready": None})
