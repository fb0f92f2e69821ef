"""What another system's data is to us, as values; ids are ours already."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.ids import normalize_id

_NAMESPACE = uuid.UUID("6f0d9f5e-2a0c-5d3b-9a54-7a1f9f5b8c11")  # of ids that are derived from foreign ones


class UnreadableSource(InvalidInput):
    """What is to be imported cannot be read, or is something else."""

    code = "unreadableSource"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignAgent:
    """A stable identity; `skills` only rank, as its `role` does."""

    id: str
    name: str
    is_lead: bool = False
    role: str = ""
    skills: tuple[str, ...] = ()
    description: str = ""
    harness: str = ""
    slots: int = 1
    swarm_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignProject:
    """A git repository."""

    id: str
    name: str
    repo_url: str
    branch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignSwarm:
    """A group of agents and tasks, with at most one project."""

    id: str
    source_id: str
    name: str
    project_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignMessage:
    """Something that was said in a swarm, by whom as its name was, at `at`: an RFC 3339 text, or none."""

    id: str
    source_id: str
    swarm_id: str
    sender_name: str
    text: str
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignTask:
    """A task that has not ended. `source_id` is how the other system calls it; `depends_on` holds our ids."""

    id: str
    source_id: str
    prompt: str
    title: str = ""
    priority: int = 50
    labels: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    agent_id: str | None = None
    project_id: str | None = None
    swarm_id: str | None = None
    timeout: int | None = None  # microseconds
    harness: str = ""
    model: str | None = None
    is_backlog: bool = False
    note: str = ""  # what is not as it was


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignSchedule:
    """Work that the clock starts: by `cron` in `time_zone`, each `every` seconds, or once at `at`, an RFC 3339 text."""

    id: str
    source_id: str
    name: str
    prompt: str
    cron: str = ""
    time_zone: str = ""
    every: float = 0
    at: str = ""
    is_paused: bool = False
    description: str = ""
    priority: int = 50
    labels: tuple[str, ...] = ()
    agent_id: str | None = None
    model: str | None = None
    harness: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignEntry:
    """A configuration entry. `was_plain`: it is a secret that lay there unencrypted."""

    scope: str  # global, agent or project
    scope_id: str
    key: str
    value: str = field(repr=False)
    is_secret: bool = False
    was_plain: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Something that is not imported: what it is, why, and all of it for the report file (no secret)."""

    kind: str
    source_id: str
    reason: str
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)
    is_problem: bool = False  # it should have been imported and could not be


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """Everything that was read."""

    system: str
    agents: tuple[ForeignAgent, ...] = ()
    projects: tuple[ForeignProject, ...] = ()
    swarms: tuple[ForeignSwarm, ...] = ()
    tasks: tuple[ForeignTask, ...] = ()
    messages: tuple[ForeignMessage, ...] = ()
    schedules: tuple[ForeignSchedule, ...] = ()
    entries: tuple[ForeignEntry, ...] = ()
    kept: tuple[Kept, ...] = ()
    notes: tuple[str, ...] = ()
    counted: Mapping[str, int] = field(default_factory=dict)  # what was seen and needs no import, such as ended tasks


def our_id(system: str, kind: str, source_id: str) -> str:
    """The id that something has here: its own where that is a UUID, else one derived from it, always the same."""
    return normalize_id(source_id) or str(uuid.uuid5(_NAMESPACE, f"{system}/{kind}/{source_id}"))
