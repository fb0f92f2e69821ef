"""`agent-swarm audit log`."""

from itertools import islice
from typing import Any

import click

from agent_swarm.cli import event_text
from agent_swarm.cli.client import Client
from agent_swarm.cli.following import agent_names
from agent_swarm.cli.options import Moment, json_option, with_client
from agent_swarm.cli.output import print_json, print_table
from agent_swarm.cli.text import printable, short_id


@click.command()
@click.option("--actor", metavar="NAME", help="Only what operator, agent (any), or agent:ID did.")
@click.option("--type", "types", multiple=True, metavar="PATTERN", help="Only these types, such as task.*.")
@click.option("--task", "task", metavar="ID", help="Only what is about this task.")
@click.option("--since", type=Moment(), help="Not before this time.")
@click.option("--until", type=Moment(), help="Before this time.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@json_option
@with_client
def log(
    client: Client,
    *,
    actor: str | None,
    types: tuple[str, ...],
    task: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show who did what, newest first.

    \b
    Examples:
      agent-swarm audit log --actor operator --since 09:00
      agent-swarm audit log --type 'task.*' --task 0197a1c2 --json
      agent-swarm audit log --type token.created --type token.revoked --limit 500
    """
    from agent_swarm.cli.task.ids import task_id

    query = {
        "actor": actor,
        "types": ",".join(types),
        "taskId": None if task is None else task_id(client, task),
        "since": since,
        "until": until,
    }
    found = list(islice((one for page in client.pages("/api/audit/events", query) for one in page["events"]), limit))
    if as_json:
        print_json({"events": found})
        return
    agents = agent_names(client)
    rows = [_row(event, agents) for event in found]
    print_table(("SEQ", "TIME", "WHO", "WHAT", "ABOUT", ""), rows, empty="nothing of that kind is in the history")


def _row(event: dict[str, Any], agents: dict[str, str]) -> tuple[object, ...]:
    kind, _, identifier = event["actor"].partition(":")
    who = agents.get(identifier, f"{kind} {short_id(identifier)}") if identifier else kind
    about = f"{event['subject']['kind']} {short_id(event['subject']['id'])}"
    said = event_text.sentence(event, agents, width=60)
    return event["seq"], event["at"], printable(who), event["type"], printable(about), said
