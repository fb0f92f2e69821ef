"""Which reply a request gets: the next one of its conversation's script, or what the script's function answers."""

import inspect
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent_swarm.testing.model_server.agents import follow_steps
from agent_swarm.testing.model_server.replies import Always, Computed, Fail, Reply, Say, Step
from agent_swarm.testing.model_server.requests import ModelRequest, Purpose

Script = Sequence[Step | Always] | Computed
EXHAUSTED = "the script has no more replies"


@dataclass(eq=False)
class Player:
    """Plays a script.

    A function answers every turn. A sequence is played per conversation, from its start in each one (all sessions get
    the same, a resumed one goes on where it was); with `is_shared` once, in the order in which turns of any
    conversation arrive. A turn after the last step is refused with a 403: a 400 clients repeat without what is
    optional. Delegates and background requests never move the script: delegates get what `delegates` answers, by
    default the built-in agent; background requests get one word.
    """

    script: Script
    delegates: Computed = follow_steps
    is_shared: bool = False
    _positions: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def reply_to(self, request: ModelRequest) -> Reply:
        """What to answer. Raises what a function of the script raises."""
        match request.purpose:
            case Purpose.TURN:
                return await _computed(self._next(request), request)
            case Purpose.DELEGATE:
                return await _computed(self.delegates, request)
            case _:
                return Say("ok")

    def _next(self, request: ModelRequest) -> Step:
        if callable(self.script):
            return self.script
        conversation = "" if self.is_shared else request.conversation
        position = self._positions[conversation]
        if position < len(self.script):
            step = self.script[position]
            if isinstance(step, Always):
                return step.step
            self._positions[conversation] = position + 1
            return step
        return Fail(403, message=f"{EXHAUSTED}: all {len(self.script)} are spent")


async def _computed(step: Step, request: ModelRequest) -> Reply:
    if not callable(step):
        return step
    answer = step(request)
    return await answer if inspect.isawaitable(answer) else answer
