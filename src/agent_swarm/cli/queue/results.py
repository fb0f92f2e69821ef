"""`agent-swarm queue add` and `drop`."""

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.queue.told import became, path_of
from agent_swarm.cli.text import short_id


@click.command("add")
@click.argument("tasks", nargs=-1, required=True, metavar="TASK…")
@json_option
@with_client
def add(client: Client, *, tasks: tuple[str, ...], as_json: bool) -> None:
    """Put the results of tasks in.

    They enter in this order. One that waits already, or is on the branch, stays as it is. One that came back or was
    taken out enters again.

    \b
    Example:
      agent-swarm queue add 3f2a91bc 77d0c1e4
    """
    from agent_swarm.cli.task.ids import task_ids

    entries = [
        client.post(path_of(_project_of(client, task_id), "entries"), {"taskId": task_id})
        for task_id in task_ids(client, tasks)
    ]
    if as_json:
        print_json({"entries": entries})
        return
    for entry in entries:
        say(_line(entry))


@click.command("drop")
@click.argument("task")
@json_option
@with_client
def drop(client: Client, *, task: str, as_json: bool) -> None:
    """Take the result of a task out.

    \b
    Example:
      agent-swarm queue drop 3f2a91bc
    """
    from agent_swarm.cli.task.ids import task_id

    found = task_id(client, task)
    entry = client.delete(path_of(_project_of(client, found), f"entries/{found}"))
    if as_json:
        print_json(entry)
        return
    say(_line(entry))


def _project_of(client: Client, task_id: str) -> str:
    project = client.get(f"/api/tasks/{task_id}")["projectId"]
    if project is None:
        raise CommandFailed(f"task {task_id} works on no repository", hint="only tasks of a repository have a queue")
    return str(project)


def _line(entry: Json) -> str:
    place = f"  place {entry['position']}" if entry["position"] else ""
    return f"{short_id(entry['taskId'])}  {entry['status']}{place}  {became(entry)}".rstrip()
