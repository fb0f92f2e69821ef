"""`agent-swarm api`: the server."""

from pathlib import Path

import click

from agent_swarm.cli.environment import env_file_option, nats_option, server_database_option


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), help="Default PORT, then 3013; 0 lets the system choose.")
@click.option("--host", metavar="ADDRESS", help="Default HOST, then 127.0.0.1. Any other needs API_KEY.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Default DATA_DIR, then ~/.agent-swarm/server.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Default info.")
@server_database_option
@nats_option
@env_file_option
def api(
    *,
    port: int | None,
    host: str | None,
    data_dir: Path | None,
    log_level: str | None,
    database: str | None,
    nats_url: str | None,
) -> int:
    """Run the server alone.

    It ends in good order on SIGTERM or Ctrl-C. Without API_KEY it makes a key of its own in the file api-key of the
    data directory, and listens to this machine only.

    \b
    Examples:
      agent-swarm api
      API_KEY=$(openssl rand -hex 32) agent-swarm api --host 0.0.0.0 --port 3013 --data-dir /var/lib/agent-swarm
      agent-swarm api --database postgresql://swarm@db.example/swarm
    """
    from agent_swarm.cli.serving import server_settings

    flags = {"port": port, "host": host, "data_dir": data_dir, "log_level": log_level, "nats_url": nats_url}
    settings = server_settings(flags, database)
    from agent_swarm.server.main import run_server

    return run_server(settings)
