"""`agent-swarm trigger ls`, `show` and `deliveries`."""

import json

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import age, one_line, printable, short_id
from agent_swarm.cli.trigger.told import ACTIONS, about, became, headline, path_of

LATEST = 10
_HEADERS = ("ID", "TASK", "ON", "FIRED", "STATUS", "TRIES", "WHAT BECAME OF IT")


@click.command("ls")
@click.option("--task", metavar="ID", help="Those that belong to this task.")
@json_option
@with_client
def ls(client: Client, *, task: str | None, as_json: bool) -> None:
    """List triggers by name, or those of a task.

    \b
    Example:
      agent-swarm trigger ls
    """
    if task is None:
        found = client.items("/api/triggers", "triggers")
    else:
        from agent_swarm.cli.task.ids import task_id

        found = client.get("/api/triggers", {"taskId": task_id(client, task)})["triggers"]
    if as_json:
        print_json({"triggers": found, "nextCursor": None})
        return
    rows = [
        (one["name"] or one["id"], one["status"], ", ".join(one["on"]), ACTIONS[one["action"]], about(one))
        for one in found
    ]
    print_table(("NAME", "STATUS", "ON", "DOES", "ABOUT"), rows, empty="no triggers")


@click.command("show")
@click.argument("name")
@json_option
@with_client
def show(client: Client, *, name: str, as_json: bool) -> None:
    """Show a trigger, and what it did last.

    \b
    Example:
      agent-swarm trigger show tell
    """
    found = client.get(path_of(name))
    latest = client.get(path_of(name, "deliveries"), {"limit": LATEST})["deliveries"]
    if as_json:
        print_json({**found, "deliveries": latest})
        return
    say(headline(found))
    say(f"about: {about(found)}")
    say(f"does: {printable(json.dumps(found['do'], ensure_ascii=False))}")
    if found["failures"]:
        say(f"failures in a row: {found['failures']}, the last: {one_line(found['lastFailure'], 80)}")
    if latest:
        say("")
        print_table(_HEADERS, [_row(one) for one in latest], empty="")


@click.command("deliveries")
@click.argument("name")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="How many, at most.")
@json_option
@with_client
def deliveries(client: Client, *, name: str, limit: int, as_json: bool) -> None:
    """Show what became of its firings.

    The latest come first. A task's trigger is named by its id.

    \b
    Example:
      agent-swarm trigger deliveries hook
    """
    found = client.get(path_of(name, "deliveries"), {"limit": limit})
    if as_json:
        print_json(found)
        return
    print_table(_HEADERS, [_row(one) for one in found["deliveries"]], empty="it has not fired")


def _row(one: Json) -> tuple[str, ...]:
    return (
        one["id"],
        short_id(one["taskId"]),
        one["event"],
        f"{age(one['firedAt'])} ago",
        one["status"],
        str(one["tries"]),
        became(one),
    )
