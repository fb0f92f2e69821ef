"""`agent-swarm chat read` and `chat watch`."""

from collections.abc import Iterable
from typing import Any

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import clock, printable, short_id

agent_option = click.option("--agent", metavar="ID", help="What this agent got.")
channel_option = click.option("--channel", metavar="NAME", help="What was said in this channel.")
task_option = click.option("--task", metavar="ID", help="What is about this task.")


@click.command()
@agent_option
@channel_option
@task_option
@click.option("--unread", is_flag=True, help="Only what is for you and not read; it is marked as read.")
@click.option("--mentions", is_flag=True, help="Only what mentions the agent, or you.")
@click.option("--since", metavar="TIME", help="Nothing from before, such as 2026-11-20T18:00:00Z.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="How many, the last ones.")
@json_option
@with_client
def read(
    client: Client,
    *,
    agent: str | None,
    channel: str | None,
    task: str | None,
    unread: bool,
    mentions: bool,
    since: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Print what was said, oldest first.

    With --unread it is what is addressed to you.

    \b
    Examples:
      agent-swarm chat read
      agent-swarm chat read --channel build --limit 10
      agent-swarm chat read --unread
    """
    query = {
        **_chosen(client, agent, channel, task),
        "unread": "true" if unread else None,
        "mentions": "true" if mentions else None,
        "since": since,
        "limit": limit,
    }
    page = client.get("/api/messages", query)
    if as_json:
        print_json(page)
    else:
        show(reversed(page["messages"]))
        if not page["messages"]:
            say("nothing was said", to_errors=True)
    if unread and agent is None and page["messages"]:
        client.post("/api/messages/read", {"ids": [one["id"] for one in page["messages"]]})


@click.command()
@agent_option
@channel_option
@task_option
@json_option
@with_client
def watch(client: Client, *, agent: str | None, channel: str | None, task: str | None, as_json: bool) -> None:
    """Print what is said, as it is said.

    \b
    Examples:
      agent-swarm chat watch
      agent-swarm chat watch --channel build --json | jq -r .text
    """
    from agent_swarm.cli.sse import EventStream

    chosen = _chosen(client, agent, channel, task)
    stream = EventStream(client.server)
    stream.open()
    for event in stream:
        if event["type"] != "message.posted":
            continue
        pages = list(client.pages(f"/api/messages/{event['subject']['id']}"))
        message = {**pages[0], "deliveries": [one for page in pages for one in page["deliveries"]]}
        if _is_chosen(message, chosen):
            if as_json:
                print_json({key: value for key, value in message.items() if key != "nextCursor"}, on_one_line=True)
            else:
                show([message])


def show(messages: Iterable[Json]) -> None:
    """Messages as people read them: a line about each, and its text below."""
    for one in messages:
        say(f"{clock(one['postedAt'])}  {short_id(one['id'])}  {printable(one['senderName'])} → {_where(one)}")
        for line in one["text"].splitlines():
            say(f"    {printable(line)}")


def _where(one: Json) -> str:
    about = f", about task {short_id(one['taskId'])}" if one["taskId"] and one["kind"] != "steer" else ""
    match one["kind"]:
        case "channel":
            return f"#{printable(one['channel'])}{about}"
        case "broadcast":
            return f"all{about}"
        case "steer":
            return f"task {short_id(one['taskId'])}"
    named = [
        printable(to) if ":" not in to else f"{to.partition(':')[0]} {short_id(to.partition(':')[2])}"
        for to in one["to"]
    ]
    return f"{', '.join(named)}{about}"


def _chosen(client: Client, agent: str | None, channel: str | None, task: str | None) -> dict[str, Any]:
    if sum(one is not None for one in (agent, channel, task)) > 1:
        raise click.UsageError("give one of --agent, --channel and --task")
    chosen: dict[str, Any] = {"channel": channel.removeprefix("#")} if channel is not None else {}
    if agent is not None or task is not None:
        from agent_swarm.cli.task.ids import agent_id, task_id

        chosen |= {"agentId": agent_id(client, agent)} if agent is not None else {}
        chosen |= {"taskId": task_id(client, task)} if task is not None else {}
    return chosen


def _is_chosen(message: Json, chosen: dict[str, Any]) -> bool:
    if "agentId" in chosen:
        return any(one["recipient"] == f"agent:{chosen['agentId']}" for one in message["deliveries"])
    return all(message[name] == value for name, value in chosen.items())
