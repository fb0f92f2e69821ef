"""`agent-swarm task steer`."""

import click

from agent_swarm.cli.chat.sending import show_posted
from agent_swarm.cli.client import Client
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.task.ids import task_id


@click.command()
@click.argument("identifier", metavar="ID")
@click.argument("text")
@click.option("--interrupt", is_flag=True, help="The agent stops what it does, and reads it at once.")
@json_option
@with_client
def steer(client: Client, *, identifier: str, text: str, interrupt: bool, as_json: bool) -> None:
    """Tell the agent that works on a task something.

    Where nobody works on it, or the agent takes no messages while it runs, the next attempt begins with it.

    \b
    Examples:
      agent-swarm task steer 3f2a91bc "the tests are in tests/unit"
      agent-swarm task steer 3f2a91bc "stop, use the other branch" --interrupt
    """
    body = {"message": text, "interrupt": interrupt}
    show_posted(client.create(f"/api/tasks/{task_id(client, identifier)}/steer", body), as_json=as_json)
