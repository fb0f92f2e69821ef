"""Starts servers and workers for tests in milliseconds, by forking a process that has everything imported."""

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent_swarm.domain.ids import new_id
from agent_swarm.testing.faults.crash import Crash

_LINE_BYTES = 1024 * 1024


@dataclass(slots=True)
class Child:
    """A process of the nursery. It can be stopped, told to go on, and killed."""

    pid: int
    log: Path
    status: int | None = None  # its exit code, or minus the signal that ended it
    is_stopped: bool = False
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_alive(self) -> bool:
        """It has not ended."""
        return self.status is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nothing where it has ended, whose number may be somebody else's by now."""
        if self.is_alive:
            with suppress(ProcessLookupError):  # it has ended, and the nursery is about to say so
                os.kill(self.pid, number)

    def stop(self) -> None:
        """SIGSTOP."""
        self.is_stopped = True
        self.send(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT, whether or not it was stopped."""
        self.is_stopped = False
        self.send(signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self.send(signal.SIGKILL)
        await self.wait()

    async def wait(self) -> int:
        """Its exit code, or minus the signal that ended it."""
        await self._ended.wait()
        assert self.status is not None
        return self.status

    def note_end(self, status: int) -> None:
        """The nursery says that it has ended."""
        self.status = status
        self._ended.set()


class Nursery:
    """`async with Nursery(lease_seconds=1.5) as nursery:`; what still runs ends with the block."""

    def __init__(self, *, lease_seconds: float) -> None:
        self.lease_seconds = lease_seconds
        self.key = f"key-of-a-test-{new_id()}"  # of all its servers
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._orders = itertools.count(1)
        self._asked: dict[int, tuple[asyncio.Future[Child], Path]] = {}
        self._children: dict[int, Child] = {}

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "agent_swarm.testing.faults.nursery_process",
            str(self.lease_seconds),
            self.key,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES,
        )
        assert self._process.stdout is not None
        await self._process.stdout.readline()
        self._listening = asyncio.create_task(self._listen(self._process.stdout))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None and self._process.stdin is not None and self._listening is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._listening

    async def start(
        self,
        role: str,
        environment: Mapping[str, str],
        *,
        log: Path,
        crash: Crash | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> Child:
        """Start a process that plays a role of `roles`."""
        assert self._process is not None and self._process.stdin is not None
        number = next(self._orders)
        order = {
            "order": number,
            "role": role,
            "environment": dict(environment),
            "log": str(log),
            "crash": crash.to_json() if crash is not None else None,
            "arguments": dict(arguments or {}),
        }
        asked: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        self._asked[number] = (asked, log)
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return await asked

    async def audit(self, left: Sequence[tuple[Path, Sequence[str]]], log: Path) -> list[list[str]]:
        """For each data directory of a server that has ended, with the tasks it promised: what is wrong there."""
        about = {"left": [(str(data_dir), list(promised)) for data_dir, promised in left]}
        child = await self.start("auditor", {}, log=log, arguments=about)
        status = await child.wait()
        said = await asyncio.to_thread(log.read_text, encoding="utf-8")
        assert status == 0, f"the audit failed: {said}"
        return [json.loads(line) for line in said.splitlines()]

    async def _listen(self, said: asyncio.StreamReader) -> None:
        while line := await said.readline():
            word = json.loads(line)
            if "order" in word:
                asked, log = self._asked.pop(word["order"])
                child = self._children[word["pid"]] = Child(word["pid"], log)
                if not asked.done():
                    asked.set_result(child)
            else:
                self._children.pop(word["pid"]).note_end(word["status"])
        for child in self._children.values():
            child.note_end(-signal.SIGKILL)
        for asked, _ in self._asked.values():
            asked.set_exception(EOFError("the nursery has ended"))
