"""`agent-swarm up`: a whole swarm as one process tree."""

import asyncio
import shlex
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from agent_swarm import __version__
from agent_swarm.cli import failures
from agent_swarm.cli.address import DEFAULT_URL, server_data_dir
from agent_swarm.cli.environment import env_file_option, nats_option, server_database_option
from agent_swarm.cli.process_log import ProcessLog
from agent_swarm.cli.supervisor import Stage, Supervisor
from agent_swarm.cli.swarm_processes import DATABASE_VARIABLE, NATS_VARIABLE, Swarm, environment, free_port, stages


@click.command()
@click.option("--workers", type=click.IntRange(0, 100), default=2, show_default=True, help="How many workers.")
@click.option("--slots", type=click.IntRange(1, 1000), default=1, show_default=True, help="Tasks at a time for each.")
@click.option("--no-lead", is_flag=True, help="Run no lead.")
@click.option("--harness", help="The agent CLI for tasks that name none; default HARNESS_PROVIDER.")
@click.option("--template", help="What workers start from the first time; default TEMPLATE_ID. Such as official/coder.")
@click.option("--lead-template", help="What the lead starts from the first time, such as official/lead.")
@click.option("--port", type=click.IntRange(0, 65535), help="Default PORT, then 3013; 0 lets the system choose.")
@click.option("--host", metavar="ADDRESS", help="Default HOST, then 127.0.0.1. Any other needs API_KEY.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep everything here, the workers' files too; default DATA_DIR, then ~/.agent-swarm/server.",
)
@click.option("--quiet", "-q", is_flag=True, help="Leave out what the processes print, unless one fails.")
@server_database_option
@nats_option
@env_file_option
def up(
    *,
    workers: int,
    slots: int,
    no_lead: bool,
    harness: str | None,
    template: str | None,
    lead_template: str | None,
    port: int | None,
    host: str | None,
    data_dir: Path | None,
    quiet: bool,
    database: str | None,
    nats_url: str | None,
) -> int:
    """Run a server, a lead and workers until Ctrl-C.

    Agents keep their identity in the data directory, so a restart resumes what was paused. Ctrl-C lets the workers
    finish or pause their runs (SHUTDOWN_TIMEOUT, 30000 ms), then ends the server; a second one ends everything at once.

    \b
    Examples:
      agent-swarm up
      agent-swarm up --workers 4 --harness script
      agent-swarm up --template official/coder --lead-template official/lead
      agent-swarm up --data-dir ./swarm --port 0 --quiet
    """
    from agent_swarm.cli.serving import server_settings

    flags = {"port": port, "host": host, "data_dir": data_dir and data_dir.absolute(), "nats_url": nats_url}
    settings = server_settings(flags, database)
    told = {DATABASE_VARIABLE: settings.database_url, NATS_VARIABLE: settings.nats_url}
    environ = environment() | {name: value for name, value in told.items() if value}
    keeps_workers = data_dir is not None and not environ.get("AGENT_SWARM_WORKER_DIR", "").strip()
    swarm = Swarm(
        host=settings.host,
        port=free_port(settings.host, settings.port),
        data_dir=settings.data_dir.absolute(),
        api_key=settings.api_key,
        workers=workers,
        slots=slots,
        has_lead=not no_lead,
        harness=harness,
        template=template or environ.get("TEMPLATE_ID", ""),
        lead_template=lead_template or "",
        workers_dir=settings.data_dir / "workers" if keeps_workers else None,
        environ=environ,
    )
    log = ProcessLog(["server", *swarm.agents], quiet=quiet)

    def greet() -> None:
        for line in greeting(swarm):
            log.tell(line)

    return asyncio.run(supervise(stages(swarm), log, on_up=greet))


def greeting(swarm: Swarm) -> list[str]:
    """Where the swarm is and what to do with it."""
    agents = f"{'a lead and ' if swarm.has_lead else ''}{swarm.workers} worker{'' if swarm.workers == 1 else 's'}"
    settings = other_terminals_need(swarm)
    return [
        f"{click.style('Agent Swarm', bold=True)} {__version__} is up at {swarm.url} with {agents}",
        *([f"  in other terminals first:  export {settings}"] if settings else []),
        '  give it work:              agent-swarm task add "…" --wait',
        "  see what it does:          agent-swarm overview --watch",
        "  end it:                    Ctrl-C",
    ]


def other_terminals_need(swarm: Swarm) -> str:
    """The variables without which the commands of other terminals do not find this swarm; never the key itself."""
    variables = {"AGENT_SWARM_URL": swarm.url} if swarm.url != DEFAULT_URL else {}
    if not swarm.api_key and swarm.data_dir != server_data_dir({}).absolute():
        variables["DATA_DIR"] = str(swarm.data_dir)
    key = ["API_KEY=…"] if swarm.api_key else []
    return " ".join([*(f"{name}={shlex.quote(value)}" for name, value in variables.items()), *key])


async def supervise(planned: Sequence[Stage], log: ProcessLog, *, on_up: Callable[[], None]) -> int:
    """Run the stages until a signal comes; the exit code. SIGTERM and SIGHUP are orderly ends, Ctrl-C answers 130."""
    supervisor = Supervisor(planned, log=log, on_up=on_up)
    received: list[int] = []

    def on_signal(number: int) -> None:
        received.append(number)
        supervisor.stop()
        if len(received) == 1:
            log.tell("stopping: workers first, then the server; once more to end everything now", to_errors=True)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup means it
            loop.add_signal_handler(number, on_signal, number)
    await supervisor.run()
    return failures.INTERRUPTED if received[:1] == [signal.SIGINT] else failures.DONE
