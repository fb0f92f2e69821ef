"""`agent-swarm init-base`, and what concerns project VMs alone."""

from pathlib import Path

import click

from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.options import Labels, json_option
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.vm.common import PROJECT, as_json, show_rows, vm_host


@click.command("init-base")
@click.option(
    "--image",
    type=click.Path(path_type=Path),
    metavar="FILE|FOLDER",
    help="A disk image whose guest runs the agent, or a folder with disk.qcow2, vmlinuz and initrd.img.",
)
@click.option("--from-debootstrap", is_flag=True, help="Build a Debian here, with the agent in it; takes root.")
@click.option("--suite", default="bookworm", show_default=True, help="Which Debian to build.")
@click.option("--include", type=Labels(), default="", metavar="PACKAGE,…", help="Packages to put into it besides.")
@click.option("--name", help="Default: the name of the file or folder; debian-SUITE.")
@click.option("--sha256", metavar="HEX", help="What the disk image's SHA-256 has to be.")
@json_option
def init_base(
    *,
    image: Path | None,
    from_debootstrap: bool,
    suite: str,
    include: tuple[str, ...],
    name: str | None,
    sha256: str | None,
    as_json: bool,
) -> None:
    """Take in or build an image that project VMs are made of.

    It is hashed and never changed. The newest one is what `project create` takes.

    \b
    Examples:
      agent-swarm init-base --from-debootstrap
      agent-swarm init-base --from-debootstrap --include build-essential,zsh --name tools
      agent-swarm init-base --image ~/images/debian-12 --sha256 9f86d0…
    """
    if from_debootstrap == bool(image):
        raise CommandFailed("say what to make it of: --image FILE, or --from-debootstrap", hint="see --help")
    if image is not None:
        from agent_swarm.vm import images

        taken = images.take_in(vm_host().layout, image, name=name, sha256=sha256)
    else:
        from agent_swarm.vm.building import debian

        say("building a Debian takes some minutes", to_errors=True)
        taken = debian.build(vm_host().layout, name=name or f"debian-{suite}", suite=suite, include=include)
    if as_json:
        print_json({"name": taken.name, "folder": str(taken.folder), "sha256": dict(taken.sha256)})
    else:
        say(taken.name)
        say("make a project of it with: agent-swarm project create NAME", to_errors=True)


@click.command()
@click.argument("name")
@click.option("--base", metavar="NAME", help="The base image; default: the newest.")
@click.option("--cpus", type=click.IntRange(1, 64), default=2, show_default=True, help="Of it and of its tasks.")
@click.option("--memory", type=click.IntRange(64), default=4096, show_default=True, metavar="MIB", help="Likewise.")
@click.option("--disk", type=click.IntRange(0), default=20, show_default=True, metavar="GIB", help="Likewise.")
@json_option
def create(*, name: str, base: str | None, cpus: int, memory: int, disk: int, as_json: bool) -> None:
    """Make a project VM of a base image.

    It boots, and is left running. A disk takes the room that it uses, not what it may grow to.

    \b
    Examples:
      agent-swarm project create myapp
      agent-swarm project create big --cpus 4 --memory 8192 --disk 60
    """
    from agent_swarm.vm.projects import Size, create_project

    row = create_project(vm_host(), name, base=base, size=Size(cpus=cpus, memory_mb=memory, disk_gb=disk))
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
