"""One process of Claude Code: messages and control requests go in as lines of JSON.

Every message has a uuid. The CLI gives it back when it has the message, and when it has come to it.
"""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from agent_swarm.harness.base import AgentEvent
from agent_swarm.harness.claude.stream import ClaudeHeard, Reading
from agent_swarm.harness.claude.usage import Meter
from agent_swarm.harness.kept.conversation import Conversation
from agent_swarm.harness.kept.heard import Heard
from agent_swarm.sandbox.base import Exit, Process


class ClaudeConversation(Conversation):
    """`session` is the id that the CLI was started with."""

    def __init__(self, process: Process, meter: Meter, *, session: str, system_prompt: str | None = None) -> None:
        self.reading = Reading(meter)
        self._session = session
        introduction = {"subtype": "initialize", "appendSystemPrompt": system_prompt}
        self._introduction = [_control(introduction)] if system_prompt else []
        super().__init__(process)

    @property
    def session(self) -> str:
        """It was chosen before the CLI was started."""
        return self._session

    def totals(self) -> Mapping[str, Any]:
        """Per model."""
        return self.reading.meter.to_json()

    def rest(self) -> Iterable[AgentEvent]:
        """What a message has cost that broke off."""
        return self.reading.meter.rest()

    def knows_nothing(self, ended: Exit) -> bool:
        """It ends with an error, and without a first line."""
        return self.reading.session is None and ended.code not in (0, None)

    async def ask_to_stop(self) -> None:
        """Its result says that it was aborted."""
        await self._write(_control({"subtype": "interrupt"}))

    async def _tell(self, message_id: str, text: str, *, interrupt: bool) -> None:
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

    async def _hear(self, line: bytes) -> Heard:
        heard = self.reading.feed(line)
        if isinstance(heard, ClaudeHeard) and heard.asks is not None:
            await self._write(_refusal(heard.asks))
        return heard

    def _last(self) -> Heard:
        return self.reading.last()


def _control(request: dict[str, Any]) -> dict[str, Any]:
    return {"type": "control_request", "request_id": str(uuid.uuid4()), "request": request}


def _refusal(request_id: str) -> dict[str, Any]:
    """The CLI asks only what it was invited to ask; whatever it is, it must not wait for an answer for ever."""
    response = {"subtype": "error", "request_id": request_id, "error": "not supported"}
    return {"type": "control_response", "response": response}
