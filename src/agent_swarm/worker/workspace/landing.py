"""Puts a merge that was checked on a branch of its project: compared with where that was when the check began."""

from agent_swarm.worker.workspace.errors import PushRefused
from agent_swarm.worker.workspace.host import Host
from agent_swarm.worker.workspace.run_repository import RunPaths
from agent_swarm.worker.workspace.snapshot import mirror_of
from agent_swarm.worker.workspace.steps import Step
from agent_swarm.worker.workspace.urls import Remote
from agent_swarm.worker.workspace.values import Landed, Project

_REMEDY = (
    "let the worker push to {branch} (rights, branch protection, hooks); a repository in which that is checked out "
    "takes it with: git config receive.denyCurrentBranch updateInstead"
)


async def secure_merge(host: Host, project: Project, paths: RunPaths, commit: str) -> str:
    """Copy the merge into the mirror; what runs in the workspace later can take nothing from it."""
    mirror = await mirror_of(host, project)
    await mirror.take_in(paths.git_dir, commit)
    return commit


async def land_merge(host: Host, project: Project, *, branch: str, origin: str, commit: str) -> Landed:
    """Point the branch to `commit`, where it is still at `origin`; empty: where it does not exist."""
    landed = Landed(origin=origin, commit=commit, is_there=True)
    if commit == origin:
        return landed
    mirror, remote, ref = await mirror_of(host, project), Remote.parse(project.url), f"refs/heads/{branch}"
    try:
        # Not merely a fast-forward: a branch that somebody has put back has moved, too.
        await mirror.push(remote, commit, ref, f"--force-with-lease={ref}:{origin}")
    except PushRefused as refused:
        now = await mirror.remote_value(remote, ref) or ""
        if now == origin:
            refused.hint = _REMEDY.format(branch=branch)
            raise
        return Landed(origin=origin, commit=commit, is_there=now == commit)
    host.reached(Step.LANDED)
    return landed
