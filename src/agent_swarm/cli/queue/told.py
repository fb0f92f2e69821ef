"""How merge queues are addressed, and told of in one line."""

from urllib.parse import quote

from agent_swarm.cli.client import Json
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import one_line, printable, short_id


def path_of(project: str, rest: str = "") -> str:
    """Where the queue of a project is."""
    return f"/api/projects/{quote(project, safe='')}/queue{f'/{rest}' if rest else ''}"


def tell(queue: Json, *, as_json: bool) -> None:
    """A queue in one line."""
    if as_json:
        print_json(queue)
    else:
        say(headline(queue))


def headline(queue: Json) -> str:
    """Its project, how it stands, and what it does."""
    branch = printable(queue["branch"] or "the project's branch")
    does = f"checks {len(queue['checking'])} in task {short_id(queue['checkTaskId'])}" if queue["checkTaskId"] else ""
    waiting = f"{queue['waiting']}{'+' if queue['waiting'] >= 200 else ''} wait"
    parts = [printable(queue["project"]), queue["status"], f"lands on {branch}", waiting, does]
    return "  ".join(part for part in parts if part)


def became(entry: Json) -> str:
    """What became of a result, or what it waits for."""
    if entry["status"] == "waiting":
        return f"checked in task {short_id(entry['checkTaskId'])}" if entry["checkTaskId"] else "waits"
    if entry["status"] == "returned":
        then = f"again as task {short_id(entry['followUpId'])}: " if entry["followUpId"] else ""
        said = entry["message"].strip().splitlines() or [entry["code"]]
        return one_line(then + said[-1], 70)
    return entry["commit"][:12] if entry["commit"] else ""
