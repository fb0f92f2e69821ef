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
    }
}


@click.group(cls=LazyGroup, sections=COMMANDS, aliases={"list": "ls"})
def agent() -> None:
    """Show the agents.

    An agent is a stable identity, its AGENT_ID; it is offline while no process reports for it.
    """


@click.command()
@json_option
@with_client
def ls(client: Client, *, as_json: bool) -> None:
    """List the agents.

    \b
    Examples:
      agent-swarm agent ls
      agent-swarm agent ls --json | jq '.agents[] | {name, status, isLead}'
    """
    agents = client.items("/api/agents", "agents")
    if as_json:
        print_json({"agents": agents, "nextCursor": None})
        return
    rows = [
        (
            short_id(found["id"]),
            one_line(found["name"], 30),
            found["status"],
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
        "slots": f"{len(found['currentTasks'])} of {found['slots']} busy",
        "tasks": ", ".join(found["currentTasks"]),
        "registered": f"{found['registeredAt']} ({age(found['registeredAt'])} ago)",
        "last seen": f"{found['lastSeenAt']} ({age(found['lastSeenAt'])} ago)",
    }
    say(f"{'status:':<12} {status_text(found['status'])}")
    for name, value in facts.items():
        if value:
            say(f"{name + ':':<12} {printable(value)}")
