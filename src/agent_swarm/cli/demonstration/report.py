"""What the demo says at its end."""

import shlex
from pathlib import Path

import click

from agent_swarm.cli.demonstration.promises import Promise, final_branch
from agent_swarm.cli.demonstration.record import Record
from agent_swarm.cli.demonstration.repository import Repository
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.output import print_table, say
from agent_swarm.cli.text import lasted, one_line, printable


def heading(text: str) -> None:
    """A line that begins a part."""
    say("\n" + click.style(text, bold=True))


def summary(record: Record) -> None:
    """One line for each task."""
    rows = [
        (
            task["title"],
            record.agents.get(task["agentId"], ""),
            task["attempt"],
            task["status"],
            lasted(task["startedAt"], task["finishedAt"]),
            one_line((task.get("result") or {}).get("text") or (task.get("failure") or {}).get("message"), 50),
        )
        for task in record.tasks.values()
    ]
    print_table(("TASK", "AGENT", "ATTEMPTS", "OUTCOME", "TIME", "RESULT"), rows, empty="no tasks")


def branch(record: Record, repository: Repository) -> None:
    """The final branch and its history."""
    try:
        name = final_branch(record)
        say(name)
        say(repository.graph(name))
    except CommandFailed as exc:
        say(exc.message)


def promises(checked: list[Promise]) -> None:
    """Each promise, kept or broken by what."""
    for promise in checked:
        mark = click.style("✗", fg="red") if promise.broken_by else click.style("✓", fg="green")
        say(f"{mark} {promise.sentence}" + (f": {printable(promise.broken_by)}" if promise.broken_by else ""))


def how_to_look_further(folder: Path, url: str, *, is_kept: bool, is_up: bool) -> None:
    """Where everything is, and the commands to look at it."""
    data_dir = shlex.quote(str(folder / "swarm"))
    repository = shlex.quote(str(folder / "textkit"))
    if is_up:
        say(f"The swarm stays up at {url} until Ctrl-C. In another terminal:")
        say(f"  export AGENT_SWARM_URL={url} DATA_DIR={data_dir}")
        say("  agent-swarm task list; agent-swarm task logs ID; agent-swarm watch --after 0")
    elif is_kept:
        say(f"The swarm was at {url}; everything is kept in {folder}. Start it again, with its history:")
        say(f"  agent-swarm up --harness script --data-dir {data_dir}")
    else:
        say(f"The swarm was at {url}, and its files are gone. To look around: agent-swarm demo --stay, or --keep.")
    if is_up or is_kept:
        say(f"  git -C {repository} log --graph --oneline --all")
    say('Your own swarm:  agent-swarm up      then:  agent-swarm task add "…"')
