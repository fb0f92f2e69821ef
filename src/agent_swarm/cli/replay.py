"""`agent-swarm replay`."""

import asyncio
import json
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent_swarm.cli.failures import DIVERGED, DONE, REFUSED, CommandFailed
from agent_swarm.cli.options import json_option
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import printable
from agent_swarm.cli.workers_dir import workers_dir as where_workers_are
from agent_swarm.domain.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from agent_swarm.worker.replay.fork import Fork
    from agent_swarm.worker.replay.normal import Difference
    from agent_swarm.worker.replay.tape import Recording
    from agent_swarm.worker.replay.verdict import Verdict

SHOWN_FILES = 10
SHORTEST = 4  # characters of an id


@click.command()
@click.argument("attempt")
@click.option("--fork-at", type=click.IntRange(1), metavar="N", help="From request N on a real model answers.")
@click.option("--model", help="With --fork-at: the model that answers.")
@click.option("--prompt", help="With --fork-at: what it is told besides.")
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), help="A new folder for the workspace.")
@click.option("--repository", metavar="PATH", help="The project's repository; default: the worker's copy of it.")
@click.option("--workers-dir", type=click.Path(path_type=Path), help="Where the workers of this host keep recordings.")
@click.option("--sandbox", default="auto", help="Where it runs; default: the safest that works here.")
@json_option
def replay(
    *,
    attempt: str,
    fork_at: int | None,
    model: str | None,
    prompt: str | None,
    into: Path | None,
    repository: str | None,
    workers_dir: Path | None,
    sandbox: str,
    as_json: bool,
) -> int:
    """Run a recorded attempt once more, from its recording.

    ATTEMPT is TASK or TASK/NUMBER, or the path of a recording. The agent's CLI runs in a new workspace; models and
    tools answer as they did, without network and without cost. It stops at the first request that is not in the
    recording, and exits with 7.

    \b
    Examples:
      agent-swarm replay 3f2a91bc
      agent-swarm replay 3f2a91bc/2 --into /tmp/again --json
      agent-swarm replay 3f2a91bc --fork-at 4 --model claude-opus-4-5 --prompt "Write a test first."
    """
    if fork_at is None and (model or prompt):
        raise click.UsageError("--model and --prompt say how a fork goes on: give --fork-at, too")
    from agent_swarm.worker.replay.fork import Fork
    from agent_swarm.worker.replay.tape import Recording

    recording = Recording.read(_found(attempt, workers_dir or where_workers_are()))
    fork = Fork(at=fork_at, model=model, prompt=prompt) if fork_at is not None else None
    steps = len(recording.steps)
    if fork is not None and fork.at > steps + 1:
        raise InvalidInput(f"the recording has {steps} requests to a model, and no request {fork.at}")
    if repository is not None and "://" not in repository:
        repository = str(Path(repository).absolute())
    verdict = asyncio.run(_run(recording, _folder(into, recording), fork, repository, sandbox))
    if as_json:
        print_json(verdict.to_json())
    else:
        _tell(verdict, recording, is_fork=fork is not None)
    if fork is not None and verdict.divergence is None:
        return DONE if verdict.ok else REFUSED
    return DONE if verdict.is_same else DIVERGED


async def _run(
    recording: "Recording", folder: Path, fork: "Fork | None", repository: str | None, sandbox: str
) -> "Verdict":
    from agent_swarm.harness import registry
    from agent_swarm.redaction import Redactor, secrets_in
    from agent_swarm.worker import capabilities, logs
    from agent_swarm.worker.replay.again import Stage, replay

    logs.configure(Redactor(secrets_in(os.environ)), level=logging.WARNING)

    stage = Stage(
        folder=folder,
        provider=await capabilities.usable_provider(sandbox, capabilities.providers()),
        find_harness=registry.get,
        environ=os.environ,
        repository=repository,
        fork=fork,
    )
    return await replay(recording, stage)


def _found(attempt: str, workers: Path) -> Path:
    """The recording that is meant: a file, or the latest of those on this host whose task's id begins so."""
    from agent_swarm.worker.replay.tape import FILE

    for path in (Path(attempt), Path(attempt) / FILE):
        if path.is_file():
            return path
    task, _, number = attempt.lower().partition("/")
    if len(task) < SHORTEST or set(task) - set("0123456789abcdef-") or (number and not number.isdecimal()):
        raise InvalidInput(f"{attempt!r} names no attempt", hint="expected a task's id, TASK/NUMBER, or a path")
    found = [path for path in workers.glob(f"*/recordings/{task}*/{number or '*'}/{FILE}") if path.is_file()]
    if not found:
        raise NotFound(
            f"no recording of {attempt} is on this machine, in {workers}",
            hint="a recording stays on the host of the worker that made it, and the server has no copy: the attempt's "
            "`agent-swarm task logs` begins with where it is; replay it there, or copy the file here and give its path",
        )
    if len({path.parent.parent.name for path in found}) > 1:
        raise InvalidInput(f"{task!r} could be several tasks", hint="give more of the id")
    return max(found, key=lambda path: int(path.parent.name))


def _folder(into: Path | None, recording: "Recording") -> Path:
    from agent_swarm import config

    if into is None:
        above = config.home() / "replays"
        above.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Path(tempfile.mkdtemp(prefix=f"{recording.head.task_id[:8]}-{recording.head.attempt}-", dir=above))
    folder = into.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(folder.iterdir()):
            raise CommandFailed(f"{into} is not empty", hint="give a new folder to --into")
    except OSError as exc:
        raise CommandFailed(f"cannot use {into}: {exc.strerror}", hint="give another folder to --into") from exc
    return folder


def _tell(verdict: "Verdict", recording: "Recording", *, is_fork: bool) -> None:
    from agent_swarm.worker.replay.tape import FILE

    if verdict.start:
        say(f"start:  not as it was: {_files(verdict.start)}")
    if (divergence := verdict.divergence) is not None:
        say(f"steps:  diverged at request {divergence.step} of {divergence.of} ({printable(divergence.path)})")
        _show(divergence.difference, none="the recording has no such request left")
    elif is_fork:
        say(f"steps:  {verdict.steps}, the last of them by a real model")
        say(printable(verdict.result))
    else:
        rest = f"; {verdict.unasked} more are in the recording" if verdict.unasked else ""
        say(f"steps:  {verdict.steps} as recorded{rest}")
        say(f"events: {'the same' if verdict.events is None else 'not the same'}")
        _show(verdict.events, none="")
        if verdict.tree is None:
            say("tree:   the recorded run has no end to compare with")
        else:
            say(f"tree:   {'the same' if not verdict.tree else f'not the same: {_files(verdict.tree)}'}")
    if recording.head.unrecorded:
        say(f"left out: MCP servers {printable(', '.join(recording.head.unrecorded))}, which are not reached by HTTP")
    for path in recording.others if recording.path.name == FILE else ():
        say(f"another agent CLI took over: replay its part by {printable(str(path))}")
    say(f"files:  {printable(str(verdict.workspace))}")


def _show(difference: "Difference | None", *, none: str) -> None:
    if difference is None:
        if none:
            say(f"  {none}")
        return
    say(f"  at {printable(difference.at)}")
    say(f"  - {printable(json.dumps(difference.recorded, ensure_ascii=False))}")
    say(f"  + {printable(json.dumps(difference.asked, ensure_ascii=False))}")


def _files(lines: Sequence[str]) -> str:
    more = f" and {len(lines) - SHOWN_FILES} more" if len(lines) > SHOWN_FILES else ""
    return printable(", ".join(lines[:SHOWN_FILES])) + more
