"""`agent-swarm demo`: a small swarm that builds something real, and proof that it did what it promised."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import click

from agent_swarm.cli import agent_checks, failures, orphans
from agent_swarm.cli.demonstration import plan, promises, report
from agent_swarm.cli.demonstration.record import read_record
from agent_swarm.cli.demonstration.repository import Repository
from agent_swarm.cli.demonstration.story import tell
from agent_swarm.cli.demonstration.swarm import DemoSwarm, running
from agent_swarm.cli.extras import require
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.output import say
from agent_swarm.domain.errors import SwarmError
from agent_swarm.harness import registry

SECONDS = {"script": 90}  # for all the work; with a model
SECONDS_OF_A_MODEL = 900


@click.command()
@click.option("--keep", is_flag=True, help="Keep the files: repository, database, transcripts.")
@click.option("--stay", is_flag=True, help="Keep the swarm running afterwards, until Ctrl-C.")
@click.option(
    "--harness",
    type=click.Choice(("script", *registry.AGENT_CLIS)),
    default="script",
    show_default=True,
    help="Who writes the two functions.",
)
@click.option("--timeout", type=click.IntRange(min=1), help="Seconds for all the work; default 90, with a model 900.")
def demo(*, keep: bool, stay: bool, harness: str, timeout: int | None) -> int:
    """Watch a small swarm build something, start to end.

    It needs no key and no model: the agents follow scripts. Everything else is real: a server, a lead and two workers
    as processes, worktrees of a git repository, commits, unit tests, a task that fails and is tried again. At the end
    it checks what it promised, exits 1 if anything does not hold, and leaves no process behind.

    With --harness claude or codex the two functions are written by that agent, at the same time, with your credentials.

    \b
    Examples:
      agent-swarm demo
      agent-swarm demo --stay
      ANTHROPIC_API_KEY=… agent-swarm demo --harness claude
    """
    require("server")
    if harness in registry.AGENT_CLIS:
        _require(harness)
    signal.signal(signal.SIGTERM, _leave)
    orphans.adopt()
    folder = Path(tempfile.mkdtemp(prefix="agent-swarm-demo-"))
    is_kept = keep
    try:
        seconds = timeout or SECONDS.get(harness, SECONDS_OF_A_MODEL)
        is_well = _perform(folder, keep=keep, stay=stay, coder=harness, seconds=seconds)
        is_kept = keep or not is_well
        return failures.DONE if is_well else failures.REFUSED
    except SwarmError:
        is_kept = True
        raise
    finally:
        orphans.kill_all()
        if is_kept:
            say(f"files: {folder}", to_errors=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _perform(folder: Path, *, keep: bool, stay: bool, coder: str, seconds: float) -> bool:
    """The whole demo; whether all promises hold."""
    repository = Repository.create(folder / plan.PROJECT)
    first_commit = repository.head("HEAD")
    say("Starting a server, a lead and two workers…")
    with running(folder / "swarm") as swarm:
        say(f"The swarm is up at {swarm.server.url}")
        checked = _work(swarm, repository, first_commit, coder, seconds)
        report.heading("Promises")
        report.promises(checked)
        if stay:
            _stay(folder, swarm)
        ended = promises.nothing_left(swarm.stop())
    report.promises([ended])
    if not stay:
        report.heading("Where to look")
        report.how_to_look_further(folder, swarm.server.url, is_kept=keep, is_up=False)
        if coder not in registry.AGENT_CLIS:
            say(agent_checks.in_a_sentence("claude"))
            say(agent_checks.in_a_sentence("codex"))
    return not any(promise.broken_by for promise in (*checked, ended))


def _require(harness: str) -> None:
    """Raises CommandFailed where this agent CLI could not work here."""
    cli = registry.AGENT_CLIS[harness]
    found = cli.find(os.environ)
    if found is None or not found.is_usable:
        raise CommandFailed(f"{cli.title} cannot be used here", hint=agent_checks.in_a_sentence(harness))


def _stay(folder: Path, swarm: DemoSwarm) -> None:
    report.heading("Where to look")
    report.how_to_look_further(folder, swarm.server.url, is_kept=False, is_up=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


def _work(
    swarm: DemoSwarm, repository: Repository, first_commit: str, coder: str, seconds: float
) -> list[promises.Promise]:
    client = swarm.client
    client.create("/api/projects", {"name": plan.PROJECT, "repoUrl": str(repository.path)})
    lead = next(agent for agent in client.items("/api/agents", "agents") if agent["isLead"])
    planning = plan.planning_task(lead["id"], coder)
    report.heading(f"One task for the lead: {planning['title']}")
    filed = tell(client, planning, seconds=seconds)
    record = read_record(client, filed)
    report.heading("What came of it")
    report.summary(record)
    checked = promises.check(record, repository, first_commit=first_commit)
    report.heading("The work of all on one branch")
    report.branch(record, repository)
    return checked


def _leave(_number: int, _frame: object) -> NoReturn:
    """SIGTERM unwinds like Ctrl-C, so that nothing is left behind."""
    sys.exit(128 + signal.SIGTERM)
