"""`agent-swarm swarm`: named groups of agents and tasks."""

from urllib.parse import quote

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.lazy import Lazy, LazyGroup
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say, status_text
from agent_swarm.cli.text import age, one_line, printable, short_id

PATH = "/api/swarms"
COMMANDS = {
    "Swarms": {
        "create": Lazy("agent_swarm.cli.swarm:create", "Make a swarm."),
        "list": Lazy("agent_swarm.cli.swarm:list_swarms", "List the swarms."),
        "show": Lazy("agent_swarm.cli.swarm:show", "Show a swarm, its tasks and its agents."),
        "pause": Lazy("agent_swarm.cli.swarm:pause", "Let nothing of a swarm begin; what runs goes on."),
        "resume": Lazy("agent_swarm.cli.swarm:resume", "Hand out the tasks of a swarm again."),
        "rm": Lazy("agent_swarm.cli.swarm:remove", "Delete a swarm; what was done in it stays."),
    },
    "Working with one": {
        "status": Lazy("agent_swarm.cli.plugin:status", "Show a swarm at a glance."),
        "task": Lazy("agent_swarm.cli.plugin:task", "File a task in a swarm."),
        "chat": Lazy("agent_swarm.cli.plugin:chat", "Say something in its chat, or read it."),
        "project": Lazy("agent_swarm.cli.plugin:project", "Create, init, sync or show its project."),
    },
    "Native teams": {
        "mirror": Lazy(
            "agent_swarm.cli.mirror.command:mirror", "Show the tasks of Claude Code's native teams on the board."
        ),
    },
    "Its agents": {
        "join": Lazy("agent_swarm.cli.swarm:join", "Have agents join a swarm, out of the one they are in."),
        "leave": Lazy("agent_swarm.cli.swarm:leave", "Have agents leave a swarm."),
    },
}

name_argument = click.argument("name", metavar="NAME")
agents_argument = click.argument("agents", metavar="AGENT...", nargs=-1, required=True)


@click.group(cls=LazyGroup, sections=COMMANDS, aliases={"ls": "list", "delete": "rm"})
def swarm() -> None:
    """Group agents and tasks, under a name.

    Only agents of a swarm run its tasks; it can be paused, and stopped at once: agent-swarm kill --swarm NAME
    """


@click.command()
@name_argument
@click.option("--project", metavar="REPO", help="The repository of its tasks that name none.")
@json_option
@with_client
def create(client: Client, *, name: str, project: str | None, as_json: bool) -> None:
    """Make a swarm.

    \b
    Example:
      agent-swarm swarm create checkout --project shop
    """
    made = client.post(PATH, {"name": name, **({"project": project} if project else {})})
    if as_json:
        print_json(made)
        return
    say(f"{made['id']}  {printable(made['name'])}")
    say(f"have agents join it with: agent-swarm swarm join {made['name']} AGENT", to_errors=True)


@click.command("list")
@json_option
@with_client
def list_swarms(client: Client, *, as_json: bool) -> None:
    """List the swarms.

    \b
    Example:
      agent-swarm swarm list
    """
    swarms = client.items(PATH, "swarms")
    if as_json:
        print_json({"swarms": swarms, "nextCursor": None})
        return
    rows = [(one["name"], one["status"], one["id"], one["createdBy"], f"{age(one['createdAt'])} ago") for one in swarms]
    empty = "no swarms; make one with: agent-swarm swarm create NAME"
    print_table(("NAME", "STATUS", "ID", "MADE BY", "MADE"), rows, empty=empty)


