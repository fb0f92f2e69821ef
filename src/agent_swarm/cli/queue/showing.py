"""`agent-swarm queue show` and `ls`."""

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.queue.told import became, headline, path_of
from agent_swarm.cli.text import age, one_line, printable, short_id


@click.command("show")
@click.argument("repo")
@json_option
@with_client
def show(client: Client, *, repo: str, as_json: bool) -> None:
    """Show a queue, and what it does now.

    \b
    Example:
      agent-swarm queue show shop
    """
    found = client.get(path_of(repo))
    if as_json:
        print_json(found)
        return
    say(headline(found))
    if found["status"] == "halted":
        say(f"halted: {printable(found['haltMessage'])} ({found['haltCode']})")
        say(f"once that is put right: agent-swarm queue set {printable(found['project'])}")
    enters = "by themselves" if found["automatic"] else "by hand"
    say(f"check: {one_line(found['check'], 100)}")
    say(f"results enter {enters}, up to {found['largest']} are checked together")
    say(f"so far: {found['checks']} checks, {found['landed']} landed, {found['returned']} returned")


@click.command("ls")
@click.argument("repo")
@click.option("--settled", is_flag=True, help="What became of others, the latest first.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="How many, at most.")
@json_option
@with_client
def ls(client: Client, *, repo: str, settled: bool, limit: int, as_json: bool) -> None:
    """List the results that wait, or what became of others.

    \b
    Examples:
      agent-swarm queue ls shop
      agent-swarm queue ls shop --settled
    """
    query = {"limit": limit, **({"settled": "true"} if settled else {})}
    found = client.get(path_of(repo, "entries"), query)
    if as_json:
        print_json(found)
        return
    rows = [_row(one) for one in found["entries"]]
    empty = "nothing is settled yet" if settled else "nothing waits"
    print_table(("#", "TASK", "RESULT OF", "STATUS", "ENTERED", "WHAT BECAME OF IT"), rows, empty=empty)


def _row(one: Json) -> tuple[str, ...]:
    return (
        str(one["position"] or ""),
        short_id(one["taskId"]),
        one_line(one["title"], 40),
        one["status"],
        f"{age(one['enteredAt'])} ago",
        became(one),
    )
