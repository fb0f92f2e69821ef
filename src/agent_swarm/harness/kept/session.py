"""A run of a kept agent: turns, messages, interrupts, and a process that is kept as long as it is useful."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from agent_swarm.harness.base import AgentEvent, Emit, EventKind, Outcome, Turn
from agent_swarm.harness.errors import NotDelivered
from agent_swarm.harness.kept import outcomes
from agent_swarm.harness.kept.conversation import Conversation
from agent_swarm.harness.kept.heard import Heard, log
from agent_swarm.harness.kept.opening import opening
from agent_swarm.harness.stream import Ending, interrupted, judge
from agent_swarm.sandbox.base import Exit

# The ladder of an interrupt; `worker.agent.INTERRUPT_SECONDS` waits for all of it.
AFTER_REQUEST = 2.0  # seconds: the CLIs end a turn within 0.1 s
AFTER_SIGINT = 1.5
AFTER_SIGTERM = timedelta(seconds=2)  # it cleans up for up to 1.5 s
# After its last turn a CLI may wait for agents of its own in the background. Those of Claude Code speak every 30 s.
AFTER_RESULT = timedelta(seconds=90)
EVICTION = 5.0  # seconds for an idle process to leave by itself


Start = Callable[[str | None], Awaitable[Conversation]]  # a process that goes on with a conversation, or begins one


class KeptSession:
    """Meets `harness.base.Session`. `name` is the harness's, under which its log is told."""

    def __init__(
        self, *, name: str, turn: Turn, start: Start, save_totals: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self._name = name
        self._turn = turn
        self._start = start
        self._save_totals = save_totals
        self._live: Conversation | None = None
        self._session: str | None = None
        self._is_resumed = False
        self._runs = 0
        self._is_interrupted = False
        self._is_closed = False
        self._is_leaving = False  # its input is closed: it ends when it has nothing more to do
        self._run_over = asyncio.Event()
        self._outcome: Outcome | None = None  # of the last turn of this run
        self._idle: asyncio.TimerHandle | None = None
        self._eviction: asyncio.Task[None] | None = None

    @property
    def handle(self) -> str | None:
        """The id of the conversation, once there is one."""
        return (self._live.session if self._live is not None else None) or self._session

    async def begin(self, session: str | None) -> None:
        """Start the process; without a `session` in a new conversation."""
        self._session, self._is_resumed, self._is_leaving = session, session is not None, False
        self._live = await self._start(session)
        self._session = self._live.session or session

    async def run(self, emit: Emit) -> Outcome:
        """Follow the agent until it has answered everything it was told. The first run begins with the task."""
        self._keep_alive()
        self._run_over.clear()
        self._is_interrupted, self._outcome = False, None
        try:
            live = await self._running()
            self._runs += 1
            if self._runs == 1:
                return await self._tell_task(live, emit, resume=self._is_resumed)
            return await self._follow(live, emit)
        finally:
            self._run_over.set()

    async def send(self, text: str, *, interrupt: bool = False, message_id: str = "") -> None:
        """Give the agent a further message; returns when the agent has it. Raises NotDelivered."""
        if not self._runs or self._is_leaving:
            raise NotDelivered("the agent has not begun, or is leaving", hint="send it to the next run")
        self._keep_alive()
        live = await self._running()
        receipt = await live.post(text, interrupt=interrupt, message_id=message_id)
        if not self._run_over.is_set():
            return await asyncio.shield(receipt)  # whoever follows the run bounds it
        try:
            async with asyncio.timeout(self._turn.bounds.silence.total_seconds()):
                await asyncio.shield(receipt)
        except TimeoutError:
            await live.process.stop(AFTER_SIGTERM)
            raise NotDelivered("the agent did not take the message in time", hint="send it to the next run") from None
        self._keep_for_a_while()
        return None

    async def interrupt(self) -> None:
        """Ask, then SIGINT, then SIGTERM, then SIGKILL, until the turn is over."""
        live = self._live
        if live is None or self._run_over.is_set():
            return
        self._is_interrupted = True
        if await self._is_over_within(AFTER_REQUEST, live.ask_to_stop()):
            return
        live.process.interrupt()
        if not await self._is_over_within(AFTER_SIGINT):
            await live.process.stop(AFTER_SIGTERM)

    async def close(self) -> None:
        """End the agent and every descendant; idempotent."""
        self._is_closed = True
        self._keep_alive()
        live, self._live = self._live, None
        if live is not None:
            await live.close()
        if self._eviction is not None:
            await self._eviction

    async def _running(self) -> Conversation:
        """The process; started again, in the same conversation, where it was evicted."""
        if self._is_closed:
            raise NotDelivered("the session is closed", hint="open another one")
        if self._live is None:
            if self._eviction is not None:
                await self._eviction  # two processes must not write one conversation
            await self.begin(self._session)
        assert self._live is not None
        return self._live

    async def _tell_task(self, live: Conversation, emit: Emit, *, resume: bool) -> Outcome:
        """Say what it is to do, and follow it; a long text waits for a process that reads it."""
        try:
            async with asyncio.timeout(self._turn.bounds.silence.total_seconds()):
                await live.post(opening(self._turn, resume=resume))
        except TimeoutError:
            return await self._went_silent(live, emit)
        return await self._follow(live, emit)

    async def _follow(self, live: Conversation, emit: Emit) -> Outcome:
        """Take in what is heard until the turn is over, or the process is."""
        while True:
            try:
                heard = await asyncio.wait_for(live.next(), self._patience().total_seconds())
            except TimeoutError:
                return await self._went_silent(live, emit)
            if heard is None:
                return await self._ended(live, emit)
            for event in heard.events:
                await emit(_completed(event, live))
            self._session = live.session or self._session
            if heard.is_booked:
                self._save_totals(live.totals())
            if heard.is_unknown and self._may_begin_anew():
                return await self._begin_anew(live, emit)
            if (over := await self._turn_over(live, heard, emit)) is not None:
                return over

    async def _turn_over(self, live: Conversation, heard: Heard, emit: Emit) -> Outcome | None:
        """The outcome, where this line ended the run and the process goes on, or is of no more use."""
        if refused := tuple(name for name in heard.refused_servers if name in self._turn.mcp_servers):
            await live.process.stop(AFTER_SIGTERM)
            await self._end_of(live, emit)
            return outcomes.unreachable_servers(refused)
        if heard.outcome is None:
            return None
        self._outcome = heard.outcome
        if live.has_unread and not self._is_interrupted:
            return None
        if live.has_unread:  # is for the next run: an agent that was stopped must not come to it
            self._is_leaving = True
            await live.process.stop(AFTER_SIGTERM)
            return None
        if self._turn.bounds.idle is None:
            self._is_leaving = True
            await live.end()
            return None
        self._keep_for_a_while()
        return self._of_turn(heard.outcome)

    async def _went_silent(self, live: Conversation, emit: Emit) -> Outcome:
        """Nothing was heard for too long; after a result that only means that the process does not leave."""
        await live.process.stop(AFTER_SIGTERM)
        ended = await self._end_of(live, emit)
        if self._is_leaving:
            return self._judged(live, ended)
        return outcomes.stalled(self._turn.bounds.silence.total_seconds())

    async def _ended(self, live: Conversation, emit: Emit) -> Outcome:
        """The process is over; where it did not know the conversation, begin a new one."""
        ended = await live.wait()
        if live.knows_nothing(ended) and self._may_begin_anew():
            return await self._begin_anew(live, emit)
        await self._end_of(live, emit)
        return self._judged(live, ended)

    def _may_begin_anew(self) -> bool:
        return self._is_resumed and self._runs == 1 and not self._is_interrupted and not self._is_closed

    async def _begin_anew(self, live: Conversation, emit: Emit) -> Outcome:
        """The conversation that was to go on is not there: begin another one, which is told the whole task."""
        await emit(log(f"conversation {self._session} cannot be resumed, a new one begins", stream=self._name))
        await live.close()
        await self.begin(None)
        return await self._tell_task(await self._running(), emit, resume=False)

    async def _end_of(self, live: Conversation, emit: Emit) -> Exit:
        """Tell the last of it: what it wrote as errors, and how it ended."""
        ended = await live.wait()
        while (heard := await live.next()) is not None:
            for event in heard.events:
                await emit(event)
        for event in live.rest():
            await emit(event)
        errors = live.process.error_tail().strip()
        is_good = self._outcome is not None and self._outcome.ok
        if errors and not is_good:
            await emit(log(errors, stream="stderr"))
        await emit(AgentEvent(EventKind.ENDED, {"exit": ended.describe()}))
        self._live = None
        return ended

    def _judged(self, live: Conversation, ended: Exit) -> Outcome:
        errors = live.process.error_tail()
        return judge(Ending(terminal=self._outcome, exit=ended, is_interrupted=self._is_interrupted, error_tail=errors))

    def _of_turn(self, outcome: Outcome) -> Outcome:
        """Of a turn after which the process goes on."""
        return interrupted(outcome) if self._is_interrupted and not outcome.ok else outcome

    def _patience(self) -> timedelta:
        return AFTER_RESULT if self._is_leaving else self._turn.bounds.silence

    async def _is_over_within(self, seconds: float, asking: Any = None) -> bool:
        """Ask, and wait for the end of the run; False where that takes longer."""
        try:
            async with asyncio.timeout(seconds):
                if asking is not None:
                    await asking
                await self._run_over.wait()
        except TimeoutError:
            return False
        return True

    def _keep_for_a_while(self) -> None:
        self._keep_alive()
        if self._turn.bounds.idle is not None:
            self._idle = asyncio.get_running_loop().call_later(self._turn.bounds.idle.total_seconds(), self._evict)

    def _keep_alive(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _evict(self) -> None:
        """Let an idle process go; the conversation is resumed when there is something to say."""
        live, self._live = self._live, None
        if live is not None:
            self._eviction = asyncio.get_running_loop().create_task(_let_go(live))


async def _let_go(live: Conversation) -> None:
    """Have a process leave by itself, so that its conversation is saved; kill it where it does not."""
    with suppress(TimeoutError):
        async with asyncio.timeout(EVICTION):
            await live.end()
            await live.wait()
    await live.close()


def _completed(event: AgentEvent, live: Conversation) -> AgentEvent:
    if event.kind is not EventKind.STARTED:
        return event
    return AgentEvent(EventKind.STARTED, {**event.data, "pid": live.process.pid})
