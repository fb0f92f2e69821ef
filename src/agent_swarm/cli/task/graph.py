"""`agent-swarm task graph`."""

import json
from typing import Any

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table
from agent_swarm.cli.task.files import read_text

SHAPE = '{"tasks": [{"ref": "build", "prompt": "…"}, {"prompt": "…", "dependsOn": ["build"]}]}'


@click.command()
@click.argument("file")
@click.option("--project", metavar="REPO", help="The repository of tasks that name none.")
@click.option("--swarm", metavar="NAME", help="The swarm of tasks that name none.")
@click.option("--wait", is_flag=True, help="Follow them to their end; exit 0 if all completed, 1 if not.")
@json_option
@with_client
def graph(client: Client, *, file: str, project: str | None, swarm: str | None, wait: bool, as_json: bool) -> int:
    """File a graph of tasks from a JSON file: all of them, or none.

    FILE holds {"tasks": […]} or the list alone; - is standard input. A task has the fields of `POST /api/tasks`, and a
    `ref` by which others of the file can depend on it.

    \b
    Example:
      echo '[{"ref": "build", "prompt": "Build it"},
             {"prompt": "Test it", "dependsOn": ["build"]}]' | agent-swarm task graph - --wait
    """
    tasks = parsed(read_text(file, what="graph"), file)
    defaults = {name: value for name, value in (("project", project), ("swarm", swarm)) if value is not None}
    tasks = [{**defaults, **task} for task in tasks]
    reply = client.create("/api/tasks/batch", {"tasks": tasks})
    if wait:
        from agent_swarm.cli.task.waiting import wait_for

        return wait_for(client, reply["tasks"], as_json=as_json)
    if as_json:
        print_json(reply)
    else:
        refs = {identifier: ref for ref, identifier in reply["refs"].items()}
        rows = [(task["id"], refs.get(task["id"], ""), task["status"], task["title"]) for task in reply["tasks"]]
        print_table(("ID", "REF", "STATUS", "TITLE"), rows, empty="no tasks")
    return 0


def parsed(text: str, file: str) -> list[Json]:
    """The tasks of a graph file; raises CommandFailed naming line and column, or the shape that was expected."""
    try:
        content: Any = json.loads(text)
    except json.JSONDecodeError as exc:
        raise CommandFailed(
            f"{file} is not JSON: {exc.msg} in line {exc.lineno}, column {exc.colno}", hint=f"write it like {SHAPE}"
        ) from exc
    tasks = content.get("tasks") if isinstance(content, dict) else content
    if not isinstance(tasks, list) or not tasks or not all(isinstance(task, dict) for task in tasks):
        raise CommandFailed(f"{file} holds no list of tasks", hint=f"write it like {SHAPE}")
    return tasks
