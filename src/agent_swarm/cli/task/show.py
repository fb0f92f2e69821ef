"""`agent-swarm task show`."""

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.following import agent_names, has_ended
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say, status_text
from agent_swarm.cli.task.explain import reason_lines
from agent_swarm.cli.task.ids import task_id
from agent_swarm.cli.text import age, lasted, one_line, printable, short_id
from agent_swarm.domain.tasks import HELD


@click.command()
@click.argument("id")
@json_option
@with_client
def show(client: Client, *, id: str, as_json: bool) -> None:
    """Show everything about a task.

    \b
    Examples:
      agent-swarm task show 3f2a91bc
      agent-swarm task show 3f2a91bc --json | jq -r .result.commit
    """
    task = client.get(f"/api/tasks/{task_id(client, id)}")
    if as_json:
        print_json(task)
        return
    names = agent_names(client)
    for name, value in facts(task, names):
        say(f"{name + ':':<12} {value}")
    _show_edges(task)
    _show_offers(task, names)
    _show_attempts(client, task, names)
    _show_reasons(client, task)
    say(f"\n{printable(task['prompt'])}")


def facts(task: Json, names: dict[str, str]) -> list[tuple[str, str]]:
    """What is known about a task, without what there is nothing to say about."""
    agent = task.get("agentId")
    result, failure = task.get("result") or {}, task.get("failure") or {}
    requires = task["requires"]
    known = [
        ("id", task["id"]),
        ("title", task["title"]),
        ("status", status_text(task["status"]) + (f" ({task['pauseReason']})" if task.get("pauseReason") else "")),
        ("priority", task["priority"]),
        ("project", task.get("projectId")),
        ("harness", " ".join(filter(None, (task.get("harness"), task.get("model"))))),
        ("tags", ", ".join(task["tags"])),
        ("needs", ", ".join([*requires["tags"], *requires["capabilities"]])),
        ("only for", names.get(requires["agentId"], requires["agentId"]) if requires.get("agentId") else None),
        ("agent", names.get(agent, agent) if agent else None),
        ("created", f"{task['createdAt']} ({age(task['createdAt'])} ago) by {task['createdBy']}"),
        ("not before", task.get("notBefore")),
        ("timeout", _timeout(task)),
        ("ran for", lasted(task.get("startedAt"), task.get("finishedAt"))),
        ("part of", task.get("parentTaskId")),
        ("retry of", task.get("retryOf")),
        ("says", one_line(task.get("progress"), 100)),
        ("branch", " ".join(filter(None, (result.get("branch"), result.get("commit"))))),
        ("result", result.get("text")),
        ("failure", ": ".join(str(failure[key]) for key in ("class", "code", "message") if failure.get(key))),
    ]
    return [
        (name, str(value) if name == "status" else printable(value)) for name, value in known if value not in (None, "")
    ]


def _timeout(task: Json) -> str:
    if task.get("timeoutSeconds") is None:
        return ""
    ends = f", the run ends at {task['deadlineAt']}" if task.get("deadlineAt") else ""
    return f"{task['timeoutSeconds']:g} s{ends}"


def _show_edges(task: Json) -> None:
    for heading, edges in (("waits for", task["dependsOn"]), ("waited for by", task["dependants"])):
        if edges:
            say(f"\n{heading}:")
            rows = [
                (short_id(edge["task"]), edge["status"], f"on failure: {edge['onFailure']}", one_line(edge["title"]))
                for edge in edges
            ]
            print_table(("ID", "STATUS", "POLICY", "TITLE"), rows, empty="")


def _show_offers(task: Json, names: dict[str, str]) -> None:
    if task.get("offers"):
        say("\noffers:")
        rows = [
            (
                names.get(one["agentId"], short_id(one["agentId"])),
                one["status"],
                one["settledAt"] or f"until {one['expiresAt']}",
                one_line(one["reason"]),
            )
            for one in task["offers"]
        ]
        print_table(("AGENT", "STATUS", "WHEN", "REASON"), rows, empty="")


def _show_attempts(client: Client, task: Json, names: dict[str, str]) -> None:
    if not task["attempt"]:
        return
    say("\nattempts:")
    rows = [
        (
            attempt["number"],
            attempt["outcome"] or "goes on",
            names.get(attempt["agentId"], short_id(attempt["agentId"])),
            lasted(attempt["claimedAt"], attempt["endedAt"]),
            _allowed(attempt),
            attempt["commit"][:10],
            one_line(attempt["message"]),
        )
        for attempt in client.items(f"/api/tasks/{task['id']}/attempts", "attempts")
    ]
    print_table(("TRY", "OUTCOME", "AGENT", "TIME", "MAY", "COMMIT", "MESSAGE"), rows, empty="none")


def _allowed(attempt: Json) -> str:
    """The permission profile of an attempt, whether it is not enforced, and how often it said no."""
    not_enforced = ", not enforced" if attempt["permissionsEnforced"] is False else ""
    denials = f", {attempt['denials']} denied" if attempt["denials"] else ""
    return f"{attempt['permissions']}{not_enforced}{denials}"


def _show_reasons(client: Client, task: Json) -> None:
    """Why it does not run, or what is the matter with how it runs."""
    if has_ended(task):
        return
    explanation = client.get(f"/api/tasks/{task['id']}/explain")
    if not explanation["reasons"]:
        return
    say("\nwhat it waits for:" if task["status"] in HELD else "\nwhy it does not run:")
    for line in reason_lines(explanation):
        say(line)
