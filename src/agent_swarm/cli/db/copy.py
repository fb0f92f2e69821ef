"""`agent-swarm db copy`."""

import time
from typing import TYPE_CHECKING

import click

from agent_swarm.cli import failures
from agent_swarm.cli.db.addressed import typed
from agent_swarm.cli.db.progress import shown_progress
from agent_swarm.cli.environment import env_file_option
from agent_swarm.cli.options import json_option
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import span

if TYPE_CHECKING:
    from agent_swarm.store.sql.copying.database import Copied

TRANSCRIPTS = "transcripts are files and were not copied: let the server keep its data directory, or copy transcripts/"


@click.command()
@click.option("--from", "source", metavar="ADDRESS|@FILE", required=True, help="The database to copy.")
@click.option("--to", "target", metavar="ADDRESS|@FILE", required=True, help="An empty one, or a file to be made.")
@click.option("--online", is_flag=True, help="Copy a PostgreSQL database that servers write to, as it is at the start.")
@json_option
@env_file_option
def copy(source: str, target: str, *, online: bool, as_json: bool) -> int:
    """Copy a database whole, to SQLite or PostgreSQL.

    Stop the servers first. The source is read as it is in one moment, and not changed. The copy is verified: the rows
    of every table are counted, and every event is hashed anew. What is interrupted leaves no database that a server
    would open; run the same command again to begin anew. Transcripts are files in the data directory, and stay there.

    \b
    Examples:
      agent-swarm db copy --from ~/.agent-swarm/server/agent-swarm-db.sqlite --to postgresql://swarm@localhost/swarm
      agent-swarm db copy --from @/etc/agent-swarm/database --to sqlite:copy.sqlite --online
    """
    origin, goal = typed(source, "--from"), typed(target, "--to")
    from agent_swarm.store.sql.copying.database import copy_database

    begun = time.monotonic()
    try:
        with shown_progress(silent=as_json) as progress:
            copied = copy_database(origin, goal, online=online, progress=progress)
    except KeyboardInterrupt:
        say("interrupted: nothing was copied; run it again to begin anew", to_errors=True)
        return failures.INTERRUPTED
    seconds = time.monotonic() - begun
    if as_json:
        print_json(
            {
                "from": origin.shown,
                "to": goal.shown,
                "rows": copied.rows,
                "head": {"seq": copied.head.seq, "hash": copied.head.hash},
                "verified": True,
                "eventsSince": copied.events_since,
                "seconds": round(seconds, 3),
            }
        )
    else:
        _print(origin.shown, goal.shown, copied, seconds)
    return failures.DONE


def _print(source: str, target: str, copied: "Copied", seconds: float) -> None:
    say(f"copied {source} to {target}: {len(copied.rows)} tables, {sum(copied.rows.values()):,} rows, {span(seconds)}")
    say(f"verified: every table has the rows of the source, and {copied.head.seq:,} events chain to {copied.head.hash}")
    if copied.events_since:
        say(f"not in the copy: what was written meanwhile, {copied.events_since:,} events", to_errors=True)
    say(TRANSCRIPTS, to_errors=True)
