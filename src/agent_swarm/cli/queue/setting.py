"""`agent-swarm queue set` and `off`."""

from typing import Any

import click

from agent_swarm.cli.client import Client
from agent_swarm.cli.options import Duration, Labels, json_option, with_client
from agent_swarm.cli.queue.told import path_of, tell


@click.command("set")
@click.argument("repo")
@click.option("--check", metavar="COMMAND", help="The project's own check, a shell script; a new queue needs one.")
@click.option("--branch", metavar="NAME", help="The branch that results land on; default: the project's.")
@click.option("--largest", type=click.IntRange(1, 50), help="How many results are checked together; default: 8.")
@click.option("--retries", type=click.IntRange(0, 3), help="Of a result that fails alone; default: 1.")
@click.option("--automatic/--by-hand", default=None, help="Whether results enter by themselves; default: by hand.")
@click.option("--timeout", type=Duration(), metavar="SPAN", help="How long a check may take, such as 20m.")
@click.option("--tags", type=Labels(), metavar="A,B", help="Tags that workers need who check.")
@json_option
@with_client
def set_(client: Client, /, *, repo: str, timeout: float | None, tags: Any, as_json: bool, **given: Any) -> None:
    """Have results checked together and landed, or again.

    What is not named stays as it is. Without options a queue goes on that was off, or halted.

    \b
    Examples:
      agent-swarm queue set shop --check "make test" --automatic
      agent-swarm queue set shop --largest 4 --timeout 20m
      agent-swarm queue set shop
    """
    body = {name: value for name, value in given.items() if value is not None}
    body |= {"timeoutSeconds": timeout} if timeout is not None else {}
    body |= {"tags": list(tags)} if tags is not None else {}
    tell(client.put(path_of(repo), body), as_json=as_json)


@click.command("off")
@click.argument("repo")
@json_option
@with_client
def off(client: Client, *, repo: str, as_json: bool) -> None:
    """Check nothing more; what waits stays.

    A check that runs now ends, and may land: to stop it, cancel its task.

    \b
    Example:
      agent-swarm queue off shop
    """
    tell(client.post(path_of(repo, "off")), as_json=as_json)
