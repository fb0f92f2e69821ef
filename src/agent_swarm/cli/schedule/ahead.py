"""`agent-swarm schedule next`."""

from typing import Any

import click

from agent_swarm.cli.client import Client
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table
from agent_swarm.cli.schedule.rules import require_rule, rule_input, rule_options
from agent_swarm.cli.schedule.told import ahead, path_of


@click.command("next")
@click.argument("name", required=False)
@rule_options
@click.option("--count", "-n", type=click.IntRange(1, 100), default=5, show_default=True, help="How many.")
@json_option
@with_client
def next_(client: Client, /, *, name: str | None, count: int, as_json: bool, **given: Any) -> None:
    """Show the next times of a schedule, or of a rule.

    A rule can be looked at before it is stored.

    \b
    Examples:
      agent-swarm schedule next nightly
      agent-swarm schedule next --cron "0 9 * * 1-5" --tz Europe/Paris --count 10
    """
    rule = rule_input(given)
    if name is None:
        require_rule(rule)
        found = client.get("/api/schedules/next", {**rule, "count": count})
    elif rule:
        raise click.UsageError("give a schedule or a rule, not both", click.get_current_context())
    else:
        found = client.get(path_of(name, "next"), {"count": count})
    if as_json:
        print_json(found)
        return
    rows = [(local, at, ahead(at)) for local, at in zip(found["local"], found["times"], strict=True)]
    print_table(("THERE", "UTC", "FROM NOW"), rows, empty="no time is left")
