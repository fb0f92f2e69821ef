"""`agent-swarm create`, `list`, `start`, `stop`, `delete`: task VMs."""

import click

from agent_swarm.cli.options import json_option
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.vm.common import PROJECT, TASK, as_json, egress_options, show_rows, vm_host

_json = as_json


@click.command()
@click.argument("project", type=PROJECT)
@click.argument("task")
@egress_options
@json_option
def create(*, project: str, task: str, egress: str, allow: tuple[str, ...], as_json: bool) -> None:
    """Clone a project for a task.

    The clone boots, and is left running. A project that runs is stopped first, and stays so. Its guest reaches the
    model and what --allow names, by a proxy that programs find in their environment, unless --egress says otherwise.

    \b
    Examples:
      agent-swarm create myapp fix-login
      agent-swarm create myapp fix-login --allow '*.example.com' --allow git.example.org:22
      agent-swarm create myapp fix-login --egress open
    """
    from agent_swarm.vm.machine import Egress
    from agent_swarm.vm.tasks import create_task

    row = create_task(vm_host(), project, task, egress=Egress(egress), allow=allow)
    if as_json:
        print_json(_json(row))
    else:
        say(f"{row.ref.name} runs, a clone of {row.origin}")


@click.command("list")
@click.option("--project", type=PROJECT, help="Those of one project.")
@json_option
def list_(*, project: str | None, as_json: bool) -> None:
    """List the task VMs.

    \b
    Examples:
      agent-swarm list
      agent-swarm list --project myapp --json
    """
    from agent_swarm.vm import reconcile

    empty = "no tasks; clone a project with: agent-swarm create PROJECT TASK"
    show_rows("tasks", reconcile.tasks(vm_host(), project), as_text=not as_json, empty=empty)


@click.command()
@click.argument("task", type=TASK)
@json_option
def start(*, task: str, as_json: bool) -> None:
    """Start a task VM.

    \b
    Example:
      agent-swarm start fix-login
    """
    from agent_swarm.vm.tasks import start_task

    start_task(vm_host(), task)
    _tell(task, "running", f"{task} runs", as_json=as_json)


@click.command()
@click.argument("task", type=TASK)
@json_option
def stop(*, task: str, as_json: bool) -> None:
    """Stop a task VM.

    \b
    Example:
      agent-swarm stop fix-login
    """
    from agent_swarm.vm.tasks import stop_task

    did_run = stop_task(vm_host(), task)
    _tell(task, "stopped", f"{task} is stopped" if did_run else f"{task} did not run", as_json=as_json)


@click.command()
@click.argument("task", type=TASK)
@json_option
def delete(*, task: str, as_json: bool) -> None:
    """Delete a task VM with its disk and its checkpoints.

    \b
    Example:
      agent-swarm delete fix-login
    """
    from agent_swarm.vm.tasks import delete_task

    delete_task(vm_host(), task)
    _tell(task, "deleted", f"{task} is gone", as_json=as_json)


def _tell(task: str, status: str, sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": task, "status": status})
    else:
        say(sentence)
