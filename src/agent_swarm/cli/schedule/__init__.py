"""`agent-swarm schedule`: work that the clock starts."""

import click

from agent_swarm.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "Commands": {
        "add": Lazy("agent_swarm.cli.schedule.adding:add", "Have a task, a graph or a workflow started by the clock."),
        "ls": Lazy("agent_swarm.cli.schedule.showing:ls", "List schedules by name."),
        "show": Lazy("agent_swarm.cli.schedule.showing:show", "Show a schedule and its latest runs."),
        "next": Lazy("agent_swarm.cli.schedule.ahead:next_", "Show the next times of a schedule, or of a rule."),
        "explain": Lazy("agent_swarm.cli.schedule.showing:explain", "Say why a schedule starts nothing."),
        "run": Lazy("agent_swarm.cli.schedule.verbs:run", "Start it now, beside the plan."),
        "edit": Lazy("agent_swarm.cli.schedule.adding:edit", "Change its rule, end or policies."),
        "pause": Lazy("agent_swarm.cli.schedule.verbs:pause", "Have it start nothing."),
        "resume": Lazy("agent_swarm.cli.schedule.verbs:resume", "Have it go on from now."),
        "rm": Lazy("agent_swarm.cli.schedule.verbs:rm", "Take it away; what it has started goes on."),
    }
}


@click.group(cls=LazyGroup, sections=COMMANDS, aliases={"list": "ls"})
def schedule() -> None:
    """Have work started by the clock.

    A schedule has a rule, and a task or a graph that it starts. It survives restarts, and starts each run once, however
    many servers there are.

    \b
    Examples:
      agent-swarm schedule add nightly "Update the dependencies" --cron "0 3 * * *" --tz Europe/Paris --project shop
      agent-swarm schedule next --cron "0 9 * * 1-5" --tz Europe/Paris
    """
