"""`agent-swarm workflow import`: files of other systems, as workflow files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.output import say
from agent_swarm.cli.task.files import read_text
from agent_swarm.cli.text import printable

if TYPE_CHECKING:
    from agent_swarm.workflows.writing import Translated

FILES = 1_000
FILE_BYTES = 256 * 1024


@click.command("import")
@click.argument("source", metavar="PATH", type=click.Path(path_type=Path))
def import_(source: Path) -> None:
    """Print a workflow file made of one of another system.

    PATH is a WORKFLOW.md of Symphony, or the folder with the tasks of a Claude Code team. What has no place in a
    workflow is told on standard error. Nothing is started.

    \b
    Examples:
      agent-swarm workflow import WORKFLOW.md > issue.yaml
      agent-swarm workflow import ~/.claude/tasks/my-team > team.yaml
    """
    found = _of_team(source) if source.is_dir() else _of_symphony(source)
    from agent_swarm.workflows.reading import read_workflow

    read_workflow(found.text, called=str(source))  # what is printed can be run
    for line in found.left_out:
        say(f"left out: {printable(line)}", to_errors=True)
    say(found.text.rstrip("\n"))


def _of_symphony(source: Path) -> "Translated":
    from agent_swarm.workflows.symphony import translated

    return translated(read_text(str(source), what="workflow"), called=source.name)


def _of_team(folder: Path) -> "Translated":
    from agent_swarm.workflows.claude_tasks import translated

    files = sorted(folder.glob("*.json"))[: FILES + 1]
    if not files or len(files) > FILES:
        raise CommandFailed(
            f"{folder} holds {'more than ' if files else ''}{FILES if files else 'no'} tasks",
            hint="give the folder with the files 1.json, 2.json and so on of one team",
        )
    return translated(folder.resolve().name, [_task(file) for file in files])


def _task(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            content = json.loads(stream.read(FILE_BYTES + 1)[:FILE_BYTES])
    except (OSError, ValueError, RecursionError) as exc:
        raise CommandFailed(f"{file} cannot be read as JSON: {exc}", hint="give the folder of a team's tasks") from None
    if not isinstance(content, dict):
        raise CommandFailed(f"{file} holds no task", hint="give the folder of a team's tasks")
    return content
