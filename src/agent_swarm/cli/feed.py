"""The event stream on a queue, so that a command can wait for events and draw in between."""

import contextlib
import queue
import threading
from types import TracebackType
from typing import Any, Self

from agent_swarm.cli.address import Server
from agent_swarm.cli.sse import EventStream
from agent_swarm.domain.errors import SwarmError

Event = dict[str, Any]


class EventFeed:
    """Every event from entering on, in order; with `task_id` those of one task alone."""

    def __init__(self, server: Server, *, task_id: str | None = None) -> None:
        self._stream = EventStream(server, query={"taskId": task_id})
        self._arrived: queue.SimpleQueue[Event | SwarmError] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="events", daemon=True)

    def __enter__(self) -> Self:
        self._stream.open()
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.close()
        self._reader.join(timeout=1)

    def take(self, timeout: float) -> list[Event]:
        """What has arrived since the last call; waits up to `timeout` seconds for the first.

        Raises what ended the stream.
        """
        taken: list[Event] = []
        with contextlib.suppress(queue.Empty):
            taken.append(self._event(self._arrived.get(timeout=timeout)))
            while True:
                taken.append(self._event(self._arrived.get_nowait()))
        return taken

    def _event(self, arrived: Event | SwarmError) -> Event:
        if isinstance(arrived, SwarmError):
            raise arrived
        return arrived

    def _read(self) -> None:
        try:
            for event in self._stream:
                self._arrived.put(event)
        except SwarmError as exc:
            self._arrived.put(exc)
