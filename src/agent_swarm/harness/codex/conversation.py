"""One process of Codex, which is spoken to in its app-server protocol."""

from collections.abc import Iterable, Mapping
from typing import Any

from agent_swarm.harness.base import AgentEvent
from agent_swarm.harness.codex.dialogue import Dialogue
from agent_swarm.harness.kept.conversation import Conversation
from agent_swarm.harness.kept.heard import Heard
from agent_swarm.sandbox.base import Exit, Process


class CodexConversation(Conversation):
    """`begin` it before anything else."""

    def __init__(self, process: Process, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        super().__init__(process)

    @property
    def session(self) -> str | None:
        """The thread, which the CLI names when it has begun."""
        return self._dialogue.reading.thread

    @property
    def has_unread(self) -> bool:
        """One may have begun a turn that nobody has heard of yet."""
        return self._dialogue.goes_on

    async def begin(self) -> None:
        """Introduce ourselves, and open the thread."""
        await self._flush()

    def totals(self) -> Mapping[str, Any]:
        """Per thread."""
        return self._dialogue.reading.meter.to_json()

    def rest(self) -> Iterable[AgentEvent]:
        """What was heard of a conversation that was never opened. Nothing is known of an answer that broke off."""
        return self._dialogue.reading.early

    def knows_nothing(self, ended: Exit) -> bool:
        """It says so, and does not end."""
        return False

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
        return self._dialogue.reading.strays.last()

    async def _flush(self) -> None:
        await self._write(*self._dialogue.written())
