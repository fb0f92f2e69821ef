"""The part of the demo that people watch: from the one planning task to the end of all tasks."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agent_swarm.cli import event_text
from agent_swarm.cli.board import Board
from agent_swarm.cli.client import Client
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.feed import Event, EventFeed
from agent_swarm.cli.following import has_ended
from agent_swarm.cli.output import say
from agent_swarm.cli.text import one_line
from agent_swarm.domain.tasks import TaskStatus

REDRAW_SECONDS = 0.2
Show = Callable[[list[Event]], None]


def tell(client: Client, planning_task: dict[str, object], *, seconds: float) -> str:
    """File the planning task and follow until all tasks have ended; its id.

    Raises CommandFailed when that takes longer than `seconds`.
    """
    give_up_at = time.monotonic() + seconds
    with EventFeed(client.server) as feed:
        board = Board(client)
        board.read()
        filed = str(client.create("/api/tasks", planning_task)["id"])
        with _view(board) as show:
            while not _is_over(board, filed):
                if time.monotonic() > give_up_at:
                    raise CommandFailed(f"not done within {seconds:.0f} s", hint=_open_tasks(board))
                show(feed.take(REDRAW_SECONDS))
    return filed


@contextmanager
def _view(board: Board) -> Iterator[Show]:
    """Brings the board up to date with events, and shows it: as a table on a terminal, else a line for each event."""
    if not sys.stdout.isatty():
        yield lambda events: _print(board, events)
        return
    from agent_swarm.cli.live import LiveTable

    with LiveTable(board) as table:
        yield lambda events: _draw(board, events, table.draw)


def _draw(board: Board, events: list[Event], draw: Callable[[], None]) -> None:
    board.apply(events)
    draw()


def _print(board: Board, events: list[Event]) -> None:
    board.apply(events)
    for event in filter(board.concerns, events):
        title = one_line(board.tasks[event["taskId"]]["title"], 40)
        say(f"{event['type']:<18}  {title:<40}  {event_text.sentence(event, board.names, width=70)}".rstrip())


def _is_over(board: Board, planning_task_id: str) -> bool:
    """The plan did not work out, or everything in it has ended."""
    planned = board.tasks.get(planning_task_id)
    if planned is None or not has_ended(planned):
        return False
    return planned["status"] != TaskStatus.COMPLETED or all(has_ended(task) for task in board.tasks.values())


def _open_tasks(board: Board) -> str:
    still_open = [f"{task['title']} ({task['status']})" for task in board.tasks.values() if not has_ended(task)]
    return f"still open: {', '.join(still_open) or 'none'}"
