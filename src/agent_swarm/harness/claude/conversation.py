"""One process of Claude Code: messages and control requests go in, what is heard comes out in order.

Every message has a uuid. The CLI gives it back when it has the message (`delivered`) and when it has come to it
(`begun`): several that wait are read in one turn, so results cannot be counted.
"""

import asyncio
import json
import uuid
from typing import Any

from agent_swarm.harness.claude.stream import NOTHING, Heard, Reading
from agent_swarm.harness.claude.usage import Meter
from agent_swarm.harness.errors import NotDelivered
from agent_swarm.sandbox.base import Exit, Process

AHEAD = 256  # lines that are read before somebody takes them; the CLI waits then


class Conversation:
    """Reads in a task of its own, so that acknowledgements arrive while nobody follows."""

    def __init__(self, process: Process, meter: Meter, *, system_prompt: str | None = None) -> None:
        self.process = process
        self.reading = Reading(meter)
        self._heard: asyncio.Queue[Heard | None] = asyncio.Queue(AHEAD)
        self._receipts: dict[str, asyncio.Future[None]] = {}
        self._unread: set[str] = set()
        self._writing = asyncio.Lock()
        self._has_ended = False
        introduction = {"subtype": "initialize", "appendSystemPrompt": system_prompt}
        self._introduction = [_control(introduction)] if system_prompt else []
        self._pump = asyncio.create_task(self._read())

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
        message = {
            "type": "user",
            "uuid": message_id,
            "session_id": "",
            "parent_tool_use_id": None,
            "message": {"role": "user", "content": [{"type": "text", "text": text}]},
        }
        before, self._introduction = self._introduction, []
        if interrupt:
            before.append(_control({"subtype": "interrupt"}))
        await self._write(*before, message)
        return receipt

    async def ask_to_stop(self) -> None:
        """End the turn under way; its result says that it was aborted, and the process goes on."""
        await self._write(_control({"subtype": "interrupt"}))

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

    async def _write(self, *bodies: dict[str, Any]) -> None:
        """In one piece; a process that has ended takes nothing, which its receipts tell."""
        data = b"".join(json.dumps(body).encode() + b"\n" for body in bodies)
        async with self._writing:
            await self.process.write(data)

    async def _read(self) -> None:
        async for line in self.process.lines():
            heard = self.reading.feed(line)
            self._note(heard)
            if heard.asks is not None:
                await self._write(_refusal(heard.asks))
            if heard is not NOTHING:
                await self._heard.put(heard)
        await self._heard.put(self.reading.last())
        self._over()
        await self._heard.put(None)

    def _note(self, heard: Heard) -> None:
        if heard.delivered is not None:
            receipt = self._receipts.get(heard.delivered)
            if receipt is not None and not receipt.done():
                receipt.set_result(None)
        if heard.begun is not None:
            self._unread.discard(heard.begun)

    def _over(self) -> None:
        self._has_ended = True
        for receipt in self._receipts.values():
            if not receipt.done():
                receipt.set_exception(_undelivered())


def _control(request: dict[str, Any]) -> dict[str, Any]:
    return {"type": "control_request", "request_id": str(uuid.uuid4()), "request": request}


def _refusal(request_id: str) -> dict[str, Any]:
    """The CLI asks only what it was invited to ask; whatever it is, it must not wait for an answer for ever."""
    response = {"subtype": "error", "request_id": request_id, "error": "not supported"}
    return {"type": "control_response", "response": response}


def _undelivered() -> NotDelivered:
    return NotDelivered("the agent ended before it had the message", hint="send it to the next run")
