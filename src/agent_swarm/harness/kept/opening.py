"""What an agent is told first."""

from agent_swarm.harness.base import Turn

GO_ON = (
    "The run was paused and goes on now, in the same folder. Whatever was running when it was paused has ended. "
    "Look at what is done, and go on with the task."
)


def opening(turn: Turn, *, resume: bool) -> str:
    """The first message: the task, or a word to go on where the conversation knows it; then answers and messages."""
    begins = (GO_ON,) if resume else (turn.context, turn.prompt)
    return "\n\n".join(part for part in (*begins, turn.answers, turn.messages) if part)
