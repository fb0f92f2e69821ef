"""The commands on VMs: the top-level verbs, and the group `project`. One file per group of verbs."""

import click

from agent_swarm.cli.lazy import Lazy, LazyGroup

PROJECT_COMMANDS = {
    "Commands": {
        "create": Lazy("agent_swarm.cli.vm.project:create", "Make a project VM of a base image."),
        "list": Lazy("agent_swarm.cli.vm.project:list_", "List the project VMs."),
        "ssh": Lazy("agent_swarm.cli.vm.ssh:ssh_to_project", "Log in to a project VM."),
        "code": Lazy("agent_swarm.cli.vm.ssh:code_in_project", "Open VS Code in a project VM."),
        "run": Lazy("agent_swarm.cli.vm.running:run_in_project", "Run a command in a project VM."),
        "stop": Lazy("agent_swarm.cli.vm.project:stop", "Stop a project VM; new tasks are clones of what it is then."),
        "delete": Lazy("agent_swarm.cli.vm.project:delete", "Delete a project VM that no task is cloned from."),
    }
}
BULK_COMMANDS = {
    "Commands": {
        "create": Lazy("agent_swarm.cli.vm.bulk:create", "Clone a project for several tasks at once."),
        "delete": Lazy("agent_swarm.cli.vm.bulk:delete", "Delete several task VMs at once."),
    }
}
ENV_COMMANDS = {
    "Commands": {
        "set": Lazy("agent_swarm.cli.vm.env:set_", "Set a variable for commands in VMs."),
        "list": Lazy("agent_swarm.cli.vm.env:list_", "List the names of variables; values are never shown."),
        "rm": Lazy("agent_swarm.cli.vm.env:remove", "Remove a variable."),
    }
}


@click.group("project", cls=LazyGroup, sections=PROJECT_COMMANDS, aliases={"ls": "list"})
def project_group() -> None:
    """Set up project VMs, of which tasks are clones."""


@click.group("bulk", cls=LazyGroup, sections=BULK_COMMANDS)
def bulk_group() -> None:
    """Make and delete many task VMs at once."""


@click.group("env", cls=LazyGroup, sections=ENV_COMMANDS, aliases={"ls": "list", "remove": "rm"})
def env_group() -> None:
    """Keep encrypted variables for commands in VMs."""
