"""`agent-swarm run`, `project run`, `cp`, `logs`: what is done inside a VM, and what it says."""

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import click

from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.options import json_option
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import printable
from agent_swarm.cli.vm.common import PROJECT, TASK, vm_host
from agent_swarm.vm.names import VmRef, project_ref, task_ref

_GUEST_PATH = re.compile(r"(?P<name>[^/\\:]{2,}):(?P<path>.+)", re.DOTALL)  # a letter and a colon are a drive


class AsTyped(click.Command):
    """A command of which everything behind the first argument is somebody else's, whatever it looks like."""

    allow_interspersed_args = False
    ignore_unknown_options = True


@click.command(cls=AsTyped)
@json_option
@click.argument("task", type=TASK)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(*, task: str, command: tuple[str, ...], as_json: bool) -> int:
    """Run a command in a task VM.

    Its arguments reach the guest as they were typed; it runs as worker, in that user's home. Input, output and exit
    code are the command's. At a terminal it has one, too; else Ctrl-C ends it. The VM is started where it does not
    run. Options of this command stand before TASK.

    \b
    Examples:
      agent-swarm run fix-login claude --print "fix the login bug"
      tar c . | agent-swarm run fix-login tar x -C project
      agent-swarm run --json fix-login make test
    """
    return _run(task_ref(task), command, as_json=as_json)


@click.command("run", cls=AsTyped)
@json_option
@click.argument("name", type=PROJECT)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run_in_project(*, name: str, command: tuple[str, ...], as_json: bool) -> int:
    """Run a command in a project VM.

    \b
    Example:
      agent-swarm project run myapp git clone git@example.com:team/shop.git project
    """
    return _run(project_ref(name), command, as_json=as_json)


def _run(ref: VmRef, command: tuple[str, ...], *, as_json: bool) -> int:
    from agent_swarm.vm import inside, terminal
    from agent_swarm.vm.variables.variables import variables_for

    host = vm_host()
    variables = variables_for(host, ref)
    if as_json:
        out, err = bytearray(), bytearray()
        kept = inside.Streams(stdin=_standard_input(), stdout=out.extend, stderr=err.extend)
        code = inside.run(host, ref, command, variables, kept).code
        print_json({"exitCode": code, "stdout": _text(out), "stderr": _text(err)})
        return code
    denied = _Denied(_writer(sys.stderr.buffer))
    streams = inside.Streams(stdin=_standard_input(), stdout=_writer(sys.stdout.buffer), stderr=denied.write)
    work = inside.run_at_terminal if terminal.is_there() else inside.run
    code = work(host, ref, command, variables, streams).code
    if denied.was_seen:
        say("`run` lends no SSH keys; git over SSH works in: agent-swarm ssh, with a key in ssh-add -l", to_errors=True)
    return code


class _Denied:
    """Passes errors on, and notices where a key was wanted that is not here."""

    _WORDS = b"Permission denied (publickey)"

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._last = b""
        self.was_seen = False

    def write(self, data: bytes) -> None:
        self._write(data)
        self._last = (self._last + data)[-(len(data) + len(self._WORDS)) :]
        self.was_seen = self.was_seen or self._WORDS in self._last


def _text(data: bytearray) -> str:
    return data.decode("utf-8", "replace")


def _standard_input() -> Iterable[bytes]:
    from agent_swarm.vm.guest.client import chunks_of

    return () if sys.stdin is None or sys.stdin.closed else chunks_of(sys.stdin.buffer)


def _writer(file: BinaryIO) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        file.write(data)
        file.flush()

    return write


@click.command()
@click.argument("source")
@click.argument("target")
@click.option("--project", "in_project", is_flag=True, help="The name before the colon is a project's.")
@json_option
def cp(*, source: str, target: str, in_project: bool, as_json: bool) -> None:
    """Copy files and folders into a VM, and out of it.

    One side is TASK:PATH; without a slash at its beginning the path starts at worker's home. What exists under the
    target's name is written over; a folder is copied with all that is in it.

    \b
    Examples:
      agent-swarm cp ./notes.txt fix-login:.
      agent-swarm cp fix-login:project/results.json ./results-login.json
      agent-swarm cp --project ./src myapp:project
    """
    from agent_swarm.vm import inside

    inward, outward = _GUEST_PATH.fullmatch(target), _GUEST_PATH.fullmatch(source)
    if bool(inward) == bool(outward):
        raise CommandFailed(
            f"one of {source!r} and {target!r} has to be TASK:PATH, the other one a path here",
            hint="write a path here that has a colon in it as ./a:b",
        )
    named = project_ref if in_project else task_ref
    if inward:
        inside.copy_in(vm_host(), Path(source), named(inward["name"]), inward["path"])
    elif outward:
        inside.copy_out(vm_host(), named(outward["name"]), outward["path"], Path(target))
    if as_json:
        print_json({"source": source, "target": target, "copied": True})


@click.command()
@click.argument("name", type=TASK)
@click.option("--project", "of_project", is_flag=True, help="The name is a project's.")
@click.option("--engine", is_flag=True, help="What QEMU said, instead of the guest's console.")
@click.option("--egress", is_flag=True, help="Which hosts the guest asked for in vain, instead.")
@click.option("-n", "--lines", type=click.IntRange(1), default=100, show_default=True, help="At most that many.")
@json_option
def logs(*, name: str, of_project: bool, engine: bool, egress: bool, lines: int, as_json: bool) -> None:
    """Print the last lines of a VM's console.

    \b
    Examples:
      agent-swarm logs fix-login
      agent-swarm logs --project myapp --engine
    """
    host = vm_host()
    with host.registry() as registry:
        ref = registry.get(project_ref(name) if of_project else task_ref(name)).ref
    paths = host.paths(ref)
    path = paths.egress_log if egress else paths.engine_log if engine else paths.console
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    last = text.splitlines()[-lines:]
    if as_json:
        print_json({"name": ref.name, "lines": last})
        return
    for line in last:
        say(printable(line))
