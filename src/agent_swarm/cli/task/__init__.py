"""`agent-swarm task`: file, follow and steer tasks."""

import click

from agent_swarm.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "File": {
        "add": Lazy("agent_swarm.cli.task.add:add", "File a task."),
        "graph": Lazy(
            "agent_swarm.cli.task.graph:graph", "File a graph of tasks from a JSON file: all of them, or none."
        ),
        "retry": Lazy("agent_swarm.cli.task.verbs:retry", "File a task that has ended once more."),
    },
    "Look": {
        "list": Lazy("agent_swarm.cli.task.listing:list_", "List tasks, newest first."),
        "show": Lazy("agent_swarm.cli.task.show:show", "Show everything about a task."),
        "watch": Lazy("agent_swarm.cli.task.watching:watch", "Follow tasks live, until they have ended."),
        "logs": Lazy("agent_swarm.cli.task.logs:logs", "Print what the agent said and did."),
        "explain": Lazy(
            "agent_swarm.cli.task.explain:explain", "Say why a task does not run, and what would unblock it."
        ),
    },
    "Steer": {
        "steer": Lazy("agent_swarm.cli.task.steering:steer", "Tell the agent that works on a task something."),
        "offer": Lazy("agent_swarm.cli.task.offers:offer", "Show a task to one agent, which may take it."),
        "accept": Lazy("agent_swarm.cli.task.offers:accept", "Take an offered task, for the agent that was asked."),
        "reject": Lazy("agent_swarm.cli.task.offers:reject", "Put an offered task back into the queue."),
        "cancel": Lazy("agent_swarm.cli.task.verbs:cancel", "Cancel tasks: they are not wanted any more."),
        "pause": Lazy("agent_swarm.cli.task.verbs:pause", "Pause tasks; what they did so far is kept."),
        "resume": Lazy("agent_swarm.cli.task.verbs:resume", "Let paused tasks go on."),
        "priority": Lazy("agent_swarm.cli.task.verbs:priority", "Change the priority of a task."),
        "backlog": Lazy("agent_swarm.cli.task.verbs:backlog", "Take tasks out of the queue, to the backlog."),
        "promote": Lazy("agent_swarm.cli.task.verbs:promote", "Bring tasks from the backlog into the queue."),
    },
}


@click.group(cls=LazyGroup, sections=COMMANDS, aliases={"ls": "list", "create": "add", "follow": "watch"})
def task() -> None:
    """File, follow and steer tasks.

    Where a command takes an ID, its beginning or its last characters will do, as lists show them.
    """
