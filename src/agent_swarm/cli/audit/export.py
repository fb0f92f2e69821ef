"""`agent-swarm audit export`."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import IO

import click

from agent_swarm.cli.db.addressed import chosen, data_dir_option, database_option
from agent_swarm.cli.environment import env_file_option
from agent_swarm.cli.extras import require
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.options import Moment
from agent_swarm.cli.output import say


@click.command()
@database_option
@data_dir_option
@click.option("--since", type=Moment(), help="From the first event at or after this time on.")
@click.option("--from-seq", type=click.IntRange(min=1), metavar="SEQ", help="From this event on.")
@click.option("--to", "to_seq", type=click.IntRange(min=1), metavar="SEQ", help="Up to this event.")
@click.option("--format", "form", type=click.Choice(("jsonl", "csv")), default="jsonl", show_default=True)
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Default: standard output.")
@env_file_option
def export(
    database: str | None,
    data_dir: Path | None,
    since: str | None,
    from_seq: int | None,
    to_seq: int | None,
    form: str,
    output: Path | None,
) -> None:
    """Write events out, so that they can be checked alone.

    A line is an event as it is stored, with its number and hash; the first one has the hash before it, too. It needs no
    server, and may run beside one.

    \b
    Examples:
      agent-swarm audit export > events.jsonl
      agent-swarm audit verify --export events.jsonl --checkpoints checkpoints.jsonl --public-key audit-key.pub
      agent-swarm audit export --since 2026-11-01T00:00:00Z --format csv -o november.csv
    """
    require("server")
    if since is not None and from_seq is not None:
        raise click.UsageError("--since and --from-seq both say where to begin; give one of them")
    from agent_swarm.audit import exports, sources
    from agent_swarm.domain.time import from_wire

    with sources.opened(chosen(database, data_dir)) as found:
        begin = found.first_since(from_wire(since)) if since is not None else from_seq
        part = found.part(begin)
        if part.link is None:
            raise CommandFailed(
                f"event {part.after} is not in the database, and what follows cannot be checked without it",
                hint=f"it may be archived; begin with a later event, such as --from-seq {found.first_seq() + 1}",
            )
        with closing(found.rows(part.after)) as rows, _opened(output) as file:
            wanted = takewhile(lambda row: to_seq is None or row[0] <= to_seq, rows)
            lines = exports.json_lines(wanted, part.link) if form == "jsonl" else exports.csv_lines(wanted, part.link)
            with suppress(BrokenPipeError):  # who reads has read enough
                file.writelines(lines)
    if output is not None:
        say(f"written: {output}", to_errors=True)


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[bytes]]:
    if output is None:
        stream = sys.stdout.buffer
        yield stream
        with suppress(BrokenPipeError):
            stream.flush()
            return
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # so that nobody tries again at the exit
        return
    try:
        with output.open("wb") as file:
            yield file
    except OSError as exc:
        raise CommandFailed(f"cannot write {output}: {exc.strerror}", hint="check --output FILE") from exc
