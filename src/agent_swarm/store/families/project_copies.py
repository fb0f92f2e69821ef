"""What the workers say of their copies of projects: one record for each agent and project, replaced by the next one.

A worker is asked by an event, which its server hears of wherever it is connected, and again when it connects; the
answer is told by another event.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent_swarm.protocol.limits import PAGE_MAX
from agent_swarm.store.base import Queries
from agent_swarm.store.events import Draft, of_agent
from agent_swarm.store.families.family import Family
from agent_swarm.store.operations import Desk, RecordOperation
from agent_swarm.store.records import ProjectRecord

ASKED = "project.copyAsked"
REPORTED = "project.copyReported"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectCopy:
    """What an agent was last asked to do with its copy, and what it reported; nothing yet where `reported_at` is None.

    `report` is {ok, status, branch, head, before, error, workspaces}, as REST shows it.
    """

    agent_id: str
    project_id: str
    request_id: str
    action: str  # init or sync
    asked_by: str
    asked_at: int
    reported_at: int | None = None
    report: Mapping[str, Any] = field(default_factory=dict)


PROJECT_COPIES = Family("project_copy", ProjectCopy, key=("agent_id", "project_id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AskForCopies(RecordOperation[None]):
    """Ask agents to bring their copies of a project up to date."""

    project: ProjectRecord
    agent_ids: tuple[str, ...]
    request_id: str
    action: str
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"copies:{self.project.id}",)

    def carry_out(self, desk: Desk) -> None:
        """Each is told by an event of its own; what was asked before is asked no more."""
        for agent_id in self.agent_ids:
            asked = ProjectCopy(
                project_id=self.project.id,
                agent_id=agent_id,
                request_id=self.request_id,
                action=self.action,
                asked_by=self.actor,
                asked_at=desk.now,
            )
            desk.put(PROJECT_COPIES, asked)
            data = {
                "agentId": agent_id,
                "requestId": self.request_id,
                "action": self.action,
                "name": self.project.name,
                "repoUrl": self.project.repo_url,
                "defaultBranch": self.project.default_branch,
            }
            desk.say(_told(ASKED, self.actor, self.project.id, data))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCopy(RecordOperation[bool]):
    """Keep what an agent reports of its copy; answers whether that was still asked for."""

    project_id: str
    agent_id: str
    request_id: str
    report: Mapping[str, Any]

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"copies:{self.project_id}",)

    def carry_out(self, desk: Desk) -> bool:
        """The answer to an earlier question says nothing of what was asked since."""
        asked = desk.get(PROJECT_COPIES, self.agent_id, self.project_id)
        if asked is None or asked.request_id != self.request_id or asked.reported_at is not None:
            return False
        desk.put(PROJECT_COPIES, replace(asked, reported_at=desk.now, report=self.report))
        data = {
            "agentId": self.agent_id,
            "requestId": self.request_id,
            "action": asked.action,
            "ok": bool(self.report.get("ok")),
            "status": str(self.report.get("status", "")),
        }
        desk.say(_told(REPORTED, of_agent(self.agent_id), self.project_id, data))
        return True


def asked_of(queries: Queries, agent_id: str) -> list[tuple[ProjectCopy, ProjectRecord]]:
    """What an agent was asked and has not answered, with the projects."""
    asked = queries.scan(PROJECT_COPIES, agent_id, limit=PAGE_MAX)
    open_ones = [one for one in asked if one.reported_at is None]
    return [(one, project) for one in open_ones if (project := queries.project(one.project_id)) is not None]


def failed_copy(status: str, error: str) -> dict[str, Any]:
    """The report of a copy with which nothing was done."""
    return {"ok": False, "status": status, "branch": "", "head": "", "before": "", "error": error, "workspaces": []}


def _told(event: str, actor: str, project_id: str, data: Mapping[str, Any]) -> Draft:
    return Draft(type=event, actor=actor, subject_kind="project", subject_id=project_id, data=data)
