"""Abbreviated ids: `3f2a91bc` for a task, `ada` for an agent."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from agent_swarm.cli.client import Client
from agent_swarm.cli.text import one_line
from agent_swarm.domain.errors import InvalidInput, NotFound
from agent_swarm.domain.ids import normalize_id

RECENT_PAGES = 5  # of 200: an abbreviation names one of the latest 1,000 tasks
SHORTEST = 4


@dataclass(frozen=True, slots=True)
class Named:
    """A thing with an id and the words people know it by."""

    id: str
    name: str


def task_id(client: Client, text: str) -> str:
    """The id of the task that `text` abbreviates."""
    return task_ids(client, [text])[0]


def task_ids(client: Client, texts: Sequence[str]) -> list[str]:
    """The ids of the tasks that `texts` abbreviate; asks the server only where one is abbreviated."""
    recent: list[Named] | None = None
    found = []
    for text in texts:
        identifier = normalize_id(text)
        if identifier is None:
            recent = _recent_tasks(client) if recent is None else recent
            identifier = matching(text, recent, kind="task")
        found.append(identifier)
    return found


def agent_id(client: Client, text: str) -> str:
    """The id of the agent that `text` names or abbreviates."""
    return normalize_id(text) or agent_named(client.items("/api/agents", "agents"), text)["id"]


def agent_named(agents: Sequence[dict[str, Any]], text: str) -> dict[str, Any]:
    """The agent that has `text` as its name, or whose id it abbreviates."""
    known = [Named(agent["id"], agent["name"]) for agent in agents]
    same_name = [agent.id for agent in known if agent.name.lower() == text.lower()]
    chosen = same_name[0] if len(same_name) == 1 else normalize_id(text) or matching(text, known, kind="agent")
    for agent in agents:
        if agent["id"] == chosen:
            return agent
    raise NotFound(f"no agent has the id {chosen!r}", hint="list them with: agent-swarm agent ls")


def matching(text: str, known: Iterable[Named], *, kind: str) -> str:
    """The one id that begins with `text`, or else ends with it.

    Raises NotFound where there is none, InvalidInput with the candidates where there are several.
    """
    wanted = text.strip().lower()
    if len(wanted) < SHORTEST or not re.fullmatch("[0-9a-f-]+", wanted):
        raise NotFound(
            f"no {kind} is called {text!r}",
            hint=f"give an id, or at least {SHORTEST} characters of its beginning or end, as lists show them",
        )
    named = list(known)
    found = [one for one in named if one.id.startswith(wanted)] or [one for one in named if one.id.endswith(wanted)]
    if not found:
        raise NotFound(f"no recent {kind} has an id like {text!r}", hint=f"list them with: agent-swarm {kind} list")
    if len(found) > 1:
        shown = ", ".join(f"{one.id} ({one_line(one.name, 30)})" for one in found[:5])
        raise InvalidInput(f"{text!r} could be {len(found)} {kind}s: {shown}", hint="give more of the id")
    return found[0].id


def _recent_tasks(client: Client) -> list[Named]:
    recent: list[Named] = []
    for number, page in enumerate(client.pages("/api/tasks"), 1):
        recent.extend(Named(task["id"], task["title"]) for task in page["tasks"])
        if number == RECENT_PAGES:
            break
    return recent
