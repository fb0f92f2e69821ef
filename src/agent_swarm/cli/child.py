"""One child process that is kept running."""

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from agent_swarm.cli.failures import USAGE, CommandFailed
from agent_swarm.cli.leash import leashed

BACKOFF_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # the last one repeats
STEADY_SECONDS = 30.0  # a child that ran for so long starts again with the shortest back-off
LINE_BYTES = 64 * 1024  # longer lines are cut into several
TAIL_LINES = 40
PIPE_SECONDS = 0.3  # how long output may still come after the end of the child; a descendant may hold the pipe open


class Log(Protocol):
    """Where the words of children, and about them, go."""

    def output(self, name: str, line: str) -> None:
        """A line that the child printed."""

    def note(self, name: str, text: str, last_words: Sequence[str] = ()) -> None:
        """What happened to it; with its last lines when it ended badly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """What to run. After SIGTERM it has `grace_seconds` until SIGKILL; `env` is its whole environment.

    With an exit code of `final_codes` it says that it must not run again.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    grace_seconds: float
    final_codes: frozenset[int] = frozenset()


class ChildGaveUp(CommandFailed):
    """A child that cannot run as it was told to."""

    code = "childGaveUp"


class Child:
    """Starts again after every end that nobody asked for, with a back-off.

    `run` returns after `stop`. It raises ChildGaveUp when the child refuses its settings (exit code 2), or ends before
    `is_up` was set for the first time while `must_come_up`: starting it again would not help.
    """

    def __init__(self, spec: ChildSpec, *, log: Log, must_come_up: bool = False) -> None:
        self.spec = spec
        self.is_up = False
        self._log = log
        self._must_come_up = must_come_up
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._stopping = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process that runs now, if one does."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def run(self) -> None:
        """Keep it running until `stop`; whatever happens, it does not run afterwards."""
        failures = 0
        while not self._stopping.is_set():
            started_at = time.monotonic()
            code = await self._run_once()
            if self._stopping.is_set():
                return
            if code == USAGE or (self._must_come_up and not self.is_up):
                raise ChildGaveUp(f"{self.spec.name} {ended(code)}", hint=self._last_words())
            if code in self.spec.final_codes:
                self._log.note(self.spec.name, f"{ended(code)}; not started again", list(self._tail))
                return
            failures = 0 if time.monotonic() - started_at > STEADY_SECONDS else failures
            delay = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
            failures += 1
            self._log.note(self.spec.name, f"{ended(code)}; starts again in {delay:g} s", list(self._tail))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    def stop(self) -> None:
        """Have `run` end it: SIGTERM, and SIGKILL to its process group when the grace is over; safe to repeat."""
        self._stopping.set()

    def kill(self) -> None:
        """SIGKILL to its process group, now."""
        self._stopping.set()
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def _run_once(self) -> int:
        async with _output_pipe() as (reader, write_end):
            # A session of its own: Ctrl-C at the terminal is for the supervisor alone, which stops all in order.
            process = self._process = await asyncio.create_subprocess_exec(
                *leashed(self.spec.argv),
                env=self.spec.env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                start_new_session=True,
            )
            os.close(write_end)
            return await self._follow(process, reader)

    async def _follow(self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader) -> int:
        """Pass its output on until it ends, by itself or because of `stop`; its exit code."""
        pump = asyncio.create_task(self._pump(reader))
        exited = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({exited, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not exited.done():
                await self._end(process, exited)
            await asyncio.wait({exited})
            await asyncio.wait({pump}, timeout=PIPE_SECONDS)
            return exited.result()
        finally:
            if process.returncode is None:  # this task was cancelled
                self.kill()
            pump.cancel()
            stopping.cancel()

    async def _end(self, process: asyncio.subprocess.Process, exited: asyncio.Task[int]) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait({exited}, timeout=self.spec.grace_seconds)
        if not exited.done():
            self._log.note(self.spec.name, f"did not end within {self.spec.grace_seconds:g} s; killed")
            self.kill()

    async def _pump(self, output: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await output.read(LINE_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._say(line)
        if rest:
            self._say(rest)

    def _say(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r")
        self._tail.append(text)
        self._log.output(self.spec.name, text)

    def _last_words(self) -> str:
        return "\n".join(["its last words:", *self._tail]) if self._tail else "it said nothing"


@asynccontextmanager
async def _output_pipe() -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
    """A reader, and the end to write to; the reader is closed afterwards even where a descendant still writes."""
    read_end, write_end = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", 0)
    )
    try:
        yield reader, write_end
    finally:
        transport.close()


def ended(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"
