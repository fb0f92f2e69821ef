"""`agent-swarm watch`: the event stream, one line for each event."""

from fnmatch import fnmatchcase

import click

from agent_swarm.cli import event_text
from agent_swarm.cli.client import Client
from agent_swarm.cli.feed import Event
from agent_swarm.cli.following import agent_names
from agent_swarm.cli.killing import banner, loud
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.sse import EventStream


@click.command()
@click.option(
    "--type", "types", multiple=True, metavar="PATTERN", help="Only these types, such as task.* or task.failed."
)
@click.option("--task", "task", metavar="ID", help="Only events of this task.")
@click.option(
    "--after", type=click.IntRange(min=0), metavar="SEQ", help="From the event after this number on; 0 is the first."
)
@json_option
@with_client
def watch(client: Client, *, types: tuple[str, ...], task: str | None, after: int | None, as_json: bool) -> None:
    """Print events as they happen, one line each.

    It goes on where it stopped when the server restarts. With --json a line is the whole event.

    \b
    Examples:
      agent-swarm watch
      agent-swarm watch --type 'task.*' --json | jq -c '{type, taskId}'
      agent-swarm watch --after 0
    """
    from agent_swarm.cli.task.ids import task_id

    only_task = None if task is None else task_id(client, task)
    stream = EventStream(client.server, after=after, query={"taskId": only_task})
    stream.open()
    agents = agent_names(client)
    if not as_json:
        for switch in client.get("/api/overview").get("killed", ()):
            say(loud(banner(switch)), to_errors=True)
    for event in stream:
        if event["type"] == "agent.registered":
            agents = agent_names(client)
        if is_wanted(event, types):
            _show(event, agents, as_json=as_json)


def is_wanted(event: Event, patterns: tuple[str, ...]) -> bool:
    """The event is of a type that one of the patterns matches, or tells that some are missing."""
    return not patterns or any(fnmatchcase(event["type"], pattern) for pattern in (*patterns, "reset"))


def _show(event: Event, agents: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print_json(event, on_one_line=True)
    elif event["type"] == "reset":
        say("— some events are missing here: the server keeps no more of them", to_errors=True)
    else:
        line = event_text.line(event, agents)
        say(loud(line) if event["type"] == "killSwitch.activated" else line)
