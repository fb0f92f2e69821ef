"""`agent-swarm db`: the database itself, without a server."""

import click

from agent_swarm.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "Commands": {
        "status": Lazy("agent_swarm.cli.db.status:status", "Show what a database holds and who has it open."),
        "migrate": Lazy("agent_swarm.cli.db.migrate:migrate", "Bring a database to the newest revision."),
        "copy": Lazy("agent_swarm.cli.db.copy:copy", "Copy a database whole, to SQLite or PostgreSQL."),
    }
}


@click.group(cls=LazyGroup, sections=COMMANDS)
def db() -> None:
    """Look at, migrate and copy the database.

    An ADDRESS is sqlite:PATH, a path, or postgresql://USER@HOST/DATABASE. @FILE reads it from a file. Keep a
    password out of it: put it into ~/.pgpass or PGPASSWORD, or the whole address into AGENT_SWARM_DATABASE_URL or a
    file. What stands on a command line can be read by every user of the machine.
    """
