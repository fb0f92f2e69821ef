"""What commands on VMs share: the machine that holds them, names that shells complete, rows for people and programs."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from agent_swarm import config
from agent_swarm.cli.output import print_json, print_table
from agent_swarm.cli.text import age
from agent_swarm.vm.host import VmHost, this_vm_host
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.names import VmKind
from agent_swarm.vm.registry import Registry, VmRow

Command = TypeVar("Command", bound=Callable[..., Any])


def vm_host() -> VmHost:
    """The VMs of this user."""
    return this_vm_host(config.home())


class VmName(click.ParamType[str]):
    """The name of a VM that exists; shells complete it."""

    def __init__(self, kind: VmKind) -> None:
        self.kind = kind
        self.name = kind.value

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        path = Layout(config.home()).registry
        if not path.exists():
            return []
        with Registry.open(path) as registry:
            rows = registry.projects() if self.kind is VmKind.PROJECT else registry.tasks()
        return [CompletionItem(row.ref.name) for row in rows if row.ref.name.startswith(incomplete)]


PROJECT = VmName(VmKind.PROJECT)
TASK = VmName(VmKind.TASK)


def egress_options(command: Command) -> Command:
    """`--egress` and `--allow`."""
    choice = click.Choice(["open", "allowlist", "none"])
    told = "Where the guest may connect to: anywhere, the model and listed hosts, nowhere."
    listed = "A host besides the model's: host, host:port, *.domain; again for more."
    command = click.option("--allow", multiple=True, metavar="HOST", help=listed)(command)
    return click.option("--egress", type=choice, default="allowlist", show_default=True, help=told)(command)


def to_errors(data: bytes) -> None:
    """What a guest prints while it is set up; results alone go to standard output."""
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()


def as_json(row: VmRow) -> dict[str, Any]:
    """A VM for programs."""
    known = {"name": row.ref.name, "vmId": row.ref.vm_id, "status": row.status, "provider": row.provider}
    belongs = {"project": row.project} if row.ref.kind is VmKind.TASK else {}
    return {**known, **belongs, "origin": row.origin, "createdAt": row.created_at}


def show_rows(key: str, rows: Sequence[VmRow], *, as_text: bool, empty: str) -> None:
    """VMs as a table, or as JSON under `key`."""
    if not as_text:
        print_json({key: [as_json(row) for row in rows]})
        return
    are_tasks = key == "tasks"
    headers = ("NAME", *(("PROJECT",) if are_tasks else ()), "STATUS", "PROVIDER", "FROM", "AGE")
    cells = [
        (row.ref.name, *((row.project,) if are_tasks else ()), row.status, row.provider, row.origin, _age(row))
        for row in rows
    ]
    print_table(headers, cells, empty=empty)


def _age(row: VmRow) -> str:
    text = row.created_at if "T" in row.created_at else row.created_at.replace(" ", "T") + "Z"
    try:
        return age(text)
    except ValueError:  # an older program wrote it in a way of its own
        return row.created_at
