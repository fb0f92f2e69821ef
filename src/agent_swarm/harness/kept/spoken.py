"""A conversation with a CLI whose protocol is a machine of states: lines and wishes go in, lines to write come out."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Protocol

from agent_swarm.harness.base import AgentEvent
from agent_swarm.harness.kept.conversation import Conversation
from agent_swarm.harness.kept.heard import Heard
from agent_swarm.sandbox.base import Exit, Process

Line = dict[str, Any]
_LEAVE = timedelta(seconds=3)


class Dialogue(Protocol):
    """Who says what when, without input and output. After each call, `written` is what has to be written."""

    @property
    def session(self) -> str | None:
        """What the CLI calls this conversation; None until it is known."""
        ...

    @property
    def goes_on(self) -> bool:
        """Whether a turn is under way, or another one follows."""
        ...

    def written(self) -> list[Line]:
        """What has to be written now; once."""
        ...

    def post(self, message_id: str, text: str, *, interrupt: bool = False) -> None:
        """Tell the agent something; at once where `interrupt` ends the turn that goes on."""
        ...

    def halt(self) -> None:
        """End the turn that goes on, and begin no other one."""
        ...

    def feed(self, line: bytes) -> Heard:
        """What a line says."""
        ...

    def last(self) -> Heard:
        """What is to be said once the output has ended."""
        ...

    def totals(self) -> Mapping[str, Any]:
        """What the conversation has used so far, as JSON."""
        ...

    def rest(self) -> Iterable[AgentEvent]:
        """What is to be told once the process has ended."""
        ...

    def knows_nothing(self, ended: Exit) -> bool:
        """Whether it ended so because the conversation that was to go on is not there."""
        ...


class SpokenConversation(Conversation):
    """Writes what its dialogue has to say. `begin` it before anything else.

    `does_leave`: whether the CLI ends when its input does.
    """

    def __init__(self, process: Process, dialogue: Dialogue, *, does_leave: bool = True) -> None:
        self._dialogue = dialogue
        self._does_leave = does_leave
        super().__init__(process)

    @property
    def session(self) -> str | None:
        """What the CLI calls this conversation."""
        return self._dialogue.session

    @property
    def has_unread(self) -> bool:
        """One may have begun a turn that nobody has heard of yet."""
        return self._dialogue.goes_on

    async def begin(self) -> None:
        """Introduce ourselves, and open the conversation."""
        await self._flush()

    async def end(self) -> None:
        """Have it leave; one that does not do so by itself is told by a signal."""
        await super().end()
        if not self._does_leave:
            await self.process.stop(_LEAVE)

    def totals(self) -> Mapping[str, Any]:
        """As the dialogue counts."""
        return self._dialogue.totals()

    def rest(self) -> Iterable[AgentEvent]:
        """As the dialogue knows it."""
        return self._dialogue.rest()

    def knows_nothing(self, ended: Exit) -> bool:
        """As its CLI shows it."""
        return self._dialogue.knows_nothing(ended)

    async def ask_to_stop(self) -> None:
        """The end of its turn says that it was interrupted."""
        self._dialogue.halt()
        await self._flush()

    async def _tell(self, message_id: str, text: str, *, interrupt: bool) -> None:
        self._dialogue.post(message_id, text, interrupt=interrupt)
        await self._flush()

    async def _hear(self, line: bytes) -> Heard:
        heard = self._dialogue.feed(line)
        await self._flush()
        return heard

    def _last(self) -> Heard:
        return self._dialogue.last()

    async def _flush(self) -> None:
        await self._write(*self._dialogue.written())
