"""`agent-swarm memory store` and `memory rm`."""

import sys
from pathlib import Path

import click

from agent_swarm.cli.client import Client
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.memory.places import Placed, place_option, place_shown
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import printable

_MOST_BYTES = 1024 * 1024  # of a file that is read; the server says what is too much


@click.command()
@click.argument("text", required=False)
@click.option("--name", help="Its name, one per scope; the same name again replaces it.")
@click.option("--tag", "tags", multiple=True, help="A word to list it by; may be given more than once.")
@click.option("--from-file", type=click.Path(path_type=Path), metavar="FILE", help="Read the text from a file.")
@place_option
@json_option
@with_client
def store(
    client: Client,
    *,
    text: str | None,
    name: str | None,
    tags: tuple[str, ...],
    from_file: Path | None,
    scope: Placed | None,
    as_json: bool,
) -> None:
    """Store a note, or replace the one with its name.

    The text is an argument, a file, or what comes on standard input. Without --scope it is the swarm's.

    \b
    Examples:
      agent-swarm memory store "The staging database is reset every night" --tag staging
      agent-swarm memory store --name "how to deploy" --from-file DEPLOY.md --scope project:shop
      git log -5 | agent-swarm memory store --name "last changes" --scope project:shop
    """
    if text is not None and from_file is not None:
        raise click.UsageError("give the text itself, or --from-file, not both")
    body = {
        "text": text if text is not None else _read(from_file),
        "tags": list(tags),
        **({"name": name} if name else {}),
        **(scope.fields if scope else {}),
    }
    stored = client.post("/api/memory", body)
    if as_json:
        print_json(stored)
    else:
        say(f"{stored['id']}  {printable(stored['name'])}  {printable(place_shown(stored))}")


@click.command()
@click.argument("note_id", metavar="ID")
@json_option
@with_client
def rm(client: Client, *, note_id: str, as_json: bool) -> None:
    """Remove a note.

    \b
    Example:
      agent-swarm memory rm 0190f3c2-7d51-7a3e-9d55-3f2a91bc0d17
    """
    removed = client.delete(f"/api/memory/{note_id}")
    if as_json:
        print_json(removed)
    else:
        say(f"removed {printable(removed['name'])}  {printable(place_shown(removed))}")


def _read(path: Path | None) -> str:
    if path is None:
        if sys.stdin.isatty():
            raise click.UsageError("give the text, --from-file, or text on standard input")
        return sys.stdin.read(_MOST_BYTES)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise CommandFailed(f"cannot read {path}: {reason}", hint="check --from-file") from exc
