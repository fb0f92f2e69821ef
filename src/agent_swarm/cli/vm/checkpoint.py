"""`agent-swarm checkpoint`, `restore`, `checkpoints`: a task's disk as it was."""

import click

from agent_swarm.cli.options import json_option
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import age
from agent_swarm.cli.vm.common import TASK, vm_host


@click.command()
@click.argument("task", type=TASK)
@click.argument("name", required=False)
@json_option
def checkpoint(*, task: str, name: str | None, as_json: bool) -> None:
    """Keep a task VM's disk as it is, under a name.

    Without a name it is the time. It takes no copy, so it costs no room until the disk changes. A VM that runs is
    stopped for it and started again: what was in memory is not kept.

    \b
    Example:
      agent-swarm checkpoint fix-login before-refactor
    """
    from agent_swarm.vm.checkpoints import checkpoint as make

    made = make(vm_host(), task, name)
    if as_json:
        print_json({"task": task, "name": made.name})
    else:
        say(made.name)


@click.command()
@click.argument("task", type=TASK)
@click.argument("name", required=False)
@json_option
def restore(*, task: str, name: str | None, as_json: bool) -> None:
    """Go back to a checkpoint of a task VM.

    Without a name it is the last one. What was written since is gone; other checkpoints stay. The VM is stopped then.

    \b
    Example:
      agent-swarm restore fix-login before-refactor
    """
    from agent_swarm.vm.checkpoints import restore as go_back

    found = go_back(vm_host(), task, name)
    if as_json:
        print_json({"task": task, "name": found.name, "status": "stopped"})
    else:
        say(f"{task} is as it was at {found.name}, and stopped")
        say(f"start it with: agent-swarm start {task}", to_errors=True)


@click.command()
@click.argument("task", type=TASK)
@json_option
def checkpoints(*, task: str, as_json: bool) -> None:
    """List the checkpoints of a task VM.

    \b
    Example:
      agent-swarm checkpoints fix-login
    """
    from agent_swarm.vm.checkpoints import checkpoints_of

    found = [(one.name, one.created_at.isoformat(timespec="milliseconds")) for one in checkpoints_of(vm_host(), task)]
    if as_json:
        print_json({"checkpoints": [{"name": name, "createdAt": at} for name, at in found]})
    else:
        rows = [(name, f"{age(at)} ago") for name, at in found]
        print_table(("NAME", "MADE"), rows, empty=f"no checkpoints; make one with: agent-swarm checkpoint {task}")
