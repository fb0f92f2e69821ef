"""`agent-swarm import`: data of other systems."""

import click

from agent_swarm.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "Commands": {
        "desplega": Lazy("agent_swarm.cli.importing.desplega:desplega", "Import a desplega-ai/agent-swarm database."),
        "swarm-plugin": Lazy("agent_swarm.cli.importing.plugin:swarm_plugin", "Import the Swarm plugin's JSON files."),
    }
}


@click.group("import", cls=LazyGroup, sections=COMMANDS)
def importing() -> None:
    """Take over agents, projects and open tasks from another system.

    The source is read and never changed. All of it is written, or nothing; the same import again finds everything
    there and changes nothing. What has no place here is kept in a report file in the data directory. Stop the server
    first, unless its database is PostgreSQL.
    """
