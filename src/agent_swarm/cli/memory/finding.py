"""`agent-swarm memory search`, `memory ls` and `memory get`."""

from collections.abc import Sequence

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.memory.places import Placed, place_option, place_shown
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import age, one_line, printable

_MATCHED = {
    "any": "no note has all of these words; these have some",
    "meaning": "no note has these words; these mean something like it",
}


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--tag", help="Only notes with this tag.")
@click.option("--limit", type=click.IntRange(1, 50), default=10, show_default=True, help="How many at most.")
@place_option
@json_option
@with_client
def search(
    client: Client, *, words: tuple[str, ...], tag: str | None, limit: int, scope: Placed | None, as_json: bool
) -> None:
    """Find notes by their words, best first.

    Plain words; no character has a meaning of its own. Where no note has all of them, notes with some are shown. A
    server that has an embedding model finds what means the same, too.

    \b
    Examples:
      agent-swarm memory search staging database
      agent-swarm memory search deploy --scope project:shop --tag runbook
    """
    query = {"query": " ".join(words), "tag": tag, "limit": str(limit), **(scope.fields if scope else {})}
    found = client.get("/api/memory", query)
    if as_json:
        print_json(found)
        return
    if (said := _MATCHED.get(found["matched"])) and found["notes"]:
        say(said, to_errors=True)
    _print(found["notes"], empty="no note has any of these words")


@click.command()
@click.option("--tag", help="Only notes with this tag, the last 50.")
@place_option
@json_option
@with_client
def ls(client: Client, *, tag: str | None, scope: Placed | None, as_json: bool) -> None:
    """List notes by place and name.

    \b
    Examples:
      agent-swarm memory ls
      agent-swarm memory ls --scope project:shop --tag runbook
    """
    query = {"tag": tag, **(scope.fields if scope else {})}
    notes = [note for page in client.pages("/api/memory", query) for note in page["notes"]]
    if as_json:
        print_json({"notes": notes, "nextCursor": None})
    else:
        _print(notes, empty="there are no notes")


@click.command()
@click.argument("note_id", metavar="ID")
@json_option
@with_client
def get(client: Client, *, note_id: str, as_json: bool) -> None:
    """Print a note's text.

    \b
    Example:
      agent-swarm memory get 0190f3c2-7d51-7a3e-9d55-3f2a91bc0d17
    """
    note = client.get(f"/api/memory/{note_id}")
    if as_json:
        print_json(note)
    else:
        click.echo(printable(note["text"]))


def _print(notes: Sequence[Json], *, empty: str) -> None:
    rows = [
        (note["id"], note["name"], place_shown(note), f"{age(note['updatedAt'])} ago", one_line(note["snippet"], 80))
        for note in notes
    ]
    print_table(("ID", "NAME", "SCOPE", "CHANGED", "TEXT"), rows, empty=empty)
