"""`agent-swarm schedule add` and `edit`."""

from typing import Any

import click

from agent_swarm.cli.client import Client
from agent_swarm.cli.options import Duration, Labels, Priority, json_option, with_client
from agent_swarm.cli.schedule.rules import policy_input, policy_options, require_rule, rule_input, rule_options
from agent_swarm.cli.schedule.told import path_of, tell


@click.command()
@click.argument("name")
@click.argument("prompt", required=False)
@rule_options
@click.option("--file", "-f", metavar="FILE", help="Read the prompt from FILE; - is standard input.")
@click.option("--graph", metavar="FILE", help="Start the tasks of a JSON file, as `task graph` files them.")
@click.option("--workflow", metavar="FILE", help="Start a workflow from a YAML file.")
@click.option("--input", "-i", "inputs", multiple=True, metavar="NAME=VALUE", help="What the workflow is given.")
@click.option("--title", help="Default: the first line of the prompt.")
@click.option("--tags", "-t", multiple=True, type=Labels(), help="What it is about, as a,b.")
@click.option("--needs", multiple=True, type=Labels(), help="What its worker must have: tags or capabilities, as a,b.")
@click.option("--priority", "-p", type=Priority(), metavar="PRIORITY", help="0 to 100, or urgent, high, medium, low.")
@click.option("--project", metavar="REPO", help="The repository to work on.")
@click.option("--swarm", metavar="NAME", help="Only agents of this swarm may run it.")
@click.option("--harness", help="The agent CLI, or with those that may go on: claude,codex. Default: the worker's.")
@click.option("--model", help="The model for it.")
@click.option("--agent", metavar="AGENT", help="Only this agent may run it: name or id.")
@click.option("--offer-to", metavar="AGENT", help="Ask this agent first, each time; if it does not take it, all may.")
@click.option("--offer-for", type=Duration(), metavar="SPAN", help="How long it may think about it; default 60s.")
@click.option("--timeout", type=Duration(), metavar="SPAN", help="Longest time for one attempt, such as 30m.")
@click.option("--max-attempts", type=click.IntRange(1, 100), help="Tries before a failure is final; default 3.")
@click.option("--permissions", metavar="PROFILE", help="What its agent may do, such as read-only or offline.")
@click.option("--result-schema", metavar="FILE", help="JSON Schema that its result has to match; - is standard input.")
@policy_options
@click.option("--description", help="What it is for.")
@click.option("--paused", is_flag=True, help="Start nothing until `schedule resume`.")
@json_option
@with_client
def add(
    client: Client,
    /,
    *,
    name: str,
    graph: str | None,
    workflow: str | None,
    inputs: tuple[str, ...],
    description: str | None,
    paused: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Have a task, a graph or a workflow started by the clock.

    \b
    Examples:
      agent-swarm schedule add nightly "Update the dependencies" --cron "0 3 * * *" --tz Europe/Paris --project shop
      agent-swarm schedule add watch "Look at the open alerts" --every 15m --overlap skip
      agent-swarm schedule add release --graph release.json --at 2026-12-01T09:00
      agent-swarm schedule add checks --workflow checks.yaml --input branch=main --cron "0 4 * * *"
    """
    rule, policies = rule_input(given), policy_input(given)
    require_rule(rule)
    body = {"name": name, **rule, **policies, **_work(client, graph, workflow, inputs, given)}
    if description is not None:
        body["description"] = description
    if paused:
        body["paused"] = True
    tell(client.create("/api/schedules", body), as_json=as_json)


@click.command()
@click.argument("name")
@rule_options
@policy_options
@click.option("--rename", metavar="NAME", help="Call it otherwise.")
@click.option("--description", help="What it is for.")
@click.option("--endless", is_flag=True, help="Take away --until and --max-runs.")
@json_option
@with_client
def edit(
    client: Client,
    /,
    *,
    name: str,
    rename: str | None,
    description: str | None,
    endless: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Change its rule, end or policies.

    What is not given stays.

    \b
    Examples:
      agent-swarm schedule edit nightly --cron "0 4 * * *" --tz Europe/Paris
      agent-swarm schedule edit watch --overlap allow --max-failures 0
    """
    body: dict[str, Any] = {"until": None, "maxRuns": None} if endless else {}
    body |= {**rule_input(given), **policy_input(given)}
    body |= {key: value for key, value in (("name", rename), ("description", description)) if value is not None}
    if not body:
        raise click.UsageError("nothing to change was given", click.get_current_context())
    tell(client.patch(path_of(name), body), as_json=as_json)


def _work(
    client: Client, graph: str | None, workflow: str | None, inputs: tuple[str, ...], given: dict[str, Any]
) -> dict[str, Any]:
    """What is started: `task` by the flags, or `tasks` or `workflow` from a file."""
    if graph is None and workflow is None:
        if inputs:
            raise click.UsageError("--input goes with --workflow", click.get_current_context())
        from agent_swarm.cli.task.add import task_input

        return {"task": task_input(client, depends_on=(), parent=None, start_at=None, with_results=None, **given)}
    if any(value not in (None, ()) for value in given.values()) or (graph is not None and workflow is not None):
        raise click.UsageError(
            "--graph and --workflow say everything about their tasks themselves", click.get_current_context()
        )
    if workflow is not None:
        from agent_swarm.cli.workflow.files import inputs_of, read_file

        text, found = read_file(workflow)
        return {"workflow": {"source": text, "inputs": inputs_of(found, inputs)}}
    from agent_swarm.cli.task.files import read_text
    from agent_swarm.cli.task.graph import parsed

    assert graph is not None
    return {"tasks": parsed(read_text(graph, what="graph"), graph)}
