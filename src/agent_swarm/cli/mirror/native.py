"""The tasks of Claude Code's teams: from what a hook is told, and from the files under `~/.claude/tasks`.

What is there was written by another program, for itself: what does not look as expected is passed over.
"""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent_swarm.protocol.limits import TITLE_CHARS

FILE_BYTES = 256 * 1024
HISTORY_SECONDS = 7 * 86400
TASKS = 500  # of one list
BLOCKERS = 50  # of one task
TEXT_CHARS = 20_000
_STATUSES = ("pending", "in_progress", "completed", "deleted")
_SESSION = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class NativeTask:
    """A task of a team, as the team has it."""

    team: str
    id: str
    subject: str
    description: str = ""
    status: str = "pending"
    owner: str = ""
    blocked_by: tuple[str, ...] = ()  # ids in the same list

    @property
    def key(self) -> str:
        """What it is known by, on this machine."""
        return f"{self.team}/{self.id}"


def tasks_in(folder: Path, *, sessions: bool, now: float) -> list[NativeTask]:
    """The tasks in `~/.claude/tasks`: of teams, and with `sessions` also of those who work alone.

    Lists that nobody has written in for a week before `now` (seconds of the epoch) are history, and left out.
    """
    found = []
    for team in sorted(path for path in folder.glob("*") if path.is_dir()):
        if (sessions or not _SESSION.fullmatch(team.name)) and _written_at(team) > now - HISTORY_SECONDS:
            found += list(_of_team(team))
    return found


def task_of_hook(told: Mapping[str, Any], folder: Path, list_id: str, *, sessions: bool) -> NativeTask | None:
    """The task that a TaskCreated or TaskCompleted hook is about; None where it is about none, or not a team's."""
    event, id_ = told.get("hook_event_name"), told.get("task_id")
    if event not in ("TaskCreated", "TaskCompleted") or not isinstance(id_, str | int) or not _is_name(str(id_)):
        return None
    names = [str(one) for one in (list_id, told.get("team_name"), told.get("session_id")) if one]
    team = next((one for one in names if (folder / one).is_dir()), next(iter(names), ""))
    if not _is_name(team) or (not sessions and _SESSION.fullmatch(team)):
        return None
    known = _read(folder / team / f"{id_}.json", team)
    task = known or NativeTask(team, str(id_), _line(told.get("task_subject")), _text(told.get("task_description")))
    if event == "TaskCompleted":
        owner = task.owner or _line(told.get("teammate_name"))
        task = replace(task, status="completed", owner=owner)
    return task if task.subject else None


def _written_at(team: Path) -> float:
    times = [0.0]
    for path in (team, *team.glob("*.json")):
        with contextlib.suppress(OSError):  # it has gone meanwhile
            times.append(path.stat().st_mtime)
    return max(times)


def _of_team(folder: Path) -> Iterator[NativeTask]:
    for path in sorted(folder.glob("*.json"))[:TASKS]:
        task = _read(path, folder.name)
        if task is not None and task.subject:
            yield task


def _read(path: Path, team: str) -> NativeTask | None:
    try:
        if path.stat().st_size > FILE_BYTES:
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or not isinstance(content.get("id"), str | int):
        return None
    status = content.get("status", "pending")
    if status not in _STATUSES or not _is_name(str(content["id"])) or not _is_name(team):
        return None
    return NativeTask(
        team,
        str(content["id"]),
        _line(content.get("subject")),
        _text(content.get("description")),
        status,
        _line(content.get("owner")),
        _names(content.get("blockedBy")),
    )


def _names(value: Any) -> tuple[str, ...]:
    names = [str(one) for one in value[:BLOCKERS] if isinstance(one, str | int)] if isinstance(value, list) else []
    return tuple(dict.fromkeys(name for name in names if _is_name(name)))


def _is_name(text: str) -> bool:
    return bool(_NAME.fullmatch(text))


def _line(value: Any) -> str:
    return " ".join(value.split())[:TITLE_CHARS] if isinstance(value, str) else ""


def _text(value: Any) -> str:
    return value.strip()[:TEXT_CHARS] if isinstance(value, str) else ""
