"""`agent-swarm task list`."""

from typing import Any

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.options import Labels, json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.task.ids import agent_id, task_id
from agent_swarm.cli.text import age, one_line, short_id
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.protocol.limits import PAGE_DEFAULT, PAGE_MAX

HEADERS = ("ID", "STATUS", "PRIO", "AGENT", "TRY", "AGE", "TITLE")


class Statuses(Labels):
    """`pending,running`: statuses of tasks."""

    name = "statuses"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        statuses = super().convert(value, param, ctx)
        for status in statuses:
            if status not in list(TaskStatus):
                self.fail(f"{status!r} is not a status: {', '.join(TaskStatus)}", param, ctx)
        return statuses


@click.command("list")
@click.option("--status", "-s", multiple=True, type=Statuses(), metavar="STATUS[,…]", help="Only these statuses.")
@click.option("--project", metavar="REPO", help="Only tasks of this repository.")
@click.option("--swarm", metavar="NAME", help="Only tasks of this swarm.")
@click.option("--tag", "-t", metavar="TAG", help="Only tasks with this tag.")
@click.option("--agent", metavar="AGENT", help="Only tasks that this agent has, or had last: name or id.")
@click.option("--parent", metavar="ID", help="Only the tasks that this one filed.")
@click.option("--limit", type=click.IntRange(1, PAGE_MAX), default=PAGE_DEFAULT, show_default=True, help="How many.")
@click.option("--cursor", metavar="CURSOR", help="Go on after a page, with its nextCursor.")
@click.option("--all", "everything", is_flag=True, help="All pages.")
@click.option("--quiet", "-q", is_flag=True, help="Print whole ids alone.")
@json_option
@with_client
def list_(client: Client, /, *, everything: bool, quiet: bool, as_json: bool, **given: Any) -> None:
    """List tasks, newest first.

    \b
    Examples:
      agent-swarm task list --status pending,running
      agent-swarm task list --project shop --all --json
      agent-swarm task cancel $(agent-swarm task list -q --status blocked)
    """
    page = _page(client, everything, _query(client, **given))
    if as_json:
        print_json(page)
    elif quiet:
        for task in page["tasks"]:
            say(task["id"])
    else:
        print_tasks(client, page["tasks"])
        if page.get("nextCursor"):
            say(f"more with: agent-swarm task list --all, or --cursor {page['nextCursor']}", to_errors=True)


def print_tasks(client: Client, tasks: list[Json]) -> None:
    """The table of tasks."""
    from agent_swarm.cli.following import agent_names

    names = agent_names(client) if any(task.get("agentId") for task in tasks) else {}
    print_table(HEADERS, [_row(task, names) for task in tasks], empty="no tasks")


def _query(
    client: Client, *, status: tuple[tuple[str, ...], ...], agent: str | None, parent: str | None, **others: object
) -> dict[str, object]:
    return {
        **others,
        "status": ",".join(name for names in status for name in names),
        "agentId": None if agent is None else agent_id(client, agent),
        "parent": None if parent is None else task_id(client, parent),
    }


def _page(client: Client, everything: bool, query: dict[str, object]) -> Json:
    if not everything:
        return client.get("/api/tasks", query)
    pages = client.pages("/api/tasks", {**query, "limit": PAGE_MAX})
    return {"tasks": [task for page in pages for task in page["tasks"]], "nextCursor": None}


def _row(task: Json, names: dict[str, str]) -> tuple[object, ...]:
    agent = task.get("agentId")
    return (
        short_id(task["id"]),
        task["status"],
        task["priority"],
        one_line(names.get(agent, short_id(agent)), 20) if agent else "",
        task["attempt"] or "",
        age(task["createdAt"]),
        one_line(task["title"]),
    )
