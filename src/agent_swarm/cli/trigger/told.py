"""How triggers are addressed, and told of in one line."""

from urllib.parse import quote

from agent_swarm.cli.client import Json
from agent_swarm.cli.output import print_json, say
from agent_swarm.cli.text import one_line, printable

ACTIONS = {"createTask": "files a task", "postMessage": "posts a message", "webhook": "sends a webhook"}


def path_of(name: str, verb: str = "") -> str:
    """Where a trigger is, by its name or id."""
    return f"/api/triggers/{quote(name, safe='')}{f'/{verb}' if verb else ''}"


def tell(trigger: Json, *, as_json: bool) -> None:
    """A trigger in one line."""
    if as_json:
        print_json(trigger)
    else:
        say(headline(trigger))


def headline(trigger: Json) -> str:
    """Its name, how it stands, when it acts, and what it does."""
    name = trigger["name"] or trigger["id"]
    when = ", ".join(trigger["on"])
    return f"{printable(name)}  {trigger['status']}  on {when}: {ACTIONS[trigger['action']]}"


def about(trigger: Json) -> str:
    """Which tasks it is about, for people."""
    if trigger["taskId"]:
        return f"task {trigger['taskId']}"
    names = (("project", "projectId"), ("swarm", "swarmId"), ("tag", "tag"), ("agent", "agentId"))
    return ", ".join(f"{word} {printable(trigger[key])}" for word, key in names if trigger[key]) or "all tasks"


def became(delivery: Json) -> str:
    """What came of a firing, for people."""
    if delivery["status"] == "pending":
        waits = f"next try {delivery['nextTryAt']}" if delivery["tries"] else "soon"
        return one_line(f"{waits}: {delivery['message']}" if delivery["message"] else waits, 70)
    return one_line(delivery["message"] or delivery["made"] or f"answered {delivery['answered']}", 70)
