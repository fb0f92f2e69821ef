"""One process of an agent CLI: messages and requests go in, what is heard comes out in order.

Every message has an id. The CLI says when it has the message (`Heard.delivered`) and when it has come to it
(`Heard.begun`): several that wait may be read in one turn, so the ends of turns cannot be counted.
"""

import asyncio
import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from agent_swarm.harness.base import AgentEvent
from agent_swarm.harness.errors import NotDelivered
from agent_swarm.harness.kept.heard import ALIVE, NOTHING, Heard
from agent_swarm.sandbox.base import Exit, Process

AHEAD = 256  # lines that are read before somebody takes them; the CLI waits then


class Conversation(ABC):
    """Reads in a task of its own, so that acknowledgements arrive while nobody follows."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._heard: asyncio.Queue[Heard | None] = asyncio.Queue(AHEAD)
        self._receipts: dict[str, asyncio.Future[None]] = {}
        self._unread: set[str] = set()
        self._writing = asyncio.Lock()
        self._has_ended = False
        self._pump = asyncio.create_task(self._read())

    @property
    @abstractmethod
    def session(self) -> str | None:
        """What the CLI calls this conversation; None until it is known."""

    @abstractmethod
    def totals(self) -> Mapping[str, Any]:
        """What the conversation has used so far, as JSON, to be kept with it."""

    @abstractmethod
    def rest(self) -> Iterable[AgentEvent]:
        """What is to be told once the process has ended."""

    @abstractmethod
    def knows_nothing(self, ended: Exit) -> bool:
        """Whether it ended so because the conversation that was to go on is not there."""

    @abstractmethod
    async def ask_to_stop(self) -> None:
        """End the turn under way; its end says that it was interrupted, and the process goes on."""

    @abstractmethod
    async def _tell(self, message_id: str, text: str, *, interrupt: bool) -> None:
        """Write a message."""

    @abstractmethod
    async def _hear(self, line: bytes) -> Heard:
        """What a line says; answer it where the CLI waits for that."""

    @abstractmethod
    def _last(self) -> Heard:
        """What is to be said once the output has ended."""

    @property
    def has_unread(self) -> bool:
        """Whether there are messages that the agent has not come to: another turn follows."""
        return bool(self._unread)

    async def next(self) -> Heard | None:
        """What is heard next; None once the process's output has ended."""
        return None if self._has_ended and self._heard.empty() else await self._heard.get()

    async def post(self, text: str, *, interrupt: bool = False, message_id: str = "") -> "asyncio.Future[None]":
        """Write a message; the future is done when the agent has it, or fails with NotDelivered.

        One that is on its way under this id, or that it has, is not written again. The CLI does not look for it among
        what an earlier process of the conversation had.
        """
        message_id = message_id or str(uuid.uuid4())
        if (earlier := self._receipts.get(message_id)) is not None:
            return earlier
        receipt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        receipt.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody has to look at it
        self._receipts[message_id] = receipt
        if self._has_ended:
            receipt.set_exception(_undelivered())
            return receipt
        self._unread.add(message_id)
        await self._tell(message_id, text, interrupt=interrupt)
        return receipt

    async def end(self) -> None:
        """Let it see the end of its input: it leaves when its turn is over."""
        async with self._writing:
            await self.process.close_input()

    async def close(self) -> None:
        """Kill it, with every descendant."""
        try:
            await self.process.kill()
        finally:
            self._pump.cancel()
            self._over()
            if self._heard.full():
                self._heard.get_nowait()  # of what a killed agent said last, nobody waits for every line
            self._heard.put_nowait(None)

    async def wait(self) -> Exit:
        """How the process ended."""
        return await self.process.wait()

    async def _write(self, *bodies: Mapping[str, Any]) -> None:
        """In one piece; a process that has ended takes nothing, which its receipts tell."""
        if not bodies:
            return
        data = b"".join(json.dumps(body).encode() + b"\n" for body in bodies)
        async with self._writing:
            await self.process.write(data)

    async def _read(self) -> None:
        async for line in self.process.lines():
            heard = await self._hear(line)
            self._note(heard)
            if heard is NOTHING or (heard is ALIVE and not self._heard.empty()):
                continue  # a history that is told again must not fill the queue while nobody follows
            await self._heard.put(heard)
        await self._heard.put(self._last())
        self._over()
        await self._heard.put(None)

    def _note(self, heard: Heard) -> None:
        for message_id in heard.delivered:
            receipt = self._receipts.get(message_id)
            if receipt is not None and not receipt.done():
                receipt.set_result(None)
        for message_id in heard.lost:
            self._unread.discard(message_id)
            receipt = self._receipts.pop(message_id, None)  # it may be told again
            if receipt is not None and not receipt.done():
                receipt.set_exception(_undelivered())
        if heard.begun is not None:
            self._unread.discard(heard.begun)

    def _over(self) -> None:
        self._has_ended = True
        for receipt in self._receipts.values():
            if not receipt.done():
                receipt.set_exception(_undelivered())


def _undelivered() -> NotDelivered:
    return NotDelivered("the agent ended before it had the message", hint="send it to the next run")
