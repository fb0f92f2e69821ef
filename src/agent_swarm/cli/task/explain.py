"""`agent-swarm task explain`."""

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, say, status_text
from agent_swarm.cli.task.ids import task_id
from agent_swarm.cli.text import printable


@click.command()
@click.argument("id")
@json_option
@with_client
def explain(client: Client, *, id: str, as_json: bool) -> None:
    """Say why a task does not run, and what would unblock it.

    \b
    Example:
      agent-swarm task explain 3f2a91bc
    """
    explanation = client.get(f"/api/tasks/{task_id(client, id)}/explain")
    if as_json:
        print_json(explanation)
        return
    say(f"{status_text(explanation['status'])}: {printable(explanation['summary'])}")
    for line in reason_lines(explanation):
        say(line)


def reason_lines(explanation: Json) -> list[str]:
    """How often it was tried; then each reason, and below it what would remove it."""
    lines = [line] if (line := tries(explanation.get("attempts") or {})) else []
    for reason in explanation["reasons"]:
        lines.append(f"- {printable(reason['message'])}")
        if reason.get("unblock"):
            lines.append(f"  → {printable(reason['unblock'])}")
    return lines


def tries(counts: Json) -> str:
    """`attempt 2: 1 failure, 2 left; 0 losses, 10 left`; nothing for a task that was not tried yet."""
    if not counts.get("made"):
        return ""
    told = [
        f"{counts[what]} {what if counts[what] != 1 else one}, {counts[f'{what}Left']} left"
        for what, one in (("failures", "failure"), ("losses", "loss"))
    ]
    return f"attempt {counts['made']}: {'; '.join(told)}"
