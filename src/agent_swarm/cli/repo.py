"""`agent-swarm repo`: the git repositories that tasks work on; the API calls them projects."""

import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import click

from agent_swarm.cli.client import Client
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.lazy import Lazy, LazyGroup
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import age, printable

COMMANDS = {
    "Commands": {
        "add": Lazy("agent_swarm.cli.repo:add", "Name a git repository, by its path or URL."),
        "ls": Lazy("agent_swarm.cli.repo:ls", "List the repositories."),
    }
}
SCP_ADDRESS = re.compile(r"[\w.-]+@[\w.-]+:.+")  # git@example.com:team/shop.git


@click.group(cls=LazyGroup, sections=COMMANDS, aliases={"list": "ls"})
def repo() -> None:
    """Name the git repositories that tasks work on.

    Each attempt works in a worktree of its own, on the branch swarm/<task>/<attempt>.
    """


@click.command()
@click.argument("path_or_url", metavar="PATH|URL")
@click.option("--name", help="Default: the last part of the path or URL.")
@click.option("--branch", default="", help="Where work starts from; default: the repository's own.")
@json_option
@with_client
def add(client: Client, *, path_or_url: str, name: str | None, branch: str, as_json: bool) -> None:
    """Name a git repository, by its path or URL.

    A path has to be there for the workers too.

    \b
    Examples:
      agent-swarm repo add ~/src/shop
      agent-swarm repo add git@example.com:team/shop.git --name shop --branch main
    """
    address = path_or_url if is_url(path_or_url) else str(repository_at(Path(path_or_url).expanduser()))
    body = {"name": name or name_from(address), "repoUrl": address, **({"defaultBranch": branch} if branch else {})}
    created = client.create("/api/projects", body)
    if as_json:
        print_json(created)
    else:
        say(f"{printable(created['name'])}  {printable(created['repoUrl'])}")
        say(f'work on it with: agent-swarm task add --project {created["name"]} "…"', to_errors=True)


@click.command()
@json_option
@with_client
def ls(client: Client, *, as_json: bool) -> None:
    """List the repositories.

    \b
    Example:
      agent-swarm repo ls
    """
    projects = client.items("/api/projects", "projects")
    if as_json:
        print_json({"projects": projects, "nextCursor": None})
        return
    rows = [
        (found["name"], found["defaultBranch"] or "its own", found["repoUrl"], f"{age(found['createdAt'])} ago")
        for found in projects
    ]
    empty = "no repositories; name one with: agent-swarm repo add PATH"
    print_table(("NAME", "BRANCH", "WHERE", "ADDED"), rows, empty=empty)


def is_url(text: str) -> bool:
    """It names a repository by URL or as git@host:path; anything else is a path."""
    return bool(urlsplit(text).netloc or SCP_ADDRESS.fullmatch(text)) and not Path(text).exists()


def repository_at(path: Path) -> Path:
    """The root of the git repository that `path` lies in; raises CommandFailed where there is none."""
    if not path.is_dir():
        raise CommandFailed(f"{path} is not a directory", hint="give a git repository by its path or URL")
    try:
        asked = subprocess.run(
            ["git", "-C", path, "rev-parse", "--path-format=absolute", "--is-bare-repository", "--show-toplevel"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as exc:
        raise CommandFailed("git is not installed", hint="install git; workers need it too") from exc
    if asked.stdout.startswith("true"):
        return path.resolve()
    if asked.returncode != 0:
        raise CommandFailed(f"{path} is not a git repository: {asked.stderr.strip()}", hint="run there: git init")
    return Path(asked.stdout.splitlines()[1])


def name_from(address: str) -> str:
    """The last part of a path or URL, as far as a name may have it."""
    last = re.split(r"[/:]", address.rstrip("/"))[-1].removesuffix(".git")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-._")
    if not name:
        raise CommandFailed(f"no name can be made from {address!r}", hint="give one with --name")
    return name
