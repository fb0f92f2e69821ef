"""`agent-swarm task logs`."""

from collections.abc import Callable, Iterator
from typing import Any

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.feed import EventFeed
from agent_swarm.cli.following import RECHECK_SECONDS, has_ended
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.task.ids import task_id
from agent_swarm.cli.transcript_text import lines_of
from agent_swarm.protocol.limits import PAGE_MAX

WAIT_SECONDS = 20  # below the server's long poll of 25 s
Line = dict[str, Any]


@click.command()
@click.argument("id")
@click.option("--follow", "-f", is_flag=True, help="Go on until the task has ended, over all its attempts.")
@click.option("--attempt", type=click.IntRange(min=1), help="Which attempt; default: the latest.")
@json_option
@with_client
def logs(client: Client, *, id: str, follow: bool, attempt: int | None, as_json: bool) -> None:
    """Print what the agent said and did.

    With --json one line for each step: {"at", "kind", "data"}.

    \b
    Examples:
      agent-swarm task logs 3f2a91bc -f
      agent-swarm task logs 3f2a91bc --attempt 1
    """
    identifier = task_id(client, id)
    show = _show_json if as_json else _show_text
    if follow and attempt is None:
        _follow_task(client, identifier, show)
        return
    number = attempt or client.get(f"/api/tasks/{identifier}")["attempt"]
    if not number:
        say("no attempt yet: see why with: agent-swarm task explain " + id, to_errors=True)
        return
    for line in transcript(client, identifier, number, wait=follow):
        show(line)


def transcript(client: Client, identifier: str, number: int, *, wait: bool) -> Iterator[Line]:
    """The lines of an attempt; with `wait` until no further one will come."""
    after = 0
    while True:
        page = client.get(
            f"/api/tasks/{identifier}/attempts/{number}/transcript",
            {"after": after, "limit": PAGE_MAX, "waitSeconds": WAIT_SECONDS if wait else None},
        )
        yield from page["lines"]
        after = page["next"]
        if page["ended"] if wait else not page["lines"]:
            return


def _follow_task(client: Client, identifier: str, show: Callable[[Line], None]) -> None:
    with EventFeed(client.server, task_id=identifier) as feed:
        shown = 0
        task = client.get(f"/api/tasks/{identifier}")
        while True:
            # From the latest attempt on, then every later one.
            for number in range(shown + 1 if shown else max(task["attempt"], 1), task["attempt"] + 1):
                for line in transcript(client, identifier, number, wait=True):
                    show(line)
                shown = number
            task = _changed(client, identifier, feed, shown)
            if task["attempt"] == shown and has_ended(task):
                return


def _changed(client: Client, identifier: str, feed: EventFeed, shown: int) -> Json:
    """The task once it has ended or begun another attempt than those shown."""
    while True:
        task = client.get(f"/api/tasks/{identifier}")
        if has_ended(task) or task["attempt"] > shown:
            return task
        feed.take(RECHECK_SECONDS)


def _show_json(line: Line) -> None:
    print_json(line, on_one_line=True)


def _show_text(line: Line) -> None:
    for text in lines_of(line):
        say(text)
