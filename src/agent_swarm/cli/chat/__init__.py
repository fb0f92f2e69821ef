"""`agent-swarm chat`: talk with agents."""

import click

from agent_swarm.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "Talk": {
        "send": Lazy("agent_swarm.cli.chat.sending:send", "Say something to agents, to a channel, or to all."),
        "read": Lazy("agent_swarm.cli.chat.reading:read", "Print what was said, oldest first."),
        "watch": Lazy("agent_swarm.cli.chat.reading:watch", "Print what is said, as it is said."),
    },
    "Channels": {
        "channels": Lazy("agent_swarm.cli.chat.channels:channels", "List the channels, or who is in one."),
        "create": Lazy("agent_swarm.cli.chat.channels:create", "Make a channel."),
    },
}


@click.group(cls=LazyGroup, sections=COMMANDS, aliases={"post": "send"})
def chat() -> None:
    """Talk with agents, and read what they say.

    An agent that is at work gets a message at once, where its kind takes messages, else with what it does next. One
    that is idle is woken when a message is for it alone, or mentions it: @name, @role or @all.
    """
