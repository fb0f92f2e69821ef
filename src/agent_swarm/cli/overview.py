"""`agent-swarm overview`."""

import sys

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.feed import EventFeed
from agent_swarm.cli.following import agent_names
from agent_swarm.cli.killing import awaited, banner, loud
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say, status_text
from agent_swarm.cli.text import age, one_line, short_id

REDRAW_SECONDS = 1.0
CLEAR = "\x1b[H\x1b[2J"


@click.command()
@click.option("--watch", is_flag=True, help="Show it again whenever something happens, until Ctrl-C.")
@json_option
@with_client
def overview(client: Client, *, watch: bool, as_json: bool) -> None:
    """Show what runs, what waits and who works.

    \b
    Examples:
      agent-swarm overview
      agent-swarm overview --watch
    """
    if not watch:
        _show(client, as_json=as_json)
        return
    with EventFeed(client.server) as feed:
        while True:
            if sys.stdout.isatty() and not as_json:
                click.echo(CLEAR, nl=False)
            _show(client, as_json=as_json)
            while not feed.take(REDRAW_SECONDS):
                pass


def _show(client: Client, *, as_json: bool) -> None:
    state = client.get("/api/overview")
    if as_json:
        print_json(state)
        return
    for switch in state.get("killed", ()):  # not of servers from before the switch
        say(loud(banner(switch)))
        for line in awaited(switch):
            say(line)
    say(f"tasks:   {_counts(state['tasks'])}")
    say(f"agents:  {_counts(state['agents'])}")
    if state["running"]:
        say("\nrunning:")
        names = agent_names(client)
        rows = [
            (*_row(task), names.get(task["agentId"], ""), one_line(task["progress"], 50)) for task in state["running"]
        ]
        print_table(("ID", "STATUS", "AGE", "TITLE", "AGENT", "SAYS"), rows, empty="")
    if state["waiting"]:
        say("\nwaiting (why: agent-swarm task explain ID):")
        print_table(("ID", "STATUS", "AGE", "TITLE"), [_row(task) for task in state["waiting"]], empty="")


def _counts(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number} {status_text(status)}" for status, number in numbers.items() if number) or "none"


def _row(task: Json) -> tuple[object, ...]:
    return (short_id(task["id"]), task["status"], age(task["createdAt"]), one_line(task["title"], 50))
