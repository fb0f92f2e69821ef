"""`agent-swarm task offer`, `accept` and `reject`."""

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.options import Duration, json_option, with_client
from agent_swarm.cli.output import print_json, say, status_text
from agent_swarm.cli.task.ids import agent_id, task_id
from agent_swarm.cli.text import printable, short_id


@click.command()
@click.argument("id")
@click.argument("agent")
@click.option("--for", "span", type=Duration(), metavar="SPAN", help="How long it may think about it; default 60s.")
@json_option
@with_client
def offer(client: Client, *, id: str, agent: str, span: float | None, as_json: bool) -> None:
    """Show a task to one agent, which may take it.

    Nobody else gets it meanwhile. AGENT is a name or an id. If it rejects the task, or does not answer in time, the
    task is in the queue for all again.

    \b
    Examples:
      agent-swarm task offer 3f2a91bc ada
      agent-swarm task offer 3f2a91bc ada --for 10m
    """
    body = {"agentId": agent_id(client, agent), **({"ttlSeconds": span} if span is not None else {})}
    _print(client.post(f"/api/tasks/{task_id(client, id)}/offer", body), as_json)


@click.command()
@click.argument("id")
@json_option
@with_client
def accept(client: Client, *, id: str, as_json: bool) -> None:
    """Take an offered task, for the agent that was asked.

    \b
    Example:
      agent-swarm task accept 3f2a91bc
    """
    _print(client.post(f"/api/tasks/{task_id(client, id)}/accept", {}), as_json)


@click.command()
@click.argument("id")
@click.option("--reason", default="", help="Kept with the task, and shown.")
@json_option
@with_client
def reject(client: Client, *, id: str, reason: str, as_json: bool) -> None:
    """Put an offered task back into the queue.

    \b
    Example:
      agent-swarm task reject 3f2a91bc --reason "busy with the release"
    """
    _print(client.post(f"/api/tasks/{task_id(client, id)}/reject", {"reason": reason}), as_json)


def _print(task: Json, as_json: bool) -> None:
    if as_json:
        print_json(task)
    else:
        say(f"{short_id(task['id'])}  {status_text(task['status'])}  {printable(task['title'])}")
