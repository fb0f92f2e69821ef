"""`agent-swarm queue`: the merge queues of projects."""

import click

from agent_swarm.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "Commands": {
        "set": Lazy("agent_swarm.cli.queue.setting:set_", "Have results checked together and landed, or again."),
        "off": Lazy("agent_swarm.cli.queue.setting:off", "Check nothing more; what waits stays."),
        "show": Lazy("agent_swarm.cli.queue.showing:show", "Show a queue, and what it does now."),
        "ls": Lazy("agent_swarm.cli.queue.showing:ls", "List the results that wait, or what became of others."),
        "add": Lazy("agent_swarm.cli.queue.results:add", "Put the results of tasks in."),
        "drop": Lazy("agent_swarm.cli.queue.results:drop", "Take the result of a task out."),
    }
}


@click.group(cls=LazyGroup, sections=COMMANDS, aliases={"list": "ls"})
def queue() -> None:
    """Check results together, and land them on their branch.

    A result that does not fit goes back to its author. Nothing lands that was not checked as it then is on the branch.

    \b
    Examples:
      agent-swarm queue set shop --check "make test" --automatic
      agent-swarm queue ls shop
    """