@click.command()
@name_argument
@json_option
@with_client
def show(client: Client, *, name: str, as_json: bool) -> None:
    """Show a swarm, its tasks and its agents.

    NAME is its name or its id; by its id also one that was deleted.

    \b
    Example:
      agent-swarm swarm show checkout
    """
    told = client.get(f"{path_of(name)}/status")
    if as_json:
        print_json(told)
        return
    found = told["swarm"]
    facts = {
        "name": found["name"],
        "id": found["id"],
        "project": found["projectId"],
        "made": f"{found['createdAt']} by {found['createdBy']}",
        "deleted": found["deletedAt"],
        "tasks": ", ".join(f"{number} {status}" for status, number in told["tasks"].items() if number) or "none",
    }
    say(f"{'status:':<10} {status_text('killed' if told['killed'] else found['status'])}")
    for fact, value in facts.items():
        if value:
            say(f"{fact + ':':<10} {printable(value)}")
    rows = [
        (short_id(one["id"]), one_line(one["name"], 30), one["status"], len(one["currentTasks"]))
        for one in told["agents"]
    ]
    print_table(("AGENT", "NAME", "STATUS", "TASKS"), rows, empty="no agents are in it")


@click.command()
@name_argument
@json_option
@with_client
def pause(client: Client, *, name: str, as_json: bool) -> None:
    """Let nothing of a swarm begin; what runs goes on.

    \b
    Example:
      agent-swarm swarm pause checkout
    """
    _tell(client.patch(path_of(name), {"status": "paused"}), "is paused", as_json=as_json)


@click.command()
@name_argument
@json_option
@with_client
def resume(client: Client, *, name: str, as_json: bool) -> None:
    """Hand out the tasks of a swarm again.

    \b
    Example:
      agent-swarm swarm resume checkout
    """
    _tell(client.patch(path_of(name), {"status": "active"}), "is active", as_json=as_json)


@click.command("rm")
@name_argument
@click.option("--cancel-tasks", is_flag=True, help="Also cancel its tasks that have not ended.")
@json_option
@with_client
def remove(client: Client, *, name: str, cancel_tasks: bool, as_json: bool) -> None:
    """Delete a swarm; what was done in it stays.

    Its agents leave it, and its name is free. Refused while it has tasks that have not ended.

    \b
    Examples:
      agent-swarm swarm rm checkout
      agent-swarm swarm rm checkout --cancel-tasks
    """
    deleted = client.delete(path_of(name) + ("?cancelTasks=true" if cancel_tasks else ""))
    _tell(deleted, "is deleted", as_json=as_json)


@click.command()
@name_argument
@agents_argument
@json_option
@with_client
def join(client: Client, *, name: str, agents: tuple[str, ...], as_json: bool) -> None:
    """Have agents join a swarm, out of the one they are in.

    AGENT is a name, an id, or the beginning or end of it. Refused while one works on a task of the swarm that it would
    leave.

    \b
    Example:
      agent-swarm swarm join checkout ada bob
    """
    _set_members(client, name, agents, joins=True, as_json=as_json)


@click.command()
@name_argument
@agents_argument
@json_option
@with_client
def leave(client: Client, *, name: str, agents: tuple[str, ...], as_json: bool) -> None:
    """Have agents leave a swarm.

    \b
    Example:
      agent-swarm swarm leave checkout ada
    """
    _set_members(client, name, agents, joins=False, as_json=as_json)


def path_of(name: str) -> str:
    """Where the server has a swarm, by its name or id."""
    return f"{PATH}/{quote(name, safe='')}"


def swarm_id(client: Client, name: str) -> str:
    """The id of the swarm that `name` names."""
    return str(client.get(path_of(name))["id"])


def _set_members(client: Client, name: str, agents: tuple[str, ...], *, joins: bool, as_json: bool) -> None:
    from agent_swarm.cli.task.ids import agent_id

    told = []
    for agent in agents:
        path = f"{path_of(name)}/agents/{agent_id(client, agent)}"
        told.append(client.put(path, {}) if joins else client.delete(path))
    if as_json:
        print_json({"memberships": told})
        return
    for agent, one in zip(agents, told, strict=True):
        already = "" if one["changed"] else " already"
        say(f"{printable(agent)} is {'in' if joins else 'not in'} {printable(name)}{already}")


def _tell(found: Json, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        say(f"{printable(found['name'])} {what}")
