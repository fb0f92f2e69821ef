"""`agent-swarm worker` and `agent-swarm lead`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from agent_swarm.cli.environment import env_file_option, url_option

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS = (
    url_option,
    click.option("--id", "agent_id", metavar="UUID", help="AGENT_ID; without it one is made and kept for each name."),
    click.option("--name", "agent_name", help="AGENT_NAME; default role and host name."),
    click.option(
        "--template", "template_id", help="TEMPLATE_ID: what it starts from the first time, such as official/coder."
    ),
    click.option("--role", help="What it is, in a word, such as frontend."),
    click.option("--swarm", metavar="NAME", help="AGENT_SWARM_SWARM: the swarm it joins, where it is in none."),
    click.option("--harness", help="HARNESS_PROVIDER: the agent CLI for tasks that name none."),
    click.option("--model", help="AGENT_SWARM_MODEL: its model for tasks that name none, such as gpt-5.5:high."),
    click.option("--sandbox", help="Where runs live."),
    click.option(
        "--slots", type=click.IntRange(1, 1000), help="MAX_CONCURRENT_TASKS: how many tasks at the same time."
    ),
    click.option(
        "--offers",
        type=click.Choice(["accept", "ask"]),
        help="Tasks that it is offered: take them (default), or wait until its session or a person answers.",
    ),
    click.option("--skills", metavar="A,B", help="What it is good at; ranks, never excludes."),
    click.option("--tags", metavar="A,B", help="Decide which tasks may land here."),
    click.option("--capabilities", metavar="A,B", help="Advertised besides those found by trying."),
    click.option("--workers-dir", type=click.Path(path_type=Path), help="Its files; default ~/.agent-swarm/workers."),
    click.option("--record", is_flag=True, default=None, help="Keep what agents and models say, to be replayed."),
    click.option("--port", type=click.IntRange(0, 65535), help="PORT of its own /health; 0 means none."),
    click.option("--host", help="HOST: the address of its own /health."),
    env_file_option,
)


def worker_options(command: F) -> F:
    """The flags of a worker process."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.command()
@worker_options
def worker(**flags: Any) -> int:
    """Run a worker that takes tasks from a server.

    Flags win over the variables they name. On SIGTERM or Ctrl-C it takes nothing new, lets runs go on for
    SHUTDOWN_TIMEOUT milliseconds (30000), pauses what is left, and ends.

    \b
    Examples:
      agent-swarm worker --harness script --slots 2
      agent-swarm worker --harness codex --model gpt-5.5:high
      agent-swarm worker --template official/coder --harness claude
      API_KEY=… MCP_BASE_URL=https://swarm.example.com AGENT_ID=$(cat id) agent-swarm worker --tags gpu
    """
    return _run(flags)


@click.command()
@worker_options
def lead(**flags: Any) -> int:
    """Run a lead, which takes the tasks addressed to it.

    It is a worker with AGENT_ROLE=lead: its agents may see all tasks and file new ones.

    \b
    Example:
      agent-swarm lead --harness script --name lead
    """
    return _run({**flags, "agent_role": "lead"})


def _run(flags: dict[str, Any]) -> int:
    from agent_swarm.config import comma_separated
    from agent_swarm.worker.first_boot import decided_in, with_template
    from agent_swarm.worker.main import run_worker
    from agent_swarm.worker.settings import load_settings

    url = flags.pop("url") or click.get_current_context().find_root().params.get("url")
    for name in ("skills", "tags", "capabilities"):
        if flags[name] is not None:
            flags[name] = comma_separated(flags[name])
    flags = {**flags, "server_url": _checked(url)}
    settings = with_template(load_settings(flags=flags), decided=decided_in(os.environ, flags))
    return run_worker(settings)


def _checked(url: str | None) -> str | None:
    from agent_swarm.cli.address import checked_url

    return None if url is None else checked_url(url)
