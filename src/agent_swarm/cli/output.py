"""Where results go: JSON for programs, columns for pipes, tables for terminals."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from agent_swarm.cli.text import columns, printable

STATUS_COLOURS = {
    "backlog": "bright_black",
    "blocked": "bright_black",
    "pending": "yellow",
    "offered": "yellow",
    "claimed": "cyan",
    "running": "blue",
    "paused": "magenta",
    "completed": "green",
    "failed": "red",
    "cancelled": "red",
    "idle": "green",
    "busy": "blue",
    "offline": "bright_black",
}


def print_json(data: Any, *, on_one_line: bool = False) -> None:
    """`data` as JSON; one line per item makes a stream that programs can follow."""
    say(json.dumps(data, ensure_ascii=False, indent=None if on_one_line else 2))


def say(line: str, *, to_errors: bool = False) -> None:
    """Print a line at once, also into a pipe."""
    click.echo(line, err=to_errors)
    (sys.stderr if to_errors else sys.stdout).flush()


def status_text(status: str) -> str:
    """A status in its colour."""
    return click.style(status, fg=STATUS_COLOURS.get(status))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Rows under their headers; a line saying `empty` where there are none."""
    if not rows:
        click.echo(empty, err=True)
    elif sys.stdout.isatty():
        _print_rich_table(headers, rows)
    else:
        click.echo("\n".join(columns(headers, rows)))


def _print_rich_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headers, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        # Text, not str: what agents wrote is not markup.
        table.add_row(*(Text(printable(cell), style=STATUS_COLOURS.get(str(cell), "")) for cell in row))
    Console().print(table)
