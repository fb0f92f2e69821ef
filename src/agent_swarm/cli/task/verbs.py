"""The commands that steer tasks: one request for each task, and the first refusal does not stop the rest."""

from collections.abc import Callable, Sequence

import click

from agent_swarm.cli import failures
from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.failures import REFUSED, Unreachable
from agent_swarm.cli.options import Priority, json_option, with_client
from agent_swarm.cli.output import print_json, say, status_text
from agent_swarm.cli.task.ids import task_id, task_ids
from agent_swarm.cli.text import printable, short_id
from agent_swarm.domain.errors import SwarmError, Unauthenticated

ids_argument = click.argument("ids", nargs=-1, required=True, metavar="ID...")


@click.command()
@ids_argument
@click.option("--reason", default="", help="Told to the agent and kept with the task.")
@click.option("--recursive", "-r", is_flag=True, help="Also all tasks below them.")
@json_option
@with_client
def cancel(client: Client, *, ids: tuple[str, ...], reason: str, recursive: bool, as_json: bool) -> int:
    """Cancel tasks: they are not wanted any more.

    \b
    Examples:
      agent-swarm task cancel 3f2a91bc --reason "the customer called it off"
      agent-swarm task cancel --recursive 3f2a91bc
    """
    body = {"reason": reason, **({"recursive": True} if recursive else {})}
    return _each(client, ids, lambda identifier: client.post(f"/api/tasks/{identifier}/cancel", body), as_json)


@click.command()
@ids_argument
@json_option
@with_client
def pause(client: Client, *, ids: tuple[str, ...], as_json: bool) -> int:
    """Pause tasks; what they did so far is kept.

    \b
    Example:
      agent-swarm task pause 3f2a91bc
    """
    return _each(client, ids, _post(client, "pause"), as_json)


@click.command()
@ids_argument
@json_option
@with_client
def resume(client: Client, *, ids: tuple[str, ...], as_json: bool) -> int:
    """Let paused tasks go on.

    \b
    Example:
      agent-swarm task resume 3f2a91bc
    """
    return _each(client, ids, _post(client, "resume"), as_json)


@click.command()
@ids_argument
@json_option
@with_client
def backlog(client: Client, *, ids: tuple[str, ...], as_json: bool) -> int:
    """Take tasks out of the queue, to the backlog.

    \b
    Example:
      agent-swarm task backlog 3f2a91bc
    """
    return _each(client, ids, _post(client, "backlog"), as_json)


@click.command()
@ids_argument
@json_option
@with_client
def promote(client: Client, *, ids: tuple[str, ...], as_json: bool) -> int:
    """Bring tasks from the backlog into the queue.

    \b
    Example:
      agent-swarm task promote 3f2a91bc
    """
    return _each(client, ids, _post(client, "promote"), as_json)


@click.command()
@click.argument("id")
@click.option("--with-results", is_flag=True, help="End its prompt with what the earlier try came to.")
@click.option("--wait", is_flag=True, help="Follow the new task to its end; exit 0 if it completed, 1 if not.")
@json_option
@with_client
def retry(client: Client, *, id: str, with_results: bool, wait: bool, as_json: bool) -> int:
    """File a task that has ended once more.

    The new task is linked to the old one, which stays as it is.

    \b
    Example:
      agent-swarm task retry 3f2a91bc --with-results --wait
    """
    body = {"includeResults": True} if with_results else {}
    task = client.create(f"/api/tasks/{task_id(client, id)}/retry", body)
    if wait:
        from agent_swarm.cli.task.waiting import wait_for

        return wait_for(client, [task], as_json=as_json)
    _print(task, as_json)
    return 0


@click.command()
@click.argument("id")
@click.argument("priority", type=Priority())
@json_option
@with_client
def priority(client: Client, *, id: str, priority: int, as_json: bool) -> None:
    """Change the priority of a task.

    PRIORITY is 0 to 100, or urgent, high, medium, low.

    \b
    Example:
      agent-swarm task priority 3f2a91bc urgent
    """
    _print(client.patch(f"/api/tasks/{task_id(client, id)}", {"priority": priority}), as_json)


def _post(client: Client, verb: str) -> Callable[[str], Json]:
    return lambda identifier: client.post(f"/api/tasks/{identifier}/{verb}")


def _each(client: Client, texts: Sequence[str], act: Callable[[str], Json], as_json: bool) -> int:
    exit_code = 0
    for identifier in task_ids(client, texts):
        try:
            _print(act(identifier), as_json, is_one_of_many=len(texts) > 1)
        except (Unreachable, Unauthenticated):
            raise
        except SwarmError as exc:
            failures.show(exc)
            exit_code = REFUSED
    return exit_code


def _print(task: Json, as_json: bool, *, is_one_of_many: bool = False) -> None:
    if as_json:
        print_json(task, on_one_line=is_one_of_many)
    else:
        say(f"{short_id(task['id'])}  {status_text(task['status'])}  {printable(task['title'])}")
