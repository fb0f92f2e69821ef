"""What the store holds, in the words of the Swarm plugin."""

from collections.abc import Sequence
from typing import Any

from agent_swarm.domain.priority import PRIORITY_NAMES
from agent_swarm.domain.swarms import Swarm, SwarmStatus
from agent_swarm.domain.time import SECOND, to_wire
from agent_swarm.protocol import rest_plugin as rest
from agent_swarm.protocol.limits import PAGE_MAX
from agent_swarm.services import views
from agent_swarm.store.families.archived_tasks import ArchivedTask
from agent_swarm.store.families.mail import Message
from agent_swarm.store.families.project_copies import ProjectCopy
from agent_swarm.store.records import AgentRecord, ProjectRecord, TaskRecord, TaskSpec

SAFETY_NET_MS = 5_000  # services.dispatch sweeps as often for what a lost wake-up left
_WORDS = {number: word for word, number in PRIORITY_NAMES.items()}


def swarm(found: Swarm) -> rest.PluginSwarm:
    """A swarm."""
    return rest.PluginSwarm(
        id=found.id,
        name=found.name,
        status=found.status.value,
        project_id=found.project_id,
        settings=rest.PluginSettings(
            auto_claim=found.status is SwarmStatus.ACTIVE,
            claim_interval_ms=SAFETY_NET_MS,
            exec_timeout_sec=int(rest.EXEC_SECONDS),
        ),
        created_at=to_wire(found.created_at),
    )


def prompt_of(title: str, description: str) -> str:
    """What an agent is told of a task."""
    return f"{title}\n\n{description}" if description.strip() else title


def has_title(spec: TaskSpec) -> bool:
    """Whether its prompt begins with its title, as those that are filed here do."""
    return spec.prompt == spec.title or spec.prompt.startswith(f"{spec.title}\n\n")


def description_of(spec: TaskSpec) -> str:
    """What a task's prompt says below its title."""
    return spec.prompt.removeprefix(spec.title).removeprefix("\n\n") if has_title(spec) else spec.prompt


def task(record: TaskRecord, upstreams: Sequence[str], archived: ArchivedTask | None) -> rest.PluginTask:
    """A task of a swarm."""
    spec, state = record.spec, record.state
    result, failure = record.result or {}, record.failure or {}
    return rest.PluginTask(
        id=spec.id,
        swarm_id=spec.swarm_id or "",
        title=spec.title,
        description=description_of(spec),
        status=state.status.value,
        priority=_WORDS.get(spec.priority, spec.priority),  # type: ignore[arg-type]  # the words of its type
        tags=list(spec.labels),
        depends_on=list(upstreams[:PAGE_MAX]),
        project_id=spec.project_id,
        sandbox_id=state.agent_id or record.last_agent_id,
        attempt=state.attempt,
        progress=record.progress,
        result=result.get("text"),
        error=failure.get("message") or failure.get("code"),
        branch=result.get("branch") or None,
        commit=result.get("commit") or None,
        timeout_seconds=None if spec.timeout is None else spec.timeout / SECOND,
        created_by=spec.created_by,
        created_at=to_wire(spec.created_at),
        started_at=_at(record.started_at),
        finished_at=_at(record.finished_at),
        archived_at=None if archived is None else to_wire(archived.archived_at),
    )


def agent(record: AgentRecord, held: Sequence[TaskRecord], *, now: int) -> rest.PluginAgent:
    """An agent, which is a sandbox."""
    profile = record.profile
    return rest.PluginAgent(
        sandbox_id=profile.id,
        swarm_id=profile.swarm_id,
        name=record.name,
        role=profile.role,
        skills=sorted(profile.skills),
        tags=sorted(profile.tags),
        status=sandbox_status(record, is_busy=bool(held), now=now),
        current_task=held[0].spec.id if held else None,
        last_seen_at=to_wire(record.last_seen_at),
    )


def sandbox_status(record: AgentRecord, *, is_busy: bool, now: int) -> rest.SandboxStatus:
    """How an agent stands; one that gets no work is stopped, whether or not its worker is there."""
    if record.is_stopped:
        return "stopped"
    status = views.agent_status(record, is_busy=is_busy, now=now)
    return "working" if status == "busy" else status


def message(found: Message) -> rest.PluginMessage:
    """A message of the chat."""
    return rest.PluginMessage(**message_fields(found))


def message_fields(found: Message) -> dict[str, Any]:
    """What there is to a message."""
    return {
        "id": found.id,
        "sender": found.sender,
        "from_name": found.sender_name,
        "message": found.text,
        "mentions": list(found.mentions),
        "mentions_all": found.mentions_all,
        "reply_to": found.reply_to,
        "created_at": to_wire(found.posted_at),
    }


def project(record: ProjectRecord) -> rest.PluginProject:
    """A project."""
    return rest.PluginProject(**project_fields(record))


def project_fields(record: ProjectRecord) -> dict[str, Any]:
    """What there is to a project."""
    return {
        "id": record.id,
        "name": record.name,
        "git_url": record.repo_url,
        "branch": record.default_branch,
        "created_at": to_wire(record.created_at),
    }


def copy(agent_record: AgentRecord, found: ProjectCopy | None, *, offline: bool = False) -> rest.PluginCopy:
    """What became of the copy in one sandbox; with `offline`, that it was not asked."""
    reported = found is not None and found.reported_at is not None and not offline
    report = dict(found.report) if reported and found is not None else _unreported(found, offline=offline)
    runs = report.pop("workspaces", [])
    return rest.PluginCopy(
        sandbox_id=agent_record.profile.id,
        name=agent_record.name,
        workspaces=[rest.PluginWorkspace.model_validate(run) for run in runs[:PAGE_MAX]],
        asked_at=None if found is None or offline else to_wire(found.asked_at),
        reported_at=to_wire(found.reported_at) if reported and found is not None and found.reported_at else None,
        **report,
    )


def _unreported(found: ProjectCopy | None, *, offline: bool) -> dict[str, Any]:
    nothing = {"ok": False, "branch": "", "head": "", "before": ""}
    if offline:
        return {**nothing, "status": "offline", "error": "its worker is not connected; an attempt fetches by itself"}
    if found is None:
        return {**nothing, "status": "none", "error": "it was never asked: init the project"}
    return {**nothing, "status": "waiting", "error": "its worker has not answered yet; ask again to see"}


def _at(instant: int | None) -> str | None:
    return None if instant is None else to_wire(instant)
