"""Options and argument types that commands share."""

import functools
import re
from collections.abc import Callable
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

import click

from agent_swarm.cli.address import locate
from agent_swarm.cli.client import Client
from agent_swarm.cli.environment import env_file_option, url_option
from agent_swarm.domain.priority import PRIORITY_NAMES

P = ParamSpec("P")
R = TypeVar("R")


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def with_client(command: Callable[Concatenate[Client, P], R]) -> Callable[P, R]:
    """Hand the command a client of the server that `--url` or the environment names, as its first argument."""

    @url_option
    @env_file_option
    @functools.wraps(command)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        url = kwargs.pop("url") or click.get_current_context().find_root().params.get("url")
        return command(Client(locate(url if isinstance(url, str) else None)), *args, **kwargs)

    return call


class Labels(click.ParamType[tuple[str, ...]]):
    """`a,b`: names without spaces around them."""

    name = "labels"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        return tuple(part.strip() for part in str(value).split(",") if part.strip())


class Duration(click.ParamType[float]):
    """`90`, `90s`, `5m`, `2h` or `1d`, in seconds."""

    name = "duration"
    UNITS: ClassVar = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", str(value).strip())
        if match is None or float(match[1]) <= 0:
            self.fail(f"{value!r} is not a time span such as 90s, 5m or 2h", param, ctx)
        return float(match[1]) * self.UNITS[match[2]]


class Moment(click.ParamType[str]):
    """An RFC 3339 time, or local date and time without a zone, or a local time of today; in UTC as it travels."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from datetime import datetime, time

        from agent_swarm.domain.time import from_wire, to_wire

        text = str(value).strip()
        try:
            moment = datetime.combine(datetime.now(), time.fromisoformat(text))
        except ValueError:
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                self.fail(f"{text!r} is not a time such as 2026-11-20T18:00:00Z or 18:00", param, ctx)
        return to_wire(from_wire(moment.astimezone().isoformat()))


class Priority(click.ParamType[int]):
    """0 to 100, or urgent, high, medium, low."""

    name = "priority"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).strip().lower()
        number = PRIORITY_NAMES.get(text, int(text) if text.isdecimal() else -1)
        if not 0 <= number <= 100:
            self.fail(f"{value!r} is not a priority: give 0 to 100, or {', '.join(PRIORITY_NAMES)}", param, ctx)
        return number

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in PRIORITY_NAMES if name.startswith(incomplete)]
