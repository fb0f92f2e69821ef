"""`agent-swarm user`: who may log in, and what they have open. Passwords come from a prompt or from standard input."""

import sys
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

import click

from agent_swarm.cli.client import Client
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.lazy import Lazy, LazyGroup
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import age, printable
from agent_swarm.domain.roles import Role

COMMANDS = {
    "Users": {
        "add": Lazy("agent_swarm.cli.user:add", "Let somebody log in."),
        "list": Lazy("agent_swarm.cli.user:list_users", "List the users."),
        "role": Lazy("agent_swarm.cli.user:role", "Give a user another role."),
        "password": Lazy("agent_swarm.cli.user:password", "Give a user another password, and end all sessions."),
        "disable": Lazy("agent_swarm.cli.user:disable", "Keep a user from logging in, and end all sessions."),
        "enable": Lazy("agent_swarm.cli.user:enable", "Let a disabled user log in again."),
        "remove": Lazy("agent_swarm.cli.user:remove", "Remove a user, and end all sessions."),
    },
    "Sessions": {
        "sessions": Lazy("agent_swarm.cli.user:sessions", "List the sessions that go on."),
        "revoke": Lazy("agent_swarm.cli.user:revoke", "End a session, all of a user, or all there are."),
        "rotate-keys": Lazy("agent_swarm.cli.user:rotate_keys", "Have a new key sign the tokens of sessions."),
    },
}
LONGEST_LINE = 4_096
P = ParamSpec("P")

role_type = click.Choice([role.value for role in Role])
name_argument = click.argument("name", metavar="NAME")


def on_user(command: Callable[Concatenate[Client, P], None]) -> click.Command:
    """A command about the user NAME, which gets a client of the server."""
    return click.command()(name_argument(json_option(with_client(command))))


@click.group(cls=LazyGroup, sections=COMMANDS, aliases={"ls": "list", "rm": "remove"})
def user() -> None:
    """Say who may log in, as admin, operator or viewer.

    A viewer reads, an operator also files and steers tasks, an admin also looks after users. The API key is an admin.
    """


@click.command()
@name_argument
@click.option("--role", type=role_type, default=Role.VIEWER.value, show_default=True, help="What the user may do.")
@json_option
@with_client
def add(client: Client, *, name: str, role: str, as_json: bool) -> None:
    """Let somebody log in.

    The password is asked for, or read from standard input where that is no terminal.

    \b
    Examples:
      agent-swarm user add ada --role operator
      pass show swarm/ada | agent-swarm user add ada
    """
    _show(client.post("/api/users", {"name": name, "role": role, "password": read_password()}), as_json=as_json)


@click.command("list")
@json_option
@with_client
def list_users(client: Client, *, as_json: bool) -> None:
    """List the users.

    \b
    Example:
      agent-swarm user list
    """
    users = client.items("/api/users", "users")
    if as_json:
        print_json({"users": users, "nextCursor": None})
        return
    rows = [
        (
            found["name"],
            found["role"],
            "disabled" if found["isDisabled"] else "may log in",
            f"{age(found['passwordSetAt'])} ago",
        )
        for found in users
    ]
    empty = "no users; let somebody log in with: agent-swarm user add NAME"
    print_table(("NAME", "ROLE", "STATUS", "PASSWORD SET"), rows, empty=empty)


@click.command()
@name_argument
@click.argument("role", type=role_type, metavar="admin|operator|viewer")
@json_option
@with_client
def role(client: Client, *, name: str, role: str, as_json: bool) -> None:
    """Give a user another role.

    It counts from the next request on; nobody has to log in again.

    \b
    Example:
      agent-swarm user role ada admin
    """
    _change(client, name, {"role": role}, as_json=as_json)


@on_user
def password(client: Client, *, name: str, as_json: bool) -> None:
    """Give a user another password, and end all sessions.

    \b
    Examples:
      agent-swarm user password ada
      pass show swarm/ada | agent-swarm user password ada
    """
    _change(client, name, {"password": read_password()}, as_json=as_json)


