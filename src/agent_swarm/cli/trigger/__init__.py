"""`agent-swarm trigger`: what happens whenever tasks have ended."""

import click

from agent_swarm.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "Commands": {
        "add": Lazy("agent_swarm.cli.trigger.adding:add", "Have something happen whenever tasks end."),
        "ls": Lazy("agent_swarm.cli.trigger.showing:ls", "List triggers by name, or those of a task."),
        "show": Lazy("agent_swarm.cli.trigger.showing:show", "Show a trigger, and what it did last."),
        "deliveries": Lazy("agent_swarm.cli.trigger.showing:deliveries", "Show what became of its firings."),
        "redeliver": Lazy("agent_swarm.cli.trigger.verbs:redeliver", "Send a webhook again, under the same id."),
        "pause": Lazy("agent_swarm.cli.trigger.verbs:pause", "Have it fire for nothing until it is resumed."),
        "resume": Lazy("agent_swarm.cli.trigger.verbs:resume", "Have it fire for what ends from now on."),
        "rm": Lazy("agent_swarm.cli.trigger.verbs:rm", "Take it away; what it has made stays."),
    }
}


@click.group(cls=LazyGroup, sections=COMMANDS, aliases={"list": "ls"})
def trigger() -> None:
    """Have something happen when tasks have ended.

    A trigger files a task, posts a message or sends a webhook. What belongs to one task alone is given with that task:
    `agent-swarm task add --on`.

    \b
    Examples:
      agent-swarm trigger add tell --on failed --project shop --message "A task of the shop failed" --channel ops
      agent-swarm trigger add hook --on completed,failed --webhook https://ci.example/swarm
    """
