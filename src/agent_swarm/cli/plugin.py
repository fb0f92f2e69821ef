"""`agent-swarm swarm status|task|chat|project`: the Swarm plugin's commands, over its routes."""

import os
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.options import Labels, json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import one_line, printable, short_id

DEFAULT_SWARM = "SWARM_DEFAULT_ID"
GLYPHS = {"idle": "🟢 IDLE", "working": "🔵 WORKING", "offline": "⚪ OFFLINE", "stopped": "🔴 STOPPED"}
ACTIONS = ("create", "init", "sync", "status")
PRIORITIES = ("low", "medium", "high", "urgent")

F = TypeVar("F", bound=Callable[..., Any])


def swarm_option(command: F) -> F:
    """Say which swarm is meant."""
    return click.option(
        "--swarm", "-s", metavar="NAME", help=f"Its name or id; default {DEFAULT_SWARM}, else the only one there is."
    )(command)


@click.command()
@click.argument("name", required=False, metavar="[NAME]")
@json_option
@with_client
def status(client: Client, *, name: str | None, as_json: bool) -> None:
    """Show a swarm at a glance.

    Its agents and what they do, its tasks by status, its last messages.

    NAME is its name or id; default SWARM_DEFAULT_ID, else the only swarm there is.

    \b
    Example:
      agent-swarm swarm status checkout
    """
    told = client.get(f"{_path(client, name)}/status")
    if as_json:
        print_json(told)
        return
    found = told["swarm"]
    say("=== SWARM ===")
    say(f"Name: {printable(found['name'])}\nStatus: {found['status']}\nSandboxes: {told['sandboxes']}")
    if told["project"]:
        say(f"Project: {printable(told['project']['name'])}")
    say("\n=== AGENTS ===")
    for agent in told["agents"]:
        role = f" ({printable(agent['role'])})" if agent["role"] else ""
        say(f"[{GLYPHS[agent['status']]}] {printable(agent['name'])}{role}")
        if agent["currentTask"]:
            say(f"└─ Task: {agent['currentTask']}")
    say("\n=== TASKS ===")
    for word, number in told["tasks"].items():
        if number or word in ("pending", "running", "completed"):
            say(f"{word.capitalize()}: {number}")
    if told["recentChat"]:
        say("\n=== CHAT ===")
        for message in told["recentChat"]:
            say(f"{printable(message['fromName'])}: {one_line(message['message'], 100)}")


@click.command()
@click.argument("title")
@click.argument("tags", required=False, default="", type=Labels(), metavar="[TAGS]")
@click.argument("priority", required=False, type=click.Choice(PRIORITIES), metavar="[PRIORITY]")
@click.argument("depends", required=False, default="", type=Labels(), metavar="[DEPENDS]")
@click.option("--description", "-d", default="", help="What the agent is told below the title.")
@swarm_option
@json_option
@with_client
def task(
    client: Client,
    *,
    title: str,
    tags: tuple[str, ...],
    priority: str | None,
    depends: tuple[str, ...],
    description: str,
    swarm: str | None,
    as_json: bool,
) -> None:
    """File a task in a swarm.

    It is for an agent that has one of TAGS among its skills, its tags and its role. TAGS and DEPENDS are separated
    by commas; PRIORITY is low, medium, high or urgent. DEPENDS are tasks to wait for.

    \b
    Examples:
      agent-swarm swarm task "Create Button component"
      agent-swarm swarm task "Create Button" frontend,ui high
      agent-swarm swarm task "Test Button" qa,test medium 0197a1c2
    """
    body: dict[str, Any] = {"title": title, "tags": list(tags), "description": description}
    if priority:
        body["priority"] = priority
    if depends:
        from agent_swarm.cli.task.ids import task_id

        body["dependsOn"] = [task_id(client, one) for one in depends]
    filed = client.create(f"{_path(client, swarm)}/tasks", body)
    if as_json:
        print_json(filed)
        return
    say(f"{filed['id']}  {filed['status']}  {printable(filed['title'])}")
    say(f"follow it with: agent-swarm task logs {short_id(filed['id'])} --follow", to_errors=True)


