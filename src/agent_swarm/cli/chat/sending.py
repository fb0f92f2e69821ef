"""`agent-swarm chat send`."""

import sys
from typing import Any

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import printable, short_id
from agent_swarm.domain.ids import normalize_id
from agent_swarm.domain.messages import TEXT_BYTES

ALL = ("all", "@all")


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[TO]... TEXT")
@click.option("--reply", metavar="ID", help="Answer this message; without TO it goes where that came from.")
@click.option("--task", metavar="ID", help="Say which task it is about.")
@json_option
@with_client
def send(client: Client, *, words: tuple[str, ...], reply: str | None, task: str | None, as_json: bool) -> None:
    """Say something to agents, to a channel, or to all.

    The last argument is the text, or - for standard input. Before it stand agents by name or id, or one #channel, or
    all. What is said is stored before this returns.

    \b
    Examples:
      agent-swarm chat send ada "how far are you?"
      agent-swarm chat send '#build' "@frontend the build is red"
      agent-swarm chat send all "the freeze begins at noon"
      agent-swarm chat send --reply 0197a1c2 "yes, go on"
    """
    *to, text = words
    body: dict[str, Any] = {"text": _text(text), **_way(to)}
    if reply is not None:
        body["replyTo"] = message_id(client, reply)
    elif not to:
        raise click.UsageError("say to whom: an agent, a #channel, or all; or answer a message with --reply")
    if task is not None:
        from agent_swarm.cli.task.ids import task_id

        body["taskId"] = task_id(client, task)
    show_posted(client.create("/api/messages", body), as_json=as_json)


def show_posted(posted: Json, *, as_json: bool) -> None:
    """What became of a message, and which of its mentions reach nobody."""
    if as_json:
        print_json(posted)
        return
    number = posted["recipients"]
    say(f"{short_id(posted['id'])}  for {number} recipient{'' if number == 1 else 's'}")
    for one in posted["unresolved"]:
        why = "nobody is called that" if one["reason"] == "unknown" else "several agents are called that"
        say(f"{printable(one['mention'])} reaches nobody: {why}", to_errors=True)


def message_id(client: Client, text: str) -> str:
    """The id of a message: as it is, or of a recent one by its beginning or its last characters."""
    from agent_swarm.cli.task.ids import Named, matching

    if (whole := normalize_id(text)) is not None:
        return whole
    recent = client.get("/api/messages", {"limit": 200})["messages"]
    return matching(text, [Named(one["id"], one["text"][:40]) for one in recent], kind="message")


def _way(to: list[str]) -> dict[str, Any]:
    if any(one in ALL for one in to):
        if len(to) > 1:
            raise click.UsageError("`all` stands alone")
        return {"broadcast": True}
    channels = [one for one in to if one.startswith("#")]
    if channels:
        if len(to) > 1:
            raise click.UsageError("a message goes to one channel, or to agents")
        return {"channel": channels[0]}
    return {"to": to} if to else {}


def _text(text: str) -> str:
    return sys.stdin.read(TEXT_BYTES + 1) if text == "-" else text
