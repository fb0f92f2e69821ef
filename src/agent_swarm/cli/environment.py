"""The options that every command understands: variables from a file, which server, which NATS.

It stands apart from `options` because `--help` pays for everything that this file imports.
"""

import os

import click


def apply_env_file(ctx: click.Context, _option: click.Parameter, file: str | None) -> None:
    """Take over the variables of an env file; like `source FILE`, it wins over what is set."""
    if file is not None and not ctx.resilient_parsing:
        from pathlib import Path

        from agent_swarm.config import read_env_file

        os.environ.update(read_env_file(Path(file)))


env_file_option = click.option(
    "--env-file",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    is_eager=True,
    expose_value=False,
    callback=apply_env_file,
    help="Read variables from FILE first: KEY=value or export KEY=value lines.",
)
url_option = click.option(
    "--url", metavar="URL", help="The server; default AGENT_SWARM_URL, then http://127.0.0.1:3013."
)
nats_option = click.option(
    "--nats",
    "nats_url",
    metavar="URL",
    help="NATS for several servers on one database; default AGENT_SWARM_NATS_URL, where a password is better kept.",
)
server_database_option = click.option(
    "--database",
    metavar="ADDRESS|@FILE",
    help="PostgreSQL, which several servers may share, instead of an SQLite file; default AGENT_SWARM_DATABASE_URL.",
)
