"""`agent-swarm task watch`."""

import sys

import click

from agent_swarm.cli import event_text
from agent_swarm.cli.board import Board
from agent_swarm.cli.client import Client
from agent_swarm.cli.feed import EventFeed
from agent_swarm.cli.following import exit_code_by_outcome
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say, status_text
from agent_swarm.cli.task.ids import task_ids
from agent_swarm.cli.text import printable, short_id

REDRAW_SECONDS = 0.5


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@json_option
@with_client
def watch(client: Client, *, ids: tuple[str, ...], as_json: bool) -> int:
    """Follow tasks live, until they have ended.

    Without an ID it shows all open tasks until Ctrl-C. Into a pipe it prints one line for each event. Exits 0 if all
    tasks asked for completed, 1 if not.

    \b
    Examples:
      agent-swarm task watch
      agent-swarm task watch 3f2a91bc 77d0e1f4
    """
    wanted = task_ids(client, ids)
    with EventFeed(client.server, task_id=wanted[0] if len(wanted) == 1 else None) as feed:
        board = Board(client, wanted)
        board.read()
        if sys.stdout.isatty() and not as_json:
            _draw(board, feed)
        else:
            _print_lines(board, feed, as_json=as_json)
    return exit_code_by_outcome(board.tasks.values())


def _draw(board: Board, feed: EventFeed) -> None:
    from agent_swarm.cli.live import LiveTable

    with LiveTable(board) as table:
        while not board.is_done():
            board.apply(feed.take(REDRAW_SECONDS))
            table.draw()


def _print_lines(board: Board, feed: EventFeed, *, as_json: bool) -> None:
    for task in board.tasks.values():
        say(f"{short_id(task['id'])}  {status_text(task['status'])}  {printable(task['title'])}", to_errors=True)
    while not board.is_done():
        events = feed.take(REDRAW_SECONDS)
        board.apply(events)
        for event in filter(board.concerns, events):
            if as_json:
                print_json(event, on_one_line=True)
            else:
                say(event_text.line(event, board.names))
