"""`--wait`: follow tasks to their end and answer with their outcome."""

from agent_swarm.cli import event_text
from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.feed import Event
from agent_swarm.cli.following import agent_names, exit_code_by_outcome, follow
from agent_swarm.cli.output import print_json, say, status_text
from agent_swarm.cli.text import printable, short_id


def wait_for(client: Client, tasks: list[Json], *, as_json: bool, quiet: bool = False) -> int:
    """Tell on standard error what happens, print the results on standard output, and answer with the exit code."""
    agents: dict[str, str] = {}

    def show(event: Event) -> None:
        if (event.get("data") or {}).get("agentId") not in (None, *agents):
            agents.update(agent_names(client))
        say(event_text.line(event, agents), to_errors=True)

    for task in tasks:
        if not quiet:
            say(f"{task['id']}  {status_text(task['status'])}  {printable(task['title'])}", to_errors=True)
    try:
        ended = list(follow(client, [task["id"] for task in tasks], show=_nothing if quiet else show).values())
    except KeyboardInterrupt:
        ids = " ".join(short_id(task["id"]) for task in tasks)
        say(f"no longer waiting; the work goes on. Cancel it with: agent-swarm task cancel {ids}", to_errors=True)
        raise
    if as_json:
        print_json(ended[0] if len(ended) == 1 else {"tasks": ended})
    else:
        for task in ended:
            say(_outcome(task, with_title=len(ended) > 1))
    return exit_code_by_outcome(ended)


def _outcome(task: Json, *, with_title: bool) -> str:
    """What came out: the result's text of a task that completed, or why it did not."""
    result, failure = task.get("result") or {}, task.get("failure") or {}
    said = result.get("text") or failure.get("message") or failure.get("code") or ""
    heading = f"{printable(task['title'])}: " if with_title else ""
    return f"{heading}{status_text(task['status'])}" + (f"\n{printable(said)}" if said else "")


def _nothing(_event: Event) -> None:
    pass
