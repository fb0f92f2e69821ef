"""`agent-swarm key`: the keys that secrets are encrypted with."""

import click

from agent_swarm.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "Commands": {
        "status": Lazy("agent_swarm.cli.key.status:status", "Show the keys, by their ids, and what is left to do."),
        "verify": Lazy("agent_swarm.cli.key.status:verify", "Open everything that is encrypted."),
        "rotate": Lazy("agent_swarm.cli.key.rotate:rotate", "Change the master key, the data key, or both."),
    }
}


@click.group(cls=LazyGroup, sections=COMMANDS)
def key() -> None:
    """Look at and change the keys that secrets are encrypted with.

    A master key, which is not in the database, wraps data keys, which encrypt values. Commands go to the server; with
    --data-dir or --database they work on a database that no server has open.
    """
