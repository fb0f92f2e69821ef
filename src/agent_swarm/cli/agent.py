"""`agent-swarm agent`: who works."""

from collections import defaultdict
from collections.abc import Sequence

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.lazy import Lazy, LazyGroup
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say, status_text
from agent_swarm.cli.text import age, one_line, printable, short_id

COMMANDS = {
    "Commands": {
        "ls": Lazy("agent_swarm.cli.agent:ls", "List the agents."),
        "show": Lazy("agent_swarm.cli.agent:show", "Show one agent."),
        "add": Lazy("agent_swarm.cli.agent_tree:add", "Introduce an agent."),
        "stop": Lazy("agent_swarm.cli.agent_tree:stop", "Let an agent get no work."),
        "start": Lazy("agent_swarm.cli.agent_tree:start", "Let a stopped agent get work again."),
        "profile": Lazy("agent_swarm.cli.agent_profile:profile", "Say what an agent is, and what it is told."),
        "permissions": Lazy("agent_swarm.cli.agent:permissions", "Say what an agent may do."),
    }
}


@click.group(cls=LazyGroup, sections=COMMANDS, aliases={"list": "ls"})
def agent() -> None:
    """Show the agents.

    An agent is a stable identity, its AGENT_ID; it is offline while no process reports for it.
    """


@click.command()
@click.option("--tree", is_flag=True, help="Show agents below those that introduced them.")
@click.option("--swarm", metavar="NAME", help="Only agents of this swarm.")
@json_option
@with_client
def ls(client: Client, *, tree: bool, swarm: str | None, as_json: bool) -> None:
    """List the agents.

    BUSY is how many tasks an agent has, of those that it may have at once. What is stopped gets no work.

    \b
    Examples:
      agent-swarm agent ls
      agent-swarm agent ls --tree
      agent-swarm agent ls --json | jq '.agents[] | {name, status, isLead}'
    """
    agents = [one for page in client.pages("/api/agents", {"swarm": swarm}) for one in page["agents"]]
    if as_json:
        print_json({"agents": agents, "nextCursor": None})
        return
    placed = in_tree(agents) if tree else [(0, found) for found in agents]
    rows = [
        (
            short_id(found["id"]),
            "  " * depth + one_line(found["name"], 30),
            standing(found),
            "lead" if found["isLead"] else "worker",
            f"{found['capacity']['current']}/{found['capacity']['max']}",
            found["harness"],
            one_line(", ".join(found["tags"]), 30),
            f"{age(found['lastSeenAt'])} ago",
        )
        for depth, found in placed
    ]
    headers = ("ID", "NAME", "STATUS", "ROLE", "BUSY", "HARNESS", "TAGS", "SEEN")
    print_table(headers, rows, empty="no agents; start some with: agent-swarm up, or agent-swarm worker")


def in_tree(agents: Sequence[Json]) -> list[tuple[int, Json]]:
    """The agents with how deep they are, each after the one that introduced it, in the order given."""
    below: dict[str | None, list[Json]] = defaultdict(list)
    known = {found["id"] for found in agents}
    for found in agents:
        parent = found["parentAgentId"]
        below[parent if parent in known else None].append(found)
    placed: list[tuple[int, Json]] = []
    waiting = [(0, found) for found in reversed(below[None])]
    while waiting:
        depth, found = waiting.pop()
        placed.append((depth, found))
        waiting.extend((depth + 1, child) for child in reversed(below[found["id"]]))
    return placed


def standing(agent: Json) -> str:
    """Its status, and that it is stopped, or rests."""
    more = "stopped" if agent["stopped"] else "resting" if agent["restingUntil"] else ""
    return f"{agent['status']}, {more}" if more else str(agent["status"])


@click.command()
@click.argument("agent")
@json_option
@with_client
def show(client: Client, *, agent: str, as_json: bool) -> None:
    """Show one agent.

    AGENT is its name, its id, or the beginning or end of it.

    \b
    Example:
      agent-swarm agent show worker-1
    """
    from agent_swarm.cli.task.ids import agent_named

    listed = client.items("/api/agents", "agents")
    found = client.get(f"/api/agents/{agent_named(listed, agent)['id']}")
    if as_json:
        print_json(found)
        return
    names = {one["id"]: one["name"] for one in listed}
    stopped = found["stopped"]
    facts = {
        "id": found["id"],
        "name": found["name"],
        "role": " ".join(filter(None, (found["agentRole"], found["role"]))),
        "does": found["description"],
        "template": found["templateId"],
        "harness": found["harness"],
        "skills": ", ".join(found["skills"]),
        "tags": ", ".join(found["tags"]),
        "can": ", ".join(found["capabilities"]),
        "may do": found["permissions"],
        "swarm": found["swarmId"],
        "capacity": "{current} of {max} busy, {available} free".format(**found["capacity"]),
        "below": names.get(found["parentAgentId"], found["parentAgentId"]),
        "above": ", ".join(names.get(child, child) for child in found["children"]),
        "stopped": stopped and " ".join(filter(None, (f"by {stopped['by']} at {stopped['at']}", stopped["reason"]))),
        "tasks": ", ".join(found["currentTasks"]),
        "rests": f"until {found['restingUntil']} ({found['restingReason']})" if found["restingUntil"] else "",
        "registered": f"{found['registeredAt']} ({age(found['registeredAt'])} ago)",
        "last seen": f"{found['lastSeenAt']} ({age(found['lastSeenAt'])} ago)",
    }
    say(f"{'status:':<12} {status_text(found['status'])}")
    for name, value in facts.items():
        if value:
            say(f"{name + ':':<12} {printable(value)}")


@click.command()
@click.argument("agent", required=False)
@click.argument("profile", required=False)
@json_option
@with_client
def permissions(client: Client, *, agent: str | None, profile: str | None, as_json: bool) -> None:
    """Say what an agent may do.

    It holds from the next attempt on. AGENT is its name, its id, or the beginning or end of it, PROFILE a permission
    profile; `default` takes it away. Without either the profiles are listed.

    \b
    Examples:
      agent-swarm agent permissions
      agent-swarm agent permissions worker-1 read-only
    """
    from agent_swarm.cli.task.ids import agent_named

    if agent is None:
        _list_profiles(client, as_json=as_json)
        return
    if profile is None:
        raise click.UsageError("name a profile, too: agent-swarm agent permissions lists them")
    found = agent_named(client.items("/api/agents", "agents"), agent)
    body = {"profile": None if profile == "default" else profile}
    changed = client.put(f"/api/agents/{found['id']}/permissions", body)
    if as_json:
        print_json(changed)
    else:
        say(f"{printable(changed['name'])} works under {changed['permissions'] or 'the usual profile'} from now on")


def _list_profiles(client: Client, *, as_json: bool) -> None:
    told = client.get("/api/permission-profiles")
    if as_json:
        print_json(told)
        return
    rows = [
        (
            one["name"],
            one["files"],
            ", ".join(one["allow"]) if one["network"] == "allow" else one["network"],
            ", ".join(one["deniedTools"]),
            "yes" if one["mayFileTasks"] else "no",
        )
        for one in told["profiles"]
    ]
    print_table(("PROFILE", "CHANGES", "NETWORK", "DENIED TOOLS", "FILES TASKS"), rows, empty="no profiles")