@click.command()
@click.argument("message", required=False, metavar="[MESSAGE]")
@click.argument("mentions", nargs=-1, metavar="[@MENTION]...")
@click.option("--limit", type=click.IntRange(1, 200), default=20, help="How many to show; default 20.")
@swarm_option
@json_option
@with_client
def chat(
    client: Client,
    *,
    message: str | None,
    mentions: tuple[str, ...],
    limit: int,
    swarm: str | None,
    as_json: bool,
) -> None:
    """Say something in its chat, or read it.

    Without MESSAGE, what was said is shown. A mention is an agent's name, a role, or @all: an idle agent that is
    mentioned wakes up.

    \b
    Examples:
      agent-swarm swarm chat "Hello team!"
      agent-swarm swarm chat "What's the status?" @frontend
      agent-swarm swarm chat --limit 5
    """
    path = f"{_path(client, swarm)}/chat"
    if message is None:
        _show_chat(client.get(path, {"limit": limit}), as_json=as_json)
        return
    posted = client.create(path, {"message": message, "mentions": list(mentions)})
    if as_json:
        print_json(posted)
        return
    say(f"{short_id(posted['id'])}  sent")
    for one in posted["unresolved"]:
        say(f"{printable(one['mention'])} reaches nobody", to_errors=True)


@click.command()
@click.argument("action", type=click.Choice(ACTIONS), metavar="ACTION")
@click.argument("name", required=False, metavar="[NAME]")
@click.argument("git_url", required=False, metavar="[GITURL]")
@click.option("--branch", default="", help="Where work starts from; default: the repository's own.")
@click.option("--wait", "seconds", type=click.FloatRange(0, 120), default=60.0, help="Seconds for reports; default 60.")
@swarm_option
@json_option
@with_client
def project(
    client: Client,
    *,
    action: str,
    name: str | None,
    git_url: str | None,
    branch: str,
    seconds: float,
    swarm: str | None,
    as_json: bool,
) -> None:
    """Create, init, sync or show its project.

    ACTION is create, init, sync or status. create names a repository and gives it to the swarm; init and sync have
    every sandbox fetch it, and report. What
    agents work on is never touched. NAME is the project's; default: the one of the swarm.

    \b
    Examples:
      agent-swarm swarm project create shop https://example.com/shop.git
      agent-swarm swarm project init
      agent-swarm swarm project sync --swarm checkout
    """
    path = _path(client, swarm)
    if action == "create":
        if not name or not git_url:
            raise click.UsageError("create takes NAME and GITURL")
        swarm_id = client.get(path)["id"]
        body = {"name": name, "gitUrl": git_url, "branch": branch, "swarm": swarm_id}
        made = client.create("/projects", body)
        if as_json:
            print_json(made)
        else:
            say(f"{printable(made['name'])}  {printable(made['gitUrl'])}")
        return
    if action == "status":
        _show_copies(client.get(f"{path}/project"), as_json=as_json)
        return
    swarm_id = client.get(path)["id"]
    named = name or client.get(f"{path}/project")["id"]
    address = f"/projects/{quote(named, safe='')}/{action}"
    report = client.post(address, {"swarm": swarm_id, "waitSeconds": seconds})
    _show_copies(report, as_json=as_json)
    if not report["ok"]:
        raise CommandFailed("not every sandbox is up to date", hint="see above; ask again when it is connected")


def _path(client: Client, named: str | None) -> str:
    """Where the swarm is. Raises CommandFailed where none is named and it is not clear which one is meant."""
    named = named or os.environ.get(DEFAULT_SWARM, "").strip()
    if not named:
        swarms = client.items("/swarms", "swarms")
        if len(swarms) != 1:
            raise CommandFailed(
                f"there are {len(swarms)} swarms, and none is named",
                hint=f"name one with --swarm or {DEFAULT_SWARM}; list them with: agent-swarm swarm list",
            )
        named = str(swarms[0]["id"])
    return f"/swarms/{quote(named, safe='')}"


def _show_chat(page: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(page)
        return
    for message in reversed(page["messages"]):
        say(f"{printable(message['fromName'])}: {one_line(message['message'], 400)}")
    if not page["messages"]:
        say("nobody has said anything", to_errors=True)


def _show_copies(told: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    rows = [
        (short_id(one["sandboxId"]), one_line(one["name"], 30), one["status"], one["head"][:10], _about(one))
        for one in told["sandboxes"]
    ]
    print_table(("SANDBOX", "NAME", "STATUS", "HEAD", ""), rows, empty="no agents are in the swarm")


def _about(copy: Json) -> str:
    if copy["error"]:
        return one_line(copy["error"], 80)
    dirty = [one for one in copy["workspaces"] if one["changedFiles"]]
    runs = len(copy["workspaces"])
    said = [f"{runs} run{'' if runs == 1 else 's'} on it"] if runs else []
    said += [f"{len(dirty)} with uncommitted files, left as they are"] if dirty else []
    said += [f"was {copy['before'][:10]}, which is kept"] if copy["status"] == "diverged" else []
    return "; ".join(said)
