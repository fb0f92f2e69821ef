"""`agent-swarm schedule ls`, `show` and `explain`."""

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.schedule.told import headline, path_of
from agent_swarm.cli.text import age, one_line, printable, short_id

RUNS = 10


@click.command("ls")
@json_option
@with_client
def ls(client: Client, *, as_json: bool) -> None:
    """List schedules by name.

    \b
    Example:
      agent-swarm schedule ls
    """
    found = client.items("/api/schedules", "schedules")
    if as_json:
        print_json({"schedules": found, "nextCursor": None})
        return
    rows = [
        (
            one["name"],
            one["status"],
            one["rule"]["words"],
            one["nextAt"] if one["status"] == "active" and one["nextAt"] else "",
            "" if one["lastRunAt"] is None else f"{one['lastOutcome']} {age(one['lastRunAt'])} ago",
        )
        for one in found
    ]
    print_table(("NAME", "STATUS", "WHEN", "NEXT", "LAST"), rows, empty="no schedules")


@click.command("show")
@click.argument("name")
@json_option
@with_client
def show(client: Client, *, name: str, as_json: bool) -> None:
    """Show a schedule and its latest runs.

    \b
    Example:
      agent-swarm schedule show nightly
    """
    found = client.get(path_of(name))
    runs = client.get(path_of(name, "runs"), {"limit": RUNS})["runs"]
    if as_json:
        print_json({**found, "runs": runs})
        return
    say(headline(found))
    if found["description"]:
        say(printable(found["description"]))
    work = found["task"] or {}
    starts = (
        "a workflow"
        if found["workflow"]
        else work.get("title") or one_line(work.get("prompt")) or f"a graph of {len(found['tasks'] or ())} tasks"
    )
    say(f"starts: {printable(starts)}")
    say(f"missed runs: {found['missed']}, overlap: {found['overlap']}, failures in a row: {found['failures']}")
    if runs:
        say("")
        print_table(("RUN", "PLANNED", "OUTCOME", "TASKS"), [_run(one) for one in runs], empty="")


@click.command("explain")
@click.argument("name")
@json_option
@with_client
def explain(client: Client, *, name: str, as_json: bool) -> None:
    """Say why a schedule starts nothing.

    And what would change that.

    \b
    Example:
      agent-swarm schedule explain nightly
    """
    found = client.get(path_of(name, "explain"))
    if as_json:
        print_json(found)
        return
    say(printable(found["summary"]))
    for reason in found["reasons"]:
        say(f"  {printable(reason['message'])}")
        say(f"    → {printable(reason['unblock'])}")


def _run(run: Json) -> tuple[str, ...]:
    tasks = ", ".join(short_id(task["id"]) for task in run["tasks"][:3])
    more = f" and {run['taskCount'] - 3} more" if run["taskCount"] > 3 else ""
    stands = run["message"] or f"{run['status'] or ''} {tasks}{more}".strip()
    return (
        str(run["number"]),
        run["plannedAt"] or f"by {printable(run['askedBy'])}",
        run["outcome"],
        one_line(stands, 70),
    )
