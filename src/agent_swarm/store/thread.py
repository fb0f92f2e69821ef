"""A thread that does one thing after the other for an event loop.

An `Executor` does the same; its futures, which any number of threads may wait for, cost more than a small commit.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

R = TypeVar("R")


class WorkerThread:
    """Started with its first call; `stop` ends it after what it was given."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._is_started = False

    def run(self, call: Callable[[], R]) -> "asyncio.Future[R]":
        """What `call` answers or raises, from the thread."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()

        def carry_out() -> None:
            try:
                result = call()
            except BaseException as exc:  # it is for whoever waits
                loop.call_soon_threadsafe(_refuse, answer, exc)
            else:
                loop.call_soon_threadsafe(_give, answer, result)

        if not self._is_started:
            self._is_started = True
            self._thread.start()
        self._calls.put(carry_out)
        return answer

    def stop(self) -> None:
        """Wait for the end of everything begun; again is fine."""
        self._calls.put(None)
        if self._is_started:
            self._thread.join()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _give(answer: "asyncio.Future[Any]", result: Any) -> None:
    if not answer.done():
        answer.set_result(result)


def _refuse(answer: "asyncio.Future[Any]", error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