@on_user
def disable(client: Client, *, name: str, as_json: bool) -> None:
    """Keep a user from logging in, and end all sessions.

    \b
    Example:
      agent-swarm user disable ada
    """
    _change(client, name, {"disabled": True}, as_json=as_json)


@on_user
def enable(client: Client, *, name: str, as_json: bool) -> None:
    """Let a disabled user log in again.

    \b
    Example:
      agent-swarm user enable ada
    """
    _change(client, name, {"disabled": False}, as_json=as_json)


@on_user
def remove(client: Client, *, name: str, as_json: bool) -> None:
    """Remove a user, and end all sessions.

    What the user did stays in the events.

    \b
    Example:
      agent-swarm user remove ada
    """
    removed = client.delete(_path(name))
    if as_json:
        print_json(removed)
    else:
        say(f"{printable(removed['name'])} is no user any more")


@click.command()
@click.option("--user", "name", metavar="NAME", help="Only those of this user.")
@json_option
@with_client
def sessions(client: Client, *, name: str | None, as_json: bool) -> None:
    """List the sessions that go on.

    \b
    Example:
      agent-swarm user sessions --user ada
    """
    query = {"user": name}
    found = [one for page in client.pages("/api/auth/sessions", query) for one in page["sessions"]]
    if as_json:
        print_json({"sessions": found, "nextCursor": None})
        return
    rows = [
        (one["id"], one["owner"], one["address"], f"{age(one['createdAt'])} ago", f"{age(one['refreshedAt'])} ago")
        for one in found
    ]
    print_table(("ID", "WHO", "FROM", "BEGUN", "REFRESHED"), rows, empty="nobody is logged in")


@click.command()
@click.argument("session_id", metavar="[ID]", required=False)
@click.option("--user", "name", metavar="NAME", help="End all sessions of this user.")
@click.option("--all", "everybody", is_flag=True, help="End every session there is.")
@with_client
def revoke(client: Client, *, session_id: str | None, name: str | None, everybody: bool) -> None:
    """End a session, all of a user, or all there are.

    \b
    Examples:
      agent-swarm user revoke --user ada
      agent-swarm user revoke --all
    """
    if sum((session_id is not None, name is not None, everybody)) != 1:
        raise click.UsageError("give the id of a session, or --user NAME, or --all")
    body: dict[str, Any] = {"sessionId": session_id} if session_id else {"user": name} if name else {"all": True}
    ended = client.post("/api/auth/revoke", body)["revoked"]
    say("ended" if ended else "there was nothing to end")


@click.command("rotate-keys")
@click.option("--at-once", is_flag=True, help="Believe the old key no longer: everybody has to log in again.")
@with_client
def rotate_keys(client: Client, *, at_once: bool) -> None:
    """Have a new key sign the tokens of sessions.

    What the old one signed counts until it runs out, unless somebody may have the key.

    \b
    Examples:
      agent-swarm user rotate-keys
      agent-swarm user rotate-keys --at-once
    """
    say(f"signs from now on: {client.post('/api/auth/keys/rotate', {'atOnce': at_once})['keyId']}")


def read_password() -> str:
    """The password that is typed twice, or the first line of standard input; never an argument: others see those."""
    if sys.stdin.isatty():
        typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return typed
    line = sys.stdin.readline(LONGEST_LINE).rstrip("\r\n")
    if not line:
        raise CommandFailed(
            "no password came on standard input", hint="pipe it in: pass show swarm/ada | agent-swarm user …"
        )
    return line


def _path(name: str) -> str:
    from urllib.parse import quote

    return f"/api/users/{quote(name, safe='')}"


def _change(client: Client, name: str, change: dict[str, Any], *, as_json: bool) -> None:
    _show(client.patch(_path(name), change), as_json=as_json)


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        state = ", disabled" if found["isDisabled"] else ""
        say(f"{printable(found['name'])}  {found['role']}{state}")
