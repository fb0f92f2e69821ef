"""`agent-swarm status`, `providers`, `gc`: this machine as it holds VMs."""

from typing import Any

import click

from agent_swarm.cli.options import json_option
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import printable, size
from agent_swarm.cli.vm.common import vm_host


@click.command()
@json_option
def status(*, as_json: bool) -> None:
    """Show how many VMs there are, and what room is left.

    \b
    Example:
      agent-swarm status
    """
    import shutil

    from agent_swarm.vm import images, reconcile, room

    host = vm_host()
    projects, tasks = reconcile.projects(host), reconcile.tasks(host)
    body: dict[str, Any] = {
        "baseImages": [image.name for image in images.listed(host.layout)],
        "projects": _counted(row.status for row in projects),
        "tasks": _counted(row.status for row in tasks),
        "freeDiskBytes": shutil.disk_usage(host.layout.root).free,
        "availableMemoryMb": room.available_memory_mb(),
    }
    if as_json:
        print_json(body)
        return
    memory = "unknown" if body["availableMemoryMb"] is None else size(body["availableMemoryMb"] << 20)
    say(f"base images  {', '.join(body['baseImages']) or 'none'}")
    say(f"projects     {_sentence(body['projects'])}")
    say(f"tasks        {_sentence(body['tasks'])}")
    say(f"room         {size(body['freeDiskBytes'])} of disk, {memory} of memory")


def _counted(statuses: Any) -> dict[str, int]:
    counts = {"running": 0, "stopped": 0, "broken": 0}
    for one in statuses:
        counts[one] += 1
    return counts


def _sentence(counts: dict[str, int]) -> str:
    shown = [f"{count} {name}" for name, count in counts.items() if count or name != "broken"]
    return ", ".join(shown)


@click.command()
@click.option("--again", is_flag=True, help="Boot the probe guest anew, whatever is known.")
@json_option
def providers(*, again: bool, as_json: bool) -> None:
    """Show what runs VMs on this machine, and on others.

    QEMU runs all of them, each system's with what that system has to speed it up. Whether that works is found out by
    booting a guest of a few instructions, once.

    \b
    Example:
      agent-swarm providers
    """
    from agent_swarm.vm.qemu.survey import survey

    found = survey(vm_host().layout, again=again)
    if as_json:
        print_json({"providers": found})
        return
    rows = [
        (one["name"], "yes" if one["available"] else "no", one["accelerator"] or "", one["proven"], one["detail"])
        for one in found
    ]
    print_table(("NAME", "AVAILABLE", "ACCELERATOR", "PROVEN BY", "DETAIL"), rows, empty="none")


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would go, and leave it.")
@click.option("--unknown", is_flag=True, help="Also files of VMs that the registry does not know.")
@json_option
def gc(*, dry_run: bool, unknown: bool, as_json: bool) -> None:
    """Remove what commands that died left behind.

    A download that was cut off is kept for a week, for `init-base` to go on with. VMs that the registry does not know
    are left alone, unless asked for: they may be somebody's work.

    \b
    Example:
      agent-swarm gc --dry-run --unknown
    """
    from datetime import UTC, datetime

    from agent_swarm.vm.cleaning import collect

    found = collect(vm_host(), unknown=unknown, is_rehearsal=dry_run, now=datetime.now(UTC))
    if as_json:
        removed = [{"path": str(one.path), "why": one.why, "bytes": one.size_bytes} for one in found]
        print_json({"removed": not dry_run, "leftovers": removed})
        return
    for one in found:
        say(f"{printable(one.path)}  {size(one.size_bytes)}  {one.why}")
    say(f"{len(found)} {'to remove' if dry_run else 'removed'}", to_errors=True)
