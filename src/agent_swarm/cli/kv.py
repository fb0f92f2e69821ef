"""`agent-swarm kv`: values under keys."""

import json
from typing import Any

import click

from agent_swarm.cli.client import Client
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import age, one_line, printable

_TEXT_CHARS = 60

namespace_option = click.option(
    "--namespace",
    "-n",
    default="swarm",
    show_default=True,
    metavar="NS",
    help="swarm, swarm:NAME, agent:ID or task:ID.",
)
if_version_option = click.option(
    "--if-version", type=click.IntRange(0), metavar="N", help="Only where this is the version there; 0: nothing is."
)
ttl_option = click.option(
    "--ttl", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="How long it lives."
)


@click.group()
def kv() -> None:
    """Keep small values for agents under keys.

    A value is any JSON of at most 64 KiB, in the namespace of the swarm, an agent or a task.

    \b
    Example:
      agent-swarm kv set build.last-green 4f1c2d9
    """


@kv.command("get")
@click.argument("key")
@namespace_option
@json_option
@with_client
def get(client: Client, *, key: str, namespace: str, as_json: bool) -> None:
    """Print the value under a key; a text without its quotes.

    \b
    Examples:
      agent-swarm kv get build.last-green
      agent-swarm kv get step --namespace task:0190f3c2-7d51-7a3e-9d55-3f2a91bc0d17
    """
    found = client.get(_path(namespace, key))
    if as_json:
        print_json(found)
    else:
        click.echo(printable(_plain(found["value"])))


@kv.command("set")
@click.argument("key")
@click.argument("value")
@click.option("--text", "is_text", is_flag=True, help="The value is a text, also where it looks like JSON.")
@ttl_option
@if_version_option
@namespace_option
@json_option
@with_client
def set_(
    client: Client,
    *,
    key: str,
    value: str,
    is_text: bool,
    ttl: float | None,
    if_version: int | None,
    namespace: str,
    as_json: bool,
) -> None:
    """Put a value under a key: JSON, or else a text.

    \b
    Examples:
      agent-swarm kv set build.last-green 4f1c2d9
      agent-swarm kv set limits '{"parallel": 4}' --ttl 3600
      agent-swarm kv set owner ada --if-version 0      (only where nobody has it)
    """
    body = {
        "value": value if is_text else _parsed(value),
        **({} if ttl is None else {"ttlSeconds": ttl}),
        **({} if if_version is None else {"ifVersion": if_version}),
    }
    _tell(client.put(_path(namespace, key), body), as_json=as_json)


@kv.command("incr")
@click.argument("key")
@click.option("--by", type=int, default=1, show_default=True, help="What is added; may be negative.")
@ttl_option
@namespace_option
@json_option
@with_client
def incr(client: Client, *, key: str, by: int, ttl: float | None, namespace: str, as_json: bool) -> None:
    """Add to the number under a key, which is 0 where nothing is.

    \b
    Example:
      agent-swarm kv incr deployments
    """
    body = {"by": by, **({} if ttl is None else {"ttlSeconds": ttl})}
    _tell(client.post(f"{_path(namespace, key)}/increment", body), as_json=as_json)


@kv.command("rm")
@click.argument("key")
@if_version_option
@namespace_option
@json_option
@with_client
def rm(client: Client, *, key: str, if_version: int | None, namespace: str, as_json: bool) -> None:
    """Remove the value under a key.

    \b
    Example:
      agent-swarm kv rm owner
    """
    query = "" if if_version is None else f"?ifVersion={if_version}"
    removed = client.delete(_path(namespace, key) + query)
    if as_json:
        print_json(removed)
    else:
        say(f"removed {printable(removed['key'])}")


@kv.command("list")
@namespace_option
@json_option
@with_client
def list_(client: Client, *, namespace: str, as_json: bool) -> None:
    """List the values of a namespace, by key.

    \b
    Examples:
      agent-swarm kv list
      agent-swarm kv list --namespace agent:0190f3c2-7d51-7a3e-9d55-3f2a91bc0d17
    """
    values = client.items(f"/api/kv/{_segment(namespace)}", "values")
    if as_json:
        print_json({"values": values, "nextCursor": None})
        return
    rows = [
        (
            one["key"],
            one_line(json.dumps(one["value"], ensure_ascii=False), _TEXT_CHARS),
            one["version"],
            one["expiresAt"] or "never",
            f"{age(one['updatedAt'])} ago",
        )
        for one in values
    ]
    print_table(("KEY", "VALUE", "VERSION", "EXPIRES", "CHANGED"), rows, empty="nothing is stored")


def _path(namespace: str, key: str) -> str:
    return f"/api/kv/{_segment(namespace)}/{_segment(key)}"


def _segment(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe=":@+")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _tell(stored: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(stored)
    else:
        value = one_line(json.dumps(stored["value"], ensure_ascii=False), _TEXT_CHARS)
        say(f"{printable(stored['key'])}  {value}  version {stored['version']}")
