"""`agent-swarm trigger add`."""

from typing import Any

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.trigger.actions import events_of
from agent_swarm.cli.trigger.told import headline


@click.command()
@click.argument("name")
@click.option("--on", required=True, metavar="EVENTS", help="How tasks end: completed, failed, cancelled, as a,b.")
@click.option("--project", metavar="REPO", help="Only tasks of this repository.")
@click.option("--swarm", metavar="NAME", help="Only tasks of this swarm.")
@click.option("--tag", metavar="TAG", help="Only tasks with this tag.")
@click.option("--agent", metavar="AGENT", help="Only tasks that this agent ran: name or id.")
@click.option("--task", "prompt", metavar="PROMPT", help="File a task below the one that ended.")
@click.option("--task-project", metavar="REPO", help="The repository that this task works on.")
@click.option("--message", metavar="TEXT", help="Post a message.")
@click.option("--to", multiple=True, metavar="WHOM", help="Who gets it: an agent, user:NAME, operator.")
@click.option("--channel", metavar="NAME", help="The channel it is posted in.")
@click.option("--filer", is_flag=True, help="Whoever filed the task gets it.")
@click.option("--with-results", is_flag=True, help="End the prompt or the message with what the task came to.")
@click.option("--webhook", metavar="URL", help="Send a webhook, signed as Standard Webhooks has it.")
@click.option("--secret", metavar="REF", help="Where its secret is kept, such as ref:env://NAME; default: made, shown.")
@click.option("--paused", is_flag=True, help="Do nothing until `trigger resume`.")
@json_option
@with_client
def add(client: Client, /, *, name: str, on: str, agent: str | None, as_json: bool, **given: Any) -> None:
    """Have something happen whenever tasks end.

    \b
    Examples:
      agent-swarm trigger add review --on completed --tag code --task "Review what was done" --with-results
      agent-swarm trigger add tell --on failed --message "A task failed" --channel ops
      agent-swarm trigger add hook --on completed,failed,cancelled --webhook https://ci.example/swarm
    """
    from agent_swarm.cli.task.ids import agent_id

    body: Json = {"name": name, "on": events_of(on), "do": _does(given)}
    chosen = {key: given[key] for key in ("project", "swarm", "tag") if given[key] is not None}
    body |= {**chosen, **({"agentId": agent_id(client, agent)} if agent is not None else {})}
    if given["paused"]:
        body["paused"] = True
    made = client.create("/api/triggers", body)
    if as_json:
        print_json(made)
        return
    say(headline(made))
    if made["signingSecret"]:
        say(made["signingSecret"])
        say("give this secret to the receiver; it is not shown again", to_errors=True)


_GOES_WITH = {
    "task_project": ("prompt",),
    "to": ("message",),
    "channel": ("message",),
    "filer": ("message",),
    "with_results": ("prompt", "message"),
    "secret": ("webhook",),
}


def _does(given: dict[str, Any]) -> Json:
    """The one thing that the flags say. Raises UsageError."""
    kinds = [kind for kind in ("prompt", "message", "webhook") if given[kind] is not None]
    if len(kinds) != 1:
        raise click.UsageError("give one of --task, --message and --webhook", click.get_current_context())
    _require_fitting(given)
    with_results = given["with_results"]
    if kinds == ["prompt"]:
        task: Json = {"prompt": given["prompt"]}
        task |= {"project": given["task_project"]} if given["task_project"] else {}
        return {"createTask": {**task, **({"includeResults": True} if with_results else {})}}
    if kinds == ["webhook"]:
        return {"webhook": {"url": given["webhook"], **({"secret": given["secret"]} if given["secret"] else {})}}
    ways = {"to": list(given["to"]), "channel": given["channel"], "filer": given["filer"]}
    post = {"text": given["message"], **{way: value for way, value in ways.items() if value}}
    return {"postMessage": {**post, **({"includeResult": True} if with_results else {})}}


def _require_fitting(given: dict[str, Any]) -> None:
    """Raises UsageError for a flag of another thing than the one that is to be done."""
    for name, kinds in _GOES_WITH.items():
        if given[name] and all(given[kind] is None for kind in kinds):
            flags = " or ".join("--task" if kind == "prompt" else f"--{kind}" for kind in kinds)
            raise click.UsageError(f"--{name.replace('_', '-')} goes with {flags}", click.get_current_context())
