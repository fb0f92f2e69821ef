"""`agent-swarm memory`: notes that are found again by their words."""

import click

from agent_swarm.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "Commands": {
        "store": Lazy("agent_swarm.cli.memory.storing:store", "Store a note, or replace the one with its name."),
        "search": Lazy("agent_swarm.cli.memory.finding:search", "Find notes by their words, best first."),
        "ls": Lazy("agent_swarm.cli.memory.finding:ls", "List notes by place and name."),
        "get": Lazy("agent_swarm.cli.memory.finding:get", "Print a note's text."),
        "rm": Lazy("agent_swarm.cli.memory.storing:rm", "Remove a note."),
    }
}


@click.group(cls=LazyGroup, sections=COMMANDS, aliases={"list": "ls"})
def memory() -> None:
    """Keep notes for agents, and find them again.

    A note is of one agent, of one project, or of the whole swarm. Agents see those of their own, of their task's
    project and of the swarm.
    """
