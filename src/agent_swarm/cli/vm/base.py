"""`agent-swarm init-base`: the images that project VMs are made of."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.options import Labels, json_option
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import size
from agent_swarm.cli.vm.common import to_errors, vm_host

if TYPE_CHECKING:
    from agent_swarm.vm.building.download import Progress
    from agent_swarm.vm.images import BaseImage

DEFAULT_NAME = "ubuntu-24.04"


@click.command("init-base")
@click.option(
    "--image",
    type=click.Path(path_type=Path),
    metavar="FILE|FOLDER",
    help="A disk image, or a folder with disk.qcow2, vmlinuz and initrd.img; its guest runs the agent.",
)
@click.option("--prepare", is_flag=True, help="With --image: it is a cloud image, which is given the agent here.")
@click.option("--url", metavar="URL", help="Another cloud image than Ubuntu's; takes --sha256.")
@click.option("--from-debootstrap", is_flag=True, help="Build a Debian here, with the agent in it; takes root.")
@click.option("--suite", default="bookworm", show_default=True, help="Which Debian to build.")
@click.option("--include", type=Labels(), default="", metavar="PACKAGE,…", help="Packages to put into it besides.")
@click.option("--no-setup", is_flag=True, help="Do not run setup.sh in a cloud image.")
@click.option("--name", help=f"Default: {DEFAULT_NAME}; the name of the file or folder; debian-SUITE.")
@click.option("--sha256", metavar="HEX", help="What the disk image's SHA-256 has to be.")
@json_option
def init_base(
    *,
    image: Path | None,
    prepare: bool,
    url: str | None,
    from_debootstrap: bool,
    suite: str,
    include: tuple[str, ...],
    no_setup: bool,
    name: str | None,
    sha256: str | None,
    as_json: bool,
) -> None:
    """Take in or build an image that project VMs are made of.

    Without an option it fetches the cloud image of Ubuntu 24.04, boots it once, gives it the agent, and runs
    ~/.agent-swarm/setup.sh in it, which is written there at first and is yours to edit. A fetch that was cut off goes
    on where it stopped. An image is hashed and never changed; the newest one is what `project create` takes.

    \b
    Examples:
      agent-swarm init-base
      agent-swarm init-base --url https://images.example.com/debian-12.qcow2 --sha256 9f86d0… --name debian
      agent-swarm init-base --image ~/cloud.img --prepare
      agent-swarm init-base --image ~/images/debian-12
      agent-swarm init-base --from-debootstrap --include build-essential,zsh --name tools
    """
    from agent_swarm.vm.cleaning import take_back

    if sum((from_debootstrap, bool(image), bool(url))) > 1:
        raise CommandFailed("say one source: --image, --url or --from-debootstrap", hint="see --help")
    if prepare and image is None:
        raise CommandFailed("--prepare is about --image", hint="what is fetched is prepared anyhow")
    take_back(vm_host())
    if from_debootstrap:
        from agent_swarm.vm.building import debian

        say("building a Debian takes some minutes", to_errors=True)
        taken = debian.build(vm_host().layout, name=name or f"debian-{suite}", suite=suite, include=include)
    elif image is not None and not prepare:
        from agent_swarm.vm import images

        taken = images.take_in(vm_host().layout, image, name=name, sha256=sha256)
    elif image is not None:
        taken = _prepared(image, name or image.name.partition(".")[0], sha256, with_setup=not no_setup)
    else:
        taken = _fetched(url, name, sha256, with_setup=not no_setup)
    if as_json:
        print_json({"name": taken.name, "folder": str(taken.folder), "sha256": dict(taken.sha256)})
    else:
        say(taken.name)
        say("make a project of it with: agent-swarm project create NAME", to_errors=True)


def _fetched(url: str | None, name: str | None, sha256: str | None, *, with_setup: bool) -> "BaseImage":
    from agent_swarm.vm import images
    from agent_swarm.vm.building import cloud
    from agent_swarm.vm.building.download import published_sha256
    from agent_swarm.vm.qemu import programs
    from agent_swarm.vm.qemu.hosts import this_host

    host = vm_host()
    programs.emulator(this_host())  # before hundreds of megabytes come
    if url is not None and (sha256 is None or name is None):
        raise CommandFailed("--url takes --sha256 and --name", hint="whoever offers an image tells its checksum")
    chosen = name or DEFAULT_NAME
    images.require_absent(host.layout, chosen)
    source, sums = (url, "") if url is not None else cloud.ubuntu_urls(this_host())
    expected = sha256 or published_sha256(source, sums)
    say(f"fetching {source}", to_errors=True)
    with ExitStack() as held, ExitStack() as bar:
        progress = bar.enter_context(_bar())
        part = held.enter_context(cloud.fetched(host.layout, source, sha256=expected, progress=progress))
        bar.close()
        return _prepared(part, chosen, None, with_setup=with_setup, origin=f"{source} {expected}")


def _prepared(source: Path, name: str, sha256: str | None, *, with_setup: bool, origin: str = "") -> "BaseImage":
    from agent_swarm.vm import images, setup_script
    from agent_swarm.vm.building import cloud

    host = vm_host()
    if sha256 is not None:
        images.require_sha256(images.parts_of(source)[images.DISK], sha256)
    setup = setup_script.written_once(host.layout) if with_setup else None
    told = cloud.Told(step=lambda text: say(text, to_errors=True), output=to_errors)
    return cloud.build(host, source, name=name, setup=setup, told=told, origin=origin)


@contextmanager
def _bar() -> "Iterator[Progress]":
    """A bar at a terminal; a line per tenth for pipes and logs."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

        columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            bar = bars.add_task("image", total=None)
            yield lambda here, total: bars.update(bar, completed=here, total=total or None)
        return
    told = -1

    def tell(here: int, total: int) -> None:
        nonlocal told
        tenth = 10 * here // total if total else 0
        if tenth != told and total:
            told = tenth
            say(f"{size(here)} of {size(total)}", to_errors=True)

    yield tell
