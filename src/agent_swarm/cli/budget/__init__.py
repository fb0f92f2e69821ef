"""`agent-swarm budget`: what may be spent, and what was."""

import click

from agent_swarm.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "Commands": {
        "add": Lazy("agent_swarm.cli.budget.setting:add", "Cap what may be spent."),
        "ls": Lazy("agent_swarm.cli.budget.showing:ls", "List budgets, and where they stand."),
        "show": Lazy("agent_swarm.cli.budget.showing:show", "Show a budget."),
        "set": Lazy("agent_swarm.cli.budget.setting:set_", "Change a cap, an estimate, or what happens at the cap."),
        "rm": Lazy("agent_swarm.cli.budget.setting:rm", "Take a budget away; who waits for room in it goes on."),
        "report": Lazy("agent_swarm.cli.budget.showing:report", "Show what work has reserved, spent and was refused."),
    }
}


@click.group(cls=LazyGroup, sections=COMMANDS, aliases={"list": "ls"})
def budget() -> None:
    """Cap what may be spent, and see what was.

    An attempt reserves what it is expected to cost before it begins, so that no budget is passed by more than what is
    under way. Once a cap is reached, what it covers is interrupted, and you are asked: agent-swarm approval list

    \b
    Examples:
      agent-swarm budget add --all --usd 50 --per-day --tz Europe/Paris
      agent-swarm budget add --project shop --usd 200 --tokens 40000000
      agent-swarm budget report --by agent --since 2026-11-01T00:00:00Z
    """
