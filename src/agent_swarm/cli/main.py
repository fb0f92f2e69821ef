"""The `agent-swarm` command: what there is and where it lives.

The verbs of VMs (`create`, `list`, `ssh`, `run`, `stop`, `status`, `project`, …) belong to the VM commands and stay
free here.
"""

from typing import NoReturn

import click

from agent_swarm import __version__
from agent_swarm.cli.environment import env_file_option, url_option
from agent_swarm.cli.lazy import Lazy
from agent_swarm.cli.program import Program

COMMANDS = {
    "Run a swarm": {
        "up": Lazy("agent_swarm.cli.up:up", "Run a server, a lead and workers until Ctrl-C."),
        "demo": Lazy("agent_swarm.cli.demo:demo", "Watch a small swarm build something, start to end."),
        "api": Lazy("agent_swarm.cli.api:api", "Run the server alone."),
        "worker": Lazy("agent_swarm.cli.worker:worker", "Run a worker that takes tasks from a server."),
        "lead": Lazy("agent_swarm.cli.worker:lead", "Run a lead, which takes the tasks addressed to it."),
        "doctor": Lazy("agent_swarm.cli.doctor:doctor", "Check what this machine has and lacks for a swarm."),
    },
    "Give it work": {
        "task": Lazy("agent_swarm.cli.task:task", "File, follow and steer tasks."),
        "repo": Lazy("agent_swarm.cli.repo:repo", "Name the git repositories that tasks work on."),
    },
    "See what happens": {
        "overview": Lazy("agent_swarm.cli.overview:overview", "Show what runs, what waits and who works."),
        "agent": Lazy("agent_swarm.cli.agent:agent", "Show the agents."),
        "watch": Lazy("agent_swarm.cli.watch:watch", "Print events as they happen, one line each."),
    },
    "Look after its data": {
        "db": Lazy("agent_swarm.cli.db:db", "Look at, migrate and copy the database."),
        "import": Lazy(
            "agent_swarm.cli.importing:importing", "Take over agents, projects and open tasks from another system."
        ),
    },
    "Your shell": {
        "completion": Lazy("agent_swarm.cli.completion:completion", "Print the completion script for a shell."),
    },
}


@click.group(
    cls=Program,
    sections=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@url_option
@env_file_option
@click.version_option(__version__, prog_name="agent-swarm", message="%(prog)s %(version)s")
def cli(url: str | None) -> None:
    """One control plane for a team of coding agents.

    \b
    agent-swarm up                                        start a swarm on this machine
    agent-swarm task add "Fix the flaky login test" --wait  give it work
    agent-swarm overview --watch                          see what it does

    Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 server unreachable or key unknown, 130 interrupted.
    """


def main() -> NoReturn:
    """Run the program on this process's arguments."""
    cli.main(prog_name="agent-swarm")
