"""`agent-swarm agent profile`: what is said of an agent, and to it, in versions."""

import difflib
from pathlib import Path
from typing import Any

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.options import Labels, json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import age, one_line, printable
from agent_swarm.cli.typed_values import quiet_value

FIELDS = ("name", "role", "description", "skills", "tags", "capabilities")

agent_argument = click.argument("agent")
note_option = click.option("--note", default="", help="Why.")
expect_option = click.option(
    "--expect", type=int, metavar="VERSION", help="Only where this is the version in force.  [default: whichever is]"
)


@click.group()
def profile() -> None:
    """Say what an agent is, and what it is told.

    What is said here counts more than what the agent's worker reports. Each change is a version.

    \b
    Example:
      agent-swarm agent profile show worker-1
    """


@profile.command("show")
@agent_argument
@click.option("--version", "number", type=click.IntRange(min=1), help="An earlier version.")
@json_option
@with_client
def show(client: Client, *, agent: str, number: int | None, as_json: bool) -> None:
    """Show what is said of an agent, and what its worker reports.

    \b
    Examples:
      agent-swarm agent profile show worker-1
      agent-swarm agent profile show worker-1 --version 2
    """
    path = _path(client, agent)
    found = client.get(path if number is None else f"{path}/versions/{number}")
    if as_json:
        print_json(found)
        return
    by = f", by {found['author']}" if found["author"] else ", as its worker reports"
    say(f"version {found['version']}{by}")
    reported = found.get("reported", {})
    for name in FIELDS:
        said, heard = _shown(found[name]), _shown(reported.get(name))
        beside = f"   (its worker reports: {heard})" if found[name] is not None and heard and heard != said else ""
        if said or heard:
            say(f"{name + ':':<14} {said if found[name] is not None else heard}{beside}")
    if found["instructions"]:
        say(f"\n{printable(found['instructions'])}")


@profile.command("set")
@agent_argument
@click.option("--name", help="What it is called.")
@click.option("--role", help="What it is among the others, in a word.")
@click.option("--description", help="What it does.")
@click.option("--skills", type=Labels(), help="What it is good at, separated by commas.")
@click.option("--tags", type=Labels(), help="Which tasks may land there, separated by commas.")
@click.option("--capabilities", type=Labels(), help="Patterns: of what its worker offers only what fits one.")
@click.option("--instructions", type=click.Path(path_type=Path), metavar="FILE", help="A file; - is stdin.")
@click.option("--as-reported", multiple=True, type=click.Choice((*FIELDS, "instructions")), help="Say nothing of it.")
@expect_option
@note_option
@json_option
@with_client
def set_(
    client: Client,
    /,
    *,
    agent: str,
    instructions: Path | None,
    as_reported: tuple[str, ...],
    expect: int | None,
    note: str,
    as_json: bool,
    **said: Any,
) -> None:
    """Say something else of an agent, or to it.

    Tags and capabilities count for claims at once, instructions from the next attempt on. What is not named stays.

    \b
    Examples:
      agent-swarm agent profile set worker-1 --skills react,css --note "new team"
      agent-swarm agent profile set worker-1 --instructions style.md
      agent-swarm agent profile set worker-1 --as-reported tags
    """
    given = {name: value for name, value in said.items() if value is not None}
    body: Json = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    if instructions is not None:
        body["instructions"] = quiet_value("instructions", from_file=instructions, from_env=None)
    body |= dict.fromkeys(as_reported)
    if not body:
        raise click.UsageError("name something to say, such as --description")
    path = _path(client, agent)
    _write(client.patch, path, path, body, expect=expect, note=note, client=client, as_json=as_json)


@profile.command("versions")
@agent_argument
@json_option
@with_client
def versions(client: Client, *, agent: str, as_json: bool) -> None:
    """List who changed it, when and why.

    \b
    Example:
      agent-swarm agent profile versions worker-1
    """
    found = client.items(f"{_path(client, agent)}/versions", "versions")
    if as_json:
        print_json({"versions": found, "nextCursor": None})
        return
    rows = [
        (
            str(one["version"]),
            one_line(one["author"], 40),
            f"{age(one['madeAt'])} ago",
            one_line(f"as version {one['restored']} " if one["restored"] else "", 20) + one_line(one["note"], 60),
        )
        for one in found
    ]
    print_table(("VERSION", "BY", "MADE", "NOTE"), rows, empty="nothing is said of it: it is as its worker reports")


@profile.command("diff")
@agent_argument
@click.argument("old", type=click.IntRange(min=1))
@click.argument("new", type=click.IntRange(min=1))
@with_client
def diff(client: Client, *, agent: str, old: int, new: int) -> None:
    """Show what differs between two versions.

    \b
    Example:
      agent-swarm agent profile diff worker-1 1 3
    """
    path = _path(client, agent)
    before, after = (_lines(client.get(f"{path}/versions/{number}")) for number in (old, new))
    for line in difflib.unified_diff(before, after, f"version {old}", f"version {new}", lineterm=""):
        say(printable(line))


@profile.command("restore")
@agent_argument
@click.argument("number", type=click.IntRange(min=1))
@expect_option
@note_option
@json_option
@with_client
def restore(client: Client, *, agent: str, number: int, expect: int | None, note: str, as_json: bool) -> None:
    """Let an earlier version count again, as the next one.

    \b
    Example:
      agent-swarm agent profile restore worker-1 2 --note "the new one was worse"
    """
    path = _path(client, agent)
    where = f"{path}/versions/{number}/restore"
    _write(client.post, where, path, {}, expect=expect, note=note, client=client, as_json=as_json)


def _write(
    send: Any, where: str, path: str, body: Json, *, expect: int | None, note: str, client: Client, as_json: bool
) -> None:
    expected = client.get(path)["version"] if expect is None else expect
    changed = send(where, {**body, "expectedVersion": expected, "note": note})
    if as_json:
        print_json(changed)
    else:
        say(f"version {changed['version']} counts")


def _path(client: Client, agent: str) -> str:
    from agent_swarm.cli.task.ids import agent_id

    return f"/api/agents/{agent_id(client, agent)}/profile"


def _shown(value: Any) -> str:
    return printable(", ".join(value) if isinstance(value, list) else str(value or ""))


def _lines(version: Json) -> list[str]:
    said = [f"{name}: {_shown(version[name])}" for name in FIELDS if version[name] is not None]
    return [*said, "", *version["instructions"].splitlines()]
