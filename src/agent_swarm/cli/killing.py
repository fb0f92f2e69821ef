"""`agent-swarm kill` and `agent-swarm lift`: the kill switch."""

import sys
from typing import Any

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import age, one_line

PATH = "/api/kill-switch"

agent_option = click.option("--agent", metavar="AGENT", help="Only this agent: its id, the start of it, or its name.")
swarm_option = click.option("--swarm", metavar="NAME", help="Only this swarm.")


@click.command()
@agent_option
@swarm_option
@click.option("--reason", default="", metavar="TEXT", help="Why; everybody who is stopped is told.")
@json_option
@with_client
def kill(client: Client, *, agent: str | None, swarm: str | None, reason: str, as_json: bool) -> None:
    """Stop everything now: end every run, and let nothing begin.

    Every process of every agent is killed at once. Their tasks are paused, and wait for a person.
    It holds, also over restarts, until: agent-swarm lift

    \b
    Examples:
      agent-swarm kill
      agent-swarm kill --reason "they deploy on their own"
      agent-swarm kill --agent ada
      agent-swarm kill --swarm checkout
    """
    body = {"action": "activate", "reason": reason, **_scope(client, agent, swarm)}
    told = client.post(PATH, body)
    if as_json:
        print_json(told)
        return
    used = _used(told, body)
    again = " already" if told["repeated"] else ""
    say(loud(f"KILLED{again}: {_what(used)}{_because(used)}"))
    say(f"attempts ended: {used['attempts']}, tasks paused: {used['pausedTasks']}")
    for line in awaited(used):
        say(line)
    say(f"let it go on with: {_lifting(used)}")


@click.command()
@agent_option
@swarm_option
@click.option("--resume", is_flag=True, help="Also resume the tasks that it paused.")
@json_option
@with_client
def lift(client: Client, *, agent: str | None, swarm: str | None, resume: bool, as_json: bool) -> None:
    """Lift the kill switch: new work begins at once.

    What it paused waits for agent-swarm task resume, or goes on with --resume; that also helps later.

    \b
    Examples:
      agent-swarm lift
      agent-swarm lift --resume
      agent-swarm lift --agent ada
      agent-swarm lift --swarm checkout
    """
    body = {"action": "deactivate", "resume": resume, **_scope(client, agent, swarm)}
    told = client.post(PATH, body)
    if as_json:
        print_json(told)
        return
    used = _used(told, body)
    say(f"the kill switch was not on for {_what(used)}" if told["repeated"] else f"lifted for {_what(used)}")
    if told["resumed"]:
        say(f"tasks resumed: {told['resumed']}")
    elif used["pausedTasks"] and not resume:
        say(f"{used['pausedTasks']} tasks were paused by it; those still paused go on with: agent-swarm lift --resume")
    if told["status"] == "killed":
        say(loud(banner(told["switches"][0])))


def banner(switch: Json) -> str:
    """The line that no view leaves out while a switch is on."""
    since = f", {age(switch['since'])} ago" if switch.get("since") else ""
    return f"KILLED: {_what(switch)}{_because(switch)} (by {switch['by']}{since}; let it go on: {_lifting(switch)})"


def awaited(switch: Json) -> list[str]:
    """Who has not confirmed yet that nothing runs."""
    return [
        f"not confirmed yet: {one_line(agent['name'], 40)} ({agent['attempts']} attempts)"
        for agent in switch["awaited"]
    ]


def loud(text: str) -> str:
    """Text that is not overlooked."""
    line = one_line(text, 400)
    return click.style(line, fg="white", bg="red", bold=True) if sys.stdout.isatty() else line


def _scope(client: Client, agent: str | None, swarm: str | None) -> dict[str, Any]:
    if agent and swarm:
        raise click.UsageError("give --agent or --swarm, not both")
    if swarm:
        from agent_swarm.cli.swarm import swarm_id

        return {"scope": "swarm", "id": swarm_id(client, swarm)}
    if agent:
        from agent_swarm.cli.task.ids import agent_id

        return {"scope": "agent", "id": agent_id(client, agent)}
    return {}


def _used(told: Json, body: dict[str, Any]) -> Json:
    """The switch that was meant; one that was never on is not among those that are told."""
    scope, id_ = body.get("scope", "all"), body.get("id")
    never_on: Json = {"scope": scope, "id": id_, "pausedTasks": 0}
    return next((switch for switch in told["switches"] if (switch["scope"], switch["id"]) == (scope, id_)), never_on)


def _what(switch: Json) -> str:
    return "everything" if switch["scope"] == "all" else f"{switch['scope']} {switch['id']}"


def _lifting(switch: Json) -> str:
    return "agent-swarm lift" + ("" if switch["scope"] == "all" else f" --{switch['scope']} {switch['id']}")


def _because(switch: Json) -> str:
    return f": {switch['reason']}" if switch["reason"] else ""
