"""`agent-swarm conflicts`."""

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table
from agent_swarm.cli.text import age, short_id

NAMED = 3  # files


@click.command()
@click.argument("project", required=False)
@json_option
@with_client
def conflicts(client: Client, *, project: str | None, as_json: bool) -> None:
    """List running attempts that would not merge.

    As they are now, at one PROJECT or at all. The agents of both were told; an overlap goes away by itself when one of
    them changes something else, or ends.

    \b
    Examples:
      agent-swarm conflicts
      agent-swarm conflicts shop --json
    """
    pages = client.pages("/api/conflicts", {"project": project} if project else None)
    found = [one for page in pages for one in page["conflicts"]]
    if as_json:
        print_json({"conflicts": found, "nextCursor": None})
        return
    rows = [
        (one["projectName"], *map(_side, one["attempts"]), _files(one), f"{age(one['since'])} ago") for one in found
    ]
    print_table(("PROJECT", "ONE", "OTHER", "FILES", "SINCE"), rows, empty="no conflicts between running attempts")


def _side(attempt: Json) -> str:
    return f"{short_id(attempt['taskId'])} {attempt['agentName']}"


def _files(conflict: Json) -> str:
    names = conflict["files"]
    more = len(names[NAMED:]) + conflict["more"]
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more else "")
