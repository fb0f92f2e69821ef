"""Passwords hashed beside the event loop, a few at a time: each takes a core for a moment, and 46 MiB."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from agent_swarm.domain.errors import Busy
from agent_swarm.services import passwords

R = TypeVar("R")

AT_ONCE = max(1, min(2, (os.cpu_count() or 1) - 1))
WAITING = 16  # further ones are refused: who waits longer than this has given up


class Hashing:
    """Hashes and checks passwords in threads of its own, so that a flood of log-ins does not hold up anything else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="password")
        self._under_way = 0

    async def hash(self, password: str) -> str:
        """The hash of a normalized password. Raises Busy where too many wait."""
        return await self._run(lambda: passwords.hash_password(password))

    async def is_right(self, password: str, stored: str | None) -> bool:
        """Whether the password is that of the hash; as slow where there is none. Raises Busy where too many wait."""
        return await self._run(lambda: passwords.is_right(password, stored))

    def close(self) -> None:
        """End the threads when they are done."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], R]) -> R:
        if self._under_way >= AT_ONCE + WAITING:
            raise Busy("too many passwords are being checked", hint="try again in a moment")
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._under_way -= 1
