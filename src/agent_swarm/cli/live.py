"""Live views on a terminal, drawn with rich; imported only where there is one to draw on."""

from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agent_swarm.cli.board import Board
from agent_swarm.cli.client import Json
from agent_swarm.cli.following import has_ended
from agent_swarm.cli.output import STATUS_COLOURS
from agent_swarm.cli.text import instant, one_line, short_id, span

MARKS = {"completed": "✓", "failed": "✗", "cancelled": "✗", "running": "▶", "claimed": "▷", "paused": "‖"}
LINES_BESIDE_THE_TABLE = 6


class LiveTable:
    """A table of a board's tasks, redrawn in place; it stays on the screen when the view is left."""

    def __init__(self, board: Board, *, title: str = "") -> None:
        self._board = board
        self._title = title
        self._console = Console(stderr=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        self.draw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, traceback)

    def draw(self) -> None:
        """Show the board as it is now."""
        self._live.update(self._renderable(), refresh=True)

    def _renderable(self) -> RenderableType:
        tasks = list(self._board.tasks.values())
        room = max(self._console.height - LINES_BESIDE_THE_TABLE, 5)
        table = task_table(most_interesting(tasks, room), self._board.names, now=datetime.now(UTC))
        hidden = len(tasks) - table.row_count
        parts: list[RenderableType] = [Text(self._title, style="bold")] if self._title else []
        return Group(*parts, table, *([Text(f"and {hidden} more", style="dim")] if hidden > 0 else []))


def task_table(tasks: list[Json], names: dict[str, str], *, now: datetime) -> Table:
    """One line for each task: where it stands, who has it, for how long, and what the agent says."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    for header in ("", "TASK", "STATUS", "AGENT", "TRY", "TIME", "SAYS"):
        table.add_column(header, no_wrap=True, max_width=60 if header == "SAYS" else 40, overflow="ellipsis")
    for task in tasks:
        status, agent = task["status"], task.get("agentId")
        colour = STATUS_COLOURS.get(status, "")
        table.add_row(
            Text(MARKS.get(status, "·"), style=colour),
            Text(one_line(task["title"], 40)),
            Text(status, style=colour),
            Text(one_line(names.get(agent, short_id(agent)), 20) if agent else ""),
            Text(str(task["attempt"] or "")),
            Text(_time(task, now)),
            Text(_says(task), style="dim"),
        )
    return table


def most_interesting(tasks: list[Json], room: int) -> list[Json]:
    """Up to `room` tasks, in their order: ended ones give way first, the earliest ended first of all."""
    if len(tasks) <= room:
        return tasks
    by_rank = sorted(tasks, key=lambda task: (has_ended(task), _rank(task)))
    kept = {task["id"] for task in by_rank[:room]}
    return [task for task in tasks if task["id"] in kept]


def _rank(task: Json) -> tuple[int, float]:
    ended = instant(task["finishedAt"]).timestamp() if task.get("finishedAt") else 0.0
    return (0 if task["status"] in ("running", "claimed", "paused") else 1, -ended)


def _time(task: Json, now: datetime) -> str:
    if not task.get("startedAt"):
        return ""
    end = instant(task["finishedAt"]) if task.get("finishedAt") else now
    return span((end - instant(task["startedAt"])).total_seconds())


def _says(task: Json) -> str:
    failure = task.get("failure") or {}
    told = failure.get("message") or (task.get("result") or {}).get("text") if has_ended(task) else ""
    return one_line(told or task.get("progress") or "")
