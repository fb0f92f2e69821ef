"""Sessions with agents that tell what they do line by line on standard output.

An adapter gives a parser for the lines and, where its agent is special, a judge. What is common lives here: feed the
prompt while reading, turn lines into events, believe only the terminal event, and interrupt by a ladder (SIGINT, then
SIGTERM, then SIGKILL), because six of six agent CLIs leave processes behind or hang on some signal.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.harness.base import AgentEvent, Emit, EventKind, Outcome
from agent_swarm.harness.errors import NotDelivered
from agent_swarm.sandbox.base import Exit, Process

# Signals that a program does not raise against itself: the kernel short of memory, an operator, a host going down.
OUTSIDE_SIGNALS = frozenset({SIGHUP, SIGINT, SIGKILL, SIGTERM})


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one line says. `outcome` is set by the terminal event; where several come, the last one counts.

    An event of kind `started` may carry {"session"}, which becomes the session's handle; the pid is added to it.
    """

    events: tuple[AgentEvent, ...] = ()
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """All there is to judge a run by."""

    terminal: Outcome | None
    exit: Exit
    is_interrupted: bool  # we asked it to stop
    error_tail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """How an agent is made to stop, and how long each rung is given."""

    after_interrupt: timedelta | None = timedelta(seconds=3)  # None: no SIGINT, it has nothing to save
    after_stop: timedelta = timedelta(seconds=2)


Parse = Callable[[bytes], Parsed]
Judge = Callable[[Ending], Outcome]


def judge(ending: Ending) -> Outcome:
    """The terminal event decides; without one the run has failed, whatever its exit code says."""
    if ending.terminal is not None and (ending.terminal.ok or not ending.is_interrupted):
        return ending.terminal
    if ending.is_interrupted:
        return interrupted(ending.terminal)
    if ending.exit.signal in OUTSIDE_SIGNALS:
        return killed(ending.exit)
    return Outcome(
        ok=False,
        failure=FailureClass.AGENT,
        failure_code="noTerminalEvent",
        message=with_last_words(
            f"the agent ended with {ending.exit.describe()} and did not say how its work ended", ending.error_tail
        ),
    )


def interrupted(terminal: Outcome | None = None) -> Outcome:
    """It stopped because it was asked to; what it said about it is kept."""
    said = terminal or Outcome(ok=False, message="the agent was stopped on request")
    return replace(said, ok=False, failure=FailureClass.INFRASTRUCTURE, failure_code="interrupted")


def killed(ended: Exit) -> Outcome:
    """Something that is neither the agent nor its worker ended it."""
    return Outcome(
        ok=False,
        failure=FailureClass.INFRASTRUCTURE,
        failure_code="killed",
        message=f"the agent was ended from outside by {ended.describe()}; was the host short of memory, or shut down?",
    )


def with_last_words(message: str, error_tail: str) -> str:
    """The message, and what the process last wrote to standard error."""
    last = error_tail.strip()[-1000:]
    return f"{message}; its last words: {last}" if last else message


@dataclass(kw_only=True)
class StreamSession:
    """One agent process from its prompt to its end. Meets `harness.base.Session`."""

    process: Process
    parse: Parse
    judge: Judge = judge
    prompt: bytes = b""
    opening: tuple[AgentEvent, ...] = ()  # emitted before the first line, for agents that do not announce themselves
    handle: str | None = None
    ladder: Ladder = field(default_factory=Ladder)
    _is_interrupted: bool = field(default=False, init=False)

    async def run(self, emit: Emit) -> Outcome:
        """Follow the agent to its end. An error of `emit` leaves the process to `close`."""
        feeding = asyncio.create_task(self._feed())  # beside the reading: an agent may write before it has read all
        try:
            terminal = await self._read(emit)
            ended = await self.process.wait()
        finally:
            feeding.cancel()
        errors = self.process.error_tail()
        outcome = self.judge(
            Ending(terminal=terminal, exit=ended, is_interrupted=self._is_interrupted, error_tail=errors)
        )
        if errors and not outcome.ok:
            await emit(AgentEvent(EventKind.LOG, {"stream": "stderr", "text": errors}))
        await emit(AgentEvent(EventKind.ENDED, {"exit": ended.describe()}))
        return outcome

    async def send(self, text: str, *, interrupt: bool = False, message_id: str = "") -> None:
        """These agents read nothing once they have begun."""
        raise NotDelivered("this agent takes no messages while it runs", hint="tell the task's next attempt")

    async def interrupt(self) -> None:
        """Go down the ladder until the process has ended."""
        self._is_interrupted = True
        if self.ladder.after_interrupt is not None:
            self.process.interrupt()
            try:
                await asyncio.wait_for(self.process.wait(), self.ladder.after_interrupt.total_seconds())
                return
            except TimeoutError:
                pass
        await self.process.stop(self.ladder.after_stop)

    async def close(self) -> None:
        """End the agent and every descendant; idempotent."""
        await self.process.kill()

    async def _feed(self) -> None:
        await self.process.write(self.prompt)
        await self.process.close_input()

    async def _read(self, emit: Emit) -> Outcome | None:
        terminal = None
        for event in self.opening:
            await emit(self._completed(event))
        async for line in self.process.lines():
            parsed = self.parse(line)
            for event in parsed.events:
                await emit(self._completed(event))
            terminal = parsed.outcome or terminal
        return terminal

    def _completed(self, event: AgentEvent) -> AgentEvent:
        if event.kind is not EventKind.STARTED:
            return event
        self.handle = event.data.get("session", self.handle)
        return AgentEvent(EventKind.STARTED, {**event.data, "pid": self.process.pid})
