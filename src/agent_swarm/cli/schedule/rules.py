"""Rules on the command line: the options by which people say when, as the server takes them."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from agent_swarm.cli.options import Duration, Moment

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--cron", metavar="RULE", help='Minute, hour, day, month, weekday: "0 9 * * 1-5"; or @daily.'),
    click.option("--tz", metavar="ZONE", help="The time zone of --cron, such as Europe/Paris; default: UTC."),
    click.option("--every", type=Duration(), metavar="SPAN", help="Every so often, such as 15m; 10s at least."),
    click.option("--starting", type=Moment(), metavar="TIME", help="What --every is counted from; default: now."),
    click.option("--at", type=Moment(), metavar="TIME", help="Once: 2026-12-01T09:00 here, or with an offset."),
)
_END_OPTIONS = (
    click.option("--until", type=Moment(), metavar="TIME", help="No run after this time."),
    click.option("--max-runs", type=click.IntRange(1), metavar="N", help="So many runs, and no more."),
)
_POLICY_OPTIONS = (
    click.option(
        "--missed",
        type=click.Choice(["skip", "latest", "all"]),
        help="Of runs that nobody could start in time: none, one (default), or each, at most 100.",
    ),
    click.option(
        "--overlap",
        type=click.Choice(["skip", "queue", "allow"]),
        help="While an earlier run is open: leave it out (default), have it wait, or start it.",
    ),
    click.option(
        "--max-failures",
        type=click.IntRange(0),
        metavar="N",
        help="Failures in a row until it pauses; default 5, 0: never.",
    ),
)


def rule_options(command: F) -> F:
    """The options that say when."""
    return _with(_OPTIONS, command)


def policy_options(command: F) -> F:
    """The options that say how long, and what becomes of runs that were missed, or overlap."""
    return _with((*_END_OPTIONS, *_POLICY_OPTIONS), command)


def rule_input(given: dict[str, Any]) -> dict[str, Any]:
    """What of `given` says when, taken out of it, as the server names it; only what was given."""
    names = {"cron": "cron", "tz": "timeZone", "every": "everySeconds", "starting": "startAt", "at": "at"}
    values = {wire: given.pop(name) for name, wire in names.items()}
    return {name: value for name, value in values.items() if value is not None}


def policy_input(given: dict[str, Any]) -> dict[str, Any]:
    """What of `given` says how long and what becomes of runs, taken out of it; only what was given."""
    names = {
        "until": "until",
        "max_runs": "maxRuns",
        "missed": "missed",
        "overlap": "overlap",
        "max_failures": "maxFailures",
    }
    values = {wire: given.pop(name) for name, wire in names.items()}
    return {name: value for name, value in values.items() if value is not None}


def require_rule(rule: dict[str, Any]) -> None:
    """Raise UsageError unless one rule was given."""
    if sum(name in rule for name in ("cron", "everySeconds", "at")) != 1:
        raise click.UsageError("say when, by one of --cron, --every and --at", click.get_current_context())


def _with(options: tuple[Callable[[F], F], ...], command: F) -> F:
    for option in reversed(options):
        command = option(command)
    return command
