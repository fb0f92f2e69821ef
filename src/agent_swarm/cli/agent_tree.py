"""`agent-swarm agent add|stop|start`: who is there, below whom, and who gets no work."""

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.options import Labels, json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import printable, short_id

agent_argument = click.argument("agent")
recursive_option = click.option("--recursive", "-r", is_flag=True, help="Also all agents below it.")


@click.command()
@click.argument("name")
@click.option("--parent", metavar="AGENT", help="The agent that it is below.")
@click.option("--lead", is_flag=True, help="It coordinates others, and takes only what is addressed to it.")
@click.option("--role", default="", help="What it is among the others, in a word.")
@click.option("--description", default="", help="What it does.")
@click.option("--skills", type=Labels(), default=(), help="What it is good at, separated by commas.")
@click.option("--permissions", metavar="PROFILE", help="What it may do; at most what the agent above may.")
@json_option
@with_client
def add(
    client: Client,
    *,
    name: str,
    parent: str | None,
    lead: bool,
    role: str,
    description: str,
    skills: tuple[str, ...],
    permissions: str | None,
    as_json: bool,
) -> None:
    """Introduce an agent.

    Tasks may be addressed to it from now on. It is offline until a worker with its id as AGENT_ID reports for it.

    \b
    Examples:
      agent-swarm agent add tester --skills pytest,hypothesis
      agent-swarm agent add tester --parent lead --permissions read-only
    """
    from agent_swarm.cli.task.ids import agent_id

    body = {
        "name": name,
        "agentRole": "lead" if lead else "worker",
        "role": role,
        "description": description,
        "skills": list(skills),
        "permissions": permissions,
        "parentAgentId": None if parent is None else agent_id(client, parent),
    }
    added = client.post("/api/agents", body)
    if as_json:
        print_json(added)
        return
    say(f"{added['id']}  {printable(added['name'])}")
    say(f"run it: AGENT_ID={added['id']} agent-swarm worker", to_errors=True)


@click.command()
@agent_argument
@recursive_option
@click.option("--reason", default="", help="Why; people see it where they look at the agent.")
@json_option
@with_client
def stop(client: Client, *, agent: str, recursive: bool, reason: str, as_json: bool) -> None:
    """Let an agent get no work.

    What it runs is interrupted in good order, and goes to others, who go on where it stopped. What is addressed to it
    waits. With --recursive the same holds for all agents below it, and for those introduced below them later.

    \b
    Examples:
      agent-swarm agent stop worker-1 --reason "its disk is full"
      agent-swarm agent stop lead --recursive
    """
    from agent_swarm.cli.task.ids import agent_id

    body = {"recursive": recursive, "reason": reason}
    done = client.post(f"/api/agents/{agent_id(client, agent)}/stop", body)
    _tell(done, "stopped", "is stopped already", as_json=as_json)


@click.command()
@agent_argument
@recursive_option
@json_option
@with_client
def start(client: Client, *, agent: str, recursive: bool, as_json: bool) -> None:
    """Let a stopped agent get work again.

    \b
    Examples:
      agent-swarm agent start worker-1
      agent-swarm agent start lead --recursive
    """
    from agent_swarm.cli.task.ids import agent_id

    done = client.post(f"/api/agents/{agent_id(client, agent)}/start", {"recursive": recursive})
    _tell(done, "started", "was not stopped", as_json=as_json)


def _tell(done: Json, verb: str, nothing: str, *, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    name, number = printable(done["agent"]["name"]), len(done["agents"])
    if not number:
        say(f"{name} {nothing}")
        return
    others = number - (done["agent"]["id"] in done["agents"])
    say(f"{verb} {name}{f' and {others} below it' if others else ''}")
    for task_id in done["interrupted"]:
        say(f"task {short_id(task_id)} is interrupted, and goes to others")
