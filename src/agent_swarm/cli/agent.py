"""`agent-swarm agent`: who works."""

import click

from agent_swarm.cli.client import Client
from agent_swarm.cli.lazy import Lazy, LazyGroup
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say, status_text
from agent_swarm.cli.text import age, one_line, printable, short_id

COMMANDS = {
    "Commands": {
        "ls": Lazy("agent_swarm.cli.agent:ls", "List the agents."),
        "show": Lazy("agent_swarm.cli.agent:show", "Show one agent."),
        "permissions": Lazy("agent_swarm.cli.agent:permissions", "Say what an agent may do."),
    }
}


@click.group(cls=LazyGroup, sections=COMMANDS, aliases={"list": "ls"})
def agent() -> None:
    """Show the agents.

    An agent is a stable identity, its AGENT_ID; it is offline while no process reports for it.
    """


@click.command()
@click.option("--swarm", metavar="NAME", help="Only agents of this swarm.")
@json_option
@with_client
def ls(client: Client, *, swarm: str | None, as_json: bool) -> None:
    """List the agents.

    \b
    Examples:
      agent-swarm agent ls
      agent-swarm agent ls --json | jq '.agents[] | {name, status, isLead}'
    """
    agents = [one for page in client.pages("/api/agents", {"swarm": swarm}) for one in page["agents"]]
    if as_json:
        print_json({"agents": agents, "nextCursor": None})
        return
    rows = [
        (
            short_id(found["id"]),
            one_line(found["name"], 30),
            "resting" if found["status"] == "idle" and found["restingUntil"] else found["status"],
            "lead" if found["isLead"] else "worker",
            f"{len(found['currentTasks'])}/{found['slots']}",
            found["harness"],
            one_line(", ".join(found["tags"]), 30),
            f"{age(found['lastSeenAt'])} ago",
        )
        for found in agents
    ]
    headers = ("ID", "NAME", "STATUS", "ROLE", "BUSY", "HARNESS", "TAGS", "SEEN")
    print_table(headers, rows, empty="no agents; start some with: agent-swarm up, or agent-swarm worker")


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

    found = agent_named(client.items("/api/agents", "agents"), agent)
    if as_json:
        print_json(found)
        return
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
        "slots": f"{len(found['currentTasks'])} of {found['slots']} busy",
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
