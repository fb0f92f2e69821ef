"""`agent-swarm budget ls`, `show` and `report`."""

import click

from agent_swarm.cli.budget.told import headline, path_of, spent_of, usd
from agent_swarm.cli.client import Client
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import printable, short_id

_BY = ("task", "root", "agent", "project", "swarm", "model", "day")


@click.command("ls")
@json_option
@with_client
def ls(client: Client, *, as_json: bool) -> None:
    """List budgets, and where they stand.

    \b
    Example:
      agent-swarm budget ls
    """
    found = client.items("/api/budgets", "budgets")
    if as_json:
        print_json({"budgets": found, "nextCursor": None})
        return
    rows = [(one["name"], one["scope"], one["status"], spent_of(one), str(one["refused"])) for one in found]
    print_table(("NAME", "FOR", "STATUS", "SPENT", "REFUSED"), rows, empty="no budgets")


@click.command("show")
@click.argument("name")
@json_option
@with_client
def show(client: Client, *, name: str, as_json: bool) -> None:
    """Show a budget.

    \b
    Example:
      agent-swarm budget show everything
    """
    found = client.get(path_of(name))
    if as_json:
        print_json(found)
        return
    say(headline(found))
    what = found["scope"] if found["scopeId"] is None else f"{found['scope']} {found['scopeId']}"
    say(f"id {found['id']}, for {what}, at the cap: {found['action']}")
    say(f"since {found['since']}" + (f", anew at {found['renewsAt']}" if found["renewsAt"] else ""))
    say(f"attempts that found no room: {found['refused']}")
    if found["status"] in ("reached", "full") and found["approvalId"]:
        say(f"answer it with: agent-swarm approval show {found['approvalId']}")


@click.command("report")
@click.option("--by", type=click.Choice(_BY), default="task", show_default=True, help="What to add up by.")
@click.option("--since", metavar="TIME", help="Booked then or later, as 2026-11-20T00:00:00Z.")
@click.option("--until", metavar="TIME", help="Booked before.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@json_option
@with_client
def report(client: Client, *, by: str, since: str | None, until: str | None, limit: int, as_json: bool) -> None:
    """Show what work has reserved, spent and was refused.

    The most expensive comes first.

    \b
    Examples:
      agent-swarm budget report
      agent-swarm budget report --by day --since 2026-11-01T00:00:00Z
    """
    asked = {"by": by, "since": since, "until": until, "limit": limit}
    found = client.get("/api/reports/costs", {name: value for name, value in asked.items() if value is not None})
    if as_json:
        print_json(found)
        return
    rows = [
        (
            printable(row["name"] or row["key"] or "(none)"),
            short_id(row["key"]) if row["key"] and by in ("task", "root") else "",
            str(row["attempts"]),
            f"{row['inputTokens']:,}",
            f"{row['outputTokens']:,}",
            usd(row["reservedUsd"]),
            usd(row["costUsd"]),
            str(row["refused"]),
        )
        for row in found["rows"]
    ]
    heads = (by.upper(), "ID", "ATTEMPTS", "IN", "OUT", "RESERVED", "SPENT", "REFUSED")
    print_table(heads, rows, empty="nothing was booked")
    if found["hasMore"]:
        say(f"only the first {limit}: see --limit", to_errors=True)
