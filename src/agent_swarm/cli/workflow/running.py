"""`agent-swarm workflow run`, `runs`, `show` and `cancel`."""

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.failures import DONE, REFUSED
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say, status_text
from agent_swarm.cli.text import age, lasted, one_line, printable, short_id
from agent_swarm.cli.workflow.files import inputs_of, read_file
from agent_swarm.domain.tasks import TERMINAL, TaskStatus

PATH = "/api/workflows"


@click.command()
@click.argument("file")
@click.option("--input", "-i", "given", multiple=True, metavar="NAME=VALUE", help="What it is given; several times.")
@click.option("--wait", is_flag=True, help="Follow it to its end; exit 0 if it completed, 1 if not.")
@json_option
@with_client
def run(client: Client, *, file: str, given: tuple[str, ...], wait: bool, as_json: bool) -> int:
    """Start a workflow from a file.

    FILE may be - for standard input. All of its tasks are filed, or none. Values of inputs that are no text are JSON.

    \b
    Examples:
      agent-swarm workflow run release.yaml --input version=1.4 --input 'targets=["linux", "mac"]' --wait
      agent-swarm workflow run - < release.yaml
    """
    text, workflow = read_file(file)
    started = client.create(PATH, {"source": text, "inputs": inputs_of(workflow, given)})
    if wait:
        _follow(client, started)
        started = client.get(f"{PATH}/{started['id']}")
    if as_json:
        print_json(started)
    elif wait:
        _tell(started)
    else:
        say(started["id"])
        say(f"follow it with: agent-swarm workflow show {started['id']}", to_errors=True)
    return REFUSED if wait and started["status"] != TaskStatus.COMPLETED else DONE


@click.command()
@json_option
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 200), help="How many.")
@with_client
def runs(client: Client, *, limit: int, as_json: bool) -> None:
    """List runs of workflows, the latest first.

    \b
    Example:
      agent-swarm workflow runs
    """
    page = client.get(PATH, {"limit": limit})
    if as_json:
        print_json(page)
        return
    rows = [
        (one["id"], one["name"], one["status"], f"{age(one['createdAt'])} ago", one["startedBy"])
        for one in page["runs"]
    ]
    print_table(("ID", "WORKFLOW", "STATUS", "STARTED", "BY"), rows, empty="no workflow was run")


@click.command()
@click.argument("run_id", metavar="ID")
@json_option
@with_client
def show(client: Client, *, run_id: str, as_json: bool) -> None:
    """Show how a run stands, stage by stage.

    ID may be the end of one.

    \b
    Example:
      agent-swarm workflow show 3f2a91bc
    """
    found = client.get(f"{PATH}/{_whole(client, run_id)}")
    if as_json:
        print_json(found)
    else:
        _tell(found)


@click.command()
@click.argument("run_id", metavar="ID")
@click.option("--reason", default="", help="Told to agents and kept with the tasks.")
@json_option
@with_client
def cancel(client: Client, *, run_id: str, reason: str, as_json: bool) -> None:
    """End a run, with everything that is open of it.

    \b
    Example:
      agent-swarm workflow cancel 3f2a91bc --reason "wrong version"
    """
    found = client.post(f"{PATH}/{_whole(client, run_id)}/cancel", {"reason": reason})
    if as_json:
        print_json(found)
    else:
        say(f"{found['id']}  {status_text(found['status'])}  {printable(found['name'])}")


def _follow(client: Client, started: Json) -> None:
    """Tell what happens to its stages until it has ended; a question of a gate with the way to answer it."""
    from agent_swarm.cli.following import follow

    stages = {one["taskId"]: one["name"] for one in started["stages"]}
    run_id = started["id"]
    say(f"{run_id}  {status_text(started['status'])}  {printable(started['name'])}", to_errors=True)

    def show_event(event: Json) -> None:
        name = stages.get(event.get("taskId") or "")
        if name is None:
            return
        if event["type"] == "approval.asked":
            say(
                f"  {name}: asks people; answer with: agent-swarm approval show {event['subject']['id']}",
                to_errors=True,
            )
        elif event["type"].removeprefix("task.") in TERMINAL:
            say(f"  {name}: {event['type'].removeprefix('task.')}", to_errors=True)

    try:
        follow(client, [run_id, *stages], show=show_event)
    except KeyboardInterrupt:
        say(f"no longer waiting; it goes on. Cancel it with: agent-swarm workflow cancel {run_id}", to_errors=True)
        raise


def _tell(found: Json) -> None:
    took = lasted(found["createdAt"], found["finishedAt"])
    say(f"{found['id']}  {status_text(found['status'])}  {printable(found['name'])}" + (f"  {took}" if took else ""))
    if found["message"]:
        say(printable(found["message"]))
    rows = [
        (
            one["name"],
            one["kind"],
            one["outcome"] if one["outcome"] not in (None, "completed") else one["status"],
            _done(one["items"]),
            short_id(one["taskId"]),
            f"asks: agent-swarm approval show {one['approvalId']}" if one["approvalId"] else one_line(one["output"]),
        )
        for one in found["stages"]
    ]
    print_table(("STAGE", "KIND", "STATUS", "ITEMS", "TASK", "SAID"), rows, empty="no stages")
    for name, value in (found["outputs"] or {}).items():
        say(f"{printable(name)} = {printable(value if isinstance(value, str) else _json(value))}")


def _json(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def _done(items: list[Json]) -> str:
    ended = sum(one["status"] in TERMINAL for one in items)
    return f"{ended}/{len(items)}" if items else ""


def _whole(client: Client, run_id: str) -> str:
    """The id that is meant by a whole one or by the end of one."""
    from agent_swarm.cli.task.ids import task_id

    return task_id(client, run_id)
