"""The tasks of a Claude Code team: `N.json` files with what is to be done, and what blocks what."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agent_swarm.workflows.document import STAGES
from agent_swarm.workflows.problems import Problem, refusal
from agent_swarm.workflows.templates import literally
from agent_swarm.workflows.writing import Translated, as_yaml

_OPEN = ("pending", "in_progress")
_OTHERS = ("completed", "deleted")


def translated(team: str, tasks: Sequence[Mapping[str, Any]]) -> Translated:
    """The workflow that the open tasks of a team are. Raises InvalidInput where there is none, or too many."""
    left_out: list[str] = []
    known = {_id(task): task for task in tasks if _id(task)}
    open_ids = sorted((one for one, task in known.items() if task.get("status", "pending") in _OPEN), key=_order)
    if not 0 < len(open_ids) <= STAGES:
        raise refusal([Problem(0, "", f"it has {len(open_ids)} open tasks, expected 1 to {STAGES}")], source=team)
    for one, task in known.items():
        status = task.get("status", "pending")
        if status not in _OPEN:
            left_out.append(f"task {one}: it is {status}" + ("" if status in _OTHERS else ", which is not known here"))
        if task.get("owner"):
            left_out.append(f"task {one}: its owner {str(task['owner'])[:60]}; any agent that fits takes it")
    workflow = {
        "name": _name(team, "team"),
        "description": f"The open tasks of the team {team}.",
        "stages": [_stage(one, known, open_ids) for one in open_ids],
    }
    return Translated(as_yaml(workflow), tuple(left_out))


def _stage(one: str, known: Mapping[str, Mapping[str, Any]], open_ids: Sequence[str]) -> dict[str, Any]:
    task = known[one]
    subject = " ".join(str(task.get("subject") or f"Task {one}").split())
    said = [subject, str(task.get("description") or "").strip()]
    blockers = {*_ids(task.get("blockedBy")), *(other for other in open_ids if one in _ids(known[other].get("blocks")))}
    needs = [_stage_name(other) for other in open_ids if other in blockers and other != one]
    stage: dict[str, Any] = {"name": _stage_name(one), "kind": "swarm", "title": literally(subject[:180])}
    if needs:
        stage["needs"] = needs
    return {**stage, "includeResults": bool(needs), "prompt": literally("\n\n".join(part for part in said if part))}


def _id(task: Mapping[str, Any]) -> str:
    return str(task["id"]) if isinstance(task.get("id"), str | int) else ""


def _ids(value: Any) -> list[str]:
    return [str(one) for one in value if isinstance(one, str | int)] if isinstance(value, list) else []


def _order(one: str) -> tuple[int, str]:
    return (int(one), "") if one.isdecimal() and len(one) < 10 else (10**9, one)


def _stage_name(one: str) -> str:
    return _name(f"task-{one}", "task")


def _name(text: str, otherwise: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:64]
    return plain if plain[:1].isalpha() else f"{otherwise}-{plain}"[:64]
