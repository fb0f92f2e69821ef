"""Projects are added."""

from dataclasses import replace

from agent_swarm.store import events, refusals
from agent_swarm.store import operations as ops
from agent_swarm.store.applying.work import Work
from agent_swarm.store.records import ProjectRecord


def create_project(work: Work, op: ops.CreateProject) -> ProjectRecord:
    """Add a project; the same again is no harm."""
    existing = work.rows.project_named(op.project.name)
    if existing is not None:
        if existing.repo_url == op.project.repo_url:
            return existing
        raise refusals.project_exists(existing)
    project = replace(op.project, created_at=work.now)
    work.rows.add_project(project)
    work.drafts.append(events.project_created(op))
    return project
