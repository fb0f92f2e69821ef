"""`agent-swarm project create|list|stop|delete`: what concerns project VMs alone."""

import click

from agent_swarm.cli.options import json_option
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.vm.common import PROJECT, as_json, show_rows, to_errors, vm_host


@click.command()
@click.argument("name")
@click.option("--base", metavar="NAME", help="The base image; default: the newest.")
@click.option("--cpus", type=click.IntRange(1, 64), default=2, show_default=True, help="Of it and of its tasks.")
@click.option("--memory", type=click.IntRange(64), default=4096, show_default=True, metavar="MIB", help="Likewise.")
@click.option("--disk", type=click.IntRange(0), default=20, show_default=True, metavar="GIB", help="Likewise.")
@click.option("--no-setup", is_flag=True, help="Leave setup.sh out.")
@json_option
def create(*, name: str, base: str | None, cpus: int, memory: int, disk: int, no_setup: bool, as_json: bool) -> None:
    """Make a project VM of a base image.

    It boots, and is left running. A disk takes the room that it uses, not what it may grow to. Where setup.sh has
    changed since the base image was built, it is run.

    \b
    Examples:
      agent-swarm project create myapp
      agent-swarm project create big --cpus 4 --memory 8192 --disk 60
    """
    from agent_swarm.vm.projects import Size, create_project

    size = Size(cpus=cpus, memory_mb=memory, disk_gb=disk)
    row = create_project(vm_host(), name, base=base, size=size, setup=None if no_setup else to_errors)
    if as_json:
        print_json(_json(row))
    else:
        say(f"{row.ref.name} runs, made of {row.origin}")


@click.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the project VMs.

    \b
    Example:
      agent-swarm project list
    """
    from agent_swarm.vm import reconcile

    empty = "no projects; make one with: agent-swarm project create NAME"
    show_rows("projects", reconcile.projects(vm_host()), as_text=not as_json, empty=empty)


@click.command()
@click.argument("name", type=PROJECT)
@json_option
def stop(*, name: str, as_json: bool) -> None:
    """Stop a project VM; new tasks are clones of what it is then.

    Tasks that exist stay clones of what it was when they were made.

    \b
    Example:
      agent-swarm project stop myapp
    """
    from agent_swarm.vm.projects import stop_project

    did_run, generation = stop_project(vm_host(), name)
    if as_json:
        print_json({"name": name, "didRun": did_run, "generation": generation.number})
    else:
        say(f"{name} is stopped; new tasks are clones of its generation {generation.number}")


@click.command()
@click.argument("name", type=PROJECT)
@json_option
def delete(*, name: str, as_json: bool) -> None:
    """Delete a project VM that no task is cloned from.

    \b
    Example:
      agent-swarm project delete myapp
    """
    from agent_swarm.vm.projects import delete_project

    delete_project(vm_host(), name)
    if as_json:
        print_json({"name": name, "deleted": True})
    else:
        say(f"{name} is gone")


_json = as_json
