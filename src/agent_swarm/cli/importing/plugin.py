"""`agent-swarm import swarm-plugin`."""

from pathlib import Path

import click

from agent_swarm.cli.address import server_data_dir
from agent_swarm.cli.db.addressed import chosen, data_dir_option, database_option
from agent_swarm.cli.environment import env_file_option
from agent_swarm.cli.importing.told import tell
from agent_swarm.cli.options import json_option
from agent_swarm.cli.serving import server_settings


@click.command("swarm-plugin")
@click.argument("source", metavar="DIR", type=click.Path(path_type=Path))
@database_option
@data_dir_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@json_option
@env_file_option
def swarm_plugin(source: Path, database: str | None, data_dir: Path | None, *, dry_run: bool, as_json: bool) -> None:
    """Import the Swarm plugin's JSON files.

    DIR is where the plugin keeps them, such as /data/.swarm. Agents, projects, swarms with their chats, and
    tasks that have not ended are imported; what cannot be goes to the report file. Credentials are not read.

    \b
    Examples:
      agent-swarm import swarm-plugin /data/.swarm --dry-run
      agent-swarm import swarm-plugin /data/.swarm --data-dir /var/lib/agent-swarm
    """
    address = chosen(database, data_dir)
    from agent_swarm.importing.carrying_out import import_into
    from agent_swarm.importing.plugin.folders import read_folders
    from agent_swarm.importing.plugin.records import understood

    foreign = understood(read_folders(source))
    folder, caps = data_dir or server_data_dir(), server_settings({"data_dir": data_dir}, None).root_caps
    tell(import_into(address, folder, foreign, source=source, dry_run=dry_run, caps=caps), as_json=as_json)
