"""`agent-swarm task attachments`."""

import base64
from pathlib import Path
from urllib.parse import quote

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.task.ids import task_id
from agent_swarm.cli.text import age, printable


@click.command()
@click.argument("id")
@click.argument("name", required=False)
@click.option("--attempt", type=click.IntRange(1), help="Of this attempt; default: the latest that left one.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write the file there.")
@json_option
@with_client
def attachments(
    client: Client, *, id: str, name: str | None, attempt: int | None, output: Path | None, as_json: bool
) -> None:
    """Show files that attempts left with a task.

    Without NAME it lists them.

    \b
    Examples:
      agent-swarm task attachments 3f2a91bc
      agent-swarm task attachments 3f2a91bc report.md
      agent-swarm task attachments 3f2a91bc screen.png --output screen.png
    """
    where = f"/api/tasks/{task_id(client, id)}/attachments"
    if name is None:
        if attempt is not None or output is not None:
            raise click.UsageError("name the file that --attempt and --output are about")
        _list(client.items(where, "attachments"), as_json=as_json)
        return
    found = client.get(f"{where}/{quote(name, safe='')}", {"attempt": str(attempt)} if attempt is not None else None)
    if output is not None:
        try:
            output.write_bytes(_content(found))
        except OSError as exc:
            raise click.FileError(str(output), exc.strerror) from exc
        say(f"wrote {found['bytes']} bytes to {output}", to_errors=True)
    elif as_json:
        print_json(found)
    elif found["text"] is None:
        raise click.UsageError(f"{name} is no text ({found['mediaType']}); save it with --output FILE")
    else:
        say(printable(found["text"].removesuffix("\n")))


def _list(found: list[Json], *, as_json: bool) -> None:
    if as_json:
        print_json({"attachments": found})
        return
    rows = [
        [one["name"], str(one["attempt"]), one["mediaType"], str(one["bytes"]), f"{age(one['storedAt'])} ago"]
        for one in found
    ]
    print_table(["NAME", "ATTEMPT", "TYPE", "BYTES", "STORED"], rows, empty="its attempts left no files")


def _content(found: Json) -> bytes:
    return base64.b64decode(found["base64"]) if found["text"] is None else str(found["text"]).encode()
