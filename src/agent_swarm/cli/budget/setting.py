"""`agent-swarm budget add`, `set` and `rm`."""

from typing import Any

import click

from agent_swarm.cli.budget.told import headline, path_of
from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import printable

_NUMBERS = (
    ("usd", "capUsd", float),
    ("tokens", "capTokens", int),
    ("attempts", "capAttempts", int),
    ("at_once", "capAtOnce", int),
    ("estimate_usd", "estimateUsd", float),
    ("estimate_tokens", "estimateTokens", int),
)
_SCOPES = ("task", "root", "agent", "project", "swarm")


@click.command("add")
@click.option("--task", metavar="ID", help="For this task alone.")
@click.option("--root", metavar="ID", help="For this task and all that is filed below it.")
@click.option("--agent", metavar="AGENT", help="For what this agent does: name or id.")
@click.option("--project", metavar="REPO", help="For work on this repository.")
@click.option("--swarm", metavar="NAME", help="For the tasks of this swarm.")
@click.option("--all", "is_for_all", is_flag=True, help="For everything on this server.")
@click.option("--name", help="How to call it; default: what it is for.")
@click.option("--usd", type=click.FloatRange(min=0, min_open=True), metavar="USD", help="At most so much money.")
@click.option("--tokens", type=click.IntRange(min=1), metavar="N", help="At most so many tokens, in and out.")
@click.option("--attempts", type=click.IntRange(min=1), metavar="N", help="At most so many attempts begin.")
@click.option("--at-once", type=click.IntRange(min=1), metavar="N", help="At most so many attempts run at a time.")
@click.option("--per-day", is_flag=True, help="So much every day, not in all.")
@click.option("--tz", metavar="ZONE", help="Where days end, such as Europe/Paris; default: UTC.")
@click.option("--estimate-usd", type=click.FloatRange(min=0, min_open=True), help="What one attempt may cost.")
@click.option("--estimate-tokens", type=click.IntRange(min=1), help="The same in tokens.")
@click.option("--refuse", is_flag=True, help="At the cap let what runs go on; default: interrupt it and ask.")
@json_option
@with_client
def add(client: Client, /, *, is_for_all: bool, per_day: bool, refuse: bool, as_json: bool, **given: Any) -> None:
    """Cap what may be spent.

    \b
    Examples:
      agent-swarm budget add --all --usd 50 --per-day --tz Europe/Paris
      agent-swarm budget add --agent ada --tokens 5000000 --refuse
      agent-swarm budget add --project shop --attempts 200 --per-day --at-once 4
      agent-swarm budget add --root 0190f3c2-7d51-7a3e-9d55-3f2a91bc0d17 --usd 20
    """
    named = [(scope, given[scope]) for scope in _SCOPES if given[scope] is not None]
    if len(named) + is_for_all != 1:
        raise click.UsageError("say what it is for: --task, --root, --agent, --project, --swarm or --all")
    if given["tz"] is not None and not per_day:
        raise click.UsageError("--tz goes with --per-day")
    scope, scope_id = named[0] if named else ("all", None)
    body = {
        "name": given["name"],
        "scope": scope,
        "scopeId": _id_of(client, scope, scope_id),
        "period": "day" if per_day else None,
        "timeZone": given["tz"],
        "capUsd": given["usd"],
        "capTokens": given["tokens"],
        "capAttempts": given["attempts"],
        "capAtOnce": given["at_once"],
        "estimateUsd": given["estimate_usd"],
        "estimateTokens": given["estimate_tokens"],
        "action": "refuse" if refuse else None,
    }
    _tell(client.create("/api/budgets", {name: value for name, value in body.items() if value is not None}), as_json)


@click.command("set")
@click.argument("name")
@click.option("--usd", metavar="USD|none", help="Another cap in money.")
@click.option("--tokens", metavar="N|none", help="Another cap in tokens.")
@click.option("--attempts", metavar="N|none", help="Another cap on attempts that begin.")
@click.option("--at-once", metavar="N|none", help="Another cap on attempts that run at a time.")
@click.option("--estimate-usd", metavar="USD|none", help="What one attempt may cost.")
@click.option("--estimate-tokens", metavar="N|none", help="The same in tokens.")
@click.option("--action", type=click.Choice(("pause", "refuse")), help="What happens at the cap.")
@click.option("--off/--on", "is_off", default=None, help="Count without stopping anything, or stop again.")
@json_option
@with_client
def set_(client: Client, /, *, name: str, as_json: bool, is_off: bool | None, **given: Any) -> None:
    """Change a cap, an estimate, or what happens at the cap.

    \b
    Examples:
      agent-swarm budget set everything --usd 80
      agent-swarm budget set shop --tokens none --action refuse
    """
    body: Json = {wire: _number(flag, given[flag], kind) for flag, wire, kind in _NUMBERS if given[flag] is not None}
    if given["action"] is not None:
        body["action"] = given["action"]
    if is_off is not None:
        body["enabled"] = not is_off
    if not body:
        raise click.UsageError("say what to change, such as --usd 80", click.get_current_context())
    _tell(client.patch(path_of(name), body), as_json)


@click.command("rm")
@click.argument("name")
@json_option
@with_client
def rm(client: Client, *, name: str, as_json: bool) -> None:
    """Take a budget away; who waits for room in it goes on.

    \b
    Example:
      agent-swarm budget rm everything
    """
    removed = client.delete(path_of(name))
    if as_json:
        print_json(removed)
    else:
        say(f"removed {printable(removed['name'])}")


def _id_of(client: Client, scope: str, text: str | None) -> str | None:
    """Tasks and agents may be shortened, as everywhere; the server knows the others by name."""
    if text is None or scope in ("project", "swarm"):
        return text
    from agent_swarm.cli.task.ids import agent_id, task_id

    return agent_id(client, text) if scope == "agent" else task_id(client, text)


def _number(flag: str, text: str, kind: Any) -> Any:
    if text == "none":
        return None
    try:
        return kind(text)
    except ValueError:
        hint = f"--{flag.replace('_', '-')}"
        raise click.BadParameter(f"{text!r} is neither a number nor 'none'", param_hint=hint) from None


def _tell(budget: Json, as_json: bool) -> None:
    if as_json:
        print_json(budget)
    else:
        say(headline(budget))
