"""The `agent-swarm` command: what there is and where it lives.

The short verbs (`create`, `list`, `run`, `stop`, `status`, `project`, …) are those of VMs.
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
        "auth": Lazy("agent_swarm.cli.auth:auth", "Import accounts of agent CLIs, and see which rest."),
        "template": Lazy("agent_swarm.cli.template:template", "Say what agents are when they start the first time."),
        "doctor": Lazy("agent_swarm.cli.doctor:doctor", "Check what this machine has and lacks for a swarm."),
    },
    "Give it work": {
        "task": Lazy("agent_swarm.cli.task:task", "File, follow and steer tasks."),
        "schedule": Lazy("agent_swarm.cli.schedule:schedule", "Have work started by the clock."),
        "trigger": Lazy("agent_swarm.cli.trigger:trigger", "Have something happen when tasks have ended."),
        "workflow": Lazy("agent_swarm.cli.workflow:workflow", "Carry out stages that wait for each other."),
        "chat": Lazy("agent_swarm.cli.chat:chat", "Talk with agents, and read what they say."),
        "repo": Lazy("agent_swarm.cli.repo:repo", "Name the git repositories that tasks work on."),
        "queue": Lazy("agent_swarm.cli.queue:queue", "Check results together, and land them on their branch."),
        "kv": Lazy("agent_swarm.cli.kv:kv", "Keep small values for agents under keys."),
        "memory": Lazy("agent_swarm.cli.memory:memory", "Keep notes for agents, and find them again."),
    },
    "See what happens": {
        "overview": Lazy("agent_swarm.cli.overview:overview", "Show what runs, what waits and who works."),
        "swarm": Lazy("agent_swarm.cli.swarm:swarm", "Group agents and tasks, under a name."),
        "agent": Lazy("agent_swarm.cli.agent:agent", "Show the agents."),
        "budget": Lazy("agent_swarm.cli.budget:budget", "Cap what may be spent, and see what was."),
        "approval": Lazy("agent_swarm.cli.approval:approval", "Answer what agents ask."),
        "conflicts": Lazy("agent_swarm.cli.conflicts:conflicts", "List running attempts that would not merge."),
        "replay": Lazy("agent_swarm.cli.replay:replay", "Run a recorded attempt once more, from its recording."),
        "watch": Lazy("agent_swarm.cli.watch:watch", "Print events as they happen, one line each."),
    },
    "Stop it": {
        "kill": Lazy("agent_swarm.cli.killing:kill", "Stop everything now: end every run, and let nothing begin."),
        "lift": Lazy("agent_swarm.cli.killing:lift", "Lift the kill switch: new work begins at once."),
    },
    "Look after people": {
        "user": Lazy("agent_swarm.cli.user:user", "Say who may log in, as admin, operator or viewer."),
    },
    "Give each task a VM": {
        "init-base": Lazy(
            "agent_swarm.cli.vm.base:init_base", "Take in or build an image that project VMs are made of."
        ),
        "project": Lazy("agent_swarm.cli.vm:project_group", "Set up project VMs, of which tasks are clones."),
        "create": Lazy("agent_swarm.cli.vm.task:create", "Clone a project for a task."),
        "list": Lazy("agent_swarm.cli.vm.task:list_", "List the task VMs."),
        "ssh": Lazy("agent_swarm.cli.vm.ssh:ssh", "Log in to a task VM."),
        "code": Lazy("agent_swarm.cli.vm.ssh:code", "Open VS Code in a task VM."),
        "run": Lazy("agent_swarm.cli.vm.running:run", "Run a command in a task VM."),
        "cp": Lazy("agent_swarm.cli.vm.running:cp", "Copy files and folders into a VM, and out of it."),
        "start": Lazy("agent_swarm.cli.vm.task:start", "Start a task VM."),
        "stop": Lazy("agent_swarm.cli.vm.task:stop", "Stop a task VM."),
        "delete": Lazy("agent_swarm.cli.vm.task:delete", "Delete a task VM with its disk and its checkpoints."),
        "bulk": Lazy("agent_swarm.cli.vm:bulk_group", "Make and delete many task VMs at once."),
        "checkpoint": Lazy("agent_swarm.cli.vm.checkpoint:checkpoint", "Keep a task VM's disk as it is, under a name."),
        "restore": Lazy("agent_swarm.cli.vm.checkpoint:restore", "Go back to a checkpoint of a task VM."),
        "checkpoints": Lazy("agent_swarm.cli.vm.checkpoint:checkpoints", "List the checkpoints of a task VM."),
        "logs": Lazy("agent_swarm.cli.vm.running:logs", "Print the last lines of a VM's console."),
        "env": Lazy("agent_swarm.cli.vm:env_group", "Keep encrypted variables for commands in VMs."),
        "status": Lazy("agent_swarm.cli.vm.machine:status", "Show how many VMs there are, and what room is left."),
        "providers": Lazy("agent_swarm.cli.vm.machine:providers", "Show what runs VMs on this machine, and on others."),
        "gc": Lazy("agent_swarm.cli.vm.machine:gc", "Remove what commands that died left behind."),
    },
    "Look after its data": {
        "config": Lazy("agent_swarm.cli.config:config", "Store values and secrets for agents."),
        "key": Lazy("agent_swarm.cli.key:key", "Look at and change the keys that secrets are encrypted with."),
        "audit": Lazy("agent_swarm.cli.audit:audit", "Prove who did what: verify, sign, export the history."),
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
