"""`agent-swarm doctor`."""

from dataclasses import asdict

import click

from agent_swarm.cli import failures
from agent_swarm.cli.client import Client
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import printable

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@json_option
@with_client
def doctor(client: Client, *, as_json: bool) -> int:
    """Check what this machine has and lacks for a swarm.

    It changes nothing. Exits 1 if a check fails; warnings do not count.

    \b
    Examples:
      agent-swarm doctor
      agent-swarm doctor --json | jq '.checks[] | select(.status != "ok")'
    """
    from agent_swarm.cli.checks import all_checks

    checks = all_checks(client.server)
    if as_json:
        print_json({"checks": [asdict(check) for check in checks]})
    for check in () if as_json else checks:
        status = click.style(f"{check.status:<4}", fg=COLOURS[check.status], bold=True)
        say(f"{status}  {check.name:<18}  {printable(check.detail)}")
        if check.remedy:
            say(f"{'':<26}→ {printable(check.remedy)}")
    return failures.REFUSED if any(check.status == "fail" for check in checks) else failures.DONE
