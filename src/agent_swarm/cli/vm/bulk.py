"""`agent-swarm bulk`: the same for many task VMs."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from agent_swarm.cli import failures
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.options import json_option
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import printable, span
from agent_swarm.cli.vm.common import PROJECT, TASK, egress_options, vm_host
from agent_swarm.vm.bulk import Outcome, each


@click.command()
@click.argument("project", type=PROJECT)
@click.argument("tasks", nargs=-1, required=True)
@egress_options
@json_option
def create(*, project: str, tasks: tuple[str, ...], egress: str, allow: tuple[str, ...], as_json: bool) -> int:
    """Clone a project for several tasks at once.

    No more boot at a time than processors and memory carry. Exits 1 if one of them fails; the others are made.

    \b
    Example:
      agent-swarm bulk create myapp fix-login add-tests update-docs
    """
    from agent_swarm.vm import room
    from agent_swarm.vm.machine import Egress, Machine
    from agent_swarm.vm.names import project_ref
    from agent_swarm.vm.tasks import create_task

    host = vm_host()
    with host.registry() as registry:
        ref = registry.get(project_ref(project)).ref
    at_once = room.parallel(Machine.read(host.paths(ref).config).memory_mb)

    def make(task: str) -> None:
        create_task(host, project, task, egress=Egress(egress), allow=allow)

    return _carry_out("created", tasks, make, at_once, as_json=as_json)


@click.command()
@click.argument("tasks", nargs=-1, type=TASK)
@click.option("--project", type=PROJECT, help="All tasks of this project.")
@json_option
def delete(*, tasks: tuple[str, ...], project: str | None, as_json: bool) -> int:
    """Delete several task VMs at once.

    Exits 1 if one of them cannot be deleted; the others are.

    \b
    Examples:
      agent-swarm bulk delete fix-login add-tests
      agent-swarm bulk delete --project myapp
    """
    from agent_swarm.vm.names import project_ref
    from agent_swarm.vm.tasks import delete_task

    if bool(tasks) == bool(project):
        raise CommandFailed("say which: names of tasks, or --project NAME", hint="see: agent-swarm bulk delete --help")
    host = vm_host()
    names: Sequence[str] = tasks
    if project:
        with host.registry() as registry:
            found = registry.get(project_ref(project)).ref.name
            names = [row.ref.name for row in registry.tasks(found)]
    return _carry_out("deleted", names, lambda task: delete_task(host, task), 8, as_json=as_json)


def _carry_out(done: str, names: Sequence[str], work: Callable[[str], object], at_once: int, *, as_json: bool) -> int:
    outcomes = []
    with _progress(len(set(names))) as advance:
        for outcome in each(names, work, at_once=at_once):
            outcomes.append(outcome)
            if not as_json:
                _tell(done, outcome)
            advance()
    failed = sum(outcome.error is not None for outcome in outcomes)
    if as_json:
        print_json({"results": [_json(outcome) for outcome in outcomes]})
    else:
        say(f"{len(outcomes) - failed} {done}, {failed} failed")
    return failures.REFUSED if failed else failures.DONE


def _tell(done: str, outcome: Outcome) -> None:
    if outcome.error is None:
        say(f"{outcome.name}  {done} in {span(outcome.seconds)}")
    else:
        say(f"{outcome.name}  failed: {printable(outcome.error.message)}", to_errors=True)
        if outcome.error.hint:
            say(f"{'':<{len(outcome.name)}}  → {printable(outcome.error.hint)}", to_errors=True)


def _json(outcome: Outcome) -> dict[str, Any]:
    error = outcome.error and {
        "code": outcome.error.code,
        "message": outcome.error.message,
        "hint": outcome.error.hint,
    }
    return {"name": outcome.name, "ok": outcome.error is None, "error": error, "seconds": round(outcome.seconds, 3)}


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar for people at a terminal; nothing for pipes."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("VMs", total=total)
        yield lambda: progress.advance(bar)
