"""`agent-swarm auth status`."""

import time
from datetime import UTC, datetime
from typing import Any

import click

from agent_swarm.cli.auth.this_host import credentials_here
from agent_swarm.cli.client import Client
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import printable
from agent_swarm.worker.credential_book import Entry


@click.command()
@json_option
@with_client
def status(client: Client, *, as_json: bool) -> None:
    """Show accounts, and which credentials rest until when.

    The accounts are the server's, the credentials those that workers of this machine have used. One that rests has
    reached its provider's limit; work goes to others meanwhile. No value is shown: the fingerprint tells two apart, on
    this machine alone.

    \b
    Examples:
      agent-swarm auth status
      agent-swarm auth status --json
    """
    now = time.time()
    accounts = client.get("/api/accounts")["accounts"]
    here = [_of(fingerprint, entry, now) for fingerprint, entry in credentials_here()]
    if as_json:
        print_json({"accounts": accounts, "credentials": here})
        return
    rows = [(one["kind"], printable(one["name"]), one["state"], one["expiresAt"] or "-") for one in accounts]
    print_table(("ACCOUNT", "NAME", "STATE", "UNTIL"), rows, empty="the server has no accounts")
    for one in accounts:
        if one["problem"]:
            say(f"{one['kind']} {printable(one['name'])}: {one['problem']}")
    say("")
    used = [(one["name"], one["fingerprint"], one["state"], one["restsUntil"] or "-", str(one["uses"])) for one in here]
    print_table(
        ("CREDENTIAL", "FINGERPRINT", "STATE", "UNTIL", "USES"), used, empty="no worker of this machine has used any"
    )


def _of(fingerprint: str, entry: Entry, now: float) -> dict[str, Any]:
    standing = entry.standing
    rests = standing.rests(now)
    state = "rests" if rests else "not accepted" if standing.is_doubtful else "ready"
    return {
        "name": entry.name,
        "fingerprint": fingerprint,
        "state": state,
        "restsUntil": shown(standing.rests_until) if rests else None,
        "reason": standing.reason if state != "ready" else "",
        "uses": standing.uses,
    }


def shown(instant: float) -> str:
    """An instant for people, in UTC."""
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
