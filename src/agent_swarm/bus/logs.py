"""How transcripts reach the other nodes, where every node keeps its own: the contract, and the one of a server alone.

The node that takes lines from a worker writes them to its file and shares them; the others put them on their shelf.
Lines are numbered and never change, so they may travel twice, and whoever misses some knows it.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Shelf(Protocol):
    """The transcripts of this node, as the log stream sees them."""

    async def put(self, task_id: str, attempt: int, first: int, lines: Sequence[bytes]) -> int:
        """Store lines of another node, numbered from `first`, each with its newline; answers how many are here now.

        Those that are here already are skipped. After a gap nothing is stored: the answer is below `first`. Raises
        ValueError or UnknownTask for what is no transcript.
        """
        ...

    async def stored(self, task_id: str, attempt: int, after: int, max_bytes: int) -> list[bytes]:
        """The lines from number `after` on as they are stored, at most `max_bytes` of them but at least one."""
        ...


class LogStream(Protocol):
    """Carries transcript lines to all other nodes, once and in order, over outages of any length it can bridge."""

    async def open(self, shelf: Shelf) -> None:
        """Begin: put what others share onto the shelf, share what was left to share. Raises Unavailable."""
        ...

    def growing(self, task_id: str, attempt: int, first: int) -> AbstractContextManager[None]:
        """Wrap this around writing lines of a worker, numbered from `first`: should the process die, they are shared
        at its next start. For the thread that writes.
        """
        ...

    async def share(self, task_id: str, attempt: int, end: int) -> None:
        """Have what was written before line `end` shared; returns when that is done, or cannot be done soon."""
        ...

    async def catch_up(self, task_id: str, attempt: int, wanted: int) -> None:
        """Return when the shelf has `wanted` lines of this transcript, or when that takes too long."""
        ...

    async def close(self) -> None:
        """End; what is not shared yet is remembered. Idempotent."""
        ...


class NoLogStream:
    """For a server that is alone, or whose nodes keep their transcripts in one directory."""

    async def open(self, shelf: Shelf) -> None:
        """Nothing comes from anywhere."""

    def growing(self, task_id: str, attempt: int, first: int) -> AbstractContextManager[None]:
        """Nobody waits for the lines."""
        return nullcontext()

    async def share(self, task_id: str, attempt: int, end: int) -> None:
        """Nobody is there to share with."""

    async def catch_up(self, task_id: str, attempt: int, wanted: int) -> None:
        """What is not here will not come."""

    async def close(self) -> None:
        """Nothing to end."""
