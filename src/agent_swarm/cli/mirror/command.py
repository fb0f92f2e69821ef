"""`agent-swarm swarm mirror`: what the hooks of the Claude Code plugin run, and people who want to see it happen."""

import hashlib
import json
import os
import sys
import time
from pathlib import Path

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.failures import CommandFailed, Unreachable
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.domain.errors import SwarmError

DEFAULT_SWARM = "SWARM_DEFAULT_ID"
WHAT = "SWARM_MIRROR"
CHOICES = ("teams", "all", "off")
INPUT_BYTES = 1024 * 1024


@click.command()
@click.option(
    "--hook", is_flag=True, help="Read what a hook is told from standard input; say nothing, and exit with 0."
)
@click.option("--seconds", type=click.FloatRange(1, 600), default=60.0, show_default=True, help="No longer than this.")
@click.option("--swarm", "-s", metavar="NAME", help=f"Where they stand; default {DEFAULT_SWARM}, else in no swarm.")
@json_option
@with_client
def mirror(client: Client, *, hook: bool, seconds: float, swarm: str | None, as_json: bool) -> None:
    """Show the tasks of Claude Code's native teams on the board.

    Reads ~/.claude/tasks (CLAUDE_CONFIG_DIR), and tells the server what it does not know yet; what it cannot be told
    waits for the next time. SWARM_MIRROR=all also shows the lists of sessions without a team, off shows nothing.

    \b
    Example:
      agent-swarm swarm mirror
    """
    what = os.environ.get(WHAT, "").strip() or "teams"
    swarm = swarm or os.environ.get(DEFAULT_SWARM, "").strip()
    try:
        if what not in CHOICES:
            raise CommandFailed(f"{WHAT} is {what!r}", hint=f"expected one of: {', '.join(CHOICES)}")
        told = {"told": 0, "waiting": 0} if what == "off" else _mirrored(client, hook, seconds, swarm, what == "all")
    except (SwarmError, OSError):
        if hook:  # Claude is not held up, nor told, because a board is not to be reached
            return
        raise
    if as_json and not hook:
        print_json(told)
    elif not hook:
        say(f"{told['told']} told, {told['waiting']} waiting")


def _mirrored(client: Client, hook: bool, seconds: float, swarm: str, sessions: bool) -> Json:
    from agent_swarm import config
    from agent_swarm.cli.mirror.board import Board
    from agent_swarm.cli.mirror.kept import kept_for
    from agent_swarm.cli.mirror.native import task_of_hook, tasks_in

    until = time.monotonic() + seconds
    folder = Path(os.environ.get("CLAUDE_CONFIG_DIR", "").strip() or "~/.claude").expanduser() / "tasks"
    heard = _heard() if hook else {}
    list_id = os.environ.get("CLAUDE_CODE_TASK_LIST_ID", "")
    named = task_of_hook(heard, folder, list_id, sessions=sessions)
    server = hashlib.sha256(f"{client.server.url} {swarm}".encode()).hexdigest()[:16]
    with kept_for(config.home() / "claude-tasks", server, seconds=seconds) as kept:
        kept.note([*tasks_in(folder, sessions=sessions, now=time.time()), *([named] if named else [])], folder)
        board = Board(_impatient(client), kept, swarm=swarm, until=until)
        try:
            told = board.tell() if kept.waiting() else 0
        except Unreachable as exc:
            exc.hint = f"to be told later: {len(kept.waiting())}; {exc.hint}"
            raise
        return {"told": told, "waiting": len(kept.waiting())}


def _impatient(client: Client) -> Client:
    return Client(client.server, answer_seconds=5.0, retry_seconds=())


def _heard() -> Json:
    """What the hook is told; empty where that is nothing that could be read."""
    try:
        content = json.loads(sys.stdin.read(INPUT_BYTES))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
