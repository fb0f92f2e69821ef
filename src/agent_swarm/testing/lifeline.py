"""Tell from outside whether processes still live, in whatever namespace they run.

A lifeline is a named pipe that the watched processes hold open as descriptor 9. The kernel closes a dead process's
descriptors, so the pipe has no writer exactly when none of them lives.
"""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from agent_swarm.testing.waiting import until

NAME = "lifeline"

# Descendants, most of which a mere `kill` misses. Each says that it is up, then lives on. Their shell has to `HOLD`.
HOLD = f"exec 9>{NAME}\n"
CHILD = "sh -c 'echo up >&9; exec sleep 1000' &\n"
SETSID_CHILD = "setsid sh -c 'echo up >&9; exec sleep 1000' &\n"
DAEMON = "(setsid sh -c '(echo up >&9; exec sleep 1000) &' &)\n"  # forked twice, in its own session, re-parented
NAMELESS_DAEMON = "(env -i setsid sh -c '(echo up >&9; exec sleep 1000) &' &)\n"  # with an empty environment as well
STUBBORN_CHILD = "sh -c 'trap \"\" TERM INT HUP; echo up >&9; while :; do sleep 0.1; done' &\n"
FAMILY = CHILD + SETSID_CHILD + DAEMON + NAMELESS_DAEMON + STUBBORN_CHILD
FAMILY_SIZE = 5


class Lifeline:
    """The reading end, in a directory where the processes find it as `lifeline`."""

    def __init__(self, folder: Path) -> None:
        os.mkfifo(folder / NAME)
        self._fd = os.open(folder / NAME, os.O_RDONLY | os.O_NONBLOCK)
        self._heard = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    async def heard_from(self, count: int) -> None:
        """Wait until so many have said that they are up."""
        await until(lambda: self._listen() and self._heard.count(b"up\n") >= count)

    def is_held(self) -> bool:
        """Whether one of them lives."""
        return self._listen()

    async def released(self, within: float = 10.0) -> None:
        """Wait until none lives, for so many seconds at most."""
        await until(lambda: not self._listen(), within)

    def _listen(self) -> bool:
        """Take in what was said; whether anybody holds the other end."""
        while True:
            try:
                said = os.read(self._fd, 4096)
            except BlockingIOError:
                return True
            if not said:
                return False
            self._heard += said
