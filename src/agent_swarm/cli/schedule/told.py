"""How schedules are addressed, and told of in one line."""

from datetime import UTC, datetime
from urllib.parse import quote

from agent_swarm.cli.client import Json
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import instant, printable, span


def path_of(name: str, verb: str = "") -> str:
    """Where a schedule is, by its name or id."""
    return f"/api/schedules/{quote(name, safe='')}{f'/{verb}' if verb else ''}"


def tell(schedule: Json, *, as_json: bool) -> None:
    """A schedule in one line."""
    if as_json:
        print_json(schedule)
    else:
        say(headline(schedule))


def headline(schedule: Json) -> str:
    """Its name, how it stands, its rule, and when it runs next."""
    return (
        f"{printable(schedule['name'])}  {schedule['status']}  {schedule['rule']['words']}  {when(schedule)}".rstrip()
    )


def when(schedule: Json) -> str:
    """When it runs next, seen from now."""
    if schedule["status"] != "active" or schedule["nextAt"] is None:
        return ""
    return f"next {schedule['nextAt']} ({ahead(schedule['nextAt'])})"


def ahead(text: str) -> str:
    """How far a time on the wire is ahead."""
    seconds = (instant(text) - datetime.now(UTC)).total_seconds()
    return f"in {span(seconds)}" if seconds > 0 else "now"
