"""`agent-swarm db status`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent_swarm.cli import failures
from agent_swarm.cli.db.addressed import chosen, data_dir_option, database_option
from agent_swarm.cli.environment import env_file_option
from agent_swarm.cli.options import json_option
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import columns, size
from agent_swarm.domain.time import to_wire

if TYPE_CHECKING:
    from agent_swarm.store.sql.status import DatabaseStatus

EXIT_CODES = {
    "ready": failures.DONE,
    "empty": failures.MIGRATION_DUE,
    "migrationDue": failures.MIGRATION_DUE,
    "unknownSchema": failures.UNKNOWN_SCHEMA,
    "unfinishedCopy": failures.UNFINISHED_COPY,
}


@click.command()
@database_option
@data_dir_option
@json_option
@env_file_option
def status(database: str | None, data_dir: Path | None, *, as_json: bool) -> int:
    """Show what a database holds and who has it open.

    It needs no server, and changes and makes nothing. Exits 0 where a server can work with the database, 3 where it
    cannot be reached, 4 where a migration is due or it is empty, 5 where its schema is unknown to this version, 6
    where a copy into it was not finished.

    \b
    Examples:
      agent-swarm db status
      agent-swarm db status --database sqlite:backup.sqlite
      agent-swarm db status --database postgresql://swarm@db.example.com/swarm --json | jq .tasks
    """
    address = chosen(database, data_dir)
    from agent_swarm.store.sql.status import look

    found = look(address)
    if as_json:
        print_json(_json(found))
    else:
        _print(found)
    return EXIT_CODES[found.state]


def _print(found: "DatabaseStatus") -> None:
    schema = {
        "ready": f"{found.revision}, the newest",
        "empty": "empty",
        "migrationDue": f"{found.revision}; the newest is {found.newest}: agent-swarm db migrate",
        "unknownSchema": "unknown to this version",
        "unfinishedCopy": "a copy was not finished",
    }[found.state]
    lines = [
        ("database", found.database),
        ("engine", f"{found.engine}, {size(found.size_bytes)}"),
        ("schema", schema),
        *([("", found.note)] if found.note else []),
        ("servers", "; ".join(found.servers) or "none"),
    ]
    if found.head is not None:
        last = f", the last at {to_wire(found.head.at)}, hash {found.head.hash}" if found.head.seq else ""
        tasks = ", ".join(f"{number:,} {status}" for status, number in found.tasks.items()) or "none"
        lines += [("events", f"{found.head.seq:,}{last}"), ("tasks", tasks)]
    for line in columns(("", ""), lines)[1:]:
        say(line)
    if found.rows:
        say("")
        rows = [(one.table, f"{'about ' if one.estimated else ''}{one.rows:,}") for one in found.rows]
        print_table(("TABLE", "ROWS"), rows, empty="")


def _json(found: "DatabaseStatus") -> dict[str, Any]:
    head = found.head
    return {
        "database": found.database,
        "engine": found.engine,
        "state": found.state.value,
        "note": found.note,
        "revision": found.revision,
        "newestRevision": found.newest,
        "servers": list(found.servers),
        "rows": [{"table": one.table, "rows": one.rows, "estimated": one.estimated} for one in found.rows],
        "tasks": found.tasks,
        "head": None if head is None else {"seq": head.seq, "hash": head.hash, "at": to_wire(head.at)},
        "sizeBytes": found.size_bytes,
    }
